//! SQL of workspaces.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::{failure, micros, time};
use crate::domain::error::{Error, Result};
use crate::domain::ledger::Head;
use crate::store::{Lock, Workspace, head};

pub(super) async fn get(
    db: &mut PgConnection,
    workspace_id: &str,
    lock: Lock,
) -> Result<Option<Workspace>> {
    let sql = match lock {
        Lock::None => {
            "SELECT workspace_id, display_name, create_time, consent_revision, token_key,
                 ledger_length, ledger_hash
             FROM workspace WHERE workspace_id = $1"
        }
        // Next to each other and to whoever counts up the consent revision,
        // which is no key; not next to FOR UPDATE.
        Lock::Shared => {
            "SELECT workspace_id, display_name, create_time, consent_revision, token_key,
                 ledger_length, ledger_hash
             FROM workspace WHERE workspace_id = $1 FOR KEY SHARE"
        }
        Lock::Exclusive => {
            "SELECT workspace_id, display_name, create_time, consent_revision, token_key,
                 ledger_length, ledger_hash
             FROM workspace WHERE workspace_id = $1 FOR UPDATE"
        }
    };
    let row = sqlx::query(sql).bind(workspace_id).fetch_optional(db).await.map_err(failure)?;
    row.as_ref().map(decode).transpose()
}

pub(super) async fn list(
    db: &mut PgConnection,
    after: &str,
    limit: usize,
) -> Result<Vec<Workspace>> {
    let rows = sqlx::query(
        "SELECT workspace_id, display_name, create_time, consent_revision, token_key, ledger_length,
             ledger_hash
         FROM workspace WHERE workspace_id > $1 ORDER BY workspace_id LIMIT $2",
    )
    .bind(after)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    rows.iter().map(decode).collect()
}

pub(super) async fn insert(db: &mut PgConnection, workspace: &Workspace) -> Result<bool> {
    let result = sqlx::query(
        "INSERT INTO workspace
             (workspace_id, display_name, create_time, consent_revision, token_key, ledger_length,
              ledger_hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
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

pub(super) async fn delete(db: &mut PgConnection, workspace: &Workspace) -> Result<i64> {
    // The one change that may take long: as long as there are contacts.
    sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *db).await.map_err(failure)?;
    let mut deleted = Vec::new();
    for sql in [
        "DELETE FROM contact WHERE workspace_id = $1",
        "DELETE FROM usage_count WHERE workspace_id = $1",
        "DELETE FROM contact_redirect WHERE workspace_id = $1",
        "DELETE FROM consent WHERE workspace_id = $1",
        "DELETE FROM opt_in_event_detail WHERE workspace_id = $1",
        "DELETE FROM opt_in_event WHERE workspace_id = $1",
        "DELETE FROM deletion_receipt WHERE workspace_id = $1",
        "DELETE FROM stored_response WHERE workspace_id = $1",
        "DELETE FROM suppression_key WHERE workspace_id = $1",
        "DELETE FROM tag WHERE workspace_id = $1",
        "DELETE FROM attribute WHERE workspace_id = $1",
        "DELETE FROM workspace WHERE workspace_id = $1",
    ] {
        let delete = sqlx::query(sql).bind(&workspace.workspace_id).execute(&mut *db);
        deleted.push(delete.await.map_err(failure)?.rows_affected());
    }
    // The contacts are the first.
    Ok(i64::try_from(deleted[0]).unwrap_or(i64::MAX))
}

pub(super) async fn next_consent_revision(
    db: &mut PgConnection,
    workspace: &Workspace,
) -> Result<(i64, Head)> {
    let row = sqlx::query(
        "UPDATE workspace SET consent_revision = consent_revision + 1
         WHERE workspace_id = $1 RETURNING consent_revision, ledger_length, ledger_hash",
    )
    .bind(&workspace.workspace_id)
    .fetch_one(db)
    .await
    .map_err(failure)?;
    Ok((row.get(0), head(&workspace.workspace_id, row.get(1), row.get(2))?))
}

/// Writes where the ledger ends.
pub(super) async fn set_ledger(
    db: &mut PgConnection,
    workspace: &Workspace,
    head: &Head,
) -> Result<()> {
    sqlx::query(
        "UPDATE workspace SET ledger_length = $2, ledger_hash = $3 WHERE workspace_id = $1",
    )
    .bind(&workspace.workspace_id)
    .bind(head.length)
    .bind(head.hash.as_slice())
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

fn decode(row: &PgRow) -> Result<Workspace> {
    let token_key: &[u8] = row.get(4);
    Ok(Workspace {
        workspace_id: row.get(0),
        display_name: row.get(1),
        create_time: time(row.get(2)),
        consent_revision: row.get(3),
        ledger: head(row.get(0), row.get(5), row.get(6))?,
        token_key: token_key
            .try_into()
            .map_err(|_| Error::internal("a workspace's token key is not 32 bytes"))?,
        // Its id is its key.
        row_key: 0,
    })
}
