//! SQL of contacts that look like one person. Names are walked along their index;
//! email addresses are sorted for every page, of which Postgres holds no more
//! than the page: an index would cost every import.

use sqlx::{PgConnection, Postgres, QueryBuilder, Row};

use super::failure;
use super::ids::Id;
use crate::domain::error::Result;
use crate::domain::search::IN_NO_NAME;
use crate::store::{DuplicateCandidate, DuplicateKey, Workspace};

pub(super) async fn page(
    db: &mut PgConnection,
    workspace: &Workspace,
    likeness: DuplicateKey,
    after: Option<&DuplicateCandidate>,
    limit: usize,
) -> Result<Vec<DuplicateCandidate>> {
    let (text, number) = match likeness {
        DuplicateKey::Email => ("lower(c.email)", "''::text COLLATE \"C\"".to_owned()),
        DuplicateKey::NameAndNumber => {
            ("c.first_name_key", format!("right(c.phone_number, {})", DuplicateKey::NUMBER_END))
        }
    };
    let mut sql = QueryBuilder::<Postgres>::new("SELECT ");
    sql.push(text).push(", ").push(&number).push(", c.contact_id");
    sql.push(" FROM contact AS c WHERE c.workspace_id = ");
    sql.push_bind(workspace.workspace_id.clone());
    match likeness {
        DuplicateKey::Email => {
            sql.push(" AND c.email <> '' AND octet_length(c.email) <= ");
            sql.push_bind(DuplicateKey::MAX_EMAIL as i32);
        }
        DuplicateKey::NameAndNumber => {
            sql.push(" AND c.phone_number <> '' AND c.first_name_key <> ").push_bind(IN_NO_NAME);
        }
    }
    if let Some(DuplicateCandidate { text: last_text, number: last_number, contact_id }) = after {
        // By itself, because an index has it.
        sql.push(" AND ").push(text).push(" >= ").push_bind(last_text.clone());
        sql.push(" AND (").push(text).push(", ").push(&number).push(", c.contact_id) > (");
        sql.push_bind(last_text.clone()).push(", ").push_bind(last_number.clone()).push(", ");
        sql.push_bind(Id(*contact_id)).push(")");
    }
    sql.push(" ORDER BY ").push(text).push(", ").push(&number).push(", c.contact_id LIMIT ");
    sql.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = sql.build().fetch_all(db).await.map_err(failure)?;
    let likely = rows.iter().map(|row| {
        let Id(contact_id) = row.get(2);
        DuplicateCandidate { text: row.get(0), number: row.get(1), contact_id }
    });
    Ok(likely.collect())
}
