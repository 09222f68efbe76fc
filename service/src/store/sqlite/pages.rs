//! SQL of pages and counts of contacts.

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::contacts::{COLUMNS, decode, seq};
use super::{failure, filter};
use crate::domain::error::Result;
use crate::store::{ContactRow, Order, OrderBy, Position, Selection, Workspace};

pub(super) async fn page(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    selection: &Selection,
    order: Order,
    after: Option<&Position>,
    limit: usize,
) -> Result<Vec<ContactRow>> {
    let sort_column = match order.by {
        OrderBy::CreateTime => None,
        OrderBy::FirstName => Some("first_name_key"),
        OrderBy::LastName => Some("last_name_key"),
    };
    let (beyond, direction) = if order.descending { (" < ", " DESC") } else { (" > ", "") };

    let mut sql = QueryBuilder::<Sqlite>::new("SELECT ");
    sql.push(COLUMNS);
    if let Some(column) = sort_column {
        sql.push(", c.").push(column);
    }
    push_selection(&mut sql, workspace, selection);
    match (after, sort_column) {
        (Some(position), Some(column)) => {
            sql.push(" AND (c.").push(column).push(", c.seq)").push(beyond).push("(");
            sql.push_bind(position.sort_key.clone()).push(", ");
            sql.push_bind(seq(position.contact_id)).push(")");
        }
        (Some(position), None) => {
            sql.push(" AND c.seq").push(beyond).push_bind(seq(position.contact_id));
        }
        (None, _) => {}
    }
    sql.push(" ORDER BY ");
    if let Some(column) = sort_column {
        sql.push("c.").push(column).push(direction).push(", ");
    }
    sql.push("c.seq").push(direction).push(" LIMIT ");
    sql.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));

    let rows = sql.build().fetch_all(db).await.map_err(failure)?;
    let sort_key = |row: &_| match sort_column {
        Some(_) => Row::get(row, 10),
        None => String::new(),
    };
    rows.iter().map(|row| decode(row, sort_key(row))).collect()
}

pub(super) async fn count(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    selection: &Selection,
) -> Result<i64> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT count(*)");
    push_selection(&mut sql, workspace, selection);
    sql.build_query_scalar().fetch_one(db).await.map_err(failure)
}

/// Appends `FROM … WHERE …`.
fn push_selection(sql: &mut QueryBuilder<Sqlite>, workspace: &Workspace, selection: &Selection) {
    sql.push(" FROM contact AS c WHERE c.workspace_key = ").push_bind(workspace.row_key);
    if !selection.words.is_empty() {
        sql.push(" AND c.seq IN (SELECT rowid FROM name_search WHERE name_search MATCH ");
        sql.push_bind(match_expression(&selection.words)).push(")");
    }
    if let Some(expr) = &selection.filter {
        sql.push(" AND ");
        filter::push(sql, workspace, selection.now, expr);
    }
}

/// Every word as the prefix of one in the name. Words are letters and digits
/// only, and quoted: none is syntax.
fn match_expression(words: &[String]) -> String {
    words.iter().map(|word| format!("\"{word}\"*")).collect::<Vec<_>>().join(" AND ")
}
