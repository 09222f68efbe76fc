//! SQL of merged contacts' ids.

use std::collections::{BTreeSet, HashMap};

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::contacts::uuid;
use super::{ROWS, failure};
use crate::domain::error::Result;
use crate::store::Workspace;

/// Where these ids lead, as far as they were merged.
pub(super) async fn get(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    ids: &BTreeSet<Uuid>,
) -> Result<HashMap<Uuid, Uuid>> {
    let ids: Vec<_> = ids.iter().collect();
    let mut found = HashMap::new();
    for chunk in ids.chunks(ROWS) {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "SELECT merged_id, contact_id FROM contact_redirect WHERE workspace_key = ",
        );
        sql.push_bind(workspace.row_key).push(" AND merged_id IN (");
        let mut list = sql.separated(", ");
        for id in chunk {
            list.push_bind(id.as_bytes().to_vec());
        }
        sql.push(")");
        let rows: Vec<(Vec<u8>, Vec<u8>)> =
            sql.build_query_as().fetch_all(&mut *db).await.map_err(failure)?;
        for (merged, contact) in rows {
            found.insert(uuid(&merged)?, uuid(&contact)?);
        }
    }
    Ok(found)
}

/// Makes `from`, and what leads to it, lead to `to`.
pub(super) async fn put(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    from: Uuid,
    to: Uuid,
) -> Result<()> {
    for sql in [
        "UPDATE contact_redirect SET contact_id = ?3 WHERE workspace_key = ?1 AND contact_id = ?2",
        "UPDATE stored_response SET contact_id = ?3 WHERE workspace_key = ?1 AND contact_id = ?2",
        "INSERT INTO contact_redirect (workspace_key, merged_id, contact_id) VALUES (?1, ?2, ?3)",
    ] {
        sqlx::query(sql)
            .bind(workspace.row_key)
            .bind(from.as_bytes().as_slice())
            .bind(to.as_bytes().as_slice())
            .execute(&mut *db)
            .await
            .map_err(failure)?;
    }
    Ok(())
}
