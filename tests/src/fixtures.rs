//! Contacts, tags and attributes for tests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use contacts_proto::v1;
use contacts_sdk::{
    AttributeType, Contact, ImportOptions, ImportRow, NewContact, OnConflict, OptInSource,
};

use crate::app::TestApp;

/// The options of the attribute `tier`.
pub const TIERS: [&str; 3] = ["Bronze", "Silver", "Gold"];

/// A line of an export or a list of erasures, as of a database with another key of the same version.
pub fn of_another_key(line: &str) -> String {
    let (before, fingerprint) = line.split_once("\"keys\":[\"1:").expect("a key");
    format!("{before}\"keys\":[\"1:{}{}", "0".repeat(32), &fingerprint[32..])
}

/// Phone number `n`.
pub fn phone(n: usize) -> String {
    format!("1555{n:07}")
}

/// Phone numbers in a range.
pub fn phones(people: std::ops::Range<usize>) -> Vec<String> {
    people.map(phone).collect()
}

/// The time this many seconds after the beginning of 2026.
pub fn timestamp(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_225_600 + seconds)
}

/// The ids of contacts.
pub fn ids<'c>(contacts: impl IntoIterator<Item = &'c Contact>) -> Vec<String> {
    contacts.into_iter().map(|contact| contact.contact_id.clone()).collect()
}

/// A protobuf contact that has only a phone number.
pub fn raw_contact(phone_number: impl Into<String>) -> v1::Contact {
    v1::Contact { phone_number: phone_number.into(), ..v1::Contact::default() }
}

impl TestApp {
    /// Creates tags with these ids.
    pub async fn make_tags(&self, ids: &[&str]) {
        for id in ids {
            self.tags().create(*id).tag_id(*id).await.expect("a tag");
        }
    }

    /// Defines one attribute of each type: `city`, `orders`, `member`, `last_order` and `tier`.
    pub async fn make_attributes(&self) {
        for (id, attribute_type) in [
            ("city", AttributeType::String),
            ("orders", AttributeType::Number),
            ("member", AttributeType::Boolean),
            ("last_order", AttributeType::Timestamp),
        ] {
            self.attributes().create(id, attribute_type).await.expect("an attribute");
        }
        let tier = self.attributes().create("tier", AttributeType::Enum).enum_options(TIERS);
        tier.await.expect("an attribute");
    }

    /// Creates a contact that has only a phone number.
    pub async fn make_contact(&self, phone: impl Into<String>) -> Contact {
        let contact = NewContact::new().phone(phone);
        self.contacts().create(contact).await.expect("a contact")
    }

    /// Creates a contact that is opted in to all categories.
    pub async fn make_opted_in(&self, phone: impl Into<String>) -> Contact {
        let contact = self.make_contact(phone).await;
        let record = self.opt_in().record_opt_in(&contact, OptInSource::WebForm);
        record.await.expect("an opt-in");
        contact
    }

    /// Imports many contacts, merging with existing ones. Panics if a row fails.
    pub async fn make_many(&self, rows: impl IntoIterator<Item = impl Into<ImportRow>>) {
        let rows: Vec<ImportRow> = rows.into_iter().map(Into::into).collect();
        for chunk in rows.chunks(1000) {
            let options = ImportOptions::new().on_conflict(OnConflict::Merge);
            let upsert = self.contacts().batch_upsert(chunk.to_vec()).options(options);
            let outcome = upsert.await.expect("an import");
            assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
        }
    }
}
