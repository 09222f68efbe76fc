//! SQL of consent rows.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::session::{PostgresSession, ROWS};
use super::values::{row_limit, texts};
use crate::domain::consent::{IdentityId, OptInPolicy};
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::store::common::{Columns, check_row, consent_row, micros};
use crate::store::policy::{decode_policy, encode_policy};
use crate::store::{
    CheckRows, Checked, ConsentChangeReader, ConsentPlace, ConsentReader, ConsentRow,
    ConsentWriter, StoredConsent, Workspace,
};

/// The columns that [`consent_row`] reads, of `consent AS c`.
macro_rules! columns {
    () => {
        "c.match_key, c.contact_id, c.identity_id, c.is_former, c.consent, c.update_time, c.revision"
    };
}

/// The key of the row of a workspace itself, which a check reads beside those of people: in
/// place of consent it has what tells the workspace from one made later with its id, and its
/// policy. So a check is one read of one table, and its answer is as of one moment. Reading the
/// workspace's own row before or after would combine two: consent that was withdrawn with a
/// policy that came later, or a policy with consent of the next workspace with the id. A join is one
/// read, too, but Citus has no generic plan for joins. No identity has this key.
pub(super) const WORKSPACE_KEY: &str = "!";

/// What the row of a workspace holds in place of consent.
pub(super) fn workspace_entry(workspace: &Workspace) -> Vec<u8> {
    let mut entry = workspace.token_key.to_vec();
    entry.extend(encode_policy(&workspace.settings.opt_in_policy));
    entry
}

/// The key and the policy of [`workspace_entry`].
fn decode_entry(entry: &[u8]) -> Result<([u8; 32], OptInPolicy)> {
    let (key, policy) = entry
        .split_first_chunk()
        .ok_or_else(|| Error::internal("the consent row of a workspace has no key"))?;
    Ok((*key, decode_policy(policy)?))
}

/// The server is in recovery: a copy that may lag behind the primary.
#[derive(Debug, thiserror::Error)]
#[error("the database server is a standby")]
pub(super) struct Standby;

#[async_trait]
impl ConsentReader for PostgresSession {
    async fn check(
        &mut self,
        workspace_id: &str,
        keys: &[MatchKey],
        with_validity: bool,
    ) -> Result<Option<Checked>> {
        // Before the rows, and of the same server: rows that no later revision wrote, of the
        // same workspace, are then exactly as of this revision.
        let validity = match with_validity {
            true => match self.validity(workspace_id).await? {
                Some(validity) => Some(validity),
                None => return Ok(None),
            },
            false => None,
        };
        self.confine(workspace_id).await?;
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            ", pg_is_in_recovery() FROM consent AS c
             WHERE c.workspace_id = $1 AND c.match_key = ANY($2)"
        ));
        let mut asked = texts(keys);
        asked.push(WORKSPACE_KEY);
        let rows = self.fetch_all(query.bind(workspace_id).bind(asked)).await?;
        let entry = rows.iter().find(|row| row.text(0) == WORKSPACE_KEY);
        let Some(entry) = entry else { return Ok(None) };
        if entry.get(7) {
            return Err(Error::unavailable(Standby));
        }
        let (incarnation, policy) = decode_entry(entry.bytes(4))?;
        let is_exact = validity.as_ref().is_some_and(|validity| {
            validity.incarnation == incarnation
                && rows.iter().all(|row| row.int(6) <= validity.revision)
        });
        let mut found = CheckRows::with_capacity(rows.len());
        for row in rows.iter().filter(|row| row.text(0) != WORKSPACE_KEY) {
            let key = MatchKey::from_stored(row.string(0));
            found.insert(key, check_row(row, policy.max_ages())?);
        }
        Ok(Some(Checked { rows: found, validity, is_exact }))
    }

    async fn consent_by_key(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
    ) -> Result<HashMap<MatchKey, ConsentRow>> {
        match self.locks_rows() {
            true => lock(self, workspace, keys).await,
            false => read(self, workspace, keys, "").await,
        }
    }

    async fn consent_page(
        &mut self,
        workspace: &Workspace,
        after: &str,
        limit: usize,
    ) -> Result<Vec<ConsentRow>> {
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM consent AS c WHERE c.workspace_id = $1 AND c.match_key > $2
             AND c.match_key <> '!' ORDER BY c.match_key LIMIT $3",
        ));
        let query = query.bind(&workspace.workspace_id).bind(after).bind(row_limit(limit));
        self.fetch_all(query).await?.iter().map(consent_row).collect()
    }

    async fn stored_consent(
        &mut self,
        workspace: &Workspace,
        after: Option<&ConsentPlace>,
        limit: usize,
    ) -> Result<Vec<StoredConsent>> {
        const COLUMNS: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM consent AS c WHERE c.workspace_id = $1 AND c.match_key <> '!'"
        );
        let rest = if after.is_some() { " AND c.match_key > $3" } else { "" };
        let sql = format!("{COLUMNS}{rest} ORDER BY c.match_key LIMIT $2");
        let query = sqlx::query(AssertSqlSafe(sql));
        let mut query = query.bind(&workspace.workspace_id).bind(row_limit(limit));
        if let Some(after) = after {
            query = query.bind(String::from_utf8_lossy(&after.key).into_owned());
        }
        Ok(self.fetch_all(query).await?.iter().map(stored).collect())
    }
}

fn stored(row: &PgRow) -> StoredConsent {
    StoredConsent {
        place: ConsentPlace { key: row.text(0).as_bytes().to_vec(), is_blob: false },
        identity_id: Some(IdentityId(row.id(2))),
        contact_id: row.optional_id(1),
        row: consent_row(row).ok(),
    }
}

/// Reads rows and locks them until the transaction ends.
///
/// The contacts are locked before their rows. Otherwise two changes of one
/// contact, by phone number and by user id, would wait for each other.
async fn lock(
    db: &mut PostgresSession,
    workspace: &Workspace,
    keys: &[MatchKey],
) -> Result<HashMap<MatchKey, ConsentRow>> {
    let mut found = read(db, workspace, keys, "").await?;
    if !found.is_empty() {
        let owners: BTreeSet<Uuid> = found.values().filter_map(|row| row.contact_id).collect();
        if !owners.is_empty() {
            lock_contacts(db, workspace, &owners).await?;
        }
        // Whoever locks several rows locks them in this order.
        found = read(db, workspace, keys, " ORDER BY c.match_key FOR UPDATE").await?;
        let is_new_owner = |owner| !owners.contains(&owner);
        if found.values().filter_map(|row| row.contact_id).any(is_new_owner) {
            return Err(Error::write_conflict());
        }
    }
    db.locked_consent.extend(found.keys().cloned());
    Ok(found)
}

async fn lock_contacts(
    db: &mut PostgresSession,
    workspace: &Workspace,
    contact_ids: &BTreeSet<Uuid>,
) -> Result<()> {
    let query = sqlx::query(
        "SELECT FROM contact WHERE workspace_id = $1 AND contact_id = ANY($2)
         ORDER BY contact_id FOR UPDATE",
    );
    let contact_ids: Vec<_> = contact_ids.iter().copied().collect();
    db.execute(query.bind(&workspace.workspace_id).bind(contact_ids)).await?;
    Ok(())
}

async fn read(
    db: &mut PostgresSession,
    workspace: &Workspace,
    keys: &[MatchKey],
    suffix: &'static str,
) -> Result<HashMap<MatchKey, ConsentRow>> {
    const READ: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM consent AS c WHERE c.workspace_id = $1 AND c.match_key = ANY($2)"
    );
    let query = sqlx::query(AssertSqlSafe(format!("{READ}{suffix}")));
    let rows = db.fetch_all(query.bind(&workspace.workspace_id).bind(texts(keys))).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let row = consent_row(row)?;
        found.insert(row.match_key.clone(), row);
    }
    Ok(found)
}

#[async_trait]
impl ConsentWriter for PostgresSession {
    async fn upsert_consent(&mut self, workspace: &Workspace, rows: &[ConsentRow]) -> Result<()> {
        self.changed_consent.add(rows.iter().map(|row| &row.match_key));
        // A row that exists and is not locked was written after this transaction
        // read its key. Inserting it again is a conflict; overwriting it could lose
        // an opt-out.
        let is_locked = |row: &&ConsentRow| self.locked_consent.contains(&row.match_key);
        let (locked, new): (Vec<_>, Vec<_>) = rows.iter().partition(is_locked);
        for chunk in locked.chunks(ROWS) {
            write(self, workspace, UPDATE, chunk).await?;
        }
        for chunk in new.chunks(ROWS) {
            write(self, workspace, INSERT, chunk).await?;
        }
        self.locked_consent.extend(new.into_iter().map(|row| row.match_key.clone()));
        Ok(())
    }

    async fn delete_consent(&mut self, workspace: &Workspace, keys: &[MatchKey]) -> Result<()> {
        self.changed_consent.add(keys);
        let query =
            sqlx::query("DELETE FROM consent WHERE workspace_id = $1 AND match_key = ANY($2)");
        self.execute(query.bind(&workspace.workspace_id).bind(texts(keys))).await?;
        Ok(())
    }
}

const UPDATE: &str = "UPDATE consent AS c SET contact_id = u.contact_id,
         identity_id = u.identity_id, is_former = u.is_former, consent = u.consent,
         update_time = u.update_time, revision = u.revision
     FROM unnest($2, $3, $4, $5, $6, $7, $8)
         AS u (match_key, contact_id, identity_id, is_former, consent, update_time, revision)
     WHERE c.workspace_id = $1 AND c.match_key = u.match_key";

const INSERT: &str = "INSERT INTO consent (workspace_id, match_key, contact_id, identity_id,
         is_former, consent, update_time, revision)
     SELECT w.workspace_id, u.*
     FROM workspace AS w CROSS JOIN unnest($2, $3, $4, $5, $6, $7, $8) AS u
     WHERE w.workspace_id = $1";

async fn write(
    db: &mut PostgresSession,
    workspace: &Workspace,
    sql: &'static str,
    rows: &[&ConsentRow],
) -> Result<()> {
    let consents = rows.iter().map(|row| row.consent.encode(row.identity_id));
    let query = sqlx::query(sql)
        .bind(&workspace.workspace_id)
        .bind(rows.iter().map(|row| row.match_key.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.contact_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.identity_id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.is_former).collect::<Vec<_>>())
        .bind(consents.collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.update_time.map(micros)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.revision).collect::<Vec<_>>());
    db.execute_exactly(query, rows.len()).await
}
