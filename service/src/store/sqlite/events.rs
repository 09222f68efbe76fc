//! SQL of the ledger.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::contacts::{json, seq, status, status_code, uuid};
use super::{ROWS, failure, micros, time};
use crate::domain::consent::{ConsentEvent, Evidence, MessageCategory, Source};
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::store::{Subjects, Workspace};

pub(super) async fn append(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    events: &[ConsentEvent],
) -> Result<()> {
    let facts = events.chunks(ROWS).map(|chunk| {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "INSERT INTO opt_in_event (workspace_key, event_id, contact_id, status, categories,
                 changed_categories, source, wording_version, occurred_time, record_time,
                 expire_time) ",
        );
        sql.push_values(chunk, |mut row, event| {
            row.push_bind(workspace.row_key)
                .push_bind(event.event_id.as_bytes().to_vec())
                .push_bind(event.contact_id.map(|id| id.as_bytes().to_vec()))
                .push_bind(status_code(event.status))
                .push_bind(bits(&event.categories))
                .push_bind(bits(&event.changed_categories))
                .push_bind(event.source as i64)
                .push_bind(&event.evidence.wording_version)
                .push_bind(micros(event.occurred_time))
                .push_bind(micros(event.record_time))
                .push_bind(event.expire_time.map(micros));
        });
        sql
    });
    let details = events.chunks(ROWS).map(|chunk| {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "INSERT INTO opt_in_event_detail (workspace_key, subject, event_id, match_key, wording,
                 business_name, url, message_id, actor, reason_text) ",
        );
        sql.push_values(chunk, |mut row, event| {
            let evidence = &event.evidence;
            row.push_bind(workspace.row_key);
            match event.contact_id {
                Some(contact_id) => row.push_bind(seq(contact_id)),
                None => row.push_bind(event.match_key.as_str()),
            };
            row.push_bind(event.event_id.as_bytes().to_vec())
                .push_bind(event.match_key.as_str())
                .push_bind(&evidence.wording)
                .push_bind(&evidence.business_name)
                .push_bind(&evidence.url)
                .push_bind(&evidence.message_id)
                .push_bind(&evidence.actor)
                .push_bind(&event.reason_text);
        });
        sql
    });
    super::execute_all(db, facts.chain(details)).await
}

pub(super) async fn list(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    subjects: &Subjects,
    before: Option<Uuid>,
    limit: usize,
) -> Result<Vec<ConsentEvent>> {
    let before = before.unwrap_or(Uuid::max());
    let rows = sqlx::query(
        "SELECT * FROM opt_in_event_detail AS d
         JOIN opt_in_event AS e USING (workspace_key, event_id)
         WHERE d.workspace_key = ? AND d.subject IN (SELECT value FROM json_each(?))
             AND d.event_id < ?
         ORDER BY d.event_id DESC LIMIT ?",
    )
    .bind(workspace.row_key)
    .bind(subjects_json(subjects)?)
    .bind(before.as_bytes().as_slice())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    rows.iter().map(decode).collect()
}

pub(super) async fn forget(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    subjects: &Subjects,
) -> Result<()> {
    sqlx::query(
        "DELETE FROM opt_in_event_detail
         WHERE workspace_key = ? AND subject IN (SELECT value FROM json_each(?))",
    )
    .bind(workspace.row_key)
    .bind(subjects_json(subjects)?)
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

fn decode(row: &SqliteRow) -> Result<ConsentEvent> {
    let expire_time: Option<i64> = row.get("expire_time");
    let contact_id: Option<&[u8]> = row.get("contact_id");
    Ok(ConsentEvent {
        event_id: uuid(row.get("event_id"))?,
        contact_id: contact_id.map(uuid).transpose()?,
        match_key: MatchKey::from_stored(row.get("match_key")),
        status: status(row.get("status"))?,
        categories: categories(row.get("categories")),
        source: Source::from_code(row.get("source"))
            .ok_or_else(|| Error::internal("a stored opt-in source is unknown"))?,
        evidence: Evidence {
            wording: row.get("wording"),
            wording_version: row.get("wording_version"),
            business_name: row.get("business_name"),
            url: row.get("url"),
            message_id: row.get("message_id"),
            actor: row.get("actor"),
        },
        reason_text: row.get("reason_text"),
        occurred_time: time(row.get("occurred_time")),
        record_time: time(row.get("record_time")),
        expire_time: expire_time.map(time),
        changed_categories: categories(row.get("changed_categories")),
    })
}

fn subjects_json(subjects: &Subjects) -> Result<String> {
    let contacts = subjects.contact_ids.iter().map(|id| serde_json::Value::from(seq(*id)));
    let keys = subjects.keys.iter().map(|key| serde_json::Value::from(key.as_str()));
    json(&contacts.chain(keys).collect::<Vec<_>>())
}

fn bits(categories: &[MessageCategory]) -> i64 {
    categories.iter().fold(0, |bits, category| bits | 1 << *category as i64)
}

fn categories(bits: i64) -> Vec<MessageCategory> {
    let set = |category: &MessageCategory| bits & 1 << *category as i64 != 0;
    MessageCategory::ALL.into_iter().filter(set).collect()
}
