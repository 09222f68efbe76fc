//! SQL of contacts that look like one person. A sort of the whole table for every
//! page, of which SQLite holds no more than the page: an index would cost every
//! import.

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::contacts::seq;
use super::failure;
use crate::domain::error::Result;
use crate::domain::search::IN_NO_NAME;
use crate::store::{DuplicateCandidate, DuplicateKey, Workspace, record_id};

pub(super) async fn page(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    likeness: DuplicateKey,
    after: Option<&DuplicateCandidate>,
    limit: usize,
) -> Result<Vec<DuplicateCandidate>> {
    let (text, number) = match likeness {
        DuplicateKey::Email => ("lower(c.email)", "''".to_owned()),
        DuplicateKey::NameAndNumber => {
            ("c.first_name_key", format!("substr(c.phone_number, -{})", DuplicateKey::NUMBER_END))
        }
    };
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT ");
    sql.push(text).push(", ").push(&number).push(", substr(c.record, 1, 38)");
    sql.push(" FROM contact AS c WHERE c.workspace_key = ").push_bind(workspace.row_key);
    match likeness {
        DuplicateKey::Email => {
            sql.push(" AND c.email <> '' AND octet_length(c.email) <= ");
            sql.push_bind(DuplicateKey::MAX_EMAIL as i64);
        }
        DuplicateKey::NameAndNumber => {
            sql.push(" AND c.phone_number <> '' AND c.first_name_key <> ").push_bind(IN_NO_NAME);
        }
    }
    if let Some(DuplicateCandidate { text: last_text, number: last_number, contact_id }) = after {
        sql.push(" AND (").push(text).push(", ").push(&number).push(", c.seq) > (");
        sql.push_bind(last_text.clone()).push(", ").push_bind(last_number.clone()).push(", ");
        sql.push_bind(seq(*contact_id)).push(")");
    }
    sql.push(" ORDER BY 1, 2, c.seq LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = sql.build().fetch_all(db).await.map_err(failure)?;
    let likely = rows.iter().map(|row| {
        // The record begins with the contact's id.
        let contact_id = record_id(row.get(2))?;
        Ok(DuplicateCandidate { text: row.get(0), number: row.get(1), contact_id })
    });
    likely.collect()
}
