//! SQL of saved answers.

use bytes::Bytes;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::contacts::{json, uuid};
use super::{failure, micros, time};
use crate::domain::Time;
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;
use crate::store::{NewStoredResponse, StoredResponse, StoredResponseInfo, Subjects, Workspace};

pub(super) async fn get(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    request_id: Uuid,
    since: Time,
) -> Result<Option<StoredResponse>> {
    let row = sqlx::query(
        "SELECT fingerprint, response FROM stored_response
         WHERE workspace_key = ? AND request_id = ? AND create_time >= ?",
    )
    .bind(workspace.row_key)
    .bind(request_id.as_bytes().as_slice())
    .bind(micros(since))
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    let Some(row) = row else { return Ok(None) };
    let response: Vec<u8> = row.get(1);
    Ok(Some(StoredResponse { fingerprint: row.get(0), response: Bytes::from(response) }))
}

pub(super) async fn about(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    contact_id: Uuid,
    limit: usize,
) -> Result<Vec<StoredResponseInfo>> {
    let rows: Vec<(Vec<u8>, Option<String>, i64)> = sqlx::query_as(
        "SELECT request_id, method, create_time FROM stored_response
         WHERE workspace_key = ? AND contact_id = ?
         ORDER BY create_time DESC, request_id LIMIT ?",
    )
    .bind(workspace.row_key)
    .bind(contact_id.as_bytes().as_slice())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    let note = |(id, method, create_time): (Vec<u8>, Option<String>, i64)| {
        let (method, create_time) = (method.unwrap_or_default(), time(create_time));
        Ok(StoredResponseInfo { request_id: uuid(&id)?, method, create_time })
    };
    rows.into_iter().map(note).collect()
}

pub(super) async fn save(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    answer: &NewStoredResponse,
    since: Time,
) -> Result<()> {
    sqlx::query("DELETE FROM stored_response WHERE workspace_key = ? AND create_time < ?")
        .bind(workspace.row_key)
        .bind(micros(since))
        .execute(&mut *db)
        .await
        .map_err(failure)?;
    sqlx::query(
        "INSERT INTO stored_response
             (workspace_key, request_id, fingerprint, method, response, contact_id, match_key,
              create_time)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(workspace.row_key)
    .bind(answer.request_id.as_bytes().as_slice())
    .bind(answer.fingerprint.as_slice())
    .bind(answer.method)
    .bind(answer.response.as_ref())
    .bind(answer.contact_id.map(|id| id.as_bytes().to_vec()))
    .bind(answer.match_key.as_ref().map(MatchKey::as_str))
    .bind(micros(answer.create_time))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(super) async fn forget(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    subjects: &Subjects,
) -> Result<()> {
    let ids: Vec<_> = subjects.contact_ids.iter().map(|id| id.simple().to_string()).collect();
    let keys: Vec<_> = subjects.keys.iter().map(MatchKey::as_str).collect();
    sqlx::query(
        "UPDATE stored_response SET fingerprint = x'', response = x'', contact_id = NULL,
             match_key = NULL
         WHERE workspace_key = ?
             AND (lower(hex(contact_id)) IN (SELECT value FROM json_each(?))
                 OR match_key IN (SELECT value FROM json_each(?)))",
    )
    .bind(workspace.row_key)
    .bind(json(&ids)?)
    .bind(json(&keys)?)
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(super) async fn drop(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    before: Time,
    limit: usize,
) -> Result<u64> {
    let result = sqlx::query(
        "DELETE FROM stored_response
         WHERE workspace_key = ?1 AND request_id IN (
             SELECT request_id FROM stored_response
             WHERE workspace_key = ?1 AND create_time < ?2 LIMIT ?3)",
    )
    .bind(workspace.row_key)
    .bind(micros(before))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(result.rows_affected())
}
