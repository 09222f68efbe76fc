//! SQL of pages and counts of contacts.

use sqlx::{PgConnection, Postgres, QueryBuilder, Row};

use super::contacts::{COLUMN_COUNT, COLUMNS, decode};
use super::ids::Id;
use super::{failure, filter};
use crate::domain::error::Result;
use crate::store::{ContactRow, Order, OrderBy, Position, Selection, Workspace};

/// With `hold`, the rows stay as they are until the transaction ends.
pub(super) async fn page(
    db: &mut PgConnection,
    workspace: &Workspace,
    selection: &Selection,
    order: Order,
    after: Option<&Position>,
    limit: usize,
    hold: bool,
) -> Result<Vec<ContactRow>> {
    let sort_column = match order.by {
        OrderBy::CreateTime => None,
        OrderBy::FirstName => Some("first_name_key"),
        OrderBy::LastName => Some("last_name_key"),
    };
    let (beyond, direction) = if order.descending { (" < ", " DESC") } else { (" > ", "") };

    let mut sql = QueryBuilder::<Postgres>::new("SELECT ");
    sql.push(COLUMNS);
    if let Some(column) = sort_column {
        sql.push(", c.").push(column);
    }
    push_selection(&mut sql, workspace, selection);
    match (after, sort_column) {
        (Some(position), Some(column)) => {
            sql.push(" AND (c.").push(column).push(", c.contact_id)").push(beyond).push("(");
            sql.push_bind(position.sort_key.clone()).push(", ");
            sql.push_bind(Id(position.contact_id)).push(")");
        }
        (Some(position), None) => {
            sql.push(" AND c.contact_id").push(beyond).push_bind(Id(position.contact_id));
        }
        (None, _) => {}
    }
    sql.push(" ORDER BY ");
    if let Some(column) = sort_column {
        sql.push("c.").push(column).push(direction).push(", ");
    }
    sql.push("c.contact_id").push(direction).push(" LIMIT ");
    sql.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    if hold {
        sql.push(" FOR UPDATE");
    }

    let rows = sql.build().persistent(is_constant(selection)).fetch_all(db).await;
    let sort_key = |row: &_| match sort_column {
        Some(_) => Row::get(row, COLUMN_COUNT),
        None => String::new(),
    };
    rows.map_err(failure)?.iter().map(|row| decode(row, sort_key(row))).collect()
}

pub(super) async fn count(
    db: &mut PgConnection,
    workspace: &Workspace,
    selection: &Selection,
) -> Result<i64> {
    let mut sql = QueryBuilder::<Postgres>::new("SELECT count(*)");
    push_selection(&mut sql, workspace, selection);
    let count = sql.build_query_scalar().persistent(is_constant(selection)).fetch_one(db).await;
    count.map_err(failure)
}

/// Whether this selects by one of a few texts. A filter's own text would push
/// better ones out of the cache of statements, and what is kept is soon planned
/// for any value, where the right plan depends on how many contacts have it.
fn is_constant(selection: &Selection) -> bool {
    selection.filter.is_none() && selection.words.is_empty()
}

/// Appends `FROM … WHERE …`.
fn push_selection(sql: &mut QueryBuilder<Postgres>, workspace: &Workspace, selection: &Selection) {
    sql.push(" FROM contact AS c WHERE c.workspace_id = ");
    sql.push_bind(workspace.workspace_id.clone());
    if !selection.words.is_empty() {
        sql.push(" AND c.words @@ ").push_bind(search_query(&selection.words)).push("::tsquery");
    }
    if let Some(expr) = &selection.filter {
        sql.push(" AND ");
        filter::push(sql, selection.now, expr);
    }
}

/// Every word as the prefix of one in the name. Words are letters and digits
/// only, and quoted: none is syntax.
fn search_query(words: &[String]) -> String {
    words.iter().map(|word| format!("'{word}':*")).collect::<Vec<_>>().join(" & ")
}
