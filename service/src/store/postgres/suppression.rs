//! SQL of those who may not be named, and of the keys they are kept under.

use sqlx::{PgConnection, Row};

use super::consent;
use super::{failure, micros};
use crate::domain::Time;
use crate::domain::error::{Error, Result};
use crate::domain::keyring::KeyId;
use crate::domain::phone::MatchKey;
use crate::store::{ConsentRow, KeyLock, Workspace};

/// Those of all workspaces: what the key file has to have.
pub(super) async fn all_keys(db: &mut PgConnection) -> Result<Vec<KeyId>> {
    let sql = "SELECT DISTINCT key_version, fingerprint FROM suppression_key
               WHERE workspace_id IS NOT NULL";
    read_keys(sqlx::query_as(sql).fetch_all(db).await.map_err(failure)?)
}

pub(super) async fn keys_of(db: &mut PgConnection, workspace_id: &str) -> Result<Vec<KeyId>> {
    let sql = "SELECT key_version, fingerprint FROM suppression_key WHERE workspace_id = $1";
    read_keys(sqlx::query_as(sql).bind(workspace_id).fetch_all(db).await.map_err(failure)?)
}

/// Until the transaction ends, who holds them exclusively is alone with them.
pub(super) async fn lock_keys(
    db: &mut PgConnection,
    workspace: &Workspace,
    current: KeyId,
    hold: KeyLock,
) -> Result<Vec<KeyId>> {
    loop {
        let sql = match hold {
            KeyLock::Shared => {
                "SELECT key_version, fingerprint FROM suppression_key
                 WHERE workspace_id = $1 ORDER BY key_version FOR SHARE"
            }
            KeyLock::Exclusive => {
                "SELECT key_version, fingerprint FROM suppression_key
                 WHERE workspace_id = $1 ORDER BY key_version FOR UPDATE"
            }
        };
        let rows = sqlx::query_as(sql).bind(&workspace.workspace_id).fetch_all(&mut *db);
        let keys = read_keys(rows.await.map_err(failure)?)?;
        if keys.iter().any(|key| key.version == current.version) {
            return Ok(keys);
        }
        // Somebody else may do the same: what counts is then there for both.
        sqlx::query(
            "INSERT INTO suppression_key (workspace_id, key_version, fingerprint)
             VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(&workspace.workspace_id)
        .bind(version(current.version)?)
        .bind(current.fingerprint.as_slice())
        .execute(&mut *db)
        .await
        .map_err(failure)?;
    }
}

fn version(version: u32) -> Result<i32> {
    i32::try_from(version).map_err(Error::internal)
}

fn read_keys(rows: Vec<(i32, Vec<u8>)>) -> Result<Vec<KeyId>> {
    let key = |(version, fingerprint): (i32, Vec<u8>)| {
        let fingerprint = fingerprint
            .try_into()
            .map_err(|_| Error::internal("a stored key fingerprint is not 16 bytes"))?;
        Ok(KeyId { version: u32::try_from(version).map_err(Error::internal)?, fingerprint })
    };
    rows.into_iter().map(key).collect()
}

/// Of those who are no contacts, the rows written since.
pub(super) async fn written_since(
    db: &mut PgConnection,
    workspace: &Workspace,
    revision: i64,
) -> Result<Vec<MatchKey>> {
    let keys: Vec<String> = sqlx::query_scalar(
        "SELECT match_key FROM consent
         WHERE workspace_id = $1 AND contact_id IS NULL AND revision > $2",
    )
    .bind(&workspace.workspace_id)
    .bind(revision)
    .fetch_all(db)
    .await
    .map_err(failure)?;
    Ok(keys.into_iter().map(MatchKey::from_stored).collect())
}

pub(super) async fn in_clear(
    db: &mut PgConnection,
    workspace: &Workspace,
    limit: usize,
) -> Result<Vec<ConsentRow>> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        consent::columns!(),
        " FROM consent AS c
         WHERE c.workspace_id = $1 AND c.contact_id IS NULL AND c.match_key NOT LIKE 'h%' LIMIT $2"
    ))
    .bind(&workspace.workspace_id)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    rows.iter().map(|row| consent::decode(row, row.get(0))).collect()
}

pub(super) async fn subjects_in_clear(
    db: &mut PgConnection,
    workspace: &Workspace,
    limit: usize,
) -> Result<Vec<MatchKey>> {
    // A contact's subject is its id, in the digits 0-9 and a-f.
    let subjects: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT subject FROM opt_in_event_detail
         WHERE workspace_id = $1 AND subject >= 'i' LIMIT $2",
    )
    .bind(&workspace.workspace_id)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await
    .map_err(failure)?;
    Ok(subjects.into_iter().map(MatchKey::from_stored).collect())
}

pub(super) async fn rename_subjects(
    db: &mut PgConnection,
    workspace: &Workspace,
    renamed: &[(MatchKey, MatchKey)],
) -> Result<()> {
    let (old, new): (Vec<_>, Vec<_>) =
        renamed.iter().map(|(old, new)| (old.as_str(), new.as_str())).unzip();
    sqlx::query(
        "UPDATE opt_in_event_detail AS d SET subject = u.new, match_key = u.new
         FROM unnest($2, $3) AS u (old, new)
         WHERE d.workspace_id = $1 AND d.subject = u.old",
    )
    .bind(&workspace.workspace_id)
    .bind(old)
    .bind(new)
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(super) async fn count(
    db: &mut PgConnection,
    workspace: &Workspace,
    version: u32,
) -> Result<i64> {
    let sql = "SELECT count(*) FROM consent
               WHERE workspace_id = $1 AND contact_id IS NULL AND match_key LIKE $2";
    let under = format!("h{version}:%");
    let count = sqlx::query_scalar(sql).bind(&workspace.workspace_id).bind(under);
    count.fetch_one(db).await.map_err(failure)
}

pub(super) async fn drop(
    db: &mut PgConnection,
    workspace: &Workspace,
    before: Time,
    limit: usize,
) -> Result<u64> {
    let result = sqlx::query(
        "DELETE FROM consent
         WHERE workspace_id = $1 AND contact_id IS NULL AND match_key = ANY (ARRAY(
             SELECT match_key FROM consent
             WHERE workspace_id = $1 AND contact_id IS NULL AND update_time < $2
             LIMIT $3 FOR UPDATE SKIP LOCKED))",
    )
    .bind(&workspace.workspace_id)
    .bind(micros(before))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(result.rows_affected())
}
