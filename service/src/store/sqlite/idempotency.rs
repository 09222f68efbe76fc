//! SQL of saved answers.

use bytes::Bytes;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::contacts::uuid;
use super::{failure, micros, time};
use crate::domain::Time;
use crate::domain::error::{Error, Result};
use crate::store::{SavedAnswer, Workspace};

pub(super) async fn get(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    request_id: Uuid,
    since: Time,
) -> Result<Option<SavedAnswer>> {
    let row = sqlx::query(
        "SELECT fingerprint, response, contact_id, create_time FROM saved_answer
         WHERE workspace_key = ? AND request_id = ? AND create_time >= ?",
    )
    .bind(workspace.row_key)
    .bind(request_id.as_bytes().as_slice())
    .bind(micros(since))
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    let Some(row) = row else { return Ok(None) };
    let fingerprint: &[u8] = row.get(0);
    let response: Vec<u8> = row.get(1);
    let contact_id: Option<&[u8]> = row.get(2);
    Ok(Some(SavedAnswer {
        request_id,
        fingerprint: fingerprint
            .try_into()
            .map_err(|_| Error::internal("a saved fingerprint is not 32 bytes"))?,
        response: Bytes::from(response),
        contact_id: contact_id.map(uuid).transpose()?,
        create_time: time(row.get(3)),
    }))
}

pub(super) async fn save(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    answer: &SavedAnswer,
    since: Time,
) -> Result<()> {
    sqlx::query("DELETE FROM saved_answer WHERE workspace_key = ? AND create_time < ?")
        .bind(workspace.row_key)
        .bind(micros(since))
        .execute(&mut *db)
        .await
        .map_err(failure)?;
    sqlx::query(
        "INSERT INTO saved_answer
             (workspace_key, request_id, fingerprint, response, contact_id, create_time)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(workspace.row_key)
    .bind(answer.request_id.as_bytes().as_slice())
    .bind(answer.fingerprint.as_slice())
    .bind(answer.response.as_ref())
    .bind(answer.contact_id.map(|id| id.as_bytes().to_vec()))
    .bind(micros(answer.create_time))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
