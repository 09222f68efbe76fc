//! SQL of merged contacts' ids.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;
use uuid::Uuid;

use super::failure;
use super::ids::Id;
use crate::domain::error::Result;
use crate::store::Workspace;

/// Where these ids lead, as far as they were merged.
pub(super) async fn get(
    db: &mut PgConnection,
    workspace: &Workspace,
    ids: &BTreeSet<Uuid>,
) -> Result<HashMap<Uuid, Uuid>> {
    let rows: Vec<(Id, Id)> = sqlx::query_as(
        "SELECT merged_id, contact_id FROM contact_redirect
         WHERE workspace_id = $1 AND merged_id = ANY($2)",
    )
    .bind(&workspace.workspace_id)
    .bind(ids.iter().copied().map(Id).collect::<Vec<_>>())
    .fetch_all(db)
    .await
    .map_err(failure)?;
    Ok(rows.into_iter().map(|(Id(merged), Id(contact))| (merged, contact)).collect())
}

/// Makes `from`, and what leads to it, lead to `to`.
pub(super) async fn put(
    db: &mut PgConnection,
    workspace: &Workspace,
    from: Uuid,
    to: Uuid,
) -> Result<()> {
    for sql in [
        "UPDATE contact_redirect SET contact_id = $3 WHERE workspace_id = $1 AND contact_id = $2",
        "UPDATE stored_response SET contact_id = $3 WHERE workspace_id = $1 AND contact_id = $2",
        "INSERT INTO contact_redirect (workspace_id, merged_id, contact_id) VALUES ($1, $2, $3)",
    ] {
        sqlx::query(sql)
            .bind(&workspace.workspace_id)
            .bind(Id(from))
            .bind(Id(to))
            .execute(&mut *db)
            .await
            .map_err(failure)?;
    }
    Ok(())
}
