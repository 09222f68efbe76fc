//! SQL of contacts: found, erased, and what they show of their consent.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use uuid::Uuid;

use super::ids::Id;
use super::{ROWS, expect_rows, failure, micros, redirects, time};
use crate::domain::consent::{ConsentSummary, OptInStatus};
use crate::domain::contact::{Contact, Recipient};
use crate::domain::error::{Error, Result};
use crate::store::{ContactRow, Workspace, record_id};

/// What a [`ContactRow`] is read from, of `contact c`. The three statuses come
/// as digits of one number: a column costs as much as what is in it.
pub(super) const COLUMNS: &str = "c.record, c.version,
    100 * c.opt_in_marketing + 10 * c.opt_in_utility + c.opt_in_authentication,
    c.marketing_expire_time, c.utility_expire_time, c.authentication_expire_time,
    c.opt_in_update_time";
/// How many these are.
pub(super) const COLUMN_COUNT: usize = 7;

/// With `hold`, the rows stay as they are until the transaction ends.
pub(super) async fn find(
    db: &mut PgConnection,
    workspace: &Workspace,
    people: &[Recipient],
    hold: bool,
) -> Result<Vec<Option<ContactRow>>> {
    let keys: BTreeSet<&str> = people
        .iter()
        .filter_map(|person| match person {
            Recipient::Key(key) => Some(key.as_str()),
            Recipient::Id(_) => None,
        })
        .collect();
    let ids_by_key = contact_ids(db, workspace, &keys).await?;
    let id_of = |person: &Recipient| match person {
        Recipient::Id(id) => Some(*id),
        Recipient::Key(key) => ids_by_key.get(key.as_str()).copied(),
    };
    let wanted: BTreeSet<Uuid> = people.iter().filter_map(id_of).collect();
    let mut rows = by_ids(db, workspace, &wanted, hold).await?;
    let missing: BTreeSet<_> = wanted.into_iter().filter(|id| !rows.contains_key(id)).collect();
    let mut merged = HashMap::new();
    if !missing.is_empty() {
        merged = redirects::get(db, workspace, &missing).await?;
        rows.extend(by_ids(db, workspace, &merged.values().copied().collect(), hold).await?);
    }
    let row = |id: Uuid| rows.get(merged.get(&id).unwrap_or(&id)).cloned();
    Ok(people.iter().map(|person| row(id_of(person)?)).collect())
}

async fn contact_ids(
    db: &mut PgConnection,
    workspace: &Workspace,
    keys: &BTreeSet<&str>,
) -> Result<HashMap<String, Uuid>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, Id)> = sqlx::query_as(
        "SELECT match_key, contact_id FROM consent
         WHERE workspace_id = $1 AND match_key = ANY($2) AND contact_id IS NOT NULL",
    )
    .bind(&workspace.workspace_id)
    .bind(keys.iter().copied().collect::<Vec<_>>())
    .fetch_all(db)
    .await
    .map_err(failure)?;
    Ok(rows.into_iter().map(|(key, Id(id))| (key, id)).collect())
}

async fn by_ids(
    db: &mut PgConnection,
    workspace: &Workspace,
    wanted: &BTreeSet<Uuid>,
    hold: bool,
) -> Result<HashMap<Uuid, ContactRow>> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let found = "FROM contact AS c WHERE c.workspace_id = $1 AND c.contact_id = ANY($2)";
    // Whoever holds several holds them in this order.
    let held = if hold { "ORDER BY c.contact_id FOR UPDATE" } else { "" };
    let rows = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} {found} {held}")))
        .bind(&workspace.workspace_id)
        .bind(wanted.iter().copied().map(Id).collect::<Vec<_>>())
        .fetch_all(db)
        .await
        .map_err(failure)?;
    rows.iter().map(|row| decode(row, String::new()).map(|row| (row.contact_id, row))).collect()
}

/// Keeps these contacts as they are until the transaction ends.
pub(super) async fn hold(
    db: &mut PgConnection,
    workspace: &Workspace,
    contact_ids: &BTreeSet<Uuid>,
) -> Result<()> {
    sqlx::query(
        "SELECT FROM contact WHERE workspace_id = $1 AND contact_id = ANY($2)
         ORDER BY contact_id FOR UPDATE",
    )
    .bind(&workspace.workspace_id)
    .bind(contact_ids.iter().copied().map(Id).collect::<Vec<_>>())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(super) async fn delete(
    db: &mut PgConnection,
    workspace: &Workspace,
    contacts: &[Contact],
) -> Result<()> {
    let ids: Vec<_> = contacts.iter().map(|contact| Id(contact.contact_id)).collect();
    let sql = "DELETE FROM contact WHERE workspace_id = $1 AND contact_id = ANY($2)";
    let result = sqlx::query(sql)
        .bind(&workspace.workspace_id)
        .bind(&ids)
        .execute(&mut *db)
        .await
        .map_err(failure)?;
    expect_rows(result.rows_affected(), contacts.len())?;
    sqlx::query("DELETE FROM contact_redirect WHERE workspace_id = $1 AND contact_id = ANY($2)")
        .bind(&workspace.workspace_id)
        .bind(&ids)
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

pub(super) async fn set_consent(
    db: &mut PgConnection,
    workspace: &Workspace,
    consents: &[(Uuid, ConsentSummary)],
) -> Result<()> {
    for chunk in consents.chunks(ROWS) {
        let ids: Vec<_> = chunk.iter().map(|(id, _)| Id(*id)).collect();
        let [marketing, utility, authentication] = [0, 1, 2].map(|category| {
            let of = |consent: &ConsentSummary| consent.categories[category];
            let statuses: Vec<_> = chunk.iter().map(|(_, c)| status_code(of(c).0)).collect();
            let ends: Vec<_> = chunk.iter().map(|(_, c)| of(c).1.map(micros)).collect();
            (statuses, ends)
        });
        let times: Vec<_> = chunk.iter().map(|(_, c)| c.update_time.map(micros)).collect();
        let result = sqlx::query(
            "UPDATE contact AS c SET
                 opt_in_marketing = u.marketing, marketing_expire_time = u.marketing_end,
                 opt_in_utility = u.utility, utility_expire_time = u.utility_end,
                 opt_in_authentication = u.authentication,
                 authentication_expire_time = u.authentication_end,
                 opt_in_update_time = u.update_time
             FROM unnest($2, $3, $4, $5, $6, $7, $8, $9)
                 AS u (contact_id, marketing, marketing_end, utility, utility_end,
                     authentication, authentication_end, update_time)
             WHERE c.workspace_id = $1 AND c.contact_id = u.contact_id",
        )
        .bind(&workspace.workspace_id)
        .bind(ids)
        .bind(marketing.0)
        .bind(marketing.1)
        .bind(utility.0)
        .bind(utility.1)
        .bind(authentication.0)
        .bind(authentication.1)
        .bind(times)
        .execute(&mut *db)
        .await
        .map_err(failure)?;
        expect_rows(result.rows_affected(), chunk.len())?;
    }
    Ok(())
}

/// Columns by position: by name costs more than all the rest.
pub(super) fn decode(row: &PgRow, sort_key: String) -> Result<ContactRow> {
    let record = Bytes::copy_from_slice(row.get(0));
    let statuses: i32 = row.get(2);
    let category = |digit: i32, at: usize| {
        let expire_time: Option<i64> = row.get(at);
        status((statuses / digit % 10) as i16).map(|status| (status, expire_time.map(time)))
    };
    let update_time: Option<i64> = row.get(6);
    Ok(ContactRow {
        contact_id: record_id(&record)?,
        record,
        version: row.get(1),
        consent: ConsentSummary {
            categories: [category(100, 3)?, category(10, 4)?, category(1, 5)?],
            update_time: update_time.map(time),
        },
        sort_key,
    })
}

pub(super) fn status_code(status: OptInStatus) -> i16 {
    match status {
        OptInStatus::NotAsked => 1,
        OptInStatus::OptedIn => 2,
        OptInStatus::OptedOut => 3,
    }
}

pub(super) fn status(code: i16) -> Result<OptInStatus> {
    match code {
        1 => Ok(OptInStatus::NotAsked),
        2 => Ok(OptInStatus::OptedIn),
        3 => Ok(OptInStatus::OptedOut),
        _ => Err(Error::internal("a stored opt-in status is unknown")),
    }
}
