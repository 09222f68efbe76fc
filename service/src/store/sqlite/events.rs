//! SQL of the ledger.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, Type};
use uuid::Uuid;

use super::contacts::{json, seq};
use super::{ROWS, failure, workspaces};
use crate::domain::error::Result;
use crate::domain::ledger::{Detail, Entry, Fact, Head, Positions};
use crate::store::{Subjects, Workspace};

pub(super) async fn append(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    entries: &[Entry],
    head: &Head,
) -> Result<()> {
    put(db, "INSERT", workspace, entries, head).await
}

/// Entries that are there already get their salts and hashes.
pub(super) async fn seal(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    entries: &[Entry],
    head: &Head,
) -> Result<()> {
    put(db, "INSERT OR REPLACE", workspace, entries, head).await
}

async fn put(
    db: &mut SqliteConnection,
    insert: &str,
    workspace: &Workspace,
    entries: &[Entry],
    head: &Head,
) -> Result<()> {
    let facts = entries.chunks(ROWS).map(|chunk| {
        let mut sql = QueryBuilder::<Sqlite>::new(insert);
        sql.push(
            " INTO opt_in_event (workspace_key, position, event_id, contact_id, kind,
                 categories, changed_categories, source, wording_version, sender_phone_number_id,
                 occurred_time, record_time, expire_time, erased_positions, detail_hash, hash) ",
        );
        sql.push_values(chunk, |mut row, entry| {
            let fact = &entry.fact;
            row.push_bind(workspace.row_key)
                .push_bind(entry.position)
                .push_bind(fact.event_id.as_bytes().as_slice())
                .push_bind(fact.contact_id.as_ref().map(|id| id.as_bytes().as_slice()))
                .push_bind(fact.kind)
                .push_bind(fact.categories)
                .push_bind(fact.changed_categories)
                .push_bind(fact.source)
                .push_bind(&fact.wording_version)
                .push_bind(&fact.sender_phone_number_id)
                .push_bind(fact.occurred_time)
                .push_bind(fact.record_time)
                .push_bind(fact.expire_time)
                .push_bind(fact.erased_positions.as_ref().map(|positions| positions.0.as_slice()))
                .push_bind(entry.detail_hash.as_ref().map(|hash| hash.as_slice()))
                .push_bind(entry.hash.as_ref().map(|hash| hash.as_slice()));
        });
        sql
    });
    let details: Vec<_> =
        entries.iter().filter_map(|entry| Some((entry, entry.detail.as_ref()?))).collect();
    let details = details.chunks(ROWS).map(|chunk| {
        let mut sql = QueryBuilder::<Sqlite>::new(insert);
        sql.push(
            " INTO opt_in_event_detail (workspace_key, subject, position, match_key, wording,
                 business_name, url, message_id, actor, reason_text, salt) ",
        );
        sql.push_values(chunk, |mut row, (entry, detail)| {
            row.push_bind(workspace.row_key);
            match entry.fact.contact_id {
                Some(contact_id) => row.push_bind(seq(contact_id)),
                None => row.push_bind(&detail.match_key),
            };
            row.push_bind(entry.position)
                .push_bind(&detail.match_key)
                .push_bind(&detail.wording)
                .push_bind(&detail.business_name)
                .push_bind(&detail.url)
                .push_bind(&detail.message_id)
                .push_bind(&detail.actor)
                .push_bind(&detail.reason_text)
                .push_bind(detail.salt.as_slice());
        });
        sql
    });
    super::execute_all(db, facts.chain(details)).await?;
    workspaces::set_ledger(db, workspace, head).await
}

pub(super) async fn about(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    subjects: &Subjects,
    before: i64,
    limit: usize,
) -> Result<Vec<Entry>> {
    let rows = sqlx::query(
        "SELECT e.position, e.event_id, e.contact_id, e.kind, e.categories, e.changed_categories,
             e.source, e.wording_version, e.sender_phone_number_id, e.occurred_time,
             e.record_time, e.expire_time, e.erased_positions, e.detail_hash, e.hash,
             d.match_key, d.wording, d.business_name, d.url, d.message_id, d.actor,
             d.reason_text, d.salt
         FROM opt_in_event_detail AS d
         JOIN opt_in_event AS e USING (workspace_key, position)
         WHERE d.workspace_key = ? AND d.subject IN (SELECT value FROM json_each(?))
             AND d.position < ?
         ORDER BY d.position DESC LIMIT ?",
    )
    .bind(workspace.row_key)
    .bind(subjects_json(subjects)?)
    .bind(before)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    let entry = |row: &SqliteRow| Entry { detail: Some(decode_detail(row, 15)), ..decode(row) };
    Ok(rows.iter().map(entry).collect())
}

pub(super) async fn list(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    after: i64,
    limit: usize,
) -> Result<Vec<Entry>> {
    let rows = sqlx::query(
        "SELECT position, event_id, contact_id, kind, categories, changed_categories, source,
             wording_version, sender_phone_number_id, occurred_time, record_time, expire_time,
             erased_positions, detail_hash, hash
         FROM opt_in_event WHERE workspace_key = ? AND position > ? ORDER BY position LIMIT ?",
    )
    .bind(workspace.row_key)
    .bind(after)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(&mut *db)
    .await
    .map_err(failure)?;
    let mut entries: Vec<Entry> = rows.iter().map(decode).collect();
    let mut details = details(db, workspace, &entries).await?;
    for entry in &mut entries {
        entry.detail = details.remove(&entry.position);
    }
    Ok(entries)
}

/// The details of entries that follow one another, by position. Each by its
/// contact; those of non_contacts by their own index.
async fn details(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    entries: &[Entry],
) -> Result<HashMap<i64, Detail>> {
    let of_contact = |entry: &Entry| Some((entry.position, seq(entry.fact.contact_id?)));
    let asked: Vec<_> = entries.iter().filter_map(of_contact).collect();
    let rows = sqlx::query(
        "SELECT d.position, d.match_key, d.wording, d.business_name, d.url, d.message_id, d.actor,
             d.reason_text, d.salt
         FROM json_each(?2) AS asked
         CROSS JOIN opt_in_event_detail AS d
             ON d.workspace_key = ?1 AND d.subject = json_extract(asked.value, '$[1]')
                 AND d.position = json_extract(asked.value, '$[0]')
         UNION ALL
         SELECT d.position, d.match_key, d.wording, d.business_name, d.url, d.message_id, d.actor,
             d.reason_text, d.salt
         FROM opt_in_event_detail AS d INDEXED BY opt_in_event_detail_stranger
         WHERE d.workspace_key = ?1 AND d.position BETWEEN ?3 AND ?4
             AND typeof(d.subject) = 'text'",
    )
    .bind(workspace.row_key)
    .bind(json(&asked)?)
    .bind(entries.first().map_or(0, |entry| entry.position))
    .bind(entries.last().map_or(0, |entry| entry.position))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    Ok(rows.iter().map(|row| (value(row, 0), decode_detail(row, 1))).collect())
}

pub(super) async fn forget(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    subjects: &Subjects,
) -> Result<Vec<i64>> {
    sqlx::query_scalar(
        "DELETE FROM opt_in_event_detail
         WHERE workspace_key = ? AND subject IN (SELECT value FROM json_each(?))
         RETURNING position",
    )
    .bind(workspace.row_key)
    .bind(subjects_json(subjects)?)
    .fetch_all(db)
    .await
    .map_err(failure)
}

pub(super) async fn unsealed_workspaces(
    db: &mut SqliteConnection,
    limit: usize,
) -> Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT w.workspace_id FROM workspace AS w
         JOIN opt_in_event AS e
             ON e.workspace_key = w.workspace_key AND e.position = w.ledger_length + 1
         WHERE e.hash IS NULL LIMIT ?",
    )
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)
}

/// An entry without its detail.
fn decode(row: &SqliteRow) -> Entry {
    Entry {
        position: value(row, 0),
        fact: Fact {
            event_id: Uuid::from_slice(value(row, 1)).unwrap_or_default(),
            contact_id: value::<Option<&[u8]>>(row, 2)
                .map(|id| Uuid::from_slice(id).unwrap_or_default()),
            kind: value(row, 3),
            categories: value(row, 4),
            changed_categories: value(row, 5),
            source: value(row, 6),
            wording_version: value(row, 7),
            sender_phone_number_id: value(row, 8),
            occurred_time: value(row, 9),
            record_time: value(row, 10),
            expire_time: value(row, 11),
            erased_positions: value::<Option<Vec<u8>>>(row, 12).map(Positions),
        },
        detail: None,
        detail_hash: value::<&[u8]>(row, 13).try_into().ok(),
        hash: value::<&[u8]>(row, 14).try_into().ok(),
    }
}

fn decode_detail(row: &SqliteRow, at: usize) -> Detail {
    Detail {
        match_key: value(row, at),
        wording: value(row, at + 1),
        business_name: value(row, at + 2),
        url: value(row, at + 3),
        message_id: value(row, at + 4),
        actor: value(row, at + 5),
        reason_text: value(row, at + 6),
        salt: value::<&[u8]>(row, at + 7).try_into().unwrap_or_default(),
    }
}

/// What a column holds. What somebody made of another type is read as nothing,
/// which its hash then tells.
fn value<'r, T: sqlx::Decode<'r, Sqlite> + Type<Sqlite> + Default>(
    row: &'r SqliteRow,
    at: usize,
) -> T {
    row.try_get(at).unwrap_or_default()
}

fn subjects_json(subjects: &Subjects) -> Result<String> {
    let contacts = subjects.contact_ids.iter().map(|id| serde_json::Value::from(seq(*id)));
    let keys = subjects.keys.iter().map(|key| serde_json::Value::from(key.as_str()));
    json(&contacts.chain(keys).collect::<Vec<_>>())
}
