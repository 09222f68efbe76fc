//! SQL of consent: what a check reads.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::contacts::{json, status, status_code, uuid};
use super::{ROWS, failure, micros, time};
use crate::domain::consent::{CategoryConsent, ConsentState, MessageCategory};
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;
use crate::store::{CheckRow, CheckRows, ConsentRow, Workspace, platform};

pub(super) async fn check(
    db: &mut SqliteConnection,
    workspace_id: &str,
    keys: &[MatchKey],
) -> Result<Option<CheckRows>> {
    let keys: Vec<_> = keys.iter().map(MatchKey::as_str).collect();
    // The workspace's row comes back even when no key has one.
    let rows = sqlx::query(
        "SELECT c.*
         FROM workspace AS w
         LEFT JOIN (json_each(?1) AS asked
             CROSS JOIN consent AS c
             ON c.match_key = asked.value
             AND c.workspace_key = (SELECT workspace_key FROM workspace WHERE workspace_id = ?2))
         WHERE w.workspace_id = ?2",
    )
    .bind(json(&keys)?)
    .bind(workspace_id)
    .fetch_all(db)
    .await
    .map_err(failure)?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut found = CheckRows::with_capacity(rows.len());
    for row in &rows {
        let Some(key) = row.get::<Option<String>, _>("match_key") else { continue };
        let ConsentRow { match_key, contact_id, state, .. } = decode(row, key)?;
        found.insert(match_key, CheckRow { contact_id, state });
    }
    Ok(Some(found))
}

pub(super) async fn get(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    keys: &[MatchKey],
) -> Result<Vec<Option<ConsentRow>>> {
    let asked: Vec<_> = keys.iter().map(MatchKey::as_str).collect();
    let rows = sqlx::query(
        "SELECT c.* FROM json_each(?) AS asked
         CROSS JOIN consent AS c ON c.workspace_key = ? AND c.match_key = asked.value",
    )
    .bind(json(&asked)?)
    .bind(workspace.row_key)
    .fetch_all(db)
    .await
    .map_err(failure)?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let row = decode(row, row.get("match_key"))?;
        found.insert(row.match_key.clone(), row);
    }
    Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
}

pub(super) async fn put(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    rows: &[ConsentRow],
) -> Result<()> {
    let platforms =
        rows.iter().map(|row| platform::encode(&row.state.platform)).collect::<Result<Vec<_>>>()?;
    let rows: Vec<_> = rows.iter().zip(platforms).collect();
    let statements = rows.chunks(ROWS).map(|chunk| {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "INSERT OR REPLACE INTO consent (workspace_key, match_key, contact_id,
                 marketing_status, marketing_time, marketing_expire_time, marketing_event,
                 utility_status, utility_time, utility_expire_time, utility_event,
                 authentication_status, authentication_time, authentication_expire_time,
                 authentication_event, update_time, revision, platform) ",
        );
        sql.push_values(chunk, |mut values, (row, platform)| {
            values
                .push_bind(workspace.row_key)
                .push_bind(row.match_key.as_str())
                .push_bind(row.contact_id.map(bytes));
            for category in MessageCategory::ALL {
                let consent = row.state.get(category);
                values
                    .push_bind(status_code(consent.status))
                    .push_bind(consent.occurred_time.map(micros))
                    .push_bind(consent.expire_time.map(micros))
                    .push_bind(consent.event_id.map(bytes));
            }
            values
                .push_bind(row.state.update_time.map(micros))
                .push_bind(row.revision)
                .push_bind(platform);
        });
        sql
    });
    super::execute_all(db, statements).await?;
    Ok(())
}

pub(super) async fn delete(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    keys: &[MatchKey],
) -> Result<()> {
    let keys: Vec<_> = keys.iter().map(MatchKey::as_str).collect();
    sqlx::query(
        "DELETE FROM consent
         WHERE workspace_key = ? AND match_key IN (SELECT value FROM json_each(?))",
    )
    .bind(workspace.row_key)
    .bind(json(&keys)?)
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// Columns by position: by name costs more than all the rest of a check.
pub(super) fn decode(row: &SqliteRow, match_key: String) -> Result<ConsentRow> {
    let id = |at: usize| row.get::<Option<&[u8]>, _>(at).map(uuid).transpose();
    let timestamp = |at: usize| row.get::<Option<i64>, _>(at).map(time);
    let category = |at: usize| -> Result<CategoryConsent> {
        Ok(CategoryConsent {
            status: status(row.get(at))?,
            occurred_time: timestamp(at + 1),
            expire_time: timestamp(at + 2),
            event_id: id(at + 3)?,
        })
    };
    Ok(ConsentRow {
        match_key: MatchKey::from_stored(match_key),
        contact_id: id(2)?,
        state: ConsentState::new(
            [category(3)?, category(7)?, category(11)?],
            platform::decode(row.get(17))?,
            timestamp(15),
        ),
        revision: row.get(16),
    })
}

fn bytes(id: Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}
