//! SQL of the name index. The index does not store the words, so deleting an
//! entry takes exactly the words it was added with: those in the contact's row.

use super::contact_row::ProfileChange;
use super::session::SqliteSession;
use super::values::{json, seq};
use crate::domain::contact::Profile;
use crate::domain::error::Result;
use crate::store::Workspace;

/// Adds entries for changed names, after the contacts' rows have changed.
pub(super) async fn insert(
    db: &mut SqliteSession,
    workspace: &Workspace,
    changes: &[ProfileChange<'_>],
) -> Result<()> {
    let sql = "INSERT INTO name_search (rowid, words)
         SELECT c.seq, c.search_words
         FROM json_each(?) AS asked
         CROSS JOIN contact AS c ON c.workspace_key = ? AND c.seq = asked.value
         WHERE c.search_words <> ''";
    run(db, workspace, changes, sql).await
}

/// Deletes the entries of names that change, before the contacts' rows do.
pub(super) async fn delete(
    db: &mut SqliteSession,
    workspace: &Workspace,
    changes: &[ProfileChange<'_>],
) -> Result<()> {
    let sql = "INSERT INTO name_search (name_search, rowid, words)
         SELECT 'delete', c.seq, c.search_words
         FROM json_each(?) AS asked
         CROSS JOIN contact AS c ON c.workspace_key = ? AND c.seq = asked.value
         WHERE c.search_words <> ''";
    run(db, workspace, changes, sql).await
}

async fn run(
    db: &mut SqliteSession,
    workspace: &Workspace,
    changes: &[ProfileChange<'_>],
    sql: &'static str,
) -> Result<()> {
    let renamed: Vec<_> = changes
        .iter()
        .filter(|change| is_renamed(change.before, change.after))
        .map(|change| seq(change.contact_id))
        .collect();
    if renamed.is_empty() {
        return Ok(());
    }
    db.execute(sqlx::query(sql).bind(json(&renamed)?).bind(workspace.row_key)).await?;
    Ok(())
}

fn is_renamed(before: &Profile, after: &Profile) -> bool {
    (&before.first_name, &before.last_name) != (&after.first_name, &after.last_name)
}
