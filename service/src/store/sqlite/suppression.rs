//! SQL of those who may not be named, and of the keys they are kept under.

use sqlx::{Row, SqliteConnection};

use super::consent;
use super::contacts::json;
use super::{failure, micros};
use crate::domain::Time;
use crate::domain::error::{Error, Result};
use crate::domain::keyring::KeyId;
use crate::domain::phone::MatchKey;
use crate::store::{ConsentRow, Workspace};

pub(super) async fn all_keys(db: &mut SqliteConnection) -> Result<Vec<KeyId>> {
    let sql = "SELECT DISTINCT key_version, fingerprint FROM suppression_key";
    read_keys(sqlx::query_as(sql).fetch_all(db).await.map_err(failure)?)
}

pub(super) async fn keys_of(db: &mut SqliteConnection, workspace_id: &str) -> Result<Vec<KeyId>> {
    let sql = "SELECT key_version, fingerprint FROM suppression_key
               WHERE workspace_key = (SELECT workspace_key FROM workspace WHERE workspace_id = ?)";
    read_keys(sqlx::query_as(sql).bind(workspace_id).fetch_all(db).await.map_err(failure)?)
}

/// There is one writer at a time: nothing has to be held.
pub(super) async fn lock_keys(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    current: KeyId,
) -> Result<Vec<KeyId>> {
    let mut keys = keys_of(&mut *db, &workspace.workspace_id).await?;
    if keys.iter().any(|key| key.version == current.version) {
        return Ok(keys);
    }
    let sql = "INSERT INTO suppression_key (workspace_key, key_version, fingerprint)
               VALUES (?, ?, ?)";
    sqlx::query(sql)
        .bind(workspace.row_key)
        .bind(current.version)
        .bind(current.fingerprint.as_slice())
        .execute(db)
        .await
        .map_err(failure)?;
    keys.push(current);
    Ok(keys)
}

fn read_keys(rows: Vec<(u32, Vec<u8>)>) -> Result<Vec<KeyId>> {
    let key = |(version, fingerprint): (u32, Vec<u8>)| {
        let fingerprint = fingerprint
            .try_into()
            .map_err(|_| Error::internal("a stored key fingerprint is not 16 bytes"))?;
        Ok(KeyId { version, fingerprint })
    };
    rows.into_iter().map(key).collect()
}

pub(super) async fn in_clear(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    limit: usize,
) -> Result<Vec<ConsentRow>> {
    let rows = sqlx::query(
        "SELECT * FROM consent
         WHERE workspace_key = ? AND contact_id IS NULL AND match_key NOT LIKE 'h%' LIMIT ?",
    )
    .bind(workspace.row_key)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    rows.iter().map(|row| consent::decode(row, row.get("match_key"))).collect()
}

pub(super) async fn subjects_in_clear(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    limit: usize,
) -> Result<Vec<MatchKey>> {
    // A contact's subject is a number, which sorts before every text.
    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT subject FROM opt_in_event_detail
         WHERE workspace_key = ? AND subject >= 'i' LIMIT ?",
    )
    .bind(workspace.row_key)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    Ok(rows.into_iter().map(MatchKey::from_stored).collect())
}

pub(super) async fn rename_subjects(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    renamed: &[(MatchKey, MatchKey)],
) -> Result<()> {
    let pairs: Vec<_> = renamed.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
    sqlx::query(
        "UPDATE opt_in_event_detail SET subject = r.new, match_key = r.new
         FROM (SELECT value ->> 0 AS old, value ->> 1 AS new FROM json_each(?)) AS r
         WHERE workspace_key = ? AND subject = r.old",
    )
    .bind(json(&pairs)?)
    .bind(workspace.row_key)
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(super) async fn count(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    version: u32,
) -> Result<i64> {
    let sql = "SELECT count(*) FROM consent
               WHERE workspace_key = ? AND contact_id IS NULL AND match_key LIKE ?";
    let under = format!("h{version}:%");
    let count = sqlx::query_scalar(sql).bind(workspace.row_key).bind(under);
    count.fetch_one(db).await.map_err(failure)
}

pub(super) async fn drop(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    before: Time,
    limit: usize,
) -> Result<u64> {
    let result = sqlx::query(
        "DELETE FROM consent
         WHERE workspace_key = ?1 AND match_key IN (
             SELECT match_key FROM consent
             WHERE workspace_key = ?1 AND contact_id IS NULL AND update_time < ?2 LIMIT ?3)",
    )
    .bind(workspace.row_key)
    .bind(micros(before))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(result.rows_affected())
}
