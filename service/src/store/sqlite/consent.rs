//! SQL of consent rows.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::{QueryBuilder, Sqlite};

use super::session::{ROWS, SqliteSession};
use super::values::json;
use crate::domain::consent::MessageCategory;
use crate::domain::error::Result;
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

#[async_trait]
impl ConsentReader for SqliteSession {
    async fn check(&mut self, workspace_id: &str, keys: &[MatchKey]) -> Result<Option<CheckRows>> {
        let keys: Vec<_> = keys.iter().map(MatchKey::as_str).collect();
        // An outer join, which returns a row of nulls for a workspace in which none
        // of the keys has a row.
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM workspace AS w
             LEFT JOIN (json_each(?1) AS asked
                 CROSS JOIN consent AS c
                 ON c.match_key = asked.value
                 AND c.workspace_key = (SELECT workspace_key FROM workspace WHERE workspace_id = ?2))
             WHERE w.workspace_id = ?2",
        ));
        let rows = self.fetch_all(query.bind(json(&keys)?).bind(workspace_id)).await?;
        if rows.is_empty() {
            return Ok(None);
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
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }
}

#[async_trait]
impl ConsentWriter for SqliteSession {
    async fn upsert_consent(&mut self, workspace: &Workspace, rows: &[ConsentRow]) -> Result<()> {
        let platforms = rows.iter().map(|row| encode_platform(&row.state.platform));
        let platforms = platforms.collect::<Result<Vec<_>>>()?;
        let rows: Vec<_> = rows.iter().zip(platforms).collect();
        let statements = rows.chunks(ROWS).map(|chunk| {
            let mut sql = QueryBuilder::<Sqlite>::new(
                "INSERT OR REPLACE INTO consent (workspace_key, match_key, contact_id,
                     marketing_status, marketing_time, marketing_expire_time, marketing_event,
                     utility_status, utility_time, utility_expire_time, utility_event,
                     authentication_status, authentication_time, authentication_expire_time,
                     authentication_event, update_time, revision, platform) ",
            );
            sql.push_values(chunk, |mut values, (row, platform)| {
                values
                    .push_bind(workspace.row_key)
                    .push_bind(row.match_key.as_str())
                    .push_bind(row.contact_id);
                for category in MessageCategory::ALL {
                    let consent = row.state.get(category);
                    values
                        .push_bind(status_code(consent.status))
                        .push_bind(consent.occurred_time.map(micros))
                        .push_bind(consent.expire_time.map(micros))
                        .push_bind(consent.event_id);
                }
                values
                    .push_bind(row.state.update_time.map(micros))
                    .push_bind(row.revision)
                    .push_bind(platform);
            });
            sql
        });
        self.execute_all(statements).await
    }

    async fn delete_consent(&mut self, workspace: &Workspace, keys: &[MatchKey]) -> Result<()> {
        let keys: Vec<_> = keys.iter().map(MatchKey::as_str).collect();
        let query = sqlx::query(
            "DELETE FROM consent
             WHERE workspace_key = ? AND match_key IN (SELECT value FROM json_each(?))",
        );
        self.execute(query.bind(workspace.row_key).bind(json(&keys)?)).await?;
        Ok(())
    }
}
