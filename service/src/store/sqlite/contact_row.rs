//! The columns of a contact's row that come from its profile and its consent.

use std::collections::HashMap;
use std::fmt::Write;

use uuid::Uuid;

use super::attribute_json;
use super::in_place::Values;
use crate::domain::consent::ConsentSummary;
use crate::domain::contact::{Contact, Profile};
use crate::store::common::{NameKeys, consent_columns, micros, name_keys};
use crate::store::encode_profile_into;

/// The change of a contact's profile. The profile is empty before a contact is
/// created and after it is deleted.
#[derive(Clone, Copy)]
pub(super) struct ProfileChange<'a> {
    pub(super) contact_id: Uuid,
    pub(super) before: &'a Profile,
    pub(super) after: &'a Profile,
}

/// The columns of a row that have to be made of the profile.
#[derive(Default)]
pub(super) struct EncodedProfile {
    tags: String,
    attributes: Vec<u8>,
    pub(super) names: NameKeys,
    record: Vec<u8>,
}

impl EncodedProfile {
    /// Encodes that of a contact.
    pub(super) fn set(&mut self, contact: &Contact, tag_keys: &HashMap<String, i64>) {
        let profile = &contact.profile;
        self.tags.clear();
        self.tags.push(',');
        for key in profile.tags.iter().filter_map(|tag| tag_keys.get(tag)) {
            // Writing to a text does not fail.
            let _ = write!(self.tags, "{key},");
        }
        attribute_json::encode(&profile.attributes, &mut self.attributes);
        self.names = name_keys(profile);
        self.record.clear();
        encode_profile_into(contact, &mut self.record);
    }
}

/// Binds the columns `tags`, `attributes`, `phone_number`, `email`, `first_name`,
/// `last_name`, `search_words`, `first_name_key`, `last_name_key` and `record`.
pub(super) fn bind_profile(
    values: &mut Values<'_, '_>,
    profile: &Profile,
    encoded: &EncodedProfile,
) -> rusqlite::Result<()> {
    values
        .bind(encoded.tags.as_str())?
        .bind(encoded.attributes.as_slice())?
        .bind(profile.phone_number.as_ref().map_or("", |number| number.as_str()))?
        .bind(profile.email.as_str())?
        .bind(profile.first_name.as_str())?
        .bind(profile.last_name.as_str())?
        .bind(encoded.names.words.as_str())?
        .bind(encoded.names.first_name_key.as_str())?
        .bind(encoded.names.last_name_key.as_str())?
        .bind(encoded.record.as_slice())?;
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
