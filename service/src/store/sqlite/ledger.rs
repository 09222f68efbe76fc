//! SQL of the ledger.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::ahead::for_each_encoded;
use super::session::SqliteSession;
use super::values::{json, row_limit, seq};
use super::workspaces::set_ledger_head;
use crate::domain::error::Result;
use crate::domain::ledger::{Entry, Head};
use crate::domain::phone::MatchKey;
use crate::store::common::Columns;
use crate::store::common::ledger_pack::{
    PACK, details, details_without, encode_details_of, encode_facts, unpack,
};
use crate::store::ledger::{claimed_subject, identity_subject};
use crate::store::{
    DetailClaim, LedgerReader, LedgerWriter, ListedUnder, Listing, Subjects, Workspace,
};

/// The packs that hold the positions in `?2`.
macro_rules! packs_of_positions {
    () => {
        "(SELECT (SELECT min(p.last_position) FROM opt_in_event_pack AS p
                  WHERE p.workspace_key = ?1 AND p.last_position >= asked.value)
          FROM json_each(?2) AS asked)"
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
        // Positions have no gaps, so that these packs hold as many as are asked for.
        let end = after.saturating_add(row_limit(limit.saturating_add(PACK)));
        let mut rows = packs(self, workspace, after, end, i64::MAX).await?;
        if rows.is_empty() {
            // Unless some were deleted.
            rows = packs(self, workspace, after, i64::MAX, 1).await?;
        }
        let entries = rows.iter().flat_map(entries).filter(|entry| entry.position > after);
        Ok(entries.take(limit).collect())
    }

    async fn ledger_entries_about(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
        before: i64,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        // With details, those of the person; without, others that are listed too.
        let query = sqlx::query(
            "SELECT position, max(has_detail) FROM (
                 SELECT position, 1 AS has_detail FROM opt_in_event_subject
                 WHERE workspace_key = ?1 AND subject IN (SELECT value FROM json_each(?2))
                     AND position < ?3
                 UNION ALL
                 SELECT position, 0 FROM opt_in_event_pointer
                 WHERE workspace_key = ?1 AND subject IN (SELECT value FROM json_each(?2))
                     AND position < ?3)
             GROUP BY position ORDER BY position DESC LIMIT ?4",
        )
        .bind(workspace.row_key)
        .bind(subjects_json(subjects)?)
        .bind(before)
        .bind(row_limit(limit));
        let rows = self.fetch_all(query).await?;
        let listed = rows.iter().map(|row| (row.get(0), row.get(1)));
        let mut entries = entries_at(self, workspace, listed.collect()).await?;
        entries.sort_unstable_by_key(|entry| -entry.position);
        Ok(entries)
    }

    async fn ledger_entries_at(
        &mut self,
        workspace: &Workspace,
        positions: &[i64],
    ) -> Result<Vec<Entry>> {
        let listed = positions.iter().map(|position| (*position, false));
        entries_at(self, workspace, listed.collect()).await
    }

    async fn are_listed(
        &mut self,
        workspace: &Workspace,
        asked: &[(ListedUnder, i64)],
    ) -> Result<Vec<bool>> {
        let subject = |under: &ListedUnder| match under {
            ListedUnder::Contact(id) => (0, serde_json::Value::from(seq(*id))),
            ListedUnder::Claimed(id) => (0, claimed_subject(*id).into()),
            ListedUnder::Key(key) => (0, key.as_str().into()),
            ListedUnder::Also(listing) => (1, listing.subject().into()),
        };
        let asked: Vec<_> =
            asked.iter().map(|(under, position)| (subject(under), *position)).collect();
        let mut found = vec![false; asked.len()];
        for (table, sql) in [
            (
                0,
                "SELECT a.key FROM json_each(?) AS a CROSS JOIN opt_in_event_subject AS l
                 ON l.workspace_key = ? AND l.subject = json_extract(a.value, '$[0]')
                     AND l.position = json_extract(a.value, '$[1]')",
            ),
            (
                1,
                "SELECT a.key FROM json_each(?) AS a CROSS JOIN opt_in_event_pointer AS l
                 ON l.workspace_key = ? AND l.subject = json_extract(a.value, '$[0]')
                     AND l.position = json_extract(a.value, '$[1]')",
            ),
        ] {
            let in_table = asked.iter().enumerate().filter(|(_, ((of, _), _))| *of == table);
            let (places, pairs): (Vec<_>, Vec<_>) = in_table
                .map(|(place, ((_, subject), position))| (place, (subject, position)))
                .unzip();
            if pairs.is_empty() {
                continue;
            }
            let query = sqlx::query(sql).bind(json(&pairs)?).bind(workspace.row_key);
            for row in self.fetch_all(query).await? {
                let at = usize::try_from(row.get::<i64, _>(0)).unwrap_or(usize::MAX);
                if let Some(place) = places.get(at) {
                    found[*place] = true;
                }
            }
        }
        Ok(found)
    }

    async fn count_listed_details(&mut self, workspace: &Workspace) -> Result<i64> {
        let query =
            sqlx::query("SELECT count(*) FROM opt_in_event_subject WHERE workspace_key = ?");
        Ok(self.fetch_one(query.bind(workspace.row_key)).await?.get(0))
    }
}

/// The packs that end after one position and before another, in order.
async fn packs(
    db: &mut SqliteSession,
    workspace: &Workspace,
    after: i64,
    before: i64,
    limit: i64,
) -> Result<Vec<SqliteRow>> {
    let query = sqlx::query(
        "SELECT e.last_position, e.facts, d.details
         FROM opt_in_event_pack AS e
         LEFT JOIN opt_in_event_detail_pack AS d ON d.workspace_key = e.workspace_key
             AND d.last_position = e.last_position
         WHERE e.workspace_key = ? AND e.last_position > ? AND e.last_position < ?
         ORDER BY e.last_position LIMIT ?",
    );
    db.fetch_all(query.bind(workspace.row_key).bind(after).bind(before).bind(limit)).await
}

/// The entries at these positions, each with its detail if the value says so.
async fn entries_at(
    db: &mut SqliteSession,
    workspace: &Workspace,
    listed: HashMap<i64, bool>,
) -> Result<Vec<Entry>> {
    let mut found = Vec::with_capacity(listed.len());
    let mut positions: Vec<_> = listed.keys().copied().collect();
    positions.sort_unstable();
    // So that no more than this many packs are in memory.
    for chunk in positions.chunks(PACK) {
        let query = sqlx::query(concat!(
            "SELECT e.last_position, e.facts, d.details
             FROM opt_in_event_pack AS e
             LEFT JOIN opt_in_event_detail_pack AS d ON d.workspace_key = e.workspace_key
                 AND d.last_position = e.last_position
             WHERE e.workspace_key = ?1 AND e.last_position IN ",
            packs_of_positions!(),
        ));
        let rows = db.fetch_all(query.bind(workspace.row_key).bind(json(chunk)?)).await?;
        for mut entry in rows.iter().flat_map(entries) {
            if chunk.binary_search(&entry.position).is_ok() {
                entry.detail = entry.detail.filter(|_| listed[&entry.position]);
                found.push(entry);
            }
        }
    }
    Ok(found)
}

/// The entries of a row of facts and details. SQLite columns may hold values of any type: one
/// that was tampered with is read as nothing, which the chain notices.
fn entries(row: &SqliteRow) -> impl Iterator<Item = Entry> {
    let bytes = |at| row.try_get::<Option<&[u8]>, _>(at).unwrap_or_default();
    unpack(row.try_get(0).unwrap_or_default(), bytes(1).unwrap_or_default(), bytes(2))
}

#[async_trait]
impl LedgerWriter for SqliteSession {
    async fn append_ledger_entries(
        &mut self,
        workspace: &Workspace,
        entries: &[Entry],
        head: &Head,
    ) -> Result<()> {
        self.in_place(entries.len(), |db| {
            let mut add_facts = db.prepare(
                "INSERT INTO opt_in_event_pack (workspace_key, last_position, facts)
                 VALUES (?, ?, ?)",
            )?;
            let mut add_details = db.prepare(
                "INSERT INTO opt_in_event_detail_pack (workspace_key, last_position, details)
                 VALUES (?, ?, ?)",
            )?;
            let packs: Vec<_> = entries.chunks(PACK).collect();
            let encode = |pack: &&[Entry], (facts, details): &mut (Vec<u8>, Option<Vec<u8>>)| {
                *facts = encode_facts(pack);
                *details = encode_details_of(pack);
            };
            for_each_encoded(&packs, encode, |pack, (facts, details)| {
                let last = pack.last().map(|entry| entry.position);
                add_facts.execute((workspace.row_key, last, facts))?;
                if let Some(details) = details {
                    add_details.execute((workspace.row_key, last, details))?;
                }
                Ok(())
            })
        })
        .await?;
        let said: Vec<_> = details(entries).collect();
        let sql = "INSERT INTO opt_in_event_subject (workspace_key, subject, position)
             VALUES (?, ?, ?)";
        self.for_each(sql, &said, |values, (entry, detail)| {
            values.bind(workspace.row_key)?;
            match entry.fact.contact_id {
                Some(contact_id) => values.bind(seq(contact_id))?,
                None => values.bind(detail.match_key.as_str())?,
            };
            values.bind(entry.position).map(drop)
        })
        .await?;
        set_ledger_head(self, workspace, head).await
    }

    async fn erase_ledger_details(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<Vec<i64>> {
        let query = sqlx::query(
            "DELETE FROM opt_in_event_subject
             WHERE workspace_key = ? AND subject IN (SELECT value FROM json_each(?))
             RETURNING position",
        );
        let query = query.bind(workspace.row_key).bind(subjects_json(subjects)?);
        let rows = self.fetch_all(query).await?;
        let mut positions: Vec<_> = rows.iter().map(|row| row.get(0)).collect();
        positions.sort_unstable();
        erase_details(self, workspace, &positions).await?;
        Ok(positions)
    }

    async fn erase_ledger_details_at(
        &mut self,
        workspace: &Workspace,
        positions: &[i64],
    ) -> Result<()> {
        let query = sqlx::query(
            "DELETE FROM opt_in_event_subject
             WHERE workspace_key = ? AND position IN (SELECT value FROM json_each(?))",
        );
        self.execute(query.bind(workspace.row_key).bind(json(positions)?)).await?;
        erase_details(self, workspace, positions).await
    }

    async fn claim_ledger_details(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
        contact_id: Uuid,
    ) -> Result<()> {
        let keys: Vec<_> = keys.iter().map(MatchKey::as_str).collect();
        let query = sqlx::query(
            "UPDATE opt_in_event_subject SET subject = ?
             WHERE workspace_key = ? AND subject IN (SELECT value FROM json_each(?))",
        );
        let query = query.bind(claimed_subject(contact_id)).bind(workspace.row_key);
        self.execute(query.bind(json(&keys)?)).await?;
        let query = sqlx::query(
            "INSERT OR IGNORE INTO opt_in_event_pointer (workspace_key, subject, position)
             SELECT workspace_key, ?, position FROM opt_in_event_pointer
             WHERE workspace_key = ? AND subject IN (SELECT value FROM json_each(?))",
        );
        let query = query.bind(claimed_subject(contact_id)).bind(workspace.row_key);
        self.execute(query.bind(json(&keys)?)).await?;
        Ok(())
    }

    async fn claim_ledger_details_at(
        &mut self,
        workspace: &Workspace,
        claims: &[DetailClaim],
    ) -> Result<()> {
        let sql = "UPDATE opt_in_event_subject SET subject = ?
             WHERE workspace_key = ? AND subject = ? AND position = ?";
        self.for_each(sql, claims, |values, claim| {
            let values = values.bind(claimed_subject(claim.contact_id))?;
            values.bind(workspace.row_key)?.bind(claim.key.as_str())?.bind(claim.position).map(drop)
        })
        .await
    }

    async fn add_ledger_pointers(
        &mut self,
        workspace: &Workspace,
        pointers: &[(Listing, i64)],
    ) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO opt_in_event_pointer (workspace_key, subject, position)
             VALUES (?, ?, ?)";
        self.for_each(sql, pointers, |values, (listing, position)| {
            values.bind(workspace.row_key)?.bind(listing.subject())?.bind(position).map(drop)
        })
        .await
    }
}

/// Writes the packs of these positions again, without the details there.
async fn erase_details(
    db: &mut SqliteSession,
    workspace: &Workspace,
    positions: &[i64],
) -> Result<()> {
    for chunk in positions.chunks(PACK) {
        let query = sqlx::query(concat!(
            "SELECT last_position, details FROM opt_in_event_detail_pack
             WHERE workspace_key = ?1 AND last_position IN ",
            packs_of_positions!(),
        ));
        let rows = db.fetch_all(query.bind(workspace.row_key).bind(json(chunk)?)).await?;
        let erased: HashSet<_> = chunk.iter().copied().collect();
        for row in &rows {
            let query = match details_without(row.bytes(1), &erased) {
                Some(left) => sqlx::query(
                    "UPDATE opt_in_event_detail_pack SET details = ?
                     WHERE workspace_key = ? AND last_position = ?",
                )
                .bind(left),
                None => sqlx::query(
                    "DELETE FROM opt_in_event_detail_pack
                     WHERE workspace_key = ? AND last_position = ?",
                ),
            };
            db.execute(query.bind(workspace.row_key).bind(row.int(0))).await?;
        }
    }
    Ok(())
}

fn subjects_json(subjects: &Subjects) -> Result<String> {
    let contacts = subjects.contact_ids.iter().map(|id| serde_json::Value::from(seq(*id)));
    let claimed = subjects.contact_ids.iter().map(|id| claimed_subject(*id).into());
    let keys = subjects.keys.iter().map(|key| serde_json::Value::from(key.as_str()));
    let identities = subjects.identities.iter().map(|id| identity_subject(*id).into());
    json(&contacts.chain(claimed).chain(keys).chain(identities).collect::<Vec<_>>())
}
