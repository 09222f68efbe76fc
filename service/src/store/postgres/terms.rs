//! Terms, by which an index finds contacts: their tags, and attribute values that
//! filters compare for equality.

use crate::domain::attribute::AttributeValue;
use crate::domain::contact::Profile;
use crate::domain::filter::Value;

/// Longest text that becomes a term, in bytes. Longer ones are compared row by row.
const MAX_TEXT: usize = 64;
/// Up to this number, doubles represent every whole number.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// The terms of a contact.
pub(super) fn of(profile: &Profile) -> Vec<String> {
    let values = profile.attributes.iter().filter_map(|(id, value)| of_value(id, value));
    profile.tags.iter().cloned().chain(values).collect()
}

/// The term of a value, if it is one. Tag ids have no `=`.
fn of_value(id: &str, value: &AttributeValue) -> Option<String> {
    match value {
        AttributeValue::String(text) => of_text(id, text),
        AttributeValue::Number(number) => of_number(id, *number),
        AttributeValue::Boolean(bool) => Some(format!("{id}={bool}")),
        // Nearly every contact has a different one, which would make a large index,
        // and no filter compares microseconds for equality.
        AttributeValue::Timestamp(_) => None,
    }
}

/// The term that all contacts with this value have, and no others.
pub(super) fn of_literal(id: &str, value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => of_text(id, text),
        Value::Number(number) => of_number(id, *number),
        Value::Bool(bool) => Some(format!("{id}={bool}")),
        Value::Time(_) => None,
    }
}

fn of_text(id: &str, text: &str) -> Option<String> {
    (text.len() <= MAX_TEXT).then(|| format!("{id}={text}"))
}

/// Whole numbers, such as a branch or a plan; fractions are mostly amounts.
fn of_number(id: &str, number: f64) -> Option<String> {
    let whole = number.fract() == 0.0 && number.abs() <= MAX_WHOLE;
    whole.then(|| format!("{id}={}", number as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_terms() {
        for number in [0.0, -0.0] {
            assert_eq!(of_number("n", number).as_deref(), Some("n=0"));
        }
        assert_eq!(of_number("n", -12e3).as_deref(), Some("n=-12000"));
        for number in [0.5, 1e300, MAX_WHOLE + 2.0] {
            assert_eq!(of_number("n", number), None);
        }
    }

    #[test]
    fn long_texts_are_no_terms() {
        assert_eq!(of_text("t", &"é".repeat(32)), Some(format!("t={}", "é".repeat(32))));
        assert_eq!(of_text("t", &"é".repeat(33)), None);
    }
}
