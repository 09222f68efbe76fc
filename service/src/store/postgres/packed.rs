//! Many contacts as one row of arrays: fetching a row costs more than anything
//! that is done with a contact on the way to a stream.

use bytes::Bytes;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row};

use super::contacts::status;
use super::{failure, time};
use crate::domain::Time;
use crate::domain::consent::{ConsentSummary, OptInStatus};
use crate::domain::error::{Error, Result};
use crate::store::{ContactRow, record_id};

/// Begins a statement that selects contacts; `FROM contact AS c …` is to follow,
/// up to its limit, with `sort_key` a column of `c` or `''`.
pub(super) fn select(sort_key: &str) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(
        "SELECT string_agg(record, ''), array_agg(octet_length(record)), array_agg(version),
             array_agg(opt_in_marketing), array_agg(marketing_expire_time),
             array_agg(opt_in_utility), array_agg(utility_expire_time),
             array_agg(opt_in_authentication), array_agg(authentication_expire_time),
             array_agg(opt_in_update_time), array_agg(sort_key)
         FROM (SELECT c.record, c.version, c.opt_in_marketing, c.marketing_expire_time,
             c.opt_in_utility, c.utility_expire_time, c.opt_in_authentication,
             c.authentication_expire_time, c.opt_in_update_time, ",
    );
    sql.push(sort_key).push(" AS sort_key");
    sql
}

/// Runs it. `keep` says whether to prepare it for the next time.
pub(super) async fn fetch(
    db: &mut PgConnection,
    mut sql: QueryBuilder<Postgres>,
    keep: bool,
) -> Result<Vec<ContactRow>> {
    let fetched = sql.push(") AS c").build().persistent(keep).fetch_one(db).await;
    let row = fetched.map_err(failure)?;
    let Some(records) = row.get::<Option<&[u8]>, _>(0) else { return Ok(Vec::new()) };
    let mut records = Bytes::copy_from_slice(records);
    let lengths: Vec<i32> = row.get(1);
    let versions: Vec<i64> = row.get(2);
    let [mut marketing, mut utility, mut authentication] =
        [3, 5, 7].map(|at| Category::of(&row, at));
    let mut update_times = row.get::<Vec<Option<i64>>, _>(9).into_iter();
    let mut sort_keys = row.get::<Vec<String>, _>(10).into_iter();
    let mut decode = |(length, version)| {
        let length = usize::try_from(length).ok().filter(|length| *length <= records.len())?;
        let record = records.split_to(length);
        let categories = [marketing.next()?, utility.next()?, authentication.next()?];
        let update_time = update_times.next()?.map(time);
        Some((record, version, categories, update_time, sort_keys.next()?))
    };
    let row = |pair| {
        let (record, version, [marketing, utility, authentication], update_time, sort_key) =
            decode(pair).ok_or_else(|| Error::internal("contacts came in parts that differ"))?;
        Ok(ContactRow {
            contact_id: record_id(&record)?,
            record,
            version,
            consent: ConsentSummary {
                categories: [marketing?, utility?, authentication?],
                update_time,
            },
            sort_key,
        })
    };
    lengths.into_iter().zip(versions).map(row).collect()
}

/// Status and expiry of one category, contact by contact.
struct Category {
    statuses: std::vec::IntoIter<i16>,
    ends: std::vec::IntoIter<Option<i64>>,
}

impl Category {
    fn of(row: &PgRow, at: usize) -> Self {
        let (statuses, ends): (Vec<i16>, Vec<Option<i64>>) = (row.get(at), row.get(at + 1));
        Self { statuses: statuses.into_iter(), ends: ends.into_iter() }
    }
}

impl Iterator for Category {
    type Item = Result<(OptInStatus, Option<Time>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let (code, end) = (self.statuses.next()?, self.ends.next()?);
        Some(status(code).map(|status| (status, end.map(time))))
    }
}
