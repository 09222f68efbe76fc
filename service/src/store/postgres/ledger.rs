//! SQL of the ledger.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::session::{PostgresSession, ROWS};
use super::values::row_limit;
use super::workspaces::set_ledger_head;
use crate::domain::error::Result;
use crate::domain::ledger::{Detail, Entry, Head};
use crate::domain::phone::MatchKey;
use crate::store::common::Columns;
use crate::store::common::ledger_pack::{
    PACK, details, details_without, encode_details_of, encode_facts, unpack,
};
use crate::store::ledger::{claimed_subject, identity_subject};
use crate::store::{
    DetailClaim, LedgerReader, LedgerWriter, ListedUnder, Listing, Subjects, Workspace,
};

/// The packs that hold the positions in `$2`.
macro_rules! packs_of_positions {
    () => {
        "(SELECT (SELECT min(p.last_position) FROM opt_in_event_pack AS p
                  WHERE p.workspace_id = $1 AND p.last_position >= asked.position)
          FROM unnest($2) AS asked (position))"
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
                 WHERE workspace_id = $1 AND subject = ANY($2) AND position < $3
                 UNION ALL
                 SELECT position, 0 FROM opt_in_event_pointer
                 WHERE workspace_id = $1 AND subject = ANY($5) AND position < $3) AS listed
             GROUP BY position ORDER BY position DESC LIMIT $4",
        )
        .bind(&workspace.workspace_id)
        .bind(subject_bytes(subjects))
        .bind(before)
        .bind(row_limit(limit))
        .bind(pointer_texts(subjects));
        let rows = self.fetch_all(query).await?;
        let listed = rows.iter().map(|row| (row.get(0), row.get::<i32, _>(1) == 1));
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
        let mut found = vec![false; asked.len()];
        let (mut details, mut others) = (Asked::default(), Asked::default());
        for (place, (under, position)) in asked.iter().enumerate() {
            match under {
                ListedUnder::Contact(id) => details.add(place, id.as_bytes().to_vec(), *position),
                ListedUnder::Claimed(id) => {
                    details.add(place, claimed_subject(*id).into_bytes(), *position);
                }
                ListedUnder::Key(key) => {
                    details.add(place, key.as_str().as_bytes().to_vec(), *position);
                }
                ListedUnder::Also(listing) => others.add(place, listing.subject(), *position),
            }
        }
        let query = sqlx::query(
            "SELECT a.place FROM unnest($2, $3, $4) AS a (place, subject, position)
             JOIN opt_in_event_subject AS l ON l.workspace_id = $1 AND l.subject = a.subject
                 AND l.position = a.position",
        );
        let query = query.bind(&workspace.workspace_id);
        let query = query.bind(&details.places).bind(&details.subjects).bind(&details.positions);
        let mut rows = self.fetch_all(query).await?;
        let query = sqlx::query(
            "SELECT a.place FROM unnest($2, $3, $4) AS a (place, subject, position)
             JOIN opt_in_event_pointer AS l ON l.workspace_id = $1 AND l.subject = a.subject
                 AND l.position = a.position",
        );
        let query = query.bind(&workspace.workspace_id);
        let query = query.bind(&others.places).bind(&others.subjects).bind(&others.positions);
        rows.extend(self.fetch_all(query).await?);
        for row in rows {
            let place = usize::try_from(row.int(0)).ok();
            if let Some(found) = place.and_then(|place| found.get_mut(place)) {
                *found = true;
            }
        }
        Ok(found)
    }

    async fn count_listed_details(&mut self, workspace: &Workspace) -> Result<i64> {
        let query =
            sqlx::query("SELECT count(*) FROM opt_in_event_subject WHERE workspace_id = $1");
        Ok(self.fetch_one(query.bind(&workspace.workspace_id)).await?.int(0))
    }
}

/// Subjects and positions that are looked up, with their places in the answer.
struct Asked<S> {
    places: Vec<i64>,
    subjects: Vec<S>,
    positions: Vec<i64>,
}

impl<S> Default for Asked<S> {
    fn default() -> Self {
        Self { places: Vec::new(), subjects: Vec::new(), positions: Vec::new() }
    }
}

impl<S> Asked<S> {
    fn add(&mut self, place: usize, subject: S, position: i64) {
        self.places.push(place as i64);
        self.subjects.push(subject);
        self.positions.push(position);
    }
}

/// The packs that end after one position and before another, in order.
async fn packs(
    db: &mut PostgresSession,
    workspace: &Workspace,
    after: i64,
    before: i64,
    limit: i64,
) -> Result<Vec<PgRow>> {
    let query = sqlx::query(
        "SELECT e.last_position, e.facts, d.details
         FROM opt_in_event_pack AS e
         LEFT JOIN opt_in_event_detail_pack AS d ON d.workspace_id = e.workspace_id
             AND d.last_position = e.last_position
         WHERE e.workspace_id = $1 AND e.last_position > $2 AND e.last_position < $3
         ORDER BY e.last_position LIMIT $4",
    );
    db.fetch_all(query.bind(&workspace.workspace_id).bind(after).bind(before).bind(limit)).await
}

/// The entries at these positions, each with its detail if the value says so.
async fn entries_at(
    db: &mut PostgresSession,
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
             LEFT JOIN opt_in_event_detail_pack AS d ON d.workspace_id = e.workspace_id
                 AND d.last_position = e.last_position
             WHERE e.workspace_id = $1 AND e.last_position IN ",
            packs_of_positions!(),
        ));
        let rows = db.fetch_all(query.bind(&workspace.workspace_id).bind(chunk)).await?;
        for mut entry in rows.iter().flat_map(entries) {
            if chunk.binary_search(&entry.position).is_ok() {
                entry.detail = entry.detail.filter(|_| listed[&entry.position]);
                found.push(entry);
            }
        }
    }
    Ok(found)
}

/// The entries of a row of facts and details.
fn entries(row: &PgRow) -> impl Iterator<Item = Entry> {
    unpack(row.get(0), row.get(1), row.get(2))
}

#[async_trait]
impl LedgerWriter for PostgresSession {
    async fn append_ledger_entries(
        &mut self,
        workspace: &Workspace,
        entries: &[Entry],
        head: &Head,
    ) -> Result<()> {
        if let [entry] = entries
            && !self.is_distributed
        {
            return append_one(self, workspace, entry, head).await;
        }
        let packs = entries.chunks(PACK);
        let facts = packs.clone().map(|pack| (last_position(pack), encode_facts(pack)));
        insert_packs(self, workspace, FACTS, facts.unzip()).await?;
        let said = packs.filter_map(|pack| Some((last_position(pack), encode_details_of(pack)?)));
        insert_packs(self, workspace, DETAILS, said.unzip()).await?;
        let said: Vec<_> = details(entries).collect();
        for chunk in said.chunks(ROWS) {
            insert_subjects(self, workspace, chunk).await?;
        }
        set_ledger_head(self, workspace, head).await
    }

    async fn erase_ledger_details(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<Vec<i64>> {
        let query = sqlx::query(
            "DELETE FROM opt_in_event_subject
             WHERE workspace_id = $1 AND subject = ANY($2) RETURNING position",
        );
        let query = query.bind(&workspace.workspace_id).bind(subject_bytes(subjects));
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
             WHERE workspace_id = $1 AND position = ANY($2)",
        );
        self.execute(query.bind(&workspace.workspace_id).bind(positions)).await?;
        erase_details(self, workspace, positions).await
    }

    async fn claim_ledger_details(
        &mut self,
        workspace: &Workspace,
        hashed: &[MatchKey],
        contact_id: Uuid,
    ) -> Result<()> {
        let keys: Vec<_> = hashed.iter().map(|key| key.as_str().as_bytes()).collect();
        let query = sqlx::query(
            "UPDATE opt_in_event_subject SET subject = $3
             WHERE workspace_id = $1 AND subject = ANY($2)",
        );
        let query = query.bind(&workspace.workspace_id).bind(keys);
        self.execute(query.bind(claimed_subject(contact_id).into_bytes())).await?;
        let query = sqlx::query(
            "INSERT INTO opt_in_event_pointer (workspace_id, subject, position)
             SELECT workspace_id, $3, position FROM opt_in_event_pointer
             WHERE workspace_id = $1 AND subject = ANY($2) ON CONFLICT DO NOTHING",
        );
        let keys = hashed.iter().map(MatchKey::as_str).collect::<Vec<_>>();
        let query = query.bind(&workspace.workspace_id).bind(keys);
        self.execute(query.bind(claimed_subject(contact_id))).await?;
        Ok(())
    }

    async fn claim_ledger_details_at(
        &mut self,
        workspace: &Workspace,
        claims: &[DetailClaim],
    ) -> Result<()> {
        let subject = |claim: &DetailClaim| claimed_subject(claim.contact_id).into_bytes();
        let query = sqlx::query(
            "UPDATE opt_in_event_subject AS s SET subject = u.claimed
             FROM unnest($2, $3, $4) AS u(claimed, subject, position)
             WHERE s.workspace_id = $1 AND s.subject = u.subject AND s.position = u.position",
        )
        .bind(&workspace.workspace_id)
        .bind(claims.iter().map(subject).collect::<Vec<_>>())
        .bind(claims.iter().map(|claim| claim.key.as_str().as_bytes()).collect::<Vec<_>>())
        .bind(claims.iter().map(|claim| claim.position).collect::<Vec<_>>());
        self.execute(query).await?;
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

/// Writes the packs of these positions again, without the details there.
async fn erase_details(
    db: &mut PostgresSession,
    workspace: &Workspace,
    positions: &[i64],
) -> Result<()> {
    for chunk in positions.chunks(PACK) {
        let query = sqlx::query(concat!(
            "SELECT last_position, details FROM opt_in_event_detail_pack
             WHERE workspace_id = $1 AND last_position IN ",
            packs_of_positions!(),
            // Another erasure may be about to write a pack again, too.
            " ORDER BY last_position FOR UPDATE",
        ));
        let rows = db.fetch_all(query.bind(&workspace.workspace_id).bind(chunk)).await?;
        let erased: HashSet<_> = chunk.iter().copied().collect();
        for row in &rows {
            let query = match details_without(row.bytes(1), &erased) {
                Some(left) => sqlx::query(
                    "UPDATE opt_in_event_detail_pack SET details = $3
                     WHERE workspace_id = $1 AND last_position = $2",
                )
                .bind(&workspace.workspace_id)
                .bind(row.int(0))
                .bind(left),
                None => sqlx::query(
                    "DELETE FROM opt_in_event_detail_pack
                     WHERE workspace_id = $1 AND last_position = $2",
                )
                .bind(&workspace.workspace_id)
                .bind(row.int(0)),
            };
            db.execute(query).await?;
        }
    }
    Ok(())
}

/// What one opt-out appends, in one statement: the others of the workspace wait for each more. Citus
/// sends no such statement to one node.
async fn append_one(
    db: &mut PostgresSession,
    workspace: &Workspace,
    entry: &Entry,
    head: &Head,
) -> Result<()> {
    let pack = std::slice::from_ref(entry);
    let detail = details(pack).next();
    let query = sqlx::query(match detail {
        Some(_) => {
            "WITH facts AS (
                 INSERT INTO opt_in_event_pack (workspace_id, last_position, facts)
                 VALUES ($1, $4, $5)),
             details AS (
                 INSERT INTO opt_in_event_detail_pack (workspace_id, last_position, details)
                 VALUES ($1, $4, $6)),
             subjects AS (
                 INSERT INTO opt_in_event_subject (workspace_id, subject, position)
                 VALUES ($1, $7, $4))
             UPDATE workspace SET ledger_length = $2, ledger_hash = $3 WHERE workspace_id = $1"
        }
        None => {
            "WITH facts AS (
                 INSERT INTO opt_in_event_pack (workspace_id, last_position, facts)
                 VALUES ($1, $4, $5))
             UPDATE workspace SET ledger_length = $2, ledger_hash = $3 WHERE workspace_id = $1"
        }
    })
    .bind(&workspace.workspace_id)
    .bind(head.length)
    .bind(head.hash.as_slice())
    .bind(entry.position)
    .bind(encode_facts(pack));
    let query = match detail {
        Some((_, detail)) => query.bind(encode_details_of(pack)).bind(subject(entry, detail)),
        None => query,
    };
    db.execute_exactly(query, 1).await
}

fn last_position(pack: &[Entry]) -> i64 {
    pack.last().map_or(0, |entry| entry.position)
}

const FACTS: &str = "INSERT INTO opt_in_event_pack (workspace_id, last_position, facts)
     SELECT w.workspace_id, u.* FROM workspace AS w CROSS JOIN unnest($2, $3) AS u
     WHERE w.workspace_id = $1";

const DETAILS: &str = "INSERT INTO opt_in_event_detail_pack (workspace_id, last_position, details)
     SELECT w.workspace_id, u.* FROM workspace AS w CROSS JOIN unnest($2, $3) AS u
     WHERE w.workspace_id = $1";

async fn insert_packs(
    db: &mut PostgresSession,
    workspace: &Workspace,
    sql: &'static str,
    (last_positions, packs): (Vec<i64>, Vec<Vec<u8>>),
) -> Result<()> {
    let count = packs.len();
    if count == 0 {
        return Ok(());
    }
    let query = sqlx::query(sql).bind(&workspace.workspace_id).bind(last_positions).bind(packs);
    db.execute_exactly(query, count).await
}

async fn insert_subjects(
    db: &mut PostgresSession,
    workspace: &Workspace,
    details: &[(&Entry, &Detail)],
) -> Result<()> {
    let query = sqlx::query(
        "INSERT INTO opt_in_event_subject (workspace_id, subject, position)
         SELECT w.workspace_id, u.* FROM workspace AS w CROSS JOIN unnest($2, $3) AS u
         WHERE w.workspace_id = $1",
    )
    .bind(&workspace.workspace_id)
    .bind(details.iter().map(|(entry, detail)| subject(entry, detail)).collect::<Vec<_>>())
    .bind(details.iter().map(|(entry, _)| entry.position).collect::<Vec<_>>());
    db.execute_exactly(query, details.len()).await
}

/// The subject of a detail.
fn subject<'a>(entry: &'a Entry, detail: &'a Detail) -> &'a [u8] {
    match &entry.fact.contact_id {
        Some(contact_id) => contact_id.as_bytes(),
        None => detail.match_key.as_bytes(),
    }
}

/// The subjects of a person's details.
fn subject_bytes(subjects: &Subjects) -> Vec<Vec<u8>> {
    let contacts = subjects.contact_ids.iter().map(|id| id.as_bytes().to_vec());
    let claimed = subjects.contact_ids.iter().map(|id| claimed_subject(*id).into_bytes());
    let keys = subjects.keys.iter().map(|key| key.as_str().as_bytes().to_vec());
    contacts.chain(claimed).chain(keys).collect()
}

/// The subjects of pointers to what a person's list shows.
fn pointer_texts(subjects: &Subjects) -> Vec<String> {
    let claimed = subjects.contact_ids.iter().map(|id| claimed_subject(*id));
    let keys = subjects.keys.iter().map(|key| key.as_str().to_owned());
    let identities = subjects.identities.iter().map(|id| identity_subject(*id));
    claimed.chain(keys).chain(identities).collect()
}
