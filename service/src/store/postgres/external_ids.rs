//! SQL of the business's own ids of contacts.

use std::collections::{BTreeSet, HashMap};

use sqlx::Row;
use uuid::Uuid;

use super::session::{PostgresSession, ROWS};
use crate::domain::error::Result;
use crate::store::Workspace;
use crate::store::common::ExternalIdChanges;

/// The contacts with these external ids.
pub(super) async fn find(
    db: &mut PostgresSession,
    workspace: &Workspace,
    external_ids: BTreeSet<&str>,
) -> Result<HashMap<String, Uuid>> {
    let query = sqlx::query(
        "SELECT external_id, contact_id FROM external_id
         WHERE workspace_id = $1 AND external_id = ANY($2)",
    );
    let external_ids: Vec<_> = external_ids.into_iter().collect();
    let rows = db.fetch_all(query.bind(&workspace.workspace_id).bind(external_ids)).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Writes what changed.
pub(super) async fn update(
    db: &mut PostgresSession,
    workspace: &Workspace,
    mut changes: ExternalIdChanges<'_>,
) -> Result<()> {
    for chunk in changes.removed.chunks(ROWS) {
        let query = sqlx::query(
            "DELETE FROM external_id WHERE workspace_id = $1 AND external_id = ANY($2)",
        );
        let query = query.bind(&workspace.workspace_id).bind(chunk.to_vec());
        db.execute_exactly(query, chunk.len()).await?;
    }
    // Sorted: two transactions that add the same ids wait for each other in one order.
    changes.added.sort_unstable();
    for chunk in changes.added.chunks(ROWS) {
        let (external_ids, contact_ids): (Vec<&str>, Vec<Uuid>) = chunk.iter().copied().unzip();
        let query = sqlx::query(
            "INSERT INTO external_id (workspace_id, external_id, contact_id)
             SELECT w.workspace_id, u.external_id, u.contact_id FROM workspace AS w
             CROSS JOIN unnest($2, $3) AS u (external_id, contact_id) WHERE w.workspace_id = $1",
        );
        let query = query.bind(&workspace.workspace_id).bind(external_ids).bind(contact_ids);
        db.execute_exactly(query, chunk.len()).await?;
    }
    Ok(())
}
