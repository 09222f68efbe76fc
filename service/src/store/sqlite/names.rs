//! SQL of the name index. It keeps no text, so it forgets a name only when told
//! exactly what to forget: what the contact's row says.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::contacts::{Change, json, seq};
use super::{ROWS, failure};
use crate::domain::contact::Profile;
use crate::domain::error::Result;
use crate::domain::search;
use crate::store::Workspace;

/// Indexes the names that changed. The old ones have to be gone.
pub(super) async fn insert(db: &mut SqliteConnection, changes: &[Change<'_>]) -> Result<()> {
    let new: Vec<_> = changes
        .iter()
        .filter(|(_, before, after)| renamed(before, after))
        .map(|(id, _, after)| (seq(*id), words(after)))
        .filter(|(_, words)| !words.is_empty())
        .collect();
    for chunk in new.chunks(ROWS) {
        let mut sql = QueryBuilder::<Sqlite>::new("INSERT INTO name_search (rowid, words) ");
        sql.push_values(chunk, |mut row, (seq, words)| {
            row.push_bind(*seq).push_bind(words);
        });
        sql.build().execute(&mut *db).await.map_err(failure)?;
    }
    Ok(())
}

/// Forgets the names that change, before the contacts' rows do.
pub(super) async fn delete(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    changes: &[Change<'_>],
) -> Result<()> {
    let old: Vec<_> = changes
        .iter()
        .filter(|(_, before, after)| renamed(before, after))
        .map(|(id, ..)| seq(*id))
        .collect();
    if old.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO name_search (name_search, rowid, words)
         SELECT 'delete', c.seq, c.search_words
         FROM json_each(?) AS asked
         CROSS JOIN contact AS c ON c.workspace_key = ? AND c.seq = asked.value
         WHERE c.search_words <> ''",
    )
    .bind(json(&old)?)
    .bind(workspace.row_key)
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

fn renamed(before: &Profile, after: &Profile) -> bool {
    (&before.first_name, &before.last_name) != (&after.first_name, &after.last_name)
}

fn words(profile: &Profile) -> String {
    search::normalised(&profile.first_name, &profile.last_name)
}
