//! SQL of the name index. The index does not store the words, so deleting an
//! entry takes exactly the words it was added with: those in the contact's row.

use rusqlite::Statement;

use super::contact_row::ProfileChange;
use super::in_place::Values;
use super::session::SqliteSession;
use super::values::{json, seq};
use crate::domain::contact::{Contact, Profile};
use crate::domain::error::Result;
use crate::store::Workspace;
use crate::store::common::NameKeys;

/// Adds the entry of a contact.
pub(super) const INSERT: &str = "INSERT INTO name_search (rowid, words) VALUES (?, ?)";

/// Adds the entry of a contact with the statement [`INSERT`].
pub(super) fn insert(
    statement: &mut Statement<'_>,
    contact: &Contact,
    names: &NameKeys,
) -> rusqlite::Result<()> {
    if names.words.is_empty() {
        return Ok(());
    }
    let bind = |values: &mut Values<'_, '_>| {
        values.bind(seq(contact.contact_id))?.bind(names.words.as_str())?;
        Ok(())
    };
    Values::run(statement, bind).map(drop)
}

/// Deletes the entries of names that change, before the contacts' rows do.
pub(super) async fn delete(
    db: &mut SqliteSession,
    workspace: &Workspace,
    changes: &[ProfileChange<'_>],
) -> Result<()> {
    let renamed: Vec<_> = changes
        .iter()
        .filter(|change| is_renamed(change.before, change.after))
        .map(|change| seq(change.contact_id))
        .collect();
    if renamed.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO name_search (name_search, rowid, words)
         SELECT 'delete', c.seq, c.search_words
         FROM json_each(?) AS asked
         CROSS JOIN contact AS c ON c.workspace_key = ? AND c.seq = asked.value
         WHERE c.search_words <> ''";
    db.execute(sqlx::query(sql).bind(json(&renamed)?).bind(workspace.row_key)).await?;
    Ok(())
}

pub(super) fn is_renamed(before: &Profile, after: &Profile) -> bool {
    (&before.first_name, &before.last_name) != (&after.first_name, &after.last_name)
}
