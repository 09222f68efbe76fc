//! SQL of saved answers.

use bytes::Bytes;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::ids::Id;
use super::{expect_rows, failure, micros, time};
use crate::domain::Time;
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;
use crate::store::{NewStoredResponse, StoredResponse, StoredResponseInfo, Subjects, Workspace};

/// Answers dropped with each one kept: more than come in, so that none pile up.
const DROPPED: i64 = 10;

pub(super) async fn get(
    db: &mut PgConnection,
    workspace: &Workspace,
    request_id: Uuid,
    since: Time,
) -> Result<Option<StoredResponse>> {
    let row = sqlx::query(
        "SELECT fingerprint, response FROM stored_response
         WHERE workspace_id = $1 AND request_id = $2 AND create_time >= $3",
    )
    .bind(&workspace.workspace_id)
    .bind(Id(request_id))
    .bind(micros(since))
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    let Some(row) = row else { return Ok(None) };
    let response: Vec<u8> = row.get(1);
    Ok(Some(StoredResponse { fingerprint: row.get(0), response: Bytes::from(response) }))
}

pub(super) async fn about(
    db: &mut PgConnection,
    workspace: &Workspace,
    contact_id: Uuid,
    limit: usize,
) -> Result<Vec<StoredResponseInfo>> {
    let rows: Vec<(Id, Option<String>, i64)> = sqlx::query_as(
        "SELECT request_id, method, create_time FROM stored_response
         WHERE workspace_id = $1 AND contact_id = $2
         ORDER BY create_time DESC, request_id LIMIT $3",
    )
    .bind(&workspace.workspace_id)
    .bind(Id(contact_id))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    let note = |(Id(request_id), method, create_time): (Id, Option<String>, i64)| {
        let (method, create_time) = (method.unwrap_or_default(), time(create_time));
        StoredResponseInfo { request_id, method, create_time }
    };
    Ok(rows.into_iter().map(note).collect())
}

pub(super) async fn save(
    db: &mut PgConnection,
    workspace: &Workspace,
    answer: &NewStoredResponse,
    since: Time,
) -> Result<()> {
    // Of what others are dropping, none: nobody waits for it.
    sqlx::query(
        "DELETE FROM stored_response
         WHERE workspace_id = $1 AND request_id = ANY (ARRAY(
             SELECT request_id FROM stored_response
             WHERE workspace_id = $1 AND create_time < $2 AND request_id <> $3
             ORDER BY create_time LIMIT $4 FOR UPDATE SKIP LOCKED))",
    )
    .bind(&workspace.workspace_id)
    .bind(micros(since))
    .bind(Id(answer.request_id))
    .bind(DROPPED)
    .execute(&mut *db)
    .await
    .map_err(failure)?;
    // An answer of the same id that came in between is the one to give.
    let result = sqlx::query(
        "INSERT INTO stored_response
             (workspace_id, request_id, fingerprint, response, contact_id, create_time, method,
              match_key)
         VALUES ($1, $2, $3, $4, $5, $6, $8, $9)
         ON CONFLICT (workspace_id, request_id) DO UPDATE SET
             fingerprint = excluded.fingerprint, response = excluded.response,
             contact_id = excluded.contact_id, create_time = excluded.create_time,
             method = excluded.method, match_key = excluded.match_key
         WHERE stored_response.create_time < $7",
    )
    .bind(&workspace.workspace_id)
    .bind(Id(answer.request_id))
    .bind(answer.fingerprint.as_slice())
    .bind(answer.response.as_ref())
    .bind(answer.contact_id.map(Id))
    .bind(micros(answer.create_time))
    .bind(micros(since))
    .bind(answer.method)
    .bind(answer.match_key.as_ref().map(MatchKey::as_str))
    .execute(db)
    .await
    .map_err(failure)?;
    expect_rows(result.rows_affected(), 1)
}

pub(super) async fn forget(
    db: &mut PgConnection,
    workspace: &Workspace,
    subjects: &Subjects,
) -> Result<()> {
    let ids: Vec<_> = subjects.contact_ids.iter().copied().map(Id).collect();
    let keys: Vec<_> = subjects.keys.iter().map(MatchKey::as_str).collect();
    sqlx::query(
        "UPDATE stored_response SET fingerprint = '', response = '', contact_id = NULL,
             match_key = NULL
         WHERE workspace_id = $1 AND (contact_id = ANY($2) OR match_key = ANY($3))",
    )
    .bind(&workspace.workspace_id)
    .bind(ids)
    .bind(keys)
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(super) async fn drop(
    db: &mut PgConnection,
    workspace: &Workspace,
    before: Time,
    limit: usize,
) -> Result<u64> {
    let result = sqlx::query(
        "DELETE FROM stored_response
         WHERE workspace_id = $1 AND request_id = ANY (ARRAY(
             SELECT request_id FROM stored_response
             WHERE workspace_id = $1 AND create_time < $2
             ORDER BY create_time LIMIT $3 FOR UPDATE SKIP LOCKED))",
    )
    .bind(&workspace.workspace_id)
    .bind(micros(before))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(result.rows_affected())
}
