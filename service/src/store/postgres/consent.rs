//! SQL of consent rows.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::session::{PostgresSession, ROWS};
use super::values::texts;
use crate::domain::Time;
use crate::domain::consent::{CategoryConsent, MessageCategory};
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::store::common::{Columns, check_row, consent_row, encode_platform, micros, status_code};
use crate::store::{CheckRows, ConsentReader, ConsentRow, ConsentWriter, Workspace};

/// The columns that [`consent_row`] reads, of `consent AS c`.
macro_rules! columns {
    () => {
        "c.match_key, c.contact_id, c.revision, c.update_time,
         c.marketing_status, c.marketing_time, c.marketing_expire_time, c.marketing_event,
         c.utility_status, c.utility_time, c.utility_expire_time, c.utility_event,
         c.authentication_status, c.authentication_time, c.authentication_expire_time,
         c.authentication_event, c.platform"
    };
}

/// The server is in recovery: a copy that may lag behind the primary.
#[derive(Debug, thiserror::Error)]
#[error("the database server is a standby")]
struct Standby;

#[async_trait]
impl ConsentReader for PostgresSession {
    async fn check(&mut self, workspace_id: &str, keys: &[MatchKey]) -> Result<Option<CheckRows>> {
        // An outer join, which returns a row of nulls for a workspace in which none
        // of the keys has a row.
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            ", pg_is_in_recovery()
             FROM workspace AS w
             LEFT JOIN consent AS c ON c.workspace_id = w.workspace_id AND c.match_key = ANY($2)
             WHERE w.workspace_id = $1"
        ));
        let rows = self.fetch_all(query.bind(workspace_id).bind(texts(keys))).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        if first.get(17) {
            return Err(Error::unavailable(Standby));
        }
        let mut found = CheckRows::with_capacity(rows.len());
        for row in &rows {
            let Some(key) = row.optional_text(0) else { continue };
            found.insert(MatchKey::from_stored(key.to_owned()), check_row(row)?);
        }
        Ok(Some(found))
    }

    async fn consent(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
    ) -> Result<Vec<Option<ConsentRow>>> {
        let found = match self.locks_rows() {
            true => lock(self, workspace, keys).await?,
            false => read(self, workspace, keys, "").await?,
        };
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
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
        let query =
            sqlx::query("DELETE FROM consent WHERE workspace_id = $1 AND match_key = ANY($2)");
        self.execute(query.bind(&workspace.workspace_id).bind(texts(keys))).await?;
        Ok(())
    }
}

const UPDATE: &str = "UPDATE consent AS c SET contact_id = u.contact_id, revision = u.revision,
         update_time = u.update_time,
         marketing_status = u.marketing_status, marketing_time = u.marketing_time,
         marketing_expire_time = u.marketing_end, marketing_event = u.marketing_event,
         utility_status = u.utility_status, utility_time = u.utility_time,
         utility_expire_time = u.utility_end, utility_event = u.utility_event,
         authentication_status = u.authentication_status,
         authentication_time = u.authentication_time,
         authentication_expire_time = u.authentication_end,
         authentication_event = u.authentication_event, platform = u.platform
     FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         AS u (match_key, contact_id, revision, update_time,
             marketing_status, marketing_time, marketing_end, marketing_event,
             utility_status, utility_time, utility_end, utility_event,
             authentication_status, authentication_time, authentication_end,
             authentication_event, platform)
     WHERE c.workspace_id = $1 AND c.match_key = u.match_key";

const INSERT: &str = "INSERT INTO consent (workspace_id, match_key, contact_id, revision,
         update_time, marketing_status, marketing_time, marketing_expire_time, marketing_event,
         utility_status, utility_time, utility_expire_time, utility_event,
         authentication_status, authentication_time, authentication_expire_time,
         authentication_event, platform)
     SELECT w.workspace_id, u.*
     FROM workspace AS w CROSS JOIN unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
         $14, $15, $16, $17, $18) AS u
     WHERE w.workspace_id = $1";

async fn write(
    db: &mut PostgresSession,
    workspace: &Workspace,
    sql: &'static str,
    rows: &[&ConsentRow],
) -> Result<()> {
    let platforms = rows.iter().map(|row| encode_platform(&row.state.platform));
    let platforms = platforms.collect::<Result<Vec<_>>>()?;
    let update_time = |row: &&ConsentRow| row.state.update_time.map(micros);
    let mut query = sqlx::query(sql)
        .bind(&workspace.workspace_id)
        .bind(rows.iter().map(|row| row.match_key.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.contact_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.revision).collect::<Vec<_>>())
        .bind(rows.iter().map(update_time).collect::<Vec<_>>());
    for category in MessageCategory::ALL {
        let consents: Vec<_> = rows.iter().map(|row| row.state.get(category)).collect();
        let times = |of: fn(&CategoryConsent) -> Option<Time>| {
            consents.iter().map(|consent| of(consent).map(micros)).collect::<Vec<_>>()
        };
        query = query
            .bind(consents.iter().map(|consent| status_code(consent.status)).collect::<Vec<_>>())
            .bind(times(|consent| consent.occurred_time))
            .bind(times(|consent| consent.expire_time))
            .bind(consents.iter().map(|consent| consent.event_id).collect::<Vec<_>>());
    }
    db.execute_exactly(query.bind(platforms), rows.len()).await
}
