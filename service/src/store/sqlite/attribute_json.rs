//! The attributes of a contact, as stored in its row: an object of JSONB by attribute id, written
//! here, because SQLite takes longer to make it of text than to write the row. Each value has a
//! type that SQLite compares exactly.

use std::collections::BTreeMap;
use std::io::Write;

use crate::domain::attribute::AttributeValue;
use crate::store::common::micros;

/// The types of JSONB: the low four bits of an element's first byte.
mod kind {
    pub const INTEGER: u8 = 3;
    /// Text without characters that JSON escapes.
    pub const PLAIN: u8 = 7;
    /// Text as it is.
    pub const RAW: u8 = 10;
    pub const OBJECT: u8 = 12;
}

/// Longest header of an element.
const HEADER: usize = 5;

/// Encodes attributes as JSONB.
pub(super) fn encode(attributes: &BTreeMap<String, AttributeValue>, out: &mut Vec<u8>) {
    out.clear();
    // The length of an element is before it, and so is its size.
    out.resize(HEADER, 0);
    for (id, value) in attributes {
        text(out, id);
        match value {
            AttributeValue::String(string) => text(out, string),
            AttributeValue::Number(number) => integer(out, number_key(*number)),
            AttributeValue::Boolean(bool) => integer(out, i64::from(*bool)),
            AttributeValue::Timestamp(time) => integer(out, micros(*time)),
        }
    }
    let mut header = Vec::with_capacity(HEADER);
    self::header(&mut header, kind::OBJECT, out.len() - HEADER);
    out.splice(..HEADER, header);
}

fn text(out: &mut Vec<u8>, text: &str) {
    let is_escaped = |byte: u8| byte < b' ' || matches!(byte, b'"' | b'\\');
    let kind = if text.bytes().any(is_escaped) { kind::RAW } else { kind::PLAIN };
    header(out, kind, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn integer(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0; 20];
    let mut left = digits.as_mut_slice();
    // No integer has more than 20 characters.
    write!(left, "{number}").expect("room for an integer");
    let length = 20 - left.len();
    header(out, kind::INTEGER, length);
    out.extend_from_slice(&digits[..length]);
}

fn header(out: &mut Vec<u8>, kind: u8, length: usize) {
    let size = |code: u8| code << 4 | kind;
    match length {
        0..=11 => out.push(size(length as u8)),
        12..=0xff => out.extend_from_slice(&[size(12), length as u8]),
        0x100..=0xffff => {
            out.push(size(13));
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(size(14));
            // Messages are far shorter.
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
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
    use proptest::prelude::*;
    use rusqlite::Connection;
    use rusqlite::types::Value;

    use super::*;
    use crate::domain::Time;

    #[test]
    fn number_keys_are_ordered_like_the_numbers() {
        let numbers =
            [f64::MIN, -1e300, -2.5, -1.0, -f64::MIN_POSITIVE, 0.0, 5e-324, 0.1, 0.1 + 0.2, 1e300];
        assert!(numbers.is_sorted_by(|a, b| number_key(*a) < number_key(*b)));
        assert_eq!(number_key(-0.0), number_key(0.0));
    }

    /// What SQLite reads of each attribute, if it finds the whole to be valid JSONB.
    fn read(attributes: &BTreeMap<String, AttributeValue>) -> BTreeMap<String, Value> {
        let db = Connection::open_in_memory().expect("a database");
        let mut encoded = vec![9; 3];
        encode(attributes, &mut encoded);
        let is_valid = "SELECT json_valid(?, 8)";
        let is_valid: bool = db.query_row(is_valid, [&encoded], |row| row.get(0)).expect("a row");
        assert!(is_valid, "{encoded:?}");
        let count = "SELECT count(*) FROM json_each(?)";
        let count: i64 = db.query_row(count, [&encoded], |row| row.get(0)).expect("a row");
        assert_eq!(usize::try_from(count), Ok(attributes.len()));
        let value = |id: &String| {
            let sql = "SELECT ? ->> ?";
            let value = db.query_row(sql, (&encoded, id), |row| row.get(0)).expect("a row");
            (id.clone(), value)
        };
        attributes.keys().map(value).collect()
    }

    fn expected(value: &AttributeValue) -> Value {
        match value {
            AttributeValue::String(string) => Value::Text(string.clone()),
            AttributeValue::Number(number) => Value::Integer(number_key(*number)),
            AttributeValue::Boolean(bool) => Value::Integer((*bool).into()),
            AttributeValue::Timestamp(time) => Value::Integer(micros(*time)),
        }
    }

    #[test]
    fn texts_of_any_length_are_read_as_they_were() {
        for length in [0, 1, 11, 12, 255, 256, 65_535, 65_536, 70_000] {
            let long = AttributeValue::String("ä\"".repeat(length).chars().take(length).collect());
            let attributes = BTreeMap::from([("a".to_owned(), long.clone())]);
            assert_eq!(read(&attributes), [("a".to_owned(), expected(&long))].into());
        }
    }

    proptest! {
        #[test]
        fn attributes_are_read_as_they_were(
            attributes in prop::collection::btree_map(
                "[a-z][a-z0-9_]{0,20}",
                prop_oneof![
                    // Without NUL, which no text has.
                    "[^\0]{0,20}".prop_map(AttributeValue::String),
                    any::<f64>().prop_filter("finite", |n| n.is_finite())
                        .prop_map(AttributeValue::Number),
                    any::<bool>().prop_map(AttributeValue::Boolean),
                    (-1_i64 << 50..1 << 50).prop_map(|at| AttributeValue::Timestamp(
                        Time::from_timestamp_micros(at).expect("a time"))),
                ],
                0..20,
            ),
        ) {
            let as_read = attributes.iter().map(|(id, value)| (id.clone(), expected(value)));
            prop_assert_eq!(read(&attributes), as_read.collect());
        }
    }
}
