//! SQL of contacts that may be the same person.
//!
//! Each page sorts the whole table, of which SQLite keeps no more than the page in
//! memory. An index would slow down every import.

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::session::SqliteSession;
use super::values::{row_limit, seq};
use crate::domain::error::Result;
use crate::domain::search::IN_NO_NAME;
use crate::store::{DuplicateCandidate, DuplicateKey, DuplicateReader, Workspace, record_id};

#[async_trait]
impl DuplicateReader for SqliteSession {
    async fn duplicate_candidates(
        &mut self,
        workspace: &Workspace,
        key: DuplicateKey,
        after: Option<&DuplicateCandidate>,
        limit: usize,
    ) -> Result<Vec<DuplicateCandidate>> {
        let (text, number) = match key {
            DuplicateKey::Email => ("lower(c.email)", "''".to_owned()),
            DuplicateKey::NameAndNumber => {
                let end = DuplicateKey::NUMBER_END;
                ("c.first_name_key", format!("substr(c.phone_number, -{end})"))
            }
        };
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT ");
        sql.push(text).push(", ").push(&number).push(", substr(c.record, 1, 38)");
        sql.push(" FROM contact AS c WHERE c.workspace_key = ").push_bind(workspace.row_key);
        match key {
            DuplicateKey::Email => {
                sql.push(" AND c.email <> '' AND octet_length(c.email) <= ");
                sql.push_bind(DuplicateKey::MAX_EMAIL as i64);
            }
            DuplicateKey::NameAndNumber => {
                sql.push(" AND c.phone_number <> '' AND c.first_name_key <> ");
                sql.push_bind(IN_NO_NAME);
            }
        }
        if let Some(last) = after {
            sql.push(" AND (").push(text).push(", ").push(&number).push(", c.seq) > (");
            sql.push_bind(last.text.clone()).push(", ").push_bind(last.number.clone()).push(", ");
            sql.push_bind(seq(last.contact_id)).push(")");
        }
        sql.push(" ORDER BY 1, 2, c.seq LIMIT ").push_bind(row_limit(limit));
        let rows = self.fetch_all(sql.build()).await?;
        let candidate = |row: &sqlx::sqlite::SqliteRow| {
            // The record begins with the contact's id.
            let contact_id = record_id(row.get(2))?;
            Ok(DuplicateCandidate { text: row.get(0), number: row.get(1), contact_id })
        };
        rows.iter().map(candidate).collect()
    }
}
