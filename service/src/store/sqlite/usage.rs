//! SQL of the tag index, and of the numbers of contacts that use a definition.

use std::collections::HashMap;

use sqlx::Row;

use super::contact_row::ProfileChange;
use super::session::SqliteSession;
use super::values::seq;
use crate::domain::error::Result;
use crate::store::Workspace;

/// Returns the short keys of tags, by id.
pub(super) async fn tag_keys(
    db: &mut SqliteSession,
    workspace: &Workspace,
) -> Result<HashMap<String, i64>> {
    let query = sqlx::query("SELECT tag_id, tag_key FROM tag WHERE workspace_key = ?");
    let rows = db.fetch_all(query.bind(workspace.row_key)).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Updates the tag index and the counts of tags and attributes.
pub(super) async fn update(
    db: &mut SqliteSession,
    workspace: &Workspace,
    changes: &[ProfileChange<'_>],
    tag_keys: &HashMap<String, i64>,
) -> Result<()> {
    let counts = update_tag_index(db, changes, tag_keys).await?;
    count_tags(db, workspace, &counts).await?;
    count_attributes(db, workspace, changes).await
}

/// Adds and deletes the entries that differ. Returns by how much each tag's count
/// changes.
async fn update_tag_index(
    db: &mut SqliteSession,
    changes: &[ProfileChange<'_>],
    tag_keys: &HashMap<String, i64>,
) -> Result<HashMap<i64, i64>> {
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    for ProfileChange { contact_id, before, after } in changes {
        let row = |tag: &String| Some((tag_keys.get(tag).copied()?, seq(*contact_id)));
        removed.extend(before.tags.difference(&after.tags).filter_map(row));
        added.extend(after.tags.difference(&before.tags).filter_map(row));
    }
    // Sorted, so that neighbours in the index are written together.
    added.sort_unstable();
    let sql = "INSERT INTO contact_tag (tag_key, seq) VALUES (?, ?)";
    db.for_each(sql, &added, |values, (tag_key, seq)| values.bind(tag_key)?.bind(seq).map(drop))
        .await?;
    let sql = "DELETE FROM contact_tag WHERE tag_key = ? AND seq = ?";
    db.for_each(sql, &removed, |values, (tag_key, seq)| values.bind(tag_key)?.bind(seq).map(drop))
        .await?;
    let mut counts = HashMap::new();
    added.iter().for_each(|(key, _)| *counts.entry(*key).or_insert(0) += 1);
    removed.iter().for_each(|(key, _)| *counts.entry(*key).or_insert(0) -= 1);
    Ok(counts)
}

async fn count_tags(
    db: &mut SqliteSession,
    workspace: &Workspace,
    counts: &HashMap<i64, i64>,
) -> Result<()> {
    let sql = "UPDATE tag SET contact_count = contact_count + ?
         WHERE workspace_key = ? AND tag_key = ?";
    let counts: Vec<_> = counts.iter().collect();
    db.for_each(sql, &counts, |values, (key, change)| {
        values.bind(change)?.bind(workspace.row_key)?.bind(key).map(drop)
    })
    .await
}

async fn count_attributes(
    db: &mut SqliteSession,
    workspace: &Workspace,
    changes: &[ProfileChange<'_>],
) -> Result<()> {
    let mut counts: HashMap<&str, i64> = HashMap::new();
    for ProfileChange { before, after, .. } in changes {
        for id in after.attributes.keys().filter(|id| !before.attributes.contains_key(*id)) {
            *counts.entry(id).or_default() += 1;
        }
        for id in before.attributes.keys().filter(|id| !after.attributes.contains_key(*id)) {
            *counts.entry(id).or_default() -= 1;
        }
    }
    let sql = "UPDATE attribute SET contact_count = contact_count + ?
         WHERE workspace_key = ? AND attribute_id = ?";
    let counts: Vec<_> = counts.into_iter().collect();
    db.for_each(sql, &counts, |values, (id, change)| {
        values.bind(change)?.bind(workspace.row_key)?.bind(*id).map(drop)
    })
    .await
}
