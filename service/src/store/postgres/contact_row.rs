//! The row of a contact: reading it, and the columns that come from its profile.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::ser::{Serialize, Serializer};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row};

use super::terms;
use crate::domain::attribute::AttributeValue;
use crate::domain::consent::{ConsentSummary, MessageCategory, OptInPolicy};
use crate::domain::contact::Contact;
use crate::domain::error::{Error, Result};
use crate::store::common::{Columns, NameKeys, consent_columns, micros, name_keys, shown_consent};
use crate::store::{ContactRow, encode_profile, record_id};

/// The columns that [`decode`] reads, of `contact AS c`. The three states are in one
/// number, because each column costs as much as its content; from when a permission ages
/// is read only where the policy limits ages.
pub(super) fn columns(policy: &OptInPolicy) -> &'static str {
    match policy.limits_age() {
        false => COLUMNS,
        true => AGED_COLUMNS,
    }
}

/// The number of [`columns`].
pub(super) fn column_count(policy: &OptInPolicy) -> usize {
    if policy.limits_age() { AGES + 3 } else { AGES }
}

const COLUMNS: &str = "c.record, c.version,
    65536 * c.opt_in_marketing + 256 * c.opt_in_utility + c.opt_in_authentication,
    c.marketing_expire_time, c.utility_expire_time, c.authentication_expire_time,
    c.opt_in_update_time";

const AGED_COLUMNS: &str = "c.record, c.version,
    65536 * c.opt_in_marketing + 256 * c.opt_in_utility + c.opt_in_authentication,
    c.marketing_expire_time, c.utility_expire_time, c.authentication_expire_time,
    c.opt_in_update_time, coalesce(c.marketing_counted_from, c.marketing_time),
    coalesce(c.utility_counted_from, c.utility_time, c.marketing_time),
    coalesce(c.authentication_counted_from, c.authentication_time, c.marketing_time)";

/// The first column that only [`AGED_COLUMNS`] has.
const AGES: usize = 7;

pub(super) fn decode(row: &PgRow, policy: &OptInPolicy, sort_key: String) -> Result<ContactRow> {
    let record = Bytes::copy_from_slice(row.bytes(0));
    let states: i32 = row.get(2);
    let category = |shift: i32, at: usize| ((states >> shift & 0xff) as i16, row.optional_time(at));
    let counted_from = match policy.limits_age() {
        true => [AGES, AGES + 1, AGES + 2].map(|at| row.optional_time(at)),
        false => [None; 3],
    };
    let categories = [category(16, 3), category(8, 4), category(0, 5)];
    Ok(ContactRow {
        contact_id: record_id(&record)?,
        record,
        version: row.int(1),
        consent: shown_consent(categories, counted_from, policy, row.optional_time(6))?,
        sort_key,
        identities: Vec::new(),
    })
}

/// Binds `contact_id`, `version`, `update_time` and the columns that come from the
/// profile, as one array per column: thirteen in all.
pub(super) fn bind_profiles<'a>(
    query: Query<'a, Postgres, PgArguments>,
    contacts: &[&Contact],
) -> Result<Query<'a, Postgres, PgArguments>> {
    let columns: Vec<_> =
        contacts.iter().map(|contact| ProfileColumns::of(contact)).collect::<Result<_>>()?;
    let texts = |of: fn(&Contact) -> &str| contacts.iter().map(|c| of(c)).collect::<Vec<_>>();
    Ok(query
        .bind(contacts.iter().map(|c| c.contact_id).collect::<Vec<_>>())
        .bind(contacts.iter().map(|c| c.version).collect::<Vec<_>>())
        .bind(contacts.iter().map(|c| micros(c.update_time)).collect::<Vec<_>>())
        .bind(columns.iter().map(|row| row.phone_number).collect::<Vec<_>>())
        .bind(texts(|contact| &contact.profile.first_name))
        .bind(texts(|contact| &contact.profile.last_name))
        .bind(texts(|contact| &contact.profile.email))
        .bind(columns.iter().map(|row| row.names.first_name_key.as_str()).collect::<Vec<_>>())
        .bind(columns.iter().map(|row| row.names.last_name_key.as_str()).collect::<Vec<_>>())
        .bind(columns.iter().map(|row| row.names.words.as_str()).collect::<Vec<_>>())
        .bind(columns.iter().map(|row| row.terms.join(SEPARATOR)).collect::<Vec<_>>())
        .bind(columns.iter().map(|row| row.attributes.as_str()).collect::<Vec<_>>())
        .bind(columns.iter().map(|row| row.record.as_ref()).collect::<Vec<&[u8]>>()))
}

/// Binds `opt_in_update_time`, then for each category state, time, expiry and what its age
/// counts from, as one array per column: thirteen in all.
pub(super) fn bind_consents<'a>(
    query: Query<'a, Postgres, PgArguments>,
    consents: &[&ConsentSummary],
) -> Query<'a, Postgres, PgArguments> {
    let columns: Vec<_> = consents.iter().map(|consent| consent_columns(consent)).collect();
    let update_times = consents.iter().map(|consent| consent.update_time.map(micros));
    let mut query = query.bind(update_times.collect::<Vec<_>>());
    for category in 0..MessageCategory::ALL.len() {
        let of = || columns.iter().map(move |columns| columns[category]);
        query = query
            .bind(of().map(|columns| columns.code).collect::<Vec<_>>())
            .bind(of().map(|columns| columns.time).collect::<Vec<_>>())
            .bind(of().map(|columns| columns.expire_time).collect::<Vec<_>>())
            .bind(of().map(|columns| columns.counted_from).collect::<Vec<_>>());
    }
    query
}

/// Separates terms: U+001F, `chr(31)`. The domain allows no text to contain this
/// control character.
const SEPARATOR: &str = "\u{1f}";

/// The columns that are computed from a profile.
pub(super) struct ProfileColumns<'a> {
    pub(super) phone_number: &'a str,
    pub(super) names: NameKeys,
    pub(super) terms: Vec<String>,
    /// JSON.
    pub(super) attributes: String,
    pub(super) record: Bytes,
}

impl<'a> ProfileColumns<'a> {
    pub(super) fn of(contact: &'a Contact) -> Result<Self> {
        let profile = &contact.profile;
        let attributes = Json(&profile.attributes);
        Ok(Self {
            phone_number: profile.phone_number.as_ref().map_or("", |number| number.as_str()),
            names: name_keys(profile),
            terms: terms::of(profile),
            attributes: serde_json::to_string(&attributes).map_err(Error::internal)?,
            record: encode_profile(contact),
        })
    }
}

/// Attributes as filters compare them: times as microseconds.
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
