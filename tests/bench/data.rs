//! Generated contacts: six attributes, two to four tags, three of four opted in.

use std::time::{Duration, SystemTime};

use contacts_sdk::{
    AttributeType, AttributeValue, ContactsClient, ImportConsent, ImportRow, NewContact,
};

use super::Result;

/// A tag that four of ten contacts have.
pub const TAG: &str = "event_attendee";
/// A filter that a tenth of the contacts match.
pub const TENTH: &str = r#"tags:event_attendee AND attributes.tier = "Gold" AND opt_in = OPTED_IN"#;

const FIRST: [&str; 12] = [
    "Ana", "João", "Maria", "Peter", "Olga", "Mei", "Fatima", "Aiko", "Noah", "Léa", "Mara",
    "Marta",
];
const LAST: [&str; 10] = [
    "Silva", "García", "Smith", "Müller", "Ivanova", "Wang", "Hassan", "Tanaka", "Brown", "Dubois",
];
const CITIES: [&str; 8] =
    ["São Paulo", "Berlin", "Lagos", "東京", "Paris", "Delhi", "Ciudad de México", "القاهرة"];

pub async fn define(client: &ContactsClient) -> Result {
    for (id, attribute_type) in [
        ("city", AttributeType::String),
        ("company", AttributeType::String),
        ("orders", AttributeType::Number),
        ("lifetime_value", AttributeType::Number),
        ("last_seen", AttributeType::Timestamp),
    ] {
        client.attributes().create(id, attribute_type).attribute_id(id).await?;
    }
    client
        .attributes()
        .create("tier", AttributeType::Enum)
        .enum_options(["Gold", "Silver"])
        .await?;
    Ok(())
}

/// The phone number of a contact: unique, and not in import order.
pub fn phone(index: u64) -> String {
    format!("49{:011}", 10_000_000_000 + index.wrapping_mul(2_654_435_761) % 9_999_999_967)
}

/// The rows of an import.
pub fn rows(count: u64) -> impl Iterator<Item = ImportRow> + Send {
    rows_from(0).take(count as usize)
}

/// Rows without an end, from the one with this number.
#[expect(clippy::disallowed_methods, reason = "made-up contacts were last seen in the past months")]
pub fn rows_from(first: u64) -> impl Iterator<Item = ImportRow> + Send {
    let now = SystemTime::now();
    (first..).map(move |index| row(index, now))
}

fn row(index: u64, now: SystemTime) -> ImportRow {
    let mut random = Random(index.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut contact = NewContact::new()
        .phone(phone(index))
        .first_name(FIRST[random.below(12)])
        .last_name(format!("{} {}", LAST[random.below(10)], random.below(1000)))
        .email(format!("user{index}@example.com"))
        .tag(format!("tag_{}", random.below(29)))
        .attribute("city", CITIES[random.below(8)])
        .attribute("company", format!("Company {}", random.below(10_000)))
        .attribute("orders", random.below(50) as f64)
        .attribute("lifetime_value", random.below(1_000_000) as f64 / 100.0)
        .attribute("tier", if random.below(3) == 0 { "Gold" } else { "Silver" })
        .attribute("last_seen", seen(now, random.below(10_000_000)));
    // 40 % · 33 % · 75 % is a tenth.
    if random.below(5) < 2 {
        contact = contact.tag(TAG);
    }
    for _ in 0..1 + random.below(2) {
        contact = contact.tag(format!("tag_{}", random.below(29)));
    }
    let row = ImportRow::new(contact);
    match random.below(4) {
        0 => row,
        _ => row.consent(ImportConsent::opted_in()),
    }
}

fn seen(now: SystemTime, seconds_ago: usize) -> AttributeValue {
    AttributeValue::Timestamp(now - Duration::from_secs(seconds_ago as u64))
}

/// Xorshift generator, with the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}
