//! SQL of the ledger.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::contacts::{status, status_code};
use super::ids::Id;
use super::{ROWS, expect_rows, failure, micros, time};
use crate::domain::consent::{ConsentEvent, Evidence, MessageCategory, Source};
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::store::{Subjects, Workspace};

pub(super) async fn append(
    db: &mut PgConnection,
    workspace: &Workspace,
    events: &[ConsentEvent],
) -> Result<()> {
    for chunk in events.chunks(ROWS) {
        append_events(db, workspace, chunk).await?;
        append_details(db, workspace, chunk).await?;
    }
    Ok(())
}

async fn append_events(
    db: &mut PgConnection,
    workspace: &Workspace,
    events: &[ConsentEvent],
) -> Result<()> {
    let ids: Vec<_> = events.iter().map(|event| Id(event.event_id)).collect();
    let contact_ids: Vec<_> = events.iter().map(|event| event.contact_id.map(Id)).collect();
    let codes = |of: fn(&ConsentEvent) -> i16| events.iter().map(of).collect::<Vec<_>>();
    let expire_times: Vec<_> = events.iter().map(|event| event.expire_time.map(micros)).collect();
    let moments = |of: fn(&ConsentEvent) -> i64| events.iter().map(of).collect::<Vec<_>>();
    let versions: Vec<_> =
        events.iter().map(|event| event.evidence.wording_version.as_str()).collect();
    let result = sqlx::query(
        "INSERT INTO opt_in_event (workspace_id, event_id, contact_id, status, categories,
             changed_categories, source, wording_version, occurred_time, record_time, expire_time)
         SELECT w.workspace_id, u.*
         FROM workspace AS w CROSS JOIN unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS u
         WHERE w.workspace_id = $1",
    )
    .bind(&workspace.workspace_id)
    .bind(ids)
    .bind(contact_ids)
    .bind(codes(|event| status_code(event.status)))
    .bind(codes(|event| bits(&event.categories)))
    .bind(codes(|event| bits(&event.changed_categories)))
    .bind(codes(|event| event.source as i16))
    .bind(versions)
    .bind(moments(|event| micros(event.occurred_time)))
    .bind(moments(|event| micros(event.record_time)))
    .bind(expire_times)
    .execute(db)
    .await
    .map_err(failure)?;
    expect_rows(result.rows_affected(), events.len())
}

async fn append_details(
    db: &mut PgConnection,
    workspace: &Workspace,
    events: &[ConsentEvent],
) -> Result<()> {
    let ids: Vec<_> = events.iter().map(|event| Id(event.event_id)).collect();
    let subjects: Vec<_> = events.iter().map(subject).collect();
    let text = |of: fn(&ConsentEvent) -> &str| events.iter().map(of).collect::<Vec<_>>();
    let result = sqlx::query(
        "INSERT INTO opt_in_event_detail (workspace_id, subject, event_id, match_key, wording,
             business_name, url, message_id, actor, reason_text)
         SELECT w.workspace_id, u.*
         FROM workspace AS w CROSS JOIN unnest($2, $3, $4, $5, $6, $7, $8, $9, $10) AS u
         WHERE w.workspace_id = $1",
    )
    .bind(&workspace.workspace_id)
    .bind(subjects)
    .bind(ids)
    .bind(text(|event| event.match_key.as_str()))
    .bind(text(|event| &event.evidence.wording))
    .bind(text(|event| &event.evidence.business_name))
    .bind(text(|event| &event.evidence.url))
    .bind(text(|event| &event.evidence.message_id))
    .bind(text(|event| &event.evidence.actor))
    .bind(text(|event| &event.reason_text))
    .execute(db)
    .await
    .map_err(failure)?;
    expect_rows(result.rows_affected(), events.len())
}

pub(super) async fn list(
    db: &mut PgConnection,
    workspace: &Workspace,
    subjects: &Subjects,
    before: Option<Uuid>,
    limit: usize,
) -> Result<Vec<ConsentEvent>> {
    let rows = sqlx::query(
        "SELECT e.event_id, e.contact_id, d.match_key, e.status, e.categories,
             e.changed_categories, e.source, e.wording_version, e.occurred_time, e.record_time,
             e.expire_time, d.wording, d.business_name, d.url, d.message_id, d.actor,
             d.reason_text
         FROM opt_in_event_detail AS d
         JOIN opt_in_event AS e ON e.workspace_id = d.workspace_id AND e.event_id = d.event_id
         WHERE d.workspace_id = $1 AND d.subject = ANY($2) AND d.event_id < $3
         ORDER BY d.event_id DESC LIMIT $4",
    )
    .bind(&workspace.workspace_id)
    .bind(texts(subjects))
    .bind(Id(before.unwrap_or(Uuid::max())))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    rows.iter().map(decode).collect()
}

pub(super) async fn forget(
    db: &mut PgConnection,
    workspace: &Workspace,
    subjects: &Subjects,
) -> Result<()> {
    sqlx::query("DELETE FROM opt_in_event_detail WHERE workspace_id = $1 AND subject = ANY($2)")
        .bind(&workspace.workspace_id)
        .bind(texts(subjects))
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

fn decode(row: &PgRow) -> Result<ConsentEvent> {
    let Id(event_id) = row.get(0);
    let contact_id: Option<Id> = row.get(1);
    let source: i16 = row.get(6);
    let expire_time: Option<i64> = row.get(10);
    Ok(ConsentEvent {
        event_id,
        contact_id: contact_id.map(|Id(id)| id),
        match_key: MatchKey::from_stored(row.get(2)),
        status: status(row.get(3))?,
        categories: categories(row.get(4)),
        changed_categories: categories(row.get(5)),
        source: Source::from_code(source.into())
            .ok_or_else(|| Error::internal("a stored opt-in source is unknown"))?,
        occurred_time: time(row.get(8)),
        record_time: time(row.get(9)),
        expire_time: expire_time.map(time),
        evidence: Evidence {
            wording: row.get(11),
            wording_version: row.get(7),
            business_name: row.get(12),
            url: row.get(13),
            message_id: row.get(14),
            actor: row.get(15),
        },
        reason_text: row.get(16),
    })
}

/// A contact's id is no match key, so both fit into one column.
fn subject(event: &ConsentEvent) -> String {
    match event.contact_id {
        Some(contact_id) => contact_id.to_string(),
        None => event.match_key.as_str().to_owned(),
    }
}

fn texts(subjects: &Subjects) -> Vec<String> {
    let contacts = subjects.contact_ids.iter().map(Uuid::to_string);
    contacts.chain(subjects.keys.iter().map(|key| key.as_str().to_owned())).collect()
}

fn bits(categories: &[MessageCategory]) -> i16 {
    categories.iter().fold(0, |bits, category| bits | 1 << *category as i16)
}

fn categories(bits: i16) -> Vec<MessageCategory> {
    let set = |category: &MessageCategory| bits & 1 << *category as i16 != 0;
    MessageCategory::ALL.into_iter().filter(set).collect()
}
