//! Contacts fetched as one row of two columns. Fetching a row from SQLite costs
//! more than everything else that a stream does with a contact.

use bytes::Bytes;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::filter;
use super::session::SqliteSession;
use crate::domain::Time;
use crate::domain::consent::{MessageCategory, OptInPolicy};
use crate::domain::error::{Error, Result};
use crate::store::common::{shown_consent, time};
use crate::store::{ContactRow, record_id};

/// Begins a statement that selects contacts. The caller appends
/// `FROM contact AS c …` up to the limit. Sort keys contain neither `,` nor `;`.
pub(super) fn select(sort_key: &str, policy: &OptInPolicy) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(
        "SELECT group_concat(about, ';'), CAST(group_concat(record, '') AS BLOB) FROM (SELECT
             c.record, concat_ws(',', length(c.record), c.version, c.opt_in_marketing,
                 ifnull(c.marketing_expire_time, ''), c.opt_in_utility,
                 ifnull(c.utility_expire_time, ''), c.opt_in_authentication,
                 ifnull(c.authentication_expire_time, ''), ifnull(c.opt_in_update_time, ''), ",
    );
    if policy.limits_age() {
        for category in MessageCategory::ALL {
            let from = filter::counted_from(category);
            sql.push("ifnull(").push(from).push(", ''), ");
        }
    }
    sql.push(sort_key).push(") AS about");
    sql
}

/// Runs a statement that [`select`] began. None if the contacts are larger than this session may read at
/// once: then the caller asks for fewer.
pub(super) async fn fetch(
    db: &mut SqliteSession,
    mut sql: QueryBuilder<Sqlite>,
    policy: &OptInPolicy,
) -> Result<Option<Vec<ContactRow>>> {
    let Some(row) = db.fetch_unless_too_large(sql.push(")").build()).await? else {
        return Ok(None);
    };
    let Some(about) = row.get::<Option<&str>, _>(0) else { return Ok(Some(Vec::new())) };
    let records: Vec<u8> = row.get(1);
    let mut records = Bytes::from(records);
    let decode = |about| decode(about, &mut records, policy).ok_or_else(damaged)?;
    about.split(';').map(decode).collect::<Result<_>>().map(Some)
}

/// How many contacts to ask for after so many were too large. Far fewer, because what was read in vain costs as much
/// as a page.
pub(super) fn fewer(asked: usize) -> Result<usize> {
    match asked {
        0 | 1 => Err(Error::internal("a contact is larger than a page can be")),
        _ => Ok(asked.div_ceil(16)),
    }
}

fn decode(about: &str, records: &mut Bytes, policy: &OptInPolicy) -> Option<Result<ContactRow>> {
    let mut parts = about.split(',');
    let length: usize = parts.next()?.parse().ok()?;
    if length > records.len() {
        return None;
    }
    let record = records.split_to(length);
    let version = parts.next()?.parse().ok()?;
    let mut category = || -> Option<(i16, Option<Time>)> {
        Some((parts.next()?.parse().ok()?, timestamp(parts.next()?)?))
    };
    let categories = [category()?, category()?, category()?];
    let update_time = timestamp(parts.next()?)?;
    let mut counted_from = [None; 3];
    if policy.limits_age() {
        for from in &mut counted_from {
            *from = timestamp(parts.next()?)?;
        }
    }
    let sort_key = parts.next()?.to_owned();
    Some((|| {
        Ok(ContactRow {
            contact_id: record_id(&record)?,
            record,
            version,
            consent: shown_consent(categories, counted_from, policy, update_time)?,
            sort_key,
            identities: Vec::new(),
        })
    })())
}

/// Empty text stands for null.
fn timestamp(text: &str) -> Option<Option<Time>> {
    match text {
        "" => Some(None),
        micros => micros.parse().ok().map(|micros| Some(time(micros))),
    }
}

fn damaged() -> Error {
    Error::internal("a batch of contacts does not decode")
}
