//! SQL of contacts that may be the same person.
//!
//! Names are read along their index. Email addresses are sorted for each page, of
//! which Postgres keeps no more than the page in memory. An index would slow down
//! every import.

use async_trait::async_trait;
use sqlx::{Postgres, QueryBuilder, Row};

use super::session::PostgresSession;
use super::values::row_limit;
use crate::domain::error::Result;
use crate::domain::search::IN_NO_NAME;
use crate::store::{DuplicateCandidate, DuplicateKey, DuplicateReader, Workspace};

#[async_trait]
impl DuplicateReader for PostgresSession {
    async fn duplicate_candidates(
        &mut self,
        workspace: &Workspace,
        key: DuplicateKey,
        after: Option<&DuplicateCandidate>,
        limit: usize,
    ) -> Result<Vec<DuplicateCandidate>> {
        let (text, number) = match key {
            DuplicateKey::Email => ("lower(c.email)", "''::text COLLATE \"C\"".to_owned()),
            DuplicateKey::NameAndNumber => {
                let end = DuplicateKey::NUMBER_END;
                ("c.first_name_key", format!("right(c.phone_number, {end})"))
            }
        };
        let mut sql = QueryBuilder::<Postgres>::new("SELECT ");
        sql.push(text).push(", ").push(&number).push(", c.contact_id");
        sql.push(" FROM contact AS c WHERE c.workspace_id = ");
        sql.push_bind(workspace.workspace_id.clone());
        match key {
            DuplicateKey::Email => {
                sql.push(" AND c.email <> '' AND octet_length(c.email) <= ");
                sql.push_bind(DuplicateKey::MAX_EMAIL as i32);
            }
            DuplicateKey::NameAndNumber => {
                sql.push(" AND c.phone_number <> '' AND c.first_name_key <> ");
                sql.push_bind(IN_NO_NAME);
            }
        }
        if let Some(last) = after {
            // A condition of its own, because an index has this column.
            sql.push(" AND ").push(text).push(" >= ").push_bind(last.text.clone());
            sql.push(" AND (").push(text).push(", ").push(&number).push(", c.contact_id) > (");
            sql.push_bind(last.text.clone()).push(", ").push_bind(last.number.clone()).push(", ");
            sql.push_bind(last.contact_id).push(")");
        }
        sql.push(" ORDER BY ").push(text).push(", ").push(&number).push(", c.contact_id LIMIT ");
        sql.push_bind(row_limit(limit));
        let rows = self.fetch_all(sql.build()).await?;
        let candidate = |row: &sqlx::postgres::PgRow| DuplicateCandidate {
            text: row.get(0),
            number: row.get(1),
            contact_id: row.get(2),
        };
        Ok(rows.iter().map(candidate).collect())
    }
}
