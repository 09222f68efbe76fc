//! What reads bytes that callers wrote, each as a function that panics if it does not hold what it promises.
//! tests/fuzz runs them under libFuzzer; the test below runs them over its seeds.

use std::sync::LazyLock;

use uuid::Uuid;

use crate::domain::Time;
use crate::domain::attribute::{AttributeDefinition, AttributeType};
use crate::domain::filter::{self, Definitions};
use crate::domain::phone::{PhoneNumber, WhatsAppUserId, match_key_of};
use crate::domain::webhook::{self, MAX_ITEMS, StopWords};
pub use crate::grpc::fuzzing::import;
use crate::operations::token::{self, Cursor};

/// A filter: it compiles or not. The canonical text of one that does means the same.
pub fn filter(data: &[u8]) {
    static DEFINITIONS: LazyLock<Definitions> = LazyLock::new(definitions);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let now = Time::UNIX_EPOCH;
    match filter::compile(text, &DEFINITIONS, now) {
        Ok(None) => assert!(text.trim().is_empty(), "{text}"),
        Ok(Some(expr)) => {
            let canonical = expr.to_string();
            // It can be longer than the text: an hour ago becomes a time.
            if canonical.len() <= filter::MAX_BYTES {
                let again = filter::compile(&canonical, &DEFINITIONS, now);
                assert_eq!(again, Ok(Some(expr)), "{canonical}");
            }
        }
        Err(error) => {
            assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}");
            assert!(error.message.len() < 2000, "{error}");
        }
    }
}

fn definitions() -> Definitions {
    let attributes = [
        ("state", AttributeType::String),
        ("score", AttributeType::Number),
        ("vip_member", AttributeType::Boolean),
        ("last_order", AttributeType::Timestamp),
        ("tier", AttributeType::Enum),
    ];
    let attributes = attributes.map(|(id, attribute_type)| {
        let options = ["Gold", "Silver \"plus\""].map(str::to_owned).to_vec();
        let definition = AttributeDefinition {
            attribute_id: id.to_owned(),
            display_name: id.to_owned(),
            attribute_type,
            enum_options: if attribute_type == AttributeType::Enum { options } else { Vec::new() },
            description: String::new(),
            create_time: Time::UNIX_EPOCH,
            update_time: Time::UNIX_EPOCH,
        };
        (id.to_owned(), definition)
    });
    let tags = ["vip", "event_attendee"].map(str::to_owned).into();
    Definitions { tags, attributes: attributes.into(), ..Definitions::default() }
}

/// A phone number or user id: what is accepted is digits, or an id, that mean the same again.
pub fn phone(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match PhoneNumber::parse(text) {
        Ok(number) => {
            let digits = number.as_str();
            assert!((7..=15).contains(&digits.len()), "{digits}");
            assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{digits}");
            assert_eq!(PhoneNumber::parse(digits).as_ref(), Ok(&number));
            assert_eq!(match_key_of(text).ok(), Some(number.match_key()));
            for variant in number.variants() {
                assert_eq!(variant.match_key(), number.match_key(), "{digits}");
            }
        }
        Err(error) => {
            // Its description repeats no number. There are examples in it.
            const EXAMPLES: [&str; 4] =
                ["15551234567", "447700900123", "07700900123", "00447700900123"];
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let is_of_example = EXAMPLES.iter().any(|example| example.contains(&digits));
            assert!(
                is_of_example || !error.to_string().contains(&digits) || digits.len() < 3,
                "{error}"
            );
        }
    }
    if let Ok(id) = WhatsAppUserId::parse(text) {
        assert_eq!(WhatsAppUserId::parse(id.as_str()).as_ref(), Ok(&id));
        assert!(PhoneNumber::parse(id.as_str()).is_err());
    }
}

/// A page or resume token: only those that were made here open, with what they were made of.
pub fn token(data: &[u8]) {
    const KEY: [u8; 32] = [7; 32];
    const BINDING: token::Binding<'_> = &["ListContacts", "default"];
    if let Ok(text) = std::str::from_utf8(data) {
        assert_eq!(token::open(&KEY, BINDING, text), None);
    }
    let Some((id, rest)) = data.split_first_chunk::<16>() else { return };
    let Some((count, rest)) = rest.split_first_chunk::<8>() else { return };
    let Some((&[at, bit], text)) = rest.split_first_chunk::<2>() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let cursor = Cursor {
        id: Uuid::from_bytes(*id),
        text: text.to_owned(),
        count: i64::from_be_bytes(*count),
        asked_at: Time::UNIX_EPOCH,
    };
    let sealed = token::seal(&KEY, BINDING, &cursor);
    assert_eq!(token::open(&KEY, BINDING, &sealed), Some(cursor));
    assert_eq!(token::open(&KEY, &["ListContacts", "other"], &sealed), None);
    let mut damaged = sealed.into_bytes();
    let at = usize::from(at) % damaged.len();
    damaged[at] ^= 1 << (bit % 8);
    if let Ok(damaged) = String::from_utf8(damaged) {
        assert_eq!(token::open(&KEY, BINDING, &damaged), None, "{damaged}");
    }
}

/// The body of a webhook: it is read within the limits, the same each time.
pub fn webhook(data: &[u8]) {
    let stop_words = StopWords::default();
    let read = webhook::parse(data, &stop_words);
    if let Ok(webhook) = &read {
        assert!(webhook.changes.len() <= webhook::MAX_CHANGES);
        // An item says two things at most.
        assert!(webhook.actions().count() <= 2 * MAX_ITEMS);
        for unreadable in &webhook.unreadable {
            assert!(unreadable.path.starts_with("entry"), "{}", unreadable.path);
        }
    }
    assert_eq!(webhook::parse(data, &stop_words), read);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_seeds_of_the_fuzz_targets_pass() {
        let service = Path::new(env!("CARGO_MANIFEST_DIR"));
        type Target = fn(&[u8]);
        let targets: [(&str, Target); 5] = [
            ("../tests/fuzz/seeds/filter", super::filter),
            ("../tests/fuzz/seeds/import", super::import),
            ("../tests/fuzz/seeds/phone", super::phone),
            ("../tests/fuzz/seeds/token", super::token),
            ("src/domain/webhook/samples", super::webhook),
        ];
        for (folder, target) in targets {
            let files: Vec<_> = fs::read_dir(service.join(folder)).expect("seeds").collect();
            assert!(!files.is_empty(), "{folder}");
            for file in files {
                let data = fs::read(file.expect("a file").path()).expect("a seed");
                target(&data);
                // And damaged in a few ways.
                for cut in 0..data.len().min(64) {
                    target(&data[cut..]);
                    target(&data[..data.len() - cut]);
                    let mut flipped = data.clone();
                    flipped[cut] ^= 1 << (cut % 8);
                    target(&flipped);
                }
            }
        }
    }
}
