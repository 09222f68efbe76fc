//! SQL of the ledger.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, QueryBuilder, Row, Sqlite, Type};
use uuid::Uuid;

use super::session::{ROWS, SqliteSession};
use super::values::{json, row_limit, seq};
use super::workspaces::set_ledger_head;
use crate::domain::error::Result;
use crate::domain::ledger::{Detail, Entry, Fact, Head, Positions};
use crate::domain::phone::MatchKey;
use crate::store::ledger::{claimed_subject, identity_subject};
use crate::store::{LedgerReader, LedgerWriter, Listing, Subjects, Workspace};

/// The columns that [`decode`] reads, of `opt_in_event AS e`.
macro_rules! facts {
    () => {
        "e.position, e.event_id, e.contact_id, e.kind, e.categories, e.changed_categories, e.source,
         e.wording_version, e.sender_phone_number_id, e.occurred_time, e.record_time,
         e.expire_time, e.erased_positions, e.detail_hash, e.hash, e.flags, e.identities"
    };
}

#[async_trait]
impl LedgerReader for SqliteSession {
    async fn ledger_entries(
        &mut self,
        workspace: &Workspace,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let query = sqlx::query(concat!(
            "SELECT ",
            facts!(),
            " FROM opt_in_event AS e
             WHERE e.workspace_key = ? AND e.position > ? ORDER BY e.position LIMIT ?",
        ));
        let query = query.bind(workspace.row_key).bind(after).bind(row_limit(limit));
        let rows = self.fetch_all(query).await?;
        let mut entries: Vec<Entry> = rows.iter().map(decode).collect();
        let mut details = details(self, workspace, &entries).await?;
        for entry in &mut entries {
            entry.detail = details.remove(&entry.position);
        }
        Ok(entries)
    }

    async fn ledger_entries_about(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
        before: i64,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let query = sqlx::query(concat!(
            "SELECT ",
            facts!(),
            ", d.match_key, d.wording, d.business_name, d.url, d.message_id, d.actor,
                 d.reason_text, d.salt
             FROM (SELECT subject, position FROM opt_in_event_detail
                   WHERE workspace_key = ?1 AND subject IN (SELECT value FROM json_each(?2))
                       AND position < ?3
                   UNION ALL
                   SELECT DISTINCT NULL, p.position FROM opt_in_event_pointer AS p
                   WHERE p.workspace_key = ?1
                       AND p.subject IN (SELECT value FROM json_each(?2)) AND p.position < ?3
                       AND NOT EXISTS (
                           SELECT 1 FROM opt_in_event_detail AS d
                           WHERE d.workspace_key = ?1 AND d.position = p.position
                               AND d.subject IN (SELECT value FROM json_each(?2)))
                   ORDER BY position DESC LIMIT ?4) AS found
             JOIN opt_in_event AS e ON e.workspace_key = ?1 AND e.position = found.position
             LEFT JOIN opt_in_event_detail AS d ON d.workspace_key = ?1
                 AND d.subject = found.subject AND d.position = found.position
             ORDER BY e.position DESC",
        ))
        .bind(workspace.row_key)
        .bind(subjects_json(subjects)?)
        .bind(before)
        .bind(row_limit(limit));
        let rows = self.fetch_all(query).await?;
        let detail = |row: &SqliteRow| {
            let has_detail = value::<Option<String>>(row, 17).is_some();
            has_detail.then(|| decode_detail(row, 17))
        };
        Ok(rows.iter().map(|row| Entry { detail: detail(row), ..decode(row) }).collect())
    }

    async fn ledger_entries_at(
        &mut self,
        workspace: &Workspace,
        positions: &[i64],
    ) -> Result<Vec<Entry>> {
        let query = sqlx::query(concat!(
            "SELECT ",
            facts!(),
            " FROM json_each(?) AS asked
             CROSS JOIN opt_in_event AS e ON e.workspace_key = ? AND e.position = asked.value",
        ));
        let query = query.bind(json(&positions)?).bind(workspace.row_key);
        Ok(self.fetch_all(query).await?.iter().map(decode).collect())
    }
}

/// Returns the details of consecutive entries, by position. A contact's detail is
/// found by the contact's id, a non-contact's by an index.
async fn details(
    db: &mut SqliteSession,
    workspace: &Workspace,
    entries: &[Entry],
) -> Result<HashMap<i64, Detail>> {
    let of_contact = |entry: &Entry| Some((entry.position, seq(entry.fact.contact_id?)));
    let asked: Vec<_> = entries.iter().filter_map(of_contact).collect();
    let query = sqlx::query(
        "SELECT d.position, d.match_key, d.wording, d.business_name, d.url, d.message_id, d.actor,
             d.reason_text, d.salt
         FROM json_each(?2) AS asked
         CROSS JOIN opt_in_event_detail AS d
             ON d.workspace_key = ?1 AND d.subject = json_extract(asked.value, '$[1]')
                 AND d.position = json_extract(asked.value, '$[0]')
         UNION ALL
         SELECT d.position, d.match_key, d.wording, d.business_name, d.url, d.message_id, d.actor,
             d.reason_text, d.salt
         FROM opt_in_event_detail AS d INDEXED BY opt_in_event_detail_non_contact
         WHERE d.workspace_key = ?1 AND d.position BETWEEN ?3 AND ?4
             AND typeof(d.subject) = 'text'",
    )
    .bind(workspace.row_key)
    .bind(json(&asked)?)
    .bind(entries.first().map_or(0, |entry| entry.position))
    .bind(entries.last().map_or(0, |entry| entry.position));
    let rows = db.fetch_all(query).await?;
    Ok(rows.iter().map(|row| (value(row, 0), decode_detail(row, 1))).collect())
}

#[async_trait]
impl LedgerWriter for SqliteSession {
    async fn append_ledger_entries(
        &mut self,
        workspace: &Workspace,
        entries: &[Entry],
        head: &Head,
    ) -> Result<()> {
        let facts = entries.chunks(ROWS).map(|chunk| insert_facts(workspace, chunk));
        let details: Vec<_> =
            entries.iter().filter_map(|entry| Some((entry, entry.detail.as_ref()?))).collect();
        let details = details.chunks(ROWS).map(|chunk| insert_details(workspace, chunk));
        self.execute_all(facts.chain(details)).await?;
        set_ledger_head(self, workspace, head).await
    }

    async fn erase_ledger_details(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<Vec<i64>> {
        let query = sqlx::query(
            "DELETE FROM opt_in_event_detail
             WHERE workspace_key = ? AND subject IN (SELECT value FROM json_each(?))
             RETURNING position",
        );
        let query = query.bind(workspace.row_key).bind(subjects_json(subjects)?);
        Ok(self.fetch_all(query).await?.iter().map(|row| row.get(0)).collect())
    }

    async fn erase_ledger_details_at(
        &mut self,
        workspace: &Workspace,
        positions: &[i64],
    ) -> Result<()> {
        let query = sqlx::query(
            "DELETE FROM opt_in_event_detail
             WHERE workspace_key = ? AND position IN (SELECT value FROM json_each(?))",
        );
        self.execute(query.bind(workspace.row_key).bind(json(positions)?)).await?;
        Ok(())
    }

    async fn claim_ledger_details(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
        contact_id: Uuid,
    ) -> Result<()> {
        let keys: Vec<_> = keys.iter().map(MatchKey::as_str).collect();
        let query = sqlx::query(
            "UPDATE opt_in_event_detail SET subject = ?
             WHERE workspace_key = ? AND subject IN (SELECT value FROM json_each(?))",
        );
        let query = query.bind(claimed_subject(contact_id)).bind(workspace.row_key);
        self.execute(query.bind(json(&keys)?)).await?;
        Ok(())
    }

    async fn add_ledger_pointers(
        &mut self,
        workspace: &Workspace,
        pointers: &[(Listing, i64)],
    ) -> Result<()> {
        let statements = pointers.chunks(ROWS).map(|chunk| {
            let mut sql = QueryBuilder::<Sqlite>::new(
                "INSERT OR IGNORE INTO opt_in_event_pointer (workspace_key, subject, position) ",
            );
            sql.push_values(chunk, |mut values, (listing, position)| {
                values
                    .push_bind(workspace.row_key)
                    .push_bind(listing.subject())
                    .push_bind(*position);
            });
            sql
        });
        self.execute_all(statements).await
    }
}

fn insert_facts(workspace: &Workspace, entries: &[Entry]) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "INSERT INTO opt_in_event (workspace_key, position, event_id, contact_id, kind,
             categories, changed_categories, source, wording_version, sender_phone_number_id,
             occurred_time, record_time, expire_time, erased_positions, detail_hash, hash, flags,
             identities) ",
    );
    sql.push_values(entries, |mut row, entry| {
        let fact = &entry.fact;
        row.push_bind(workspace.row_key)
            .push_bind(entry.position)
            .push_bind(fact.event_id)
            .push_bind(fact.contact_id)
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
            .push_bind(entry.hash.as_ref().map(|hash| hash.as_slice()))
            .push_bind(fact.flags)
            .push_bind(&fact.identities);
    });
    sql
}

fn insert_details(workspace: &Workspace, details: &[(&Entry, &Detail)]) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "INSERT INTO opt_in_event_detail (workspace_key, subject, position, match_key, wording,
             business_name, url, message_id, actor, reason_text, salt) ",
    );
    sql.push_values(details, |mut row, (entry, detail)| {
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
}

/// An entry without its detail.
fn decode(row: &SqliteRow) -> Entry {
    Entry {
        position: value(row, 0),
        fact: Fact {
            event_id: value(row, 1),
            contact_id: value(row, 2),
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
            flags: value(row, 15),
            identities: value(row, 16),
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

/// The value of a column. SQLite columns may hold values of any type: one that was
/// tampered with is read as the default, which does not match the entry's hash.
fn value<'r, T: Decode<'r, Sqlite> + Type<Sqlite> + Default>(row: &'r SqliteRow, at: usize) -> T {
    row.try_get(at).unwrap_or_default()
}

fn subjects_json(subjects: &Subjects) -> Result<String> {
    let contacts = subjects.contact_ids.iter().map(|id| serde_json::Value::from(seq(*id)));
    let claimed = subjects.contact_ids.iter().map(|id| claimed_subject(*id).into());
    let keys = subjects.keys.iter().map(|key| serde_json::Value::from(key.as_str()));
    let identities = subjects.identities.iter().map(|id| identity_subject(*id).into());
    json(&contacts.chain(claimed).chain(keys).chain(identities).collect::<Vec<_>>())
}
