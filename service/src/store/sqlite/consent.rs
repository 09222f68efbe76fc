//! SQL of consent rows.

use std::collections::HashMap;

use async_trait::async_trait;
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, Row};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::ahead::for_each_encoded;
use super::in_place::Values;
use super::session::SqliteSession;
use super::values::{json, row_limit};
use crate::domain::consent::{IdentityConsent, IdentityId};
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::store::common::{Columns, check_row, consent_row, micros, time, validity};
use crate::store::{
    CheckRows, Checked, ConsentPlace, ConsentReader, ConsentRow, ConsentWriter, StoredConsent,
    Workspace,
};

/// Most keys of one statement.
const MANY: usize = 50;

/// The columns that [`consent_row`] reads, of `consent AS c`.
macro_rules! columns {
    () => {
        "c.match_key, c.contact_id, c.identity_id, c.is_former, c.consent, c.update_time, c.revision"
    };
}

#[async_trait]
impl ConsentReader for SqliteSession {
    async fn check(
        &mut self,
        workspace_id: &str,
        keys: &[MatchKey],
        _with_validity: bool,
    ) -> Result<Option<Checked>> {
        let keys: Vec<_> = keys.iter().map(MatchKey::as_str).collect();
        // An outer join, which returns a row of nulls for a workspace in which none
        // of the keys has a row.
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            ", w.opt_in_policy, w.token_key, w.consent_revision, w.consent_stamp
             FROM workspace AS w
             LEFT JOIN (json_each(?1) AS asked
                 CROSS JOIN consent AS c
                 ON c.match_key = asked.value
                 AND c.workspace_key = (SELECT workspace_key FROM workspace WHERE workspace_id = ?2))
             WHERE w.workspace_id = ?2",
        ));
        let rows = self.fetch_all(query.bind(json(&keys)?).bind(workspace_id)).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let as_of = validity(first, 7)?;
        let mut found = CheckRows::with_capacity(rows.len());
        for row in &rows {
            let Some(key) = row.optional_text(0) else { continue };
            found.insert(MatchKey::from_stored(key.to_owned()), check_row(row, as_of.max_ages)?);
        }
        Ok(Some(Checked { rows: found, validity: Some(as_of), is_exact: true }))
    }

    async fn consent_by_key(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
    ) -> Result<HashMap<MatchKey, ConsentRow>> {
        if keys.len() > MANY {
            return self.in_place(keys.len(), |db| read_each(db, workspace, keys)).await?;
        }
        let asked: Vec<_> = keys.iter().map(MatchKey::as_str).collect();
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM json_each(?) AS asked
             CROSS JOIN consent AS c ON c.workspace_key = ? AND c.match_key = asked.value",
        ));
        let rows = self.fetch_all(query.bind(json(&asked)?).bind(workspace.row_key)).await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let row = consent_row(row)?;
            found.insert(row.match_key.clone(), row);
        }
        Ok(found)
    }

    async fn consent_page(
        &mut self,
        workspace: &Workspace,
        after: &str,
        limit: usize,
    ) -> Result<Vec<ConsentRow>> {
        self.in_place(limit, |db| read_page(db, workspace, after, limit)).await?
    }

    async fn stored_consent(
        &mut self,
        workspace: &Workspace,
        after: Option<&ConsentPlace>,
        limit: usize,
    ) -> Result<Vec<StoredConsent>> {
        const COLUMNS: &str = "SELECT CAST(c.match_key AS BLOB), c.contact_id, c.identity_id,
                 c.is_former, c.consent, c.update_time, c.revision, typeof(c.match_key) = 'blob'
             FROM consent AS c WHERE c.workspace_key = ?1";
        let rest = match after.map(|place| place.is_blob) {
            None => "",
            Some(false) => " AND c.match_key > CAST(?3 AS TEXT)",
            Some(true) => " AND c.match_key > ?3",
        };
        let sql = format!("{COLUMNS}{rest} ORDER BY c.match_key LIMIT ?2");
        let query = sqlx::query(AssertSqlSafe(sql));
        let mut query = query.bind(workspace.row_key).bind(row_limit(limit));
        if let Some(after) = after {
            query = query.bind(&after.key);
        }
        Ok(self.fetch_all(query).await?.iter().map(stored).collect())
    }
}

/// Looks up key by key, which takes less than a list of many does to be made and parsed.
fn read_each(
    db: &Connection,
    workspace: &Workspace,
    keys: &[MatchKey],
) -> rusqlite::Result<Result<HashMap<MatchKey, ConsentRow>>> {
    let mut select = db.prepare(concat!(
        "SELECT ",
        columns!(),
        " FROM consent AS c WHERE c.workspace_key = ? AND c.match_key = ?",
    ))?;
    let mut found = HashMap::new();
    for key in keys {
        let mut rows = select.query((workspace.row_key, key.as_str()))?;
        let Some(row) = rows.next()? else { continue };
        match decode(row, key.clone())? {
            Ok(row) => drop(found.insert(key.clone(), row)),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(found))
}

/// Reads rows one after the other, in a fifth of the time that it takes the driver to send each from its
/// thread.
fn read_page(
    db: &Connection,
    workspace: &Workspace,
    after: &str,
    limit: usize,
) -> rusqlite::Result<Result<Vec<ConsentRow>>> {
    let mut select = db.prepare(concat!(
        "SELECT ",
        columns!(),
        " FROM consent AS c WHERE c.workspace_key = ? AND c.match_key > ?
         ORDER BY c.match_key LIMIT ?",
    ))?;
    let mut rows = select.query((workspace.row_key, after, row_limit(limit)))?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let key = MatchKey::from_stored(row.get_ref(0)?.as_str()?.to_owned());
        match decode(row, key)? {
            Ok(row) => page.push(row),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(page))
}

fn decode(row: &Row<'_>, match_key: MatchKey) -> rusqlite::Result<Result<ConsentRow>> {
    let identity_id = IdentityId(id(row, 2)?.ok_or(FromSqlError::InvalidType)?);
    let consent = match IdentityConsent::decode(identity_id, row.get_ref(4)?.as_blob()?) {
        Ok(consent) => consent,
        Err(error) => return Ok(Err(Error::internal(error))),
    };
    Ok(Ok(ConsentRow {
        match_key,
        identity_id,
        contact_id: id(row, 1)?,
        is_former: row.get(3)?,
        consent,
        update_time: row.get::<_, Option<i64>>(5)?.map(time),
        revision: row.get(6)?,
    }))
}

fn id(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Uuid>> {
    let bytes = row.get_ref(at)?.as_blob_or_null()?;
    bytes.map(Uuid::from_slice).transpose().map_err(|_| FromSqlError::InvalidType.into())
}

/// A row of any content: columns of SQLite may hold values of any type.
fn stored(row: &SqliteRow) -> StoredConsent {
    let place = ConsentPlace {
        key: row.try_get(0).unwrap_or_default(),
        is_blob: row.try_get(7).unwrap_or_default(),
    };
    let contact_id: Option<Option<Uuid>> = row.try_get(1).ok();
    let identity_id = row.try_get(2).ok().map(IdentityId);
    let read = || {
        let key = place.text()?;
        let identity_id = identity_id?;
        let consent: &[u8] = row.try_get(4).ok()?;
        Some(ConsentRow {
            match_key: MatchKey::from_stored(key),
            identity_id,
            contact_id: contact_id?,
            is_former: row.try_get(3).ok()?,
            consent: IdentityConsent::decode(identity_id, consent).ok()?,
            update_time: row.try_get::<Option<i64>, _>(5).ok()?.map(time),
            revision: row.try_get(6).ok()?,
        })
    };
    let row = read();
    StoredConsent { place, identity_id, contact_id: contact_id.flatten(), row }
}

#[async_trait]
impl ConsentWriter for SqliteSession {
    async fn upsert_consent(&mut self, workspace: &Workspace, rows: &[ConsentRow]) -> Result<()> {
        self.changed_consent.add(rows.iter().map(|row| &row.match_key));
        let sql =
            "INSERT OR REPLACE INTO consent (workspace_key, match_key, contact_id, identity_id,
                 is_former, consent, update_time, revision)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        self.in_place(rows.len(), |db| {
            let mut statement = db.prepare(sql)?;
            let encode = |row: &ConsentRow, encoded: &mut Vec<u8>| {
                *encoded = row.consent.encode(row.identity_id);
            };
            for_each_encoded(rows, encode, |row, encoded| {
                let bind = |values: &mut Values<'_, '_>| {
                    values
                        .bind(workspace.row_key)?
                        .bind(row.match_key.as_str())?
                        .bind(row.contact_id.as_ref().map(|id| id.as_bytes().as_slice()))?
                        .bind(row.identity_id.0.as_bytes().as_slice())?
                        .bind(row.is_former)?
                        .bind(encoded.as_slice())?
                        .bind(row.update_time.map(micros))?
                        .bind(row.revision)?;
                    Ok(())
                };
                Values::run(&mut statement, bind).map(drop)
            })
        })
        .await
    }

    async fn delete_consent(&mut self, workspace: &Workspace, keys: &[MatchKey]) -> Result<()> {
        self.changed_consent.add(keys);
        let keys: Vec<_> = keys.iter().map(MatchKey::as_str).collect();
        let query = sqlx::query(
            "DELETE FROM consent
             WHERE workspace_key = ? AND match_key IN (SELECT value FROM json_each(?))",
        );
        self.execute(query.bind(workspace.row_key).bind(json(&keys)?)).await?;
        Ok(())
    }
}
