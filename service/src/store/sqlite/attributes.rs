//! How a contact's attributes lie in its row: JSON by attribute id, each value
//! of a kind that SQLite compares exactly.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::micros;
use crate::domain::attribute::AttributeValue;

/// The JSON of a contact's attributes; SQL makes JSONB of it.
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

/// An integer in the order of the numbers. JSON holds numbers as decimal text,
/// and text is not read back to the last bit; integers are.
pub(super) fn number_key(number: f64) -> i64 {
    // Zero has two signs and is one number.
    let bits = (number + 0.0).to_bits() as i64;
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_the_numbers() {
        let numbers =
            [f64::MIN, -1e300, -2.5, -1.0, -f64::MIN_POSITIVE, 0.0, 5e-324, 0.1, 0.1 + 0.2, 1e300];
        assert!(numbers.is_sorted_by(|a, b| number_key(*a) < number_key(*b)));
        assert_eq!(number_key(-0.0), number_key(0.0));
    }
}
