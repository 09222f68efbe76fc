//! Contacts on their way in: many in one statement, column by column.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::ser::{Serialize, Serializer};
use sqlx::PgConnection;

use super::contacts::status_code;
use super::ids::Id;
use super::{ROWS, expect_rows, failure, micros, terms};
use crate::domain::attribute::AttributeValue;
use crate::domain::contact::Contact;
use crate::domain::error::{Error, Result};
use crate::domain::search;
use crate::store::{Workspace, encode_profile, sort_key};

pub(super) async fn insert(
    db: &mut PgConnection,
    workspace: &Workspace,
    contacts: &[Contact],
) -> Result<()> {
    for chunk in contacts.chunks(ROWS) {
        let profiles = Profiles::of(chunk.iter())?;
        let create_times: Vec<_> = chunk.iter().map(|c| micros(c.create_time)).collect();
        let [marketing, utility, authentication] = [0, 1, 2].map(|category| {
            let of = |contact: &Contact| contact.consent.categories[category];
            let statuses: Vec<_> = chunk.iter().map(|c| status_code(of(c).0)).collect();
            let ends: Vec<_> = chunk.iter().map(|c| of(c).1.map(micros)).collect();
            (statuses, ends)
        });
        let consent_times: Vec<_> =
            chunk.iter().map(|c| c.consent.update_time.map(micros)).collect();
        let result = sqlx::query(
            "INSERT INTO contact (workspace_id, contact_id, version, update_time,
                 phone_number, first_name, last_name, email, first_name_key, last_name_key,
                 words, terms, attributes, record, create_time,
                 opt_in_marketing, marketing_expire_time, opt_in_utility, utility_expire_time,
                 opt_in_authentication, authentication_expire_time, opt_in_update_time)
             SELECT w.workspace_id, u.contact_id, u.version, u.update_time,
                 u.phone_number, u.first_name, u.last_name, u.email, u.first_name_key,
                 u.last_name_key, array_to_tsvector(string_to_array(u.words, ' ')),
                 string_to_array(u.terms, chr(31)), u.attributes::jsonb, u.record, u.create_time,
                 u.marketing, u.marketing_end, u.utility, u.utility_end,
                 u.authentication, u.authentication_end, u.consent_time
             FROM workspace AS w CROSS JOIN unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
                 $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
                 AS u (contact_id, version, update_time, phone_number, first_name, last_name,
                     email, first_name_key, last_name_key, words, terms, attributes, record,
                     create_time, marketing, marketing_end, utility, utility_end, authentication,
                     authentication_end, consent_time)
             WHERE w.workspace_id = $1",
        )
        .bind(&workspace.workspace_id)
        .bind(&profiles.contact_ids)
        .bind(&profiles.versions)
        .bind(&profiles.update_times)
        .bind(&profiles.phone_numbers)
        .bind(&profiles.first_names)
        .bind(&profiles.last_names)
        .bind(&profiles.emails)
        .bind(&profiles.first_name_keys)
        .bind(&profiles.last_name_keys)
        .bind(&profiles.words)
        .bind(&profiles.terms)
        .bind(&profiles.attributes)
        .bind(profiles.records())
        .bind(create_times)
        .bind(marketing.0)
        .bind(marketing.1)
        .bind(utility.0)
        .bind(utility.1)
        .bind(authentication.0)
        .bind(authentication.1)
        .bind(consent_times)
        .execute(&mut *db)
        .await
        .map_err(failure)?;
        expect_rows(result.rows_affected(), chunk.len())?;
    }
    Ok(())
}

pub(super) async fn update(
    db: &mut PgConnection,
    workspace: &Workspace,
    changes: &[(Contact, Contact)],
) -> Result<()> {
    for chunk in changes.chunks(ROWS) {
        let profiles = Profiles::of(chunk.iter().map(|(_, after)| after))?;
        let seen: Vec<_> = chunk.iter().map(|(before, _)| before.version).collect();
        let result = sqlx::query(
            "UPDATE contact AS c SET version = u.version, update_time = u.update_time,
                 phone_number = u.phone_number, first_name = u.first_name,
                 last_name = u.last_name, email = u.email, first_name_key = u.first_name_key,
                 last_name_key = u.last_name_key,
                 words = array_to_tsvector(string_to_array(u.words, ' ')),
                 terms = string_to_array(u.terms, chr(31)), attributes = u.attributes::jsonb,
                 record = u.record
             FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
                 AS u (contact_id, version, update_time, phone_number, first_name, last_name,
                     email, first_name_key, last_name_key, words, terms, attributes, record, seen)
             WHERE c.workspace_id = $1 AND c.contact_id = u.contact_id AND c.version = u.seen",
        )
        .bind(&workspace.workspace_id)
        .bind(&profiles.contact_ids)
        .bind(&profiles.versions)
        .bind(&profiles.update_times)
        .bind(&profiles.phone_numbers)
        .bind(&profiles.first_names)
        .bind(&profiles.last_names)
        .bind(&profiles.emails)
        .bind(&profiles.first_name_keys)
        .bind(&profiles.last_name_keys)
        .bind(&profiles.words)
        .bind(&profiles.terms)
        .bind(&profiles.attributes)
        .bind(profiles.records())
        .bind(seen)
        .execute(&mut *db)
        .await
        .map_err(failure)?;
        expect_rows(result.rows_affected(), chunk.len())?;
    }
    Ok(())
}

/// What a profile fills of its row.
#[derive(Default)]
struct Profiles<'a> {
    contact_ids: Vec<Id>,
    versions: Vec<i64>,
    update_times: Vec<i64>,
    phone_numbers: Vec<&'a str>,
    first_names: Vec<&'a str>,
    last_names: Vec<&'a str>,
    emails: Vec<&'a str>,
    first_name_keys: Vec<String>,
    last_name_keys: Vec<String>,
    words: Vec<String>,
    terms: Vec<String>,
    attributes: Vec<String>,
    records: Vec<Bytes>,
}

impl<'a> Profiles<'a> {
    fn of(contacts: impl Iterator<Item = &'a Contact>) -> Result<Self> {
        let mut columns = Self::default();
        for contact in contacts {
            let profile = &contact.profile;
            let (first, last) = (profile.first_name.as_str(), profile.last_name.as_str());
            let attributes = Json(&profile.attributes);
            columns.contact_ids.push(Id(contact.contact_id));
            columns.versions.push(contact.version);
            columns.update_times.push(micros(contact.update_time));
            columns.phone_numbers.push(profile.phone_number.as_ref().map_or("", |n| n.as_str()));
            columns.first_names.push(first);
            columns.last_names.push(last);
            columns.emails.push(&profile.email);
            let words = search::normalised(first, last);
            columns.first_name_keys.push(sort_key(words.clone()));
            columns.last_name_keys.push(sort_key(search::normalised(last, first)));
            columns.words.push(words);
            columns.terms.push(terms::joined(profile));
            columns.attributes.push(serde_json::to_string(&attributes).map_err(Error::internal)?);
            columns.records.push(encode_profile(contact));
        }
        Ok(columns)
    }

    fn records(&self) -> Vec<&[u8]> {
        self.records.iter().map(AsRef::as_ref).collect()
    }
}

/// Attributes as filters compare them.
struct Json<'a>(&'a BTreeMap<String, AttributeValue>);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(id, value)| (id, JsonValue(value))))
    }
}

struct JsonValue<'a>(&'a AttributeValue);

impl Serialize for JsonValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            AttributeValue::String(text) => serializer.serialize_str(text),
            AttributeValue::Number(number) => serializer.serialize_f64(*number),
            AttributeValue::Boolean(bool) => serializer.serialize_bool(*bool),
            AttributeValue::Timestamp(time) => serializer.serialize_i64(micros(*time)),
        }
    }
}
