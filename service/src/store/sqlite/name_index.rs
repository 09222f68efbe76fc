//! SQL of the name index. It keeps no text, so it forgets a name only when told
//! exactly what to forget: what the contact's row says.

use sqlx::SqliteConnection;

use super::contacts::{Change, json, seq};
use super::failure;
use crate::domain::contact::Profile;
use crate::domain::error::Result;
use crate::store::Workspace;

/// Indexes the names that changed, as the contacts' rows say them now.
pub(super) async fn insert(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    changes: &[Change<'_>],
) -> Result<()> {
    let sql = "INSERT INTO name_search (rowid, words)
         SELECT c.seq, c.search_words
         FROM json_each(?) AS asked
         CROSS JOIN contact AS c ON c.workspace_key = ? AND c.seq = asked.value
         WHERE c.search_words <> ''";
    run(db, workspace, changes, sql).await
}

/// Forgets the names that change, before the contacts' rows do.
pub(super) async fn delete(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    changes: &[Change<'_>],
) -> Result<()> {
    let sql = "INSERT INTO name_search (name_search, rowid, words)
         SELECT 'delete', c.seq, c.search_words
         FROM json_each(?) AS asked
         CROSS JOIN contact AS c ON c.workspace_key = ? AND c.seq = asked.value
         WHERE c.search_words <> ''";
    run(db, workspace, changes, sql).await
}

async fn run(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    changes: &[Change<'_>],
    sql: &'static str,
) -> Result<()> {
    let renamed: Vec<_> = changes
        .iter()
        .filter(|(_, before, after)| renamed(before, after))
        .map(|(id, ..)| seq(*id))
        .collect();
    if renamed.is_empty() {
        return Ok(());
    }
    sqlx::query(sql)
        .bind(json(&renamed)?)
        .bind(workspace.row_key)
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

fn renamed(before: &Profile, after: &Profile) -> bool {
    (&before.first_name, &before.last_name) != (&after.first_name, &after.last_name)
}
