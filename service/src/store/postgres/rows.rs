//! Contacts on their way in.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::ser::{Serialize, Serializer};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};

use super::contacts::status_code;
use super::copy::{Rows, copy};
use super::ids::Id;
use super::{ROWS, expect_rows, failure, micros, terms};
use crate::domain::attribute::AttributeValue;
use crate::domain::consent::MessageCategory;
use crate::domain::contact::Contact;
use crate::domain::error::{Error, Result};
use crate::domain::search;
use crate::store::{Workspace, encode_profile, sort_key};

/// From here on, rows are copied and not bound. Postgres takes a third less time
/// over them, most of which it spends on taking arrays apart.
const COPIED: usize = 500;

pub(super) async fn insert(
    db: &mut PgConnection,
    workspace: &Workspace,
    contacts: &[Contact],
) -> Result<()> {
    if contacts.len() < COPIED {
        return insert_bound(db, workspace, contacts).await;
    }
    let statement = "COPY contact (workspace_id, contact_id, version, create_time, update_time,
             opt_in_marketing, marketing_expire_time, opt_in_utility, utility_expire_time,
             opt_in_authentication, authentication_expire_time, opt_in_update_time,
             phone_number, first_name, last_name, email, first_name_key, last_name_key,
             words, terms, attributes, record)
         FROM STDIN (FORMAT BINARY)";
    copy(db, statement, contacts, |rows, contact| push(rows, workspace, contact)).await
}

fn push(rows: &mut Rows, workspace: &Workspace, contact: &Contact) -> Result<()> {
    let columns = Columns::of(contact)?;
    let profile = &contact.profile;
    rows.row(22)
        .bytes(&workspace.workspace_id)
        .id(contact.contact_id)
        .bigint(contact.version)
        .bigint(micros(contact.create_time))
        .bigint(micros(contact.update_time));
    for (status, expire_time) in contact.consent.categories {
        rows.smallint(status_code(status)).bigint_or_null(expire_time.map(micros));
    }
    rows.bigint_or_null(contact.consent.update_time.map(micros))
        .bytes(columns.phone_number)
        .bytes(&profile.first_name)
        .bytes(&profile.last_name)
        .bytes(&profile.email)
        .bytes(&columns.first_name_key)
        .bytes(&columns.last_name_key)
        .tsvector(columns.words.split(' ').filter(|word| !word.is_empty()))
        .texts(&columns.terms)
        .jsonb(&columns.attributes)
        .bytes(&columns.record);
    Ok(())
}

async fn insert_bound(
    db: &mut PgConnection,
    workspace: &Workspace,
    contacts: &[Contact],
) -> Result<()> {
    let query = sqlx::query(
        "INSERT INTO contact (workspace_id, contact_id, version, update_time,
             phone_number, first_name, last_name, email, first_name_key, last_name_key,
             words, terms, attributes, record, create_time, opt_in_update_time,
             opt_in_marketing, marketing_expire_time, opt_in_utility, utility_expire_time,
             opt_in_authentication, authentication_expire_time)
         SELECT w.workspace_id, u.contact_id, u.version, u.update_time,
             u.phone_number, u.first_name, u.last_name, u.email, u.first_name_key,
             u.last_name_key, array_to_tsvector(string_to_array(u.words, ' ')),
             string_to_array(u.terms, chr(31)), u.attributes::jsonb, u.record, u.create_time,
             u.consent_time, u.marketing, u.marketing_end, u.utility, u.utility_end,
             u.authentication, u.authentication_end
         FROM workspace AS w CROSS JOIN unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
             $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
             AS u (contact_id, version, update_time, phone_number, first_name, last_name, email,
                 first_name_key, last_name_key, words, terms, attributes, record, create_time,
                 consent_time, marketing, marketing_end, utility, utility_end, authentication,
                 authentication_end)
         WHERE w.workspace_id = $1",
    );
    let all: Vec<_> = contacts.iter().collect();
    let mut query = bind_profiles(query.bind(&workspace.workspace_id), &all)?
        .bind(all.iter().map(|c| micros(c.create_time)).collect::<Vec<_>>())
        .bind(all.iter().map(|c| c.consent.update_time.map(micros)).collect::<Vec<_>>());
    for category in MessageCategory::ALL {
        let consents: Vec<_> =
            all.iter().map(|c| c.consent.categories[category as usize]).collect();
        query = query
            .bind(consents.iter().map(|(status, _)| status_code(*status)).collect::<Vec<_>>())
            .bind(consents.iter().map(|(_, end)| end.map(micros)).collect::<Vec<_>>());
    }
    let result = query.execute(db).await.map_err(failure)?;
    expect_rows(result.rows_affected(), contacts.len())
}

pub(super) async fn update(
    db: &mut PgConnection,
    workspace: &Workspace,
    changes: &[(Contact, Contact)],
) -> Result<()> {
    for chunk in changes.chunks(ROWS) {
        let query = sqlx::query(
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
        );
        let after: Vec<_> = chunk.iter().map(|(_, after)| after).collect();
        let seen: Vec<_> = chunk.iter().map(|(before, _)| before.version).collect();
        let query = bind_profiles(query.bind(&workspace.workspace_id), &after)?.bind(seen);
        let result = query.execute(&mut *db).await.map_err(failure)?;
        expect_rows(result.rows_affected(), chunk.len())?;
    }
    Ok(())
}

/// Binds what a profile fills of a row, column by column: thirteen of them.
fn bind_profiles<'a>(
    query: Query<'a, Postgres, PgArguments>,
    contacts: &[&Contact],
) -> Result<Query<'a, Postgres, PgArguments>> {
    let columns: Vec<_> =
        contacts.iter().map(|contact| Columns::of(contact)).collect::<Result<_>>()?;
    let texts = |of: fn(&Contact) -> &str| contacts.iter().map(|c| of(c)).collect::<Vec<_>>();
    Ok(query
        .bind(contacts.iter().map(|c| Id(c.contact_id)).collect::<Vec<_>>())
        .bind(contacts.iter().map(|c| c.version).collect::<Vec<_>>())
        .bind(contacts.iter().map(|c| micros(c.update_time)).collect::<Vec<_>>())
        .bind(columns.iter().map(|row| row.phone_number).collect::<Vec<_>>())
        .bind(texts(|contact| &contact.profile.first_name))
        .bind(texts(|contact| &contact.profile.last_name))
        .bind(texts(|contact| &contact.profile.email))
        .bind(columns.iter().map(|row| row.first_name_key.as_str()).collect::<Vec<_>>())
        .bind(columns.iter().map(|row| row.last_name_key.as_str()).collect::<Vec<_>>())
        .bind(columns.iter().map(|row| row.words.as_str()).collect::<Vec<_>>())
        .bind(columns.iter().map(|row| row.terms.join(SEPARATOR)).collect::<Vec<_>>())
        .bind(columns.iter().map(|row| row.attributes.as_str()).collect::<Vec<_>>())
        .bind(columns.iter().map(|row| row.record.as_ref()).collect::<Vec<&[u8]>>()))
}

/// U+001F, `chr(31)`: the domain lets no text have this control character.
const SEPARATOR: &str = "\u{1f}";

/// What of a row is made from a profile.
struct Columns<'a> {
    phone_number: &'a str,
    first_name_key: String,
    last_name_key: String,
    words: String,
    terms: Vec<String>,
    attributes: String,
    record: Bytes,
}

impl<'a> Columns<'a> {
    fn of(contact: &'a Contact) -> Result<Self> {
        let profile = &contact.profile;
        let (first, last) = (profile.first_name.as_str(), profile.last_name.as_str());
        let words = search::normalised(first, last);
        let attributes = Json(&profile.attributes);
        Ok(Self {
            phone_number: profile.phone_number.as_ref().map_or("", |number| number.as_str()),
            first_name_key: sort_key(words.clone()),
            last_name_key: sort_key(search::normalised(last, first)),
            words,
            terms: terms::of(profile),
            attributes: serde_json::to_string(&attributes).map_err(Error::internal)?,
            record: encode_profile(contact),
        })
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
