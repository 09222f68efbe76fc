//! The columns of a contact's row that come from its profile and its consent.

use std::collections::HashMap;

use sqlx::Sqlite;
use sqlx::query_builder::Separated;
use uuid::Uuid;

use super::attribute_json;
use crate::domain::consent::ConsentSummary;
use crate::domain::contact::{Contact, Profile};
use crate::store::common::{consent_columns, micros, name_keys};
use crate::store::encode_profile;

/// The change of a contact's profile. The profile is empty before a contact is
/// created and after it is deleted.
#[derive(Clone, Copy)]
pub(super) struct ProfileChange<'a> {
    pub(super) contact_id: Uuid,
    pub(super) before: &'a Profile,
    pub(super) after: &'a Profile,
}

/// Binds the columns `tags`, `attributes`, `phone_number`, `email`, `first_name`,
/// `last_name`, `search_words`, `first_name_key`, `last_name_key` and `record`.
pub(super) fn push_profile(
    row: &mut Separated<'_, Sqlite, &'static str>,
    contact: &Contact,
    tag_keys: &HashMap<String, i64>,
) {
    let profile = &contact.profile;
    let keys = name_keys(profile);
    let mut tags = String::from(",");
    for key in profile.tags.iter().filter_map(|tag| tag_keys.get(tag)) {
        tags.push_str(&key.to_string());
        tags.push(',');
    }
    row.push_bind(tags)
        .push("jsonb(")
        .push_bind_unseparated(attribute_json::encode(&profile.attributes))
        .push_unseparated(")")
        .push_bind(profile.phone_number.as_ref().map(ToString::to_string).unwrap_or_default())
        .push_bind(&profile.email)
        .push_bind(&profile.first_name)
        .push_bind(&profile.last_name)
        .push_bind(keys.words)
        .push_bind(keys.first_name_key)
        .push_bind(keys.last_name_key)
        .push_bind(encode_profile(contact).to_vec());
}

/// Binds state, time, expiry and what its age counts from, for each category, and
/// `opt_in_update_time`.
pub(super) fn push_consent(
    row: &mut Separated<'_, Sqlite, &'static str>,
    consent: &ConsentSummary,
) {
    for columns in consent_columns(consent) {
        row.push_bind(columns.code)
            .push_bind(columns.time)
            .push_bind(columns.expire_time)
            .push_bind(columns.counted_from);
    }
    row.push_bind(consent.update_time.map(micros));
}
