//! How single fields are read: strictly for what permits, with everything that helps for what objects.

use std::collections::BTreeSet;

use super::Fault;
use super::action::{Identity, MessageId};
use super::json::{Json, Object};
use crate::domain::Time;
use crate::domain::consent::is_sender;
use crate::domain::phone::{PhoneNumber, WhatsAppUserId};

/// 2009-01-01, the year of WhatsApp: nobody said anything on it before.
const FIRST_SECOND: u64 = 1_230_768_000;
/// Later than all seconds, earlier than all milliseconds since then.
const SECONDS_END: u64 = 100_000_000_000;

/// A phone number that a permission depends on. None if there is none.
pub(super) fn permission_phone(item: &Object, field: &str) -> Result<Option<PhoneNumber>, Fault> {
    read_strictly(item, field, |text| PhoneNumber::parse(text).ok())
}

/// A user id that a permission depends on. None if there is none.
pub(super) fn permission_user(item: &Object, field: &str) -> Result<Option<WhatsAppUserId>, Fault> {
    read_strictly(item, field, |text| WhatsAppUserId::parse(text).ok())
}

fn read_strictly<T>(
    item: &Object,
    field: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    let value = item.get(field);
    if value.is_absent() {
        return Ok(None);
    }
    let text = id_text(value).ok_or(Fault::Malformed)?;
    parse(&text).map(Some).ok_or(Fault::Malformed)
}

/// The time that a permission depends on.
pub(super) fn permission_time(item: &Object) -> Result<Time, Fault> {
    let value = item.get("timestamp");
    if value.is_absent() {
        return Err(Fault::Missing);
    }
    seconds(value).ok_or(Fault::Malformed)
}

/// The identities an objection names in one field, whichever kind they are of, with how many there
/// are that cannot be read.
pub(super) fn objection_ids(item: &Object, field: &str, ids: &mut BTreeSet<Identity>) -> usize {
    let mut unreadable = 0;
    for value in item.all(field).filter(|value| !value.is_absent()) {
        match id_text(value).and_then(|text| any_identity(&text)) {
            Some(id) => _ = ids.insert(id),
            None => unreadable += 1,
        }
    }
    unreadable
}

fn any_identity(text: &str) -> Option<Identity> {
    let phone = PhoneNumber::parse(text).map(Identity::Phone);
    phone.ok().or_else(|| WhatsAppUserId::parse(text.trim()).map(Identity::User).ok())
}

/// The time of an objection, or of an item nothing depends on: None if it cannot be read.
pub(super) fn objection_time(item: &Object) -> Option<Time> {
    let mut times = item.all("timestamp");
    let time = times.next().and_then(seconds);
    time.filter(|_| times.next().is_none())
}

/// The message an item is about.
pub(super) fn message_id(item: &Object) -> Option<MessageId> {
    let mut ids = item.all("id");
    let id = ids.next().and_then(Json::as_text).and_then(MessageId::parse);
    id.filter(|_| ids.next().is_none())
}

/// The business's number that a change is about. None if it is not named, not readable, or named
/// twice.
pub(super) fn sender(value: &Object) -> Option<String> {
    let mut all = value.objects("metadata").flat_map(|metadata| metadata.all("phone_number_id"));
    let sender = all.next().and_then(id_text).filter(|_| all.next().is_none())?;
    is_sender(&sender).then_some(sender)
}

/// An id is text; some senders write numbers without quotes.
fn id_text(value: &Json) -> Option<String> {
    match value {
        Json::Text(text) => Some(text.clone()),
        Json::Number(number) => number.map(|number| number.to_string()),
        _ => None,
    }
}

/// Seconds since 1970 as an integer or as decimal digits. Milliseconds, which would be tens of
/// thousands of years ahead, and times before WhatsApp are none.
fn seconds(value: &Json) -> Option<Time> {
    let seconds = match value {
        Json::Number(number) => (*number)?,
        Json::Text(text) if is_decimal(text) => text.parse().ok()?,
        _ => return None,
    };
    let in_range = (FIRST_SECOND..SECONDS_END).contains(&seconds);
    in_range.then(|| Time::from_timestamp(seconds.cast_signed(), 0)).flatten()
}

/// No sign, no space, no leading zero.
fn is_decimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<i64> {
        let value: Json = serde_json::from_str(json).expect("JSON");
        seconds(&value).map(|time| time.timestamp())
    }

    #[test]
    fn times_are_whole_seconds_since_whatsapp() {
        assert_eq!(read("1739321024"), Some(1_739_321_024));
        assert_eq!(read("\"1739321024\""), Some(1_739_321_024));
        assert_eq!(read("1230768000"), Some(1_230_768_000));
        for unreadable in [
            "1739321024000",
            "\"1739321024000\"",
            "1739321024.0",
            "\"1739321024.5\"",
            "1230767999",
            "0",
            "-1739321024",
            "\"+1739321024\"",
            "\" 1739321024\"",
            "\"01739321024\"",
            "\"١٧٣٩٣٢١٠٢٤\"",
            "\"1739321024\\u0000\"",
            "\"2025-02-12T00:43:44Z\"",
            "123456789012345678901234567890",
            "\"\"",
            "null",
            "true",
            "[1739321024]",
        ] {
            assert_eq!(read(unreadable), None, "{unreadable}");
        }
    }
}
