//! SQL of the business's own ids of contacts.

use std::collections::{BTreeSet, HashMap};

use sqlx::Row;
use uuid::Uuid;

use super::session::SqliteSession;
use super::values::json;
use crate::domain::error::Result;
use crate::store::Workspace;
use crate::store::common::ExternalIdChanges;

/// The contacts with these external ids.
pub(super) async fn find(
    db: &mut SqliteSession,
    workspace: &Workspace,
    external_ids: &BTreeSet<&str>,
) -> Result<HashMap<String, Uuid>> {
    let query = sqlx::query(
        "SELECT e.external_id, e.contact_id
         FROM json_each(?) AS asked
         CROSS JOIN external_id AS e ON e.workspace_key = ? AND e.external_id = asked.value",
    );
    let rows = db.fetch_all(query.bind(json(external_ids)?).bind(workspace.row_key)).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Writes what changed.
pub(super) async fn update(
    db: &mut SqliteSession,
    workspace: &Workspace,
    mut changes: ExternalIdChanges<'_>,
) -> Result<()> {
    if !changes.removed.is_empty() {
        let query = sqlx::query(
            "DELETE FROM external_id
             WHERE workspace_key = ? AND external_id IN (SELECT value FROM json_each(?))",
        );
        db.execute(query.bind(workspace.row_key).bind(json(&changes.removed)?)).await?;
    }
    changes.added.sort_unstable();
    let sql = "INSERT INTO external_id (workspace_key, external_id, contact_id) VALUES (?, ?, ?)";
    db.for_each(sql, &changes.added, |values, (external_id, contact_id)| {
        values.bind(workspace.row_key)?.bind(external_id)?;
        values.bind(contact_id.as_bytes().as_slice()).map(drop)
    })
    .await
}
