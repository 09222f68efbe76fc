//! SQL of pages and counts of contacts.
//!
//! Two plans give a page of a filter: walk along the order and skip who does
//! not match, or fetch all who match from the index and sort. Either can be a
//! thousand times slower than the other, and which one depends on how many
//! match and where they lie, which the planner's statistics do not tell well
//! enough. So the walk comes first and ends after a while.

use sqlx::{PgConnection, Postgres, QueryBuilder, Row};

use super::contacts::{COLUMN_COUNT, COLUMNS, decode};
use super::ids::Id;
use super::{expect_rows, failure, filter};
use crate::domain::error::Result;
use crate::store::{ContactRow, Order, OrderBy, PageCursor, Selection, Workspace};

/// How many contacts a walk passes per contact asked for, before the index is
/// asked: as if one in so many matched. And how many at least: about 10 ms.
const WALKED_PER_ROW: usize = 40;
const WALKED_AT_LEAST: usize = 10_000;
/// The same along a name: next in the order is not next on disk.
const WALKED_PER_NAME: usize = 10;
const WALKED_AT_LEAST_BY_NAME: usize = 2000;

/// A page to be read.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) selection: &'a Selection,
    pub(super) order: Order,
    pub(super) after: Option<&'a PageCursor>,
    pub(super) limit: usize,
}

/// Reads a page.
pub(super) async fn page(db: &mut PgConnection, page: Page<'_>) -> Result<Vec<ContactRow>> {
    if !is_indexed(page.selection) {
        return page.fetch(db, page.walk()).await;
    }
    let rows = page.fetch(db, page.short_walk()).await?;
    match rows.len() == page.limit {
        true => Ok(rows),
        false => page.fetch(db, page.sorted()).await,
    }
}

/// The same; its rows stay as they are until the transaction ends. Two steps,
/// since locking takes whatever a short walk passes.
pub(super) async fn hold(db: &mut PgConnection, page: Page<'_>) -> Result<Vec<ContactRow>> {
    let found = self::page(db, page).await?;
    let ids = found.iter().map(|row| Id(row.contact_id)).collect();
    let held = page.fetch(db, page.these(ids)).await?;
    expect_rows(held.len() as u64, found.len())?;
    Ok(held)
}

pub(super) async fn count(
    db: &mut PgConnection,
    workspace: &Workspace,
    selection: &Selection,
) -> Result<i64> {
    let mut sql = QueryBuilder::<Postgres>::new("SELECT count(*)");
    push_contacts(&mut sql, workspace);
    push_selection(&mut sql, selection);
    let count = sql.build_query_scalar().persistent(is_constant(selection)).fetch_one(db).await;
    count.map_err(failure)
}

impl Page<'_> {
    async fn fetch(
        &self,
        db: &mut PgConnection,
        mut sql: QueryBuilder<Postgres>,
    ) -> Result<Vec<ContactRow>> {
        let rows = sql.build().persistent(is_constant(self.selection)).fetch_all(db).await;
        let sort_key = |row: &_| match self.sort_key() {
            Some(_) => Row::get(row, COLUMN_COUNT),
            None => String::new(),
        };
        rows.map_err(failure)?.iter().map(|row| decode(row, sort_key(row))).collect()
    }

    /// Along the order, as far as it takes.
    fn walk(&self) -> QueryBuilder<Postgres> {
        // Without OFFSET 0 the planner may read and sort all contacts for every
        // page: it takes most filters for rarer than they are.
        self.walk_over(|sql| {
            sql.push(" OFFSET 0");
        })
    }

    /// Along the order, but not for long.
    fn short_walk(&self) -> QueryBuilder<Postgres> {
        let (per_row, at_least) = match self.order.by {
            OrderBy::CreateTime => (WALKED_PER_ROW, WALKED_AT_LEAST),
            OrderBy::FirstName | OrderBy::LastName => (WALKED_PER_NAME, WALKED_AT_LEAST_BY_NAME),
        };
        let walked = self.limit.saturating_mul(per_row).max(at_least);
        self.walk_over(|sql| push_limit(sql, walked))
    }

    fn walk_over(&self, end: impl FnOnce(&mut QueryBuilder<Postgres>)) -> QueryBuilder<Postgres> {
        let mut sql = self.select();
        sql.push(" FROM (SELECT c.*");
        push_contacts(&mut sql, self.workspace);
        self.push_after(&mut sql);
        self.push_order(&mut sql, "");
        end(&mut sql);
        sql.push(") AS c WHERE true");
        push_selection(&mut sql, self.selection);
        self.push_order(&mut sql, "");
        push_limit(&mut sql, self.limit);
        sql
    }

    /// Everybody who matches, then the first of them. Sorted by what no index
    /// is in the order of, so that walking along one is no plan for this.
    fn sorted(&self) -> QueryBuilder<Postgres> {
        let mut sql = self.select();
        push_contacts(&mut sql, self.workspace);
        self.push_after(&mut sql);
        push_selection(&mut sql, self.selection);
        self.push_order(&mut sql, "::text || ''");
        push_limit(&mut sql, self.limit);
        sql
    }

    /// These contacts, held, if they still match.
    fn these(&self, contact_ids: Vec<Id>) -> QueryBuilder<Postgres> {
        let mut sql = self.select();
        push_contacts(&mut sql, self.workspace);
        sql.push(" AND c.contact_id = ANY(").push_bind(contact_ids).push(")");
        push_selection(&mut sql, self.selection);
        self.push_order(&mut sql, "");
        sql.push(" FOR UPDATE");
        sql
    }

    fn select(&self) -> QueryBuilder<Postgres> {
        let mut sql = QueryBuilder::new("SELECT ");
        sql.push(COLUMNS);
        if let Some(column) = self.sort_key() {
            sql.push(", ").push(column);
        }
        sql
    }

    fn push_after(&self, sql: &mut QueryBuilder<Postgres>) {
        let Some(position) = self.after else { return };
        let beyond = if self.order.descending { " < " } else { " > " };
        match self.sort_key() {
            Some(column) => {
                sql.push(" AND (").push(column).push(", c.contact_id)").push(beyond).push("(");
                sql.push_bind(position.sort_key.clone()).push(", ");
                sql.push_bind(Id(position.contact_id)).push(")");
            }
            None => {
                sql.push(" AND c.contact_id").push(beyond).push_bind(Id(position.contact_id));
            }
        }
    }

    fn push_order(&self, sql: &mut QueryBuilder<Postgres>, suffix: &'static str) {
        let direction = if self.order.descending { " DESC" } else { "" };
        sql.push(" ORDER BY ");
        if let Some(column) = self.sort_key() {
            sql.push(column).push(suffix).push(direction).push(", ");
        }
        sql.push("c.contact_id").push(suffix).push(direction);
    }

    fn sort_key(&self) -> Option<&'static str> {
        match self.order.by {
            OrderBy::CreateTime => None,
            OrderBy::FirstName => Some("c.first_name_key"),
            OrderBy::LastName => Some("c.last_name_key"),
        }
    }
}

/// Whether an index finds who is selected.
fn is_indexed(selection: &Selection) -> bool {
    !selection.words.is_empty() || selection.filter.as_ref().is_some_and(filter::is_indexed)
}

/// Whether this selects by one of a few texts. A filter's own text would push
/// better ones out of the cache of statements, and what is kept is soon planned
/// for any value, where the right plan depends on how many contacts have it.
fn is_constant(selection: &Selection) -> bool {
    selection.filter.is_none() && selection.words.is_empty()
}

fn push_contacts(sql: &mut QueryBuilder<Postgres>, workspace: &Workspace) {
    sql.push(" FROM contact AS c WHERE c.workspace_id = ");
    sql.push_bind(workspace.workspace_id.clone());
}

fn push_selection(sql: &mut QueryBuilder<Postgres>, selection: &Selection) {
    if !selection.words.is_empty() {
        sql.push(" AND c.words @@ ").push_bind(search_query(&selection.words)).push("::tsquery");
    }
    if let Some(expr) = &selection.filter {
        sql.push(" AND ");
        filter::push(sql, selection.now, expr);
    }
}

fn push_limit(sql: &mut QueryBuilder<Postgres>, limit: usize) {
    sql.push(" LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
}

/// Every word as the prefix of one in the name. Words are letters and digits
/// only, and quoted: none is syntax.
fn search_query(words: &[String]) -> String {
    words.iter().map(|word| format!("'{word}':*")).collect::<Vec<_>>().join(" & ")
}
