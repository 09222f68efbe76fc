//! SQL of pages and counts of contacts.

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::contacts::seq;
use super::{failure, filter, row_batch};
use crate::domain::error::Result;
use crate::domain::filter::{Expr, Predicate};
use crate::store::{ContactRow, Order, OrderBy, PageCursor, Selection, Workspace};

/// A tag carried by no more contacts than this leads the way to them. A more
/// frequent one is found sooner by walking over all contacts.
const RARE_TAG: i64 = 50_000;

pub(super) async fn page(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    selection: &Selection,
    order: Order,
    after: Option<&PageCursor>,
    limit: usize,
) -> Result<Vec<ContactRow>> {
    let sort_key = match order.by {
        OrderBy::CreateTime => None,
        OrderBy::FirstName => Some("c.first_name_key"),
        OrderBy::LastName => Some("c.last_name_key"),
    };
    let (beyond, direction) = if order.descending { (" < ", " DESC") } else { (" > ", "") };
    let from = Source::choose(db, workspace, selection).await?;
    let seq_column = from.seq_column();

    let mut sql = row_batch::select(sort_key.unwrap_or("''"));
    from.push(&mut sql, workspace, selection);
    match (after, sort_key) {
        (Some(position), Some(column)) => {
            sql.push(" AND (").push(column).push(", c.seq)").push(beyond).push("(");
            sql.push_bind(position.sort_key.clone()).push(", ");
            sql.push_bind(seq(position.contact_id)).push(")");
        }
        (Some(position), None) => {
            sql.push(" AND ").push(seq_column).push(beyond);
            sql.push_bind(seq(position.contact_id));
        }
        (None, _) => {}
    }
    sql.push(" ORDER BY ");
    match sort_key {
        Some(column) => sql.push(column).push(direction).push(", c.seq"),
        None => sql.push(seq_column),
    };
    sql.push(direction).push(" LIMIT ");
    sql.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    row_batch::fetch(db, sql).await
}

pub(super) async fn count(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    selection: &Selection,
) -> Result<i64> {
    let from = Source::choose(db, workspace, selection).await?;
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT count(*)");
    from.push(&mut sql, workspace, selection);
    sql.build_query_scalar().fetch_one(db).await.map_err(failure)
}

/// Where the walk over contacts begins.
enum Source {
    /// The contacts themselves, in the order of their ids.
    Contacts,
    /// The name index.
    Names,
    /// The contacts of a tag few carry.
    Tag(i64),
}

impl Source {
    async fn choose(
        db: &mut SqliteConnection,
        workspace: &Workspace,
        selection: &Selection,
    ) -> Result<Self> {
        let rarest = rarest_tag(db, workspace, selection.filter.as_ref()).await?;
        Ok(match rarest {
            Some(tag_key) => Self::Tag(tag_key),
            None if selection.words.is_empty() => Self::Contacts,
            None => Self::Names,
        })
    }

    /// What names the contact where the walk begins, so that it can begin in
    /// the middle.
    fn seq_column(&self) -> &'static str {
        match self {
            Self::Contacts => "c.seq",
            Self::Names => "n.rowid",
            Self::Tag(_) => "t.seq",
        }
    }

    /// Appends `FROM … WHERE …`. CROSS JOIN keeps SQLite to this order.
    fn push(&self, sql: &mut QueryBuilder<Sqlite>, workspace: &Workspace, selection: &Selection) {
        let key = workspace.row_key;
        match self {
            Self::Contacts => {
                sql.push(" FROM contact AS c WHERE c.workspace_key = ").push_bind(key);
            }
            Self::Names => {
                sql.push(" FROM name_search AS n CROSS JOIN contact AS c ON c.workspace_key = ");
                sql.push_bind(key).push(" AND c.seq = n.rowid WHERE n.name_search MATCH ");
                sql.push_bind(match_expression(&selection.words));
            }
            Self::Tag(tag_key) => {
                sql.push(" FROM contact_tag AS t CROSS JOIN contact AS c ON c.workspace_key = ");
                sql.push_bind(key).push(" AND c.seq = t.seq WHERE t.tag_key = ");
                sql.push_bind(*tag_key);
                for word in &selection.words {
                    sql.push(" AND instr(' ' || c.search_words, ");
                    sql.push_bind(format!(" {word}")).push(") > 0");
                }
            }
        }
        if let Some(expr) = &selection.filter {
            sql.push(" AND ");
            filter::push(sql, workspace, selection.now, expr);
        }
    }
}

/// The least carried tag that every selected contact has, if it is rare.
async fn rarest_tag(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    filter: Option<&Expr>,
) -> Result<Option<i64>> {
    let tags: Vec<&str> = match filter {
        Some(Expr::And(all)) => all.iter().filter_map(tag_of).collect(),
        Some(other) => tag_of(other).into_iter().collect(),
        None => Vec::new(),
    };
    if tags.is_empty() {
        return Ok(None);
    }
    let row = sqlx::query(
        "SELECT tag_key FROM tag
         WHERE workspace_key = ? AND tag_id IN (SELECT value FROM json_each(?))
             AND contact_count <= ?
         ORDER BY contact_count LIMIT 1",
    )
    .bind(workspace.row_key)
    .bind(super::contacts::json(&tags)?)
    .bind(RARE_TAG)
    .fetch_optional(db)
    .await
    .map_err(failure)?;
    Ok(row.map(|row| row.get(0)))
}

fn tag_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Is(Predicate::HasTag(tag)) => Some(tag),
        _ => None,
    }
}

/// Every word as the prefix of one in the name. Words are letters and digits
/// only, and quoted: none is syntax.
fn match_expression(words: &[String]) -> String {
    words.iter().map(|word| format!("\"{word}\"*")).collect::<Vec<_>>().join(" AND ")
}
