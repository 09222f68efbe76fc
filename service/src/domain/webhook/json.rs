//! A JSON document that remembers repeated keys.
//!
//! `serde_json::Value` keeps the last of two members with the same name, so that
//! `{"value": "stop", "value": "resume"}` would read as a resume. Here both stay, and each reader
//! decides: an objection takes all of them, a permission refuses the object.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{MAX_DEPTH, MAX_VALUES, WebhookError};

/// One JSON value.
pub(super) enum Json {
    Null,
    Bool,
    /// An integer. None if it is negative.
    Number(Option<u64>),
    /// With a fraction or an exponent, or larger than `u64::MAX`.
    Float(f64),
    Text(String),
    List(Vec<Json>),
    Object(Object),
}

/// The members of a JSON object, in their order.
pub(super) struct Object {
    members: Vec<(String, Json)>,
    repeats: bool,
}

/// Absence, for objects that lack a member.
static NULL: Json = Json::Null;

impl Json {
    pub(super) fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether nothing was sent. Some senders write null or an empty text for it.
    pub(super) fn is_absent(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            _ => false,
        }
    }
}

impl Object {
    fn new(members: Vec<(String, Json)>) -> Self {
        let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let repeats = names.windows(2).any(|pair| pair[0] == pair[1]);
        Self { members, repeats }
    }

    /// Whether two members have the same name, so that nobody can tell which one counts.
    pub(super) fn repeats(&self) -> bool {
        self.repeats
    }

    /// All members of that name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Json> {
        self.members.iter().filter(move |(known, _)| known == name).map(|(_, value)| value)
    }

    /// The first member of that name, or null. For objects that do not repeat names.
    pub(super) fn get(&self, name: &str) -> &Json {
        self.all(name).next().unwrap_or(&NULL)
    }

    /// The texts of all members of that name.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.all(name).filter_map(Json::as_text)
    }

    /// The objects among all members of that name.
    pub(super) fn objects(&self, name: &str) -> impl Iterator<Item = &Object> {
        self.all(name).filter_map(Json::as_object)
    }

    /// The elements of all lists of that name.
    pub(super) fn elements(&self, name: &str) -> impl Iterator<Item = &Json> {
        self.all(name).flat_map(|list| match list {
            Json::List(elements) => elements.as_slice(),
            _ => &[],
        })
    }
}

/// Refuses what is nested too deep or has too many values. Reads the bytes only, so it is decided
/// before anything is built; what is no JSON gets some answer.
pub(super) fn measure(json: &str) -> Result<(), WebhookError> {
    let mut depth = 0_usize;
    // At most one value follows each of these, and one is the document itself.
    let mut count = 1_usize;
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += if byte == b'"' { text_length(&bytes[at..]) } else { 1 };
        match byte {
            b'[' | b'{' => {
                depth += 1;
                count += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => count += 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(WebhookError::TooDeep);
        }
    }
    match count > MAX_VALUES {
        true => Err(WebhookError::TooMany { what: "JSON values", count, max: MAX_VALUES }),
        false => Ok(()),
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Bool)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(Some(number)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(u64::try_from(number).ok()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Json::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(Object::new(members)))
    }
}

/// Makes numbers that are too large for any type smaller. They are no integers before and after.
pub(super) fn with_finite_numbers(json: &str) -> Cow<'_, str> {
    let mut repaired = String::new();
    let (mut copied, mut at) = (0, 0);
    let bytes = json.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        let begin = at;
        at += match byte {
            b'"' => text_length(&bytes[at..]),
            b'-' | b'0'..=b'9' => {
                let ends =
                    |byte: &u8| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                bytes[at..].iter().position(ends).unwrap_or(bytes.len() - at)
            }
            _ => 1,
        };
        // Shorter ones are finite, and most numbers are.
        let Some(number) = json.get(begin..at).filter(|it| it.len() > 4 && byte != b'"') else {
            continue;
        };
        let digits = number.trim_start_matches('-').as_bytes();
        let is_json = !matches!(digits, [b'0', b'0'..=b'9', ..]);
        if is_json && number.parse().is_ok_and(f64::is_infinite) {
            let (mantissa, _) = number.split_once(['e', 'E']).unwrap_or((number, ""));
            let (whole, fraction) = mantissa.split_at(mantissa.find('.').unwrap_or(mantissa.len()));
            let sign_and_digit = 1 + usize::from(whole.starts_with('-'));
            repaired.push_str(&json[copied..begin]);
            repaired.extend([&whole[..sign_and_digit], fraction, "e300"]);
            copied = at;
        }
    }
    match copied {
        0 => Cow::Borrowed(json),
        _ => Cow::Owned(repaired + &json[copied..]),
    }
}

/// The length of a text with its quotes, from the first of them on.
fn text_length(json: &[u8]) -> usize {
    let mut escaped = false;
    let ends = |byte: &u8| {
        let is_end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        is_end
    };
    json[1..].iter().position(ends).map_or(json.len(), |end| end + 2)
}

/// Replaces escapes of half a character outside of the basic plane, which make a text no text, as
/// what is no UTF-8 is replaced. Some programs cut texts there, and nothing else is wrong with the rest.
pub(super) fn without_half_characters(json: &str) -> Cow<'_, str> {
    let mut repaired = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(escape) = json[at..].find('\\').map(|found| at + found) {
        let (length, is_half) = match (surrogate(json, escape), surrogate(json, escape + UNIT)) {
            (Some(Half::High), Some(Half::Low)) => (2 * UNIT, false),
            (Some(_), _) => (UNIT, true),
            (None, _) => (1 + json[escape + 1..].chars().next().map_or(0, char::len_utf8), false),
        };
        if is_half {
            repaired.push_str(&json[copied..escape]);
            repaired.push(char::REPLACEMENT_CHARACTER);
            copied = escape + length;
        }
        at = escape + length;
    }
    match copied {
        0 => Cow::Borrowed(json),
        _ => Cow::Owned(repaired + &json[copied..]),
    }
}

/// The length of an escape such as `\ud83d`.
const UNIT: usize = 6;

/// Half of a character outside of the basic plane.
enum Half {
    High,
    Low,
}

/// Which half this escape is, if it is one.
fn surrogate(json: &str, at: usize) -> Option<Half> {
    let digits = json.get(at..at + UNIT)?.strip_prefix("\\u")?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..0xdc00 => Some(Half::High),
        0xdc00..0xe000 => Some(Half::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_characters_are_replaced_and_nothing_else() {
        for (json, expected) in [
            (r#""\ud800""#, "\u{fffd}"),
            (r#""a\uDC00b\ud83d\ude00c""#, "a\u{fffd}b\u{1f600}c"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\\ud800 \" é\u00e9\\""#, "\\ud800 \" éé\\"),
            (r#""STOP""#, "STOP"),
        ] {
            let repaired = without_half_characters(json);
            let read: Json = serde_json::from_str(&repaired).expect(json);
            assert_eq!(read.as_text(), Some(expected), "{json}");
        }
        // What is no JSON stays so.
        for broken in ["\\", "\"\\", "\"\\ud8", "\"\\u+800\"", "\\é"] {
            assert!(serde_json::from_str::<Json>(&without_half_characters(broken)).is_err());
        }
    }

    #[test]
    fn numbers_beyond_all_types_are_read_as_no_integers() {
        let nines = "9".repeat(400);
        for number in ["1e309", "-1e999", "1.5E+400", "0.1e400", &nines, &format!("-{nines}.25")] {
            let json = format!(r#"{{"a\"1e999": [1, {number}], "b": "1e999", "c": 7}}"#);
            let finite = with_finite_numbers(&json);
            let read: Json = serde_json::from_str(&finite).unwrap_or_else(|_| panic!("{finite}"));
            let object = read.as_object().expect("an object");
            assert_eq!(object.texts("b").collect::<Vec<_>>(), ["1e999"]);
            assert!(matches!(object.get("c"), Json::Number(Some(7))));
            let list: Vec<_> = object.elements("a\"1e999").collect();
            assert!(matches!(list[..], [Json::Number(Some(1)), Json::Float(_)]), "{number}");
        }
        for other in ["1e308", "131050", "-7", "1.0", "\"1e999", "[\"\\\"1e999\", 2]", "é1"] {
            assert_eq!(with_finite_numbers(other), other);
        }
        for broken in ["01e999", "1.e999", "1e999e", "--1e999", "1e+"] {
            assert!(
                serde_json::from_str::<Json>(&with_finite_numbers(broken)).is_err(),
                "{broken}"
            );
        }
    }

    #[test]
    fn depth_and_values_are_counted_outside_texts() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let brackets = "[".repeat(MAX_DEPTH + 1);
        assert_eq!(measure(&format!(r#"{{"a": ["{brackets}\"[\\"], "b": {{}}}}"#)), Ok(()));
        assert_eq!(measure(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(measure(&nested(MAX_DEPTH + 1)), Err(WebhookError::TooDeep));
        assert_eq!(measure(&"[".repeat(1_000_000)), Err(WebhookError::TooDeep));
        assert_eq!(measure("]]]]{}"), Ok(()));

        let list = |count: usize| format!("[{}]", vec!["0"; count].join(","));
        assert_eq!(measure(&list(MAX_VALUES - 1)), Ok(()));
        let count = MAX_VALUES + 1;
        let many = WebhookError::TooMany { what: "JSON values", count, max: MAX_VALUES };
        assert_eq!(measure(&list(MAX_VALUES)), Err(many));
        assert_eq!(measure(&format!("[\"{}\"]", ",[{".repeat(MAX_VALUES))), Ok(()));
    }

    #[test]
    fn repeated_names_are_kept_and_noticed() {
        let json: Json = serde_json::from_str(r#"{"v": "stop", "w": 1, "v": "resume"}"#).unwrap();
        let object = json.as_object().unwrap();
        assert!(object.repeats());
        assert_eq!(object.texts("v").collect::<Vec<_>>(), ["stop", "resume"]);
        assert!(matches!(object.get("w"), Json::Number(Some(1))));
        assert!(object.get("x").is_absent());
    }

    #[test]
    fn huge_and_odd_numbers_are_no_integers() {
        for number in ["-1", "1.0", "1e3", "18446744073709551616", "123456789012345678901234567890"]
        {
            let json: Json = serde_json::from_str(number).unwrap();
            assert!(matches!(json, Json::Number(None) | Json::Float(_)), "{number}");
        }
    }
}
