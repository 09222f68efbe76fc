//! The attributes of a contact, as stored in its row: JSON by attribute id. Each
//! value has a type that SQLite compares exactly.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::attribute::AttributeValue;
use crate::store::common::micros;

/// Encodes attributes as JSON. SQL turns it into JSONB.
pub(super) fn encode(attributes: &BTreeMap<String, AttributeValue>) -> String {
    let value = |value: &AttributeValue| match value {
        AttributeValue::String(string) => Value::from(string.as_str()),
        AttributeValue::Number(number) => Value::from(number_key(*number)),
        AttributeValue::Boolean(bool) => Value::from(i64::from(*bool)),
        AttributeValue::Timestamp(time) => Value::from(micros(*time)),
    };
    let object: Map<_, _> = attributes.iter().map(|(id, v)| (id.clone(), value(v))).collect();
    Value::Object(object).to_string()
}

/// Maps numbers to integers in the same order. JSON stores a number as decimal
/// text, which SQLite does not read back to the last bit. It does for integers.
pub(super) fn number_key(number: f64) -> i64 {
    // Both zeros get the same key.
    let bits = (number + 0.0).to_bits() as i64;
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_keys_are_ordered_like_the_numbers() {
        let numbers =
            [f64::MIN, -1e300, -2.5, -1.0, -f64::MIN_POSITIVE, 0.0, 5e-324, 0.1, 0.1 + 0.2, 1e300];
        assert!(numbers.is_sorted_by(|a, b| number_key(*a) < number_key(*b)));
        assert_eq!(number_key(-0.0), number_key(0.0));
    }
}
