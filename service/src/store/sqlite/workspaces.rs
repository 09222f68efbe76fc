//! SQL of workspaces.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::{failure, micros, time};
use crate::domain::error::{Error, Result};
use crate::domain::ledger::Head;
use crate::store::{Workspace, head};

pub(super) async fn get(
    db: &mut SqliteConnection,
    workspace_id: &str,
) -> Result<Option<Workspace>> {
    let row = sqlx::query("SELECT * FROM workspace WHERE workspace_id = ?")
        .bind(workspace_id)
        .fetch_optional(db)
        .await
        .map_err(failure)?;
    row.as_ref().map(decode).transpose()
}

pub(super) async fn list(
    db: &mut SqliteConnection,
    after: &str,
    limit: usize,
) -> Result<Vec<Workspace>> {
    let sql = "SELECT * FROM workspace WHERE workspace_id > ? ORDER BY workspace_id LIMIT ?";
    let rows = sqlx::query(sql)
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(db)
        .await
        .map_err(failure)?;
    rows.iter().map(decode).collect()
}

pub(super) async fn insert(db: &mut SqliteConnection, workspace: &Workspace) -> Result<bool> {
    let result = sqlx::query(
        "INSERT INTO workspace
             (workspace_id, display_name, create_time, consent_revision, token_key, ledger_length,
              ledger_hash)
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(&workspace.workspace_id)
    .bind(&workspace.display_name)
    .bind(micros(workspace.create_time))
    .bind(workspace.consent_revision)
    .bind(workspace.token_key.as_slice())
    .bind(workspace.ledger.length)
    .bind(workspace.ledger.hash.as_slice())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(result.rows_affected() == 1)
}

pub(super) async fn delete(db: &mut SqliteConnection, workspace: &Workspace) -> Result<i64> {
    let count = sqlx::query_scalar("SELECT count(*) FROM contact WHERE workspace_key = ?")
        .bind(workspace.row_key)
        .fetch_one(&mut *db)
        .await
        .map_err(failure)?;
    // What hangs on others first.
    for sql in [
        "INSERT INTO name_search (name_search, rowid, words)
         SELECT 'delete', seq, search_words FROM contact
         WHERE workspace_key = ? AND search_words <> ''",
        "DELETE FROM contact_tag
         WHERE tag_key IN (SELECT tag_key FROM tag WHERE workspace_key = ?)",
        "DELETE FROM contact WHERE workspace_key = ?",
        "DELETE FROM contact_redirect WHERE workspace_key = ?",
        "DELETE FROM consent WHERE workspace_key = ?",
        "DELETE FROM opt_in_event_detail WHERE workspace_key = ?",
        "DELETE FROM opt_in_event WHERE workspace_key = ?",
        "DELETE FROM deletion_receipt WHERE workspace_key = ?",
        "DELETE FROM stored_response WHERE workspace_key = ?",
        "DELETE FROM suppression_key WHERE workspace_key = ?",
        "DELETE FROM tag WHERE workspace_key = ?",
        "DELETE FROM attribute WHERE workspace_key = ?",
        "DELETE FROM workspace WHERE workspace_key = ?",
    ] {
        sqlx::query(sql).bind(workspace.row_key).execute(&mut *db).await.map_err(failure)?;
    }
    super::vacuum::demand(db).await?;
    Ok(count)
}

pub(super) async fn next_consent_revision(
    db: &mut SqliteConnection,
    workspace: &Workspace,
) -> Result<(i64, Head)> {
    let row = sqlx::query(
        "UPDATE workspace SET consent_revision = consent_revision + 1
         WHERE workspace_key = ? RETURNING consent_revision, ledger_length, ledger_hash",
    )
    .bind(workspace.row_key)
    .fetch_one(db)
    .await
    .map_err(failure)?;
    Ok((row.get(0), head(&workspace.workspace_id, row.get(1), row.get(2))?))
}

/// Writes where the ledger ends.
pub(super) async fn set_ledger(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    head: &Head,
) -> Result<()> {
    sqlx::query("UPDATE workspace SET ledger_length = ?, ledger_hash = ? WHERE workspace_key = ?")
        .bind(head.length)
        .bind(head.hash.as_slice())
        .bind(workspace.row_key)
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

fn decode(row: &SqliteRow) -> Result<Workspace> {
    let token_key: Vec<u8> = row.get("token_key");
    Ok(Workspace {
        row_key: row.get("workspace_key"),
        workspace_id: row.get("workspace_id"),
        display_name: row.get("display_name"),
        create_time: time(row.get("create_time")),
        consent_revision: row.get("consent_revision"),
        ledger: head(row.get("workspace_id"), row.get("ledger_length"), row.get("ledger_hash"))?,
        token_key: token_key
            .try_into()
            .map_err(|_| Error::internal("a workspace's token key is not 32 bytes"))?,
    })
}
