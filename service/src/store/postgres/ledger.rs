//! SQL of the ledger.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::session::{PostgresSession, ROWS};
use super::values::{row_limit, texts};
use super::workspaces::set_ledger_head;
use crate::domain::error::Result;
use crate::domain::ledger::{Detail, Entry, Fact, Head, Positions};
use crate::domain::phone::MatchKey;
use crate::store::ledger::{claimed_subject, identity_subject};
use crate::store::{LedgerReader, LedgerWriter, Listing, Subjects, Workspace};

/// The columns that [`decode`] reads, of `opt_in_event AS e` and its detail `d`.
macro_rules! columns {
    () => {
        "e.position, e.event_id, e.contact_id, e.kind, e.categories, e.changed_categories, e.source,
         e.wording_version, e.sender_phone_number_id, e.occurred_time, e.record_time,
         e.expire_time, e.erased_positions, e.detail_hash, e.hash,
         d.match_key, d.wording, d.business_name, d.url, d.message_id, d.actor, d.reason_text,
         d.salt, e.flags, e.identities"
    };
}

#[async_trait]
impl LedgerReader for PostgresSession {
    async fn ledger_entries(
        &mut self,
        workspace: &Workspace,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        // Each side of the union uses an index of its own.
        let query = sqlx::query(concat!(
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
        ));
        let query = query.bind(&workspace.workspace_id).bind(after).bind(row_limit(limit));
        Ok(self.fetch_all(query).await?.iter().map(decode).collect())
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
            columns!(),
            " FROM (SELECT subject, position FROM opt_in_event_detail
                   WHERE workspace_id = $1 AND subject = ANY($2) AND position < $3
                   UNION ALL
                   SELECT DISTINCT NULL, p.position FROM opt_in_event_pointer AS p
                   WHERE p.workspace_id = $1 AND p.subject = ANY($2) AND p.position < $3
                       AND NOT EXISTS (
                           SELECT FROM opt_in_event_detail AS d
                           WHERE d.workspace_id = $1 AND d.position = p.position
                               AND d.subject = ANY($2))
                   ORDER BY position DESC LIMIT $4) AS found
             JOIN opt_in_event AS e ON e.workspace_id = $1 AND e.position = found.position
             LEFT JOIN opt_in_event_detail AS d ON d.workspace_id = $1
                 AND d.subject = found.subject AND d.position = found.position
             ORDER BY e.position DESC",
        ))
        .bind(&workspace.workspace_id)
        .bind(subject_texts(subjects))
        .bind(before)
        .bind(row_limit(limit));
        Ok(self.fetch_all(query).await?.iter().map(decode).collect())
    }

    async fn ledger_entries_at(
        &mut self,
        workspace: &Workspace,
        positions: &[i64],
    ) -> Result<Vec<Entry>> {
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM opt_in_event AS e
             LEFT JOIN opt_in_event_detail AS d ON false
             WHERE e.workspace_id = $1 AND e.position = ANY($2)",
        ));
        let query = query.bind(&workspace.workspace_id).bind(positions);
        Ok(self.fetch_all(query).await?.iter().map(decode).collect())
    }
}

#[async_trait]
impl LedgerWriter for PostgresSession {
    async fn append_ledger_entries(
        &mut self,
        workspace: &Workspace,
        entries: &[Entry],
        head: &Head,
    ) -> Result<()> {
        let details: Vec<_> =
            entries.iter().filter_map(|entry| Some((entry, entry.detail.as_ref()?))).collect();
        for chunk in entries.chunks(ROWS) {
            insert_facts(self, workspace, chunk).await?;
        }
        for chunk in details.chunks(ROWS) {
            insert_details(self, workspace, chunk).await?;
        }
        set_ledger_head(self, workspace, head).await
    }

    async fn erase_ledger_details(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<Vec<i64>> {
        let query = sqlx::query(
            "DELETE FROM opt_in_event_detail WHERE workspace_id = $1 AND subject = ANY($2)
             RETURNING position",
        );
        let query = query.bind(&workspace.workspace_id).bind(subject_texts(subjects));
        Ok(self.fetch_all(query).await?.iter().map(|row| row.get(0)).collect())
    }

    async fn erase_ledger_details_at(
        &mut self,
        workspace: &Workspace,
        positions: &[i64],
    ) -> Result<()> {
        let query = sqlx::query(
            "DELETE FROM opt_in_event_detail WHERE workspace_id = $1 AND position = ANY($2)",
        );
        self.execute(query.bind(&workspace.workspace_id).bind(positions)).await?;
        Ok(())
    }

    async fn claim_ledger_details(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
        contact_id: Uuid,
    ) -> Result<()> {
        let query = sqlx::query(
            "UPDATE opt_in_event_detail SET subject = $3
             WHERE workspace_id = $1 AND subject = ANY($2)",
        );
        let query = query.bind(&workspace.workspace_id).bind(texts(keys));
        self.execute(query.bind(claimed_subject(contact_id))).await?;
        Ok(())
    }

    async fn add_ledger_pointers(
        &mut self,
        workspace: &Workspace,
        pointers: &[(Listing, i64)],
    ) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO opt_in_event_pointer (workspace_id, subject, position)
             SELECT w.workspace_id, u.* FROM workspace AS w CROSS JOIN unnest($2, $3) AS u
             WHERE w.workspace_id = $1 ON CONFLICT DO NOTHING",
        )
        .bind(&workspace.workspace_id)
        .bind(pointers.iter().map(|(listing, _)| listing.subject()).collect::<Vec<_>>())
        .bind(pointers.iter().map(|(_, position)| *position).collect::<Vec<_>>());
        self.execute(query).await?;
        Ok(())
    }
}

async fn insert_facts(
    db: &mut PostgresSession,
    workspace: &Workspace,
    entries: &[Entry],
) -> Result<()> {
    let facts = || entries.iter().map(|entry| &entry.fact);
    let codes = |of: fn(&Fact) -> i64| facts().map(|fact| of(fact) as i16).collect::<Vec<_>>();
    let times = |of: fn(&Fact) -> i64| facts().map(of).collect::<Vec<_>>();
    let erased = |fact: &Fact| fact.erased_positions.as_ref().map(|positions| positions.0.clone());
    let query = sqlx::query(
        "INSERT INTO opt_in_event (workspace_id, position, event_id, contact_id, kind, categories,
             changed_categories, source, wording_version, sender_phone_number_id, occurred_time,
             record_time, expire_time, erased_positions, detail_hash, hash, flags, identities)
         SELECT w.workspace_id, u.*
         FROM workspace AS w CROSS JOIN unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
             $14, $15, $16, $17, $18) AS u
         WHERE w.workspace_id = $1",
    )
    .bind(&workspace.workspace_id)
    .bind(entries.iter().map(|entry| entry.position).collect::<Vec<_>>())
    .bind(facts().map(|fact| fact.event_id).collect::<Vec<_>>())
    .bind(facts().map(|fact| fact.contact_id).collect::<Vec<_>>())
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
    .bind(codes(|fact| fact.flags))
    .bind(facts().map(|fact| fact.identities.as_slice()).collect::<Vec<_>>());
    db.execute_exactly(query, entries.len()).await
}

async fn insert_details(
    db: &mut PostgresSession,
    workspace: &Workspace,
    details: &[(&Entry, &Detail)],
) -> Result<()> {
    let text = |of: fn(&Detail) -> &str| details.iter().map(|(_, d)| of(d)).collect::<Vec<_>>();
    let query = sqlx::query(
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
    .bind(details.iter().map(|(_, detail)| detail.salt.to_vec()).collect::<Vec<_>>());
    db.execute_exactly(query, details.len()).await
}

fn decode(row: &PgRow) -> Entry {
    let code = |at: usize| i64::from(row.get::<i16, _>(at));
    let hash = |at: usize| row.get::<Option<&[u8]>, _>(at).and_then(|hash| hash.try_into().ok());
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
            event_id: row.get(1),
            contact_id: row.get(2),
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
            flags: code(23),
            identities: row.get(24),
        },
        detail: row.get::<Option<String>, _>(15).map(detail),
        detail_hash: hash(13),
        hash: hash(14),
    }
}

/// The subject of a detail. A match key never looks like a contact's id, so both fit
/// into one column.
fn subject(entry: &Entry, detail: &Detail) -> String {
    match entry.fact.contact_id {
        Some(contact_id) => contact_id.to_string(),
        None => detail.match_key.clone(),
    }
}

fn subject_texts(subjects: &Subjects) -> Vec<String> {
    let contacts = subjects.contact_ids.iter().map(Uuid::to_string);
    let claimed = subjects.contact_ids.iter().map(|id| claimed_subject(*id));
    let keys = subjects.keys.iter().map(|key| key.as_str().to_owned());
    let identities = subjects.identities.iter().map(|id| identity_subject(*id));
    contacts.chain(claimed).chain(keys).chain(identities).collect()
}
