//! SQL of the ledger.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::ids::Id;
use super::{ROWS, expect_rows, failure, workspaces};
use crate::domain::error::Result;
use crate::domain::ledger::{Detail, Entry, Fact, Head, Positions};
use crate::store::{Subjects, Workspace};

/// What an [`Entry`] is read from, of `opt_in_event e` and its detail `d`.
macro_rules! columns {
    () => {
        "e.position, e.event_id, e.contact_id, e.kind, e.categories, e.changed_categories, e.source,
         e.wording_version, e.sender_phone_number_id, e.occurred_time, e.record_time,
         e.expire_time, e.erased_positions, e.detail_hash, e.hash,
         d.match_key, d.wording, d.business_name, d.url, d.message_id, d.actor, d.reason_text,
         d.salt"
    };
}

pub(super) async fn append(
    db: &mut PgConnection,
    workspace: &Workspace,
    entries: &[Entry],
    head: &Head,
) -> Result<()> {
    let details: Vec<_> =
        entries.iter().filter_map(|entry| Some((entry, entry.detail.as_ref()?))).collect();
    for chunk in entries.chunks(ROWS) {
        append_facts(db, workspace, chunk).await?;
    }
    for chunk in details.chunks(ROWS) {
        append_details(db, workspace, chunk).await?;
    }
    workspaces::set_ledger(db, workspace, head).await
}

async fn append_facts(
    db: &mut PgConnection,
    workspace: &Workspace,
    entries: &[Entry],
) -> Result<()> {
    let facts = || entries.iter().map(|entry| &entry.fact);
    let codes = |of: fn(&Fact) -> i64| facts().map(|fact| of(fact) as i16).collect::<Vec<_>>();
    let times = |of: fn(&Fact) -> i64| facts().map(of).collect::<Vec<_>>();
    let erased = |fact: &Fact| fact.erased_positions.as_ref().map(|places| places.0.clone());
    let result = sqlx::query(
        "INSERT INTO opt_in_event (workspace_id, position, event_id, contact_id, kind, categories,
             changed_categories, source, wording_version, sender_phone_number_id, occurred_time,
             record_time, expire_time, erased_positions, detail_hash, hash)
         SELECT w.workspace_id, u.*
         FROM workspace AS w CROSS JOIN unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
             $14, $15, $16) AS u
         WHERE w.workspace_id = $1",
    )
    .bind(&workspace.workspace_id)
    .bind(entries.iter().map(|entry| entry.position).collect::<Vec<_>>())
    .bind(facts().map(|fact| Id(fact.event_id)).collect::<Vec<_>>())
    .bind(facts().map(|fact| fact.contact_id.map(Id)).collect::<Vec<_>>())
    .bind(codes(|fact| fact.kind))
    .bind(codes(|fact| fact.categories))
    .bind(codes(|fact| fact.changed_categories))
    .bind(codes(|fact| fact.source))
    .bind(facts().map(|fact| fact.wording_version.as_str()).collect::<Vec<_>>())
    .bind(facts().map(|fact| fact.sender_phone_number_id.as_deref()).collect::<Vec<_>>())
    .bind(times(|fact| fact.occurred_time))
    .bind(times(|fact| fact.record_time))
    .bind(facts().map(|fact| fact.expire_time).collect::<Vec<_>>())
    .bind(facts().map(erased).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.detail_hash.map(Vec::from)).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.hash.map(Vec::from)).collect::<Vec<_>>())
    .execute(db)
    .await
    .map_err(failure)?;
    expect_rows(result.rows_affected(), entries.len())
}

async fn append_details(
    db: &mut PgConnection,
    workspace: &Workspace,
    details: &[(&Entry, &Detail)],
) -> Result<()> {
    let text = |of: fn(&Detail) -> &str| details.iter().map(|(_, d)| of(d)).collect::<Vec<_>>();
    let result = sqlx::query(
        "INSERT INTO opt_in_event_detail (workspace_id, subject, position, match_key, wording,
             business_name, url, message_id, actor, reason_text, salt)
         SELECT w.workspace_id, u.*
         FROM workspace AS w CROSS JOIN unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS u
         WHERE w.workspace_id = $1",
    )
    .bind(&workspace.workspace_id)
    .bind(details.iter().map(|(entry, detail)| subject(entry, detail)).collect::<Vec<_>>())
    .bind(details.iter().map(|(entry, _)| entry.position).collect::<Vec<_>>())
    .bind(text(|detail| &detail.match_key))
    .bind(text(|detail| &detail.wording))
    .bind(text(|detail| &detail.business_name))
    .bind(text(|detail| &detail.url))
    .bind(text(|detail| &detail.message_id))
    .bind(text(|detail| &detail.actor))
    .bind(text(|detail| &detail.reason_text))
    .bind(details.iter().map(|(_, detail)| detail.salt.to_vec()).collect::<Vec<_>>())
    .execute(db)
    .await
    .map_err(failure)?;
    expect_rows(result.rows_affected(), details.len())
}

pub(super) async fn about(
    db: &mut PgConnection,
    workspace: &Workspace,
    subjects: &Subjects,
    before: i64,
    limit: usize,
) -> Result<Vec<Entry>> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM opt_in_event_detail AS d
         JOIN opt_in_event AS e ON e.workspace_id = d.workspace_id AND e.position = d.position
         WHERE d.workspace_id = $1 AND d.subject = ANY($2) AND d.position < $3
         ORDER BY d.position DESC LIMIT $4",
    ))
    .bind(&workspace.workspace_id)
    .bind(texts(subjects))
    .bind(before)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    Ok(rows.iter().map(decode).collect())
}

pub(super) async fn list(
    db: &mut PgConnection,
    workspace: &Workspace,
    after: i64,
    limit: usize,
) -> Result<Vec<Entry>> {
    // Each side of the union has an index of its own.
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM (SELECT * FROM opt_in_event
                WHERE workspace_id = $1 AND position > $2 ORDER BY position LIMIT $3) AS e
         LEFT JOIN LATERAL (
             SELECT * FROM opt_in_event_detail AS d
             WHERE d.workspace_id = $1 AND d.subject = e.contact_id::text COLLATE \"C\"
                 AND d.position = e.position
             UNION ALL
             SELECT * FROM opt_in_event_detail AS d
             WHERE d.workspace_id = $1 AND d.subject >= 'g' AND d.position = e.position
                 AND e.contact_id IS NULL
         ) AS d ON true
         ORDER BY e.position",
    ))
    .bind(&workspace.workspace_id)
    .bind(after)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    Ok(rows.iter().map(decode).collect())
}

pub(super) async fn forget(
    db: &mut PgConnection,
    workspace: &Workspace,
    subjects: &Subjects,
) -> Result<Vec<i64>> {
    sqlx::query_scalar(
        "DELETE FROM opt_in_event_detail WHERE workspace_id = $1 AND subject = ANY($2)
         RETURNING position",
    )
    .bind(&workspace.workspace_id)
    .bind(texts(subjects))
    .fetch_all(db)
    .await
    .map_err(failure)
}

pub(super) async fn unsealed_workspaces(
    db: &mut PgConnection,
    limit: usize,
) -> Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT w.workspace_id FROM workspace AS w
         JOIN opt_in_event AS e
             ON e.workspace_id = w.workspace_id AND e.position = w.ledger_length + 1
         WHERE e.hash IS NULL LIMIT $1",
    )
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)
}

/// Entries that are there already get their salts and hashes.
pub(super) async fn seal(
    db: &mut PgConnection,
    workspace: &Workspace,
    entries: &[Entry],
    head: &Head,
) -> Result<()> {
    for chunk in entries.chunks(ROWS) {
        sqlx::query(
            "UPDATE opt_in_event AS e SET detail_hash = u.detail_hash, hash = u.hash
             FROM unnest($2, $3, $4) AS u (position, detail_hash, hash)
             WHERE e.workspace_id = $1 AND e.position = u.position",
        )
        .bind(&workspace.workspace_id)
        .bind(chunk.iter().map(|entry| entry.position).collect::<Vec<_>>())
        .bind(chunk.iter().map(|entry| entry.detail_hash.map(Vec::from)).collect::<Vec<_>>())
        .bind(chunk.iter().map(|entry| entry.hash.map(Vec::from)).collect::<Vec<_>>())
        .execute(&mut *db)
        .await
        .map_err(failure)?;
        let details: Vec<_> =
            chunk.iter().filter_map(|entry| Some((entry, entry.detail.as_ref()?))).collect();
        sqlx::query(
            "UPDATE opt_in_event_detail AS d SET salt = u.salt
             FROM unnest($2, $3, $4) AS u (subject, position, salt)
             WHERE d.workspace_id = $1 AND d.subject = u.subject AND d.position = u.position",
        )
        .bind(&workspace.workspace_id)
        .bind(details.iter().map(|(entry, detail)| subject(entry, detail)).collect::<Vec<_>>())
        .bind(details.iter().map(|(entry, _)| entry.position).collect::<Vec<_>>())
        .bind(details.iter().map(|(_, detail)| detail.salt.to_vec()).collect::<Vec<_>>())
        .execute(&mut *db)
        .await
        .map_err(failure)?;
    }
    workspaces::set_ledger(db, workspace, head).await
}

fn decode(row: &PgRow) -> Entry {
    let code = |at: usize| i64::from(row.get::<i16, _>(at));
    let hash = |at: usize| row.get::<Option<&[u8]>, _>(at).and_then(|hash| hash.try_into().ok());
    let contact_id: Option<Id> = row.get(2);
    let Id(event_id) = row.get(1);
    let detail = |match_key| Detail {
        match_key,
        wording: row.get(16),
        business_name: row.get(17),
        url: row.get(18),
        message_id: row.get(19),
        actor: row.get(20),
        reason_text: row.get(21),
        salt: row
            .get::<Option<&[u8]>, _>(22)
            .and_then(|salt| salt.try_into().ok())
            .unwrap_or_default(),
    };
    Entry {
        position: row.get(0),
        fact: Fact {
            event_id,
            contact_id: contact_id.map(|Id(id)| id),
            kind: code(3),
            categories: code(4),
            changed_categories: code(5),
            source: code(6),
            wording_version: row.get(7),
            sender_phone_number_id: row.get(8),
            occurred_time: row.get(9),
            record_time: row.get(10),
            expire_time: row.get(11),
            erased_positions: row.get::<Option<Vec<u8>>, _>(12).map(Positions),
        },
        detail: row.get::<Option<String>, _>(15).map(detail),
        detail_hash: hash(13),
        hash: hash(14),
    }
}

/// A contact's id is no match key, so both fit into one column.
fn subject(entry: &Entry, detail: &Detail) -> String {
    match entry.fact.contact_id {
        Some(contact_id) => contact_id.to_string(),
        None => detail.match_key.clone(),
    }
}

fn texts(subjects: &Subjects) -> Vec<String> {
    let contacts = subjects.contact_ids.iter().map(Uuid::to_string);
    contacts.chain(subjects.keys.iter().map(|key| key.as_str().to_owned())).collect()
}
