//! The columns of a contact's row that come from its profile and its consent.

use std::collections::HashMap;

use uuid::Uuid;

use super::attribute_json;
use super::in_place::Values;
use crate::domain::consent::ConsentSummary;
use crate::domain::contact::{Contact, Profile};
use crate::store::common::{NameKeys, consent_columns, micros};
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
pub(super) fn bind_profile(
    values: &mut Values<'_, '_>,
    contact: &Contact,
    keys: &NameKeys,
    tag_keys: &HashMap<String, i64>,
) -> rusqlite::Result<()> {
    let profile = &contact.profile;
    let mut tags = String::with_capacity(2 + 4 * profile.tags.len());
    tags.push(',');
    for key in profile.tags.iter().filter_map(|tag| tag_keys.get(tag)) {
        tags.push_str(&key.to_string());
        tags.push(',');
    }
    values
        .bind(tags)?
        .bind(attribute_json::encode(&profile.attributes))?
        .bind(profile.phone_number.as_ref().map_or("", |number| number.as_str()))?
        .bind(profile.email.as_str())?
        .bind(profile.first_name.as_str())?
        .bind(profile.last_name.as_str())?
        .bind(keys.words.as_str())?
        .bind(keys.first_name_key.as_str())?
        .bind(keys.last_name_key.as_str())?
        .bind(encode_profile(contact).as_ref())?;
    Ok(())
}

/// Binds state, time, expiry and what its age counts from, for each category, and
/// `opt_in_update_time`.
pub(super) fn bind_consent(
    values: &mut Values<'_, '_>,
    consent: &ConsentSummary,
) -> rusqlite::Result<()> {
    for columns in consent_columns(consent) {
        values
            .bind(columns.code)?
            .bind(columns.time)?
            .bind(columns.expire_time)?
            .bind(columns.counted_from)?;
    }
    values.bind(consent.update_time.map(micros))?;
    Ok(())
}
