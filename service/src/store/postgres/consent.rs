//! SQL of consent: what a check reads.

use std::collections::{BTreeSet, HashMap, HashSet};

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use uuid::Uuid;

use super::contacts::{self, status, status_code};
use super::ids::Id;
use super::{ROWS, expect_rows, failure, micros, time};
use crate::domain::consent::{CategoryConsent, ConsentState, MessageCategory};
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::store::{CheckRow, CheckRows, ConsentRow, Workspace, platform};

/// What a [`ConsentRow`] is read from, of `consent c`.
macro_rules! columns {
    () => {
        "c.match_key, c.contact_id, c.revision, c.update_time,
         c.marketing_status, c.marketing_time, c.marketing_expire_time, c.marketing_event,
         c.utility_status, c.utility_time, c.utility_expire_time, c.utility_event,
         c.authentication_status, c.authentication_time, c.authentication_expire_time,
         c.authentication_event, c.platform"
    };
}
pub(super) use columns;

/// A server in recovery is a copy that may be behind.
#[derive(Debug, thiserror::Error)]
#[error("the database server is a standby")]
struct Standby;

pub(super) async fn check(
    db: &mut PgConnection,
    workspace_id: &str,
    keys: &[MatchKey],
) -> Result<Option<CheckRows>> {
    // The workspace's row comes back even when no key has one.
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        ", pg_is_in_recovery()
         FROM workspace AS w
         LEFT JOIN consent AS c ON c.workspace_id = w.workspace_id AND c.match_key = ANY($2)
         WHERE w.workspace_id = $1"
    ))
    .bind(workspace_id)
    .bind(texts(keys))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    let Some(first) = rows.first() else { return Ok(None) };
    if first.get(17) {
        return Err(Error::unavailable(Standby));
    }
    let mut found = CheckRows::with_capacity(rows.len());
    for row in &rows {
        let Some(key) = row.get::<Option<String>, _>(0) else { continue };
        let ConsentRow { match_key, contact_id, state, .. } = decode(row, key)?;
        found.insert(match_key, CheckRow { contact_id, state });
    }
    Ok(Some(found))
}

/// The rows of these keys as they are now.
pub(super) async fn get(
    db: &mut PgConnection,
    workspace: &Workspace,
    keys: &[MatchKey],
) -> Result<Vec<Option<ConsentRow>>> {
    let found = read(db, workspace, keys, false).await?;
    Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
}

/// The same, to stay so until the transaction ends. `held` learns of which keys
/// there are rows.
///
/// A contact is held before its rows, however it was named. Otherwise two
/// changes, one by phone number and one by user id, wait for each other.
pub(super) async fn hold(
    db: &mut PgConnection,
    workspace: &Workspace,
    keys: &[MatchKey],
    held: &mut HashSet<MatchKey>,
) -> Result<Vec<Option<ConsentRow>>> {
    let mut found = read(db, workspace, keys, false).await?;
    if !found.is_empty() {
        let owners: BTreeSet<Uuid> = found.values().filter_map(|row| row.contact_id).collect();
        if !owners.is_empty() {
            contacts::hold(db, workspace, &owners).await?;
        }
        found = read(db, workspace, keys, true).await?;
        let changed_hands = |owner| !owners.contains(&owner);
        if found.values().filter_map(|row| row.contact_id).any(changed_hands) {
            return Err(Error::write_conflict());
        }
    }
    held.extend(found.keys().cloned());
    Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
}

async fn read(
    db: &mut PgConnection,
    workspace: &Workspace,
    keys: &[MatchKey],
    hold: bool,
) -> Result<HashMap<MatchKey, ConsentRow>> {
    const READ: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM consent AS c WHERE c.workspace_id = $1 AND c.match_key = ANY($2)"
    );
    // Whoever holds several holds them in this order.
    let held = if hold { " ORDER BY c.match_key FOR UPDATE" } else { "" };
    let rows = sqlx::query(AssertSqlSafe(format!("{READ}{held}")))
        .bind(&workspace.workspace_id)
        .bind(texts(keys))
        .fetch_all(db)
        .await
        .map_err(failure)?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let row = decode(row, row.get(0))?;
        found.insert(row.match_key.clone(), row);
    }
    Ok(found)
}

/// Replaces the rows that are held and adds the others. A row that is there and
/// not held came in between: writing over it could lose an opt-out.
pub(super) async fn put(
    db: &mut PgConnection,
    workspace: &Workspace,
    rows: &[ConsentRow],
    held: &mut HashSet<MatchKey>,
) -> Result<()> {
    let (known, new): (Vec<_>, Vec<_>) = rows.iter().partition(|row| held.contains(&row.match_key));
    for chunk in known.chunks(ROWS) {
        let sql = "UPDATE consent AS c SET contact_id = u.contact_id, revision = u.revision,
             update_time = u.update_time,
             marketing_status = u.marketing_status, marketing_time = u.marketing_time,
             marketing_expire_time = u.marketing_end, marketing_event = u.marketing_event,
             utility_status = u.utility_status, utility_time = u.utility_time,
             utility_expire_time = u.utility_end, utility_event = u.utility_event,
             authentication_status = u.authentication_status,
             authentication_time = u.authentication_time,
             authentication_expire_time = u.authentication_end,
             authentication_event = u.authentication_event, platform = u.platform
         FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
             AS u (match_key, contact_id, revision, update_time,
                 marketing_status, marketing_time, marketing_end, marketing_event,
                 utility_status, utility_time, utility_end, utility_event,
                 authentication_status, authentication_time, authentication_end,
                 authentication_event, platform)
         WHERE c.workspace_id = $1 AND c.match_key = u.match_key";
        write(db, workspace, sql, chunk).await?;
    }
    for chunk in new.chunks(ROWS) {
        let sql = "INSERT INTO consent (workspace_id, match_key, contact_id, revision, update_time,
             marketing_status, marketing_time, marketing_expire_time, marketing_event,
             utility_status, utility_time, utility_expire_time, utility_event,
             authentication_status, authentication_time, authentication_expire_time,
             authentication_event, platform)
         SELECT w.workspace_id, u.*
         FROM workspace AS w CROSS JOIN unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
             $14, $15, $16, $17, $18) AS u
         WHERE w.workspace_id = $1";
        write(db, workspace, sql, chunk).await?;
    }
    held.extend(new.into_iter().map(|row| row.match_key.clone()));
    Ok(())
}

async fn write(
    db: &mut PgConnection,
    workspace: &Workspace,
    sql: &'static str,
    rows: &[&ConsentRow],
) -> Result<()> {
    let keys: Vec<_> = rows.iter().map(|row| row.match_key.as_str()).collect();
    let contact_ids: Vec<_> = rows.iter().map(|row| row.contact_id.map(Id)).collect();
    let revisions: Vec<_> = rows.iter().map(|row| row.revision).collect();
    let update_times: Vec<_> = rows.iter().map(|row| row.state.update_time.map(micros)).collect();
    let platforms = rows.iter().map(|row| platform::encode(&row.state.platform));
    let platforms = platforms.collect::<Result<Vec<_>>>()?;
    let mut query = sqlx::query(sql)
        .bind(&workspace.workspace_id)
        .bind(keys)
        .bind(contact_ids)
        .bind(revisions)
        .bind(update_times);
    for category in MessageCategory::ALL {
        let consents: Vec<_> = rows.iter().map(|row| row.state.get(category)).collect();
        let moments = |of: fn(&CategoryConsent) -> Option<crate::domain::Time>| {
            consents.iter().map(|consent| of(consent).map(micros)).collect::<Vec<_>>()
        };
        query = query
            .bind(consents.iter().map(|consent| status_code(consent.status)).collect::<Vec<_>>())
            .bind(moments(|consent| consent.occurred_time))
            .bind(moments(|consent| consent.expire_time))
            .bind(consents.iter().map(|consent| consent.event_id.map(Id)).collect::<Vec<_>>());
    }
    let result = query.bind(platforms).execute(db).await.map_err(failure)?;
    expect_rows(result.rows_affected(), rows.len())
}

pub(super) async fn delete(
    db: &mut PgConnection,
    workspace: &Workspace,
    keys: &[MatchKey],
) -> Result<()> {
    sqlx::query("DELETE FROM consent WHERE workspace_id = $1 AND match_key = ANY($2)")
        .bind(&workspace.workspace_id)
        .bind(texts(keys))
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

/// Columns by position: by name costs more than all the rest of a check.
pub(super) fn decode(row: &PgRow, match_key: String) -> Result<ConsentRow> {
    let id = |at: usize| row.get::<Option<Id>, _>(at).map(|Id(id)| id);
    let timestamp = |at: usize| row.get::<Option<i64>, _>(at).map(time);
    let category = |at: usize| -> Result<CategoryConsent> {
        Ok(CategoryConsent {
            status: status(row.get(at))?,
            occurred_time: timestamp(at + 1),
            expire_time: timestamp(at + 2),
            event_id: id(at + 3),
        })
    };
    Ok(ConsentRow {
        match_key: MatchKey::from_stored(match_key),
        contact_id: id(1),
        revision: row.get(2),
        state: ConsentState::new(
            [category(4)?, category(8)?, category(12)?],
            platform::decode(row.get(16))?,
            timestamp(3),
        ),
    })
}

fn texts(keys: &[MatchKey]) -> Vec<&str> {
    keys.iter().map(MatchKey::as_str).collect()
}
