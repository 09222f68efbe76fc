//! SQL of pages and counts of contacts.
//!
//! Two plans find a page of a filter: walk along the order and skip contacts that
//! do not match, or find all matches by an index and sort them. Either can be a
//! thousand times slower than the other, depending on how many contacts match and
//! where they are, which the planner's statistics do not predict well enough. So the
//! walk runs first, with a limit, and the index after it. Where no index finds the matches, the walk goes on in
//! parts: of a statement without a limit, the planner would sort all that is left of the workspace for every
//! page, where its contacts lie among those of others; and one that finds nothing for long would time out.

use async_trait::async_trait;
use sqlx::{Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::contact_row::{column_count, columns, decode};
use super::filter;
use super::session::{PostgresSession, expect_rows};
use super::values::row_limit;
use crate::domain::error::Result;
use crate::store::{
    ContactPage, ContactRow, DirectoryReader, Order, OrderBy, PAGE_BYTES, PageCursor, Selection,
    Workspace,
};

/// How many contacts a walk reads per contact of the page before it gives up, and
/// how many at least, which takes about 10 ms.
const WALKED_PER_ROW: usize = 40;
const WALKED_AT_LEAST: usize = 10_000;
/// The same along a name. They are lower because neighbours in this order are not
/// neighbours on disk.
const WALKED_PER_NAME: usize = 10;
const WALKED_AT_LEAST_BY_NAME: usize = 2000;
/// The first part of a walk that an index may follow. It goes on only if that finds so much that the whole may
/// fill half of the page: of rare words and tags it finds next to nothing.
const FIRST_OF_WALK: usize = 5;
/// How many contacts the first part of a walk has that goes on, per contact of the page and at least; each part has
/// this many times as many as the one before; and how many a part has at most.
const PART_PER_ROW: usize = 4;
const PART_AT_LEAST: usize = 1000;
const LARGEST_PART: usize = 50_000;

#[async_trait]
impl DirectoryReader for PostgresSession {
    async fn list_contacts(
        &mut self,
        workspace: &Workspace,
        selection: &Selection,
        order: Order,
        after: Option<&PageCursor>,
        limit: usize,
    ) -> Result<ContactPage> {
        let page = Page { workspace, selection, order, after, limit };
        let found = read(self, page).await?;
        let is_last = !found.is_full(limit);
        if !self.locks_rows() {
            return Ok(ContactPage { rows: found.rows, is_last });
        }
        // A second step, because FOR UPDATE would lock every contact that a short
        // walk reads.
        let ids = found.rows.iter().map(|row| row.contact_id).collect();
        let mut locked = Found::default();
        page.fetch(self, page.locked(ids), &mut locked).await?;
        expect_rows(locked.rows.len() as u64, found.rows.len())?;
        Ok(ContactPage { rows: locked.rows, is_last })
    }

    async fn count_contacts(
        &mut self,
        workspace: &Workspace,
        selection: &Selection,
    ) -> Result<i64> {
        let mut sql = QueryBuilder::<Postgres>::new("SELECT count(*)");
        push_contacts(&mut sql, workspace);
        push_selection(&mut sql, workspace, selection);
        let query = sql.build().persistent(selects_all(selection));
        Ok(self.fetch_one(query).await?.get(0))
    }
}

/// The page to read.
#[derive(Clone, Copy)]
struct Page<'a> {
    workspace: &'a Workspace,
    selection: &'a Selection,
    order: Order,
    after: Option<&'a PageCursor>,
    limit: usize,
}

/// What was found of a page.
#[derive(Default)]
struct Found {
    rows: Vec<ContactRow>,
    bytes: usize,
    /// Whether more was found than fits into [`PAGE_BYTES`].
    is_cut: bool,
}

impl Found {
    fn add(&mut self, row: ContactRow) {
        self.bytes += row.record.len();
        self.is_cut |= self.bytes > PAGE_BYTES && !self.rows.is_empty();
        if !self.is_cut {
            self.rows.push(row);
        }
    }

    fn is_full(&self, limit: usize) -> bool {
        self.is_cut || self.rows.len() >= limit
    }
}

async fn read(db: &mut PostgresSession, page: Page<'_>) -> Result<Found> {
    let mut found = Found::default();
    if !is_indexed(page.selection) || !db.finds_by_index() {
        page.walk(db, &mut found).await?;
        return Ok(found);
    }
    let walked = page.walked();
    page.fetch(db, page.walk_over(walked / FIRST_OF_WALK), &mut found).await?;
    if !found.is_full(page.limit) && found.rows.len() * FIRST_OF_WALK >= page.limit / 2 {
        let last = found.rows.last().map(ContactRow::cursor);
        let after = last.as_ref().or(page.after);
        let rest = Page { after, limit: page.limit - found.rows.len(), ..page };
        rest.fetch(db, rest.walk_over(walked), &mut found).await?;
    }
    if !found.is_full(page.limit) {
        found = Found::default();
        page.fetch(db, page.sorted(), &mut found).await?;
    }
    Ok(found)
}

impl Page<'_> {
    /// Reads all rows that a statement finds, because only then the connection is free again, and adds to
    /// `found` those that fit.
    async fn fetch(
        &self,
        db: &mut PostgresSession,
        mut sql: QueryBuilder<Postgres>,
        found: &mut Found,
    ) -> Result<()> {
        let policy = &self.workspace.settings.opt_in_policy;
        let sort_key = |row: &_| match self.sort_key() {
            Some(_) => Row::get(row, column_count(policy)),
            None => String::new(),
        };
        let query = sql.build().persistent(selects_all(self.selection));
        db.fetch_each(query, |row| {
            if !found.is_cut {
                found.add(decode(row, policy, sort_key(row))?);
            }
            Ok(())
        })
        .await
    }

    /// Walks along the order until the page is full.
    async fn walk(&self, db: &mut PostgresSession, found: &mut Found) -> Result<()> {
        if selects_all(self.selection) {
            return self.fetch(db, self.ordered("", None, self.limit), found).await;
        }
        let part = self.limit.saturating_mul(PART_PER_ROW);
        let mut part = part.clamp(PART_AT_LEAST, LARGEST_PART);
        self.fetch(db, self.walk_over(part), found).await?;
        let mut after = found.rows.last().map(ContactRow::cursor).or_else(|| self.after.cloned());
        while !found.is_full(self.limit) {
            let rest = Page { after: after.as_ref(), ..*self };
            // Where the first part ended is not known: its rest is read again. Of the others that is asked
            // first, so that what is added or deleted meanwhile shifts no other contact out of it.
            let end = rest.end_of_part(db, part).await?;
            let missing = self.limit - found.rows.len();
            rest.fetch(db, rest.ordered("", end.as_ref(), missing), found).await?;
            if end.is_none() {
                break;
            }
            after = end;
            part = part.saturating_mul(PART_PER_ROW).min(LARGEST_PART);
        }
        Ok(())
    }

    /// The contact with which a part of this length ends. None if so many are not left.
    async fn end_of_part(
        &self,
        db: &mut PostgresSession,
        length: usize,
    ) -> Result<Option<PageCursor>> {
        let mut sql = QueryBuilder::new("SELECT c.contact_id, ");
        sql.push(self.sort_key().unwrap_or("''"));
        push_contacts(&mut sql, self.workspace);
        self.push_after(&mut sql);
        self.push_order(&mut sql, "");
        sql.push(" OFFSET ").push_bind(row_limit(length - 1)).push(" LIMIT 1");
        let row = db.fetch_optional(sql.build()).await?;
        Ok(row.map(|row| PageCursor { contact_id: row.get(0), sort_key: row.get(1) }))
    }

    /// How many contacts a walk reads before it gives up.
    fn walked(&self) -> usize {
        let (per_row, at_least) = match self.order.by {
            OrderBy::CreateTime => (WALKED_PER_ROW, WALKED_AT_LEAST),
            OrderBy::FirstName | OrderBy::LastName => (WALKED_PER_NAME, WALKED_AT_LEAST_BY_NAME),
        };
        self.limit.saturating_mul(per_row).max(at_least)
    }

    /// Walks along the order with a limit.
    fn walk_over(&self, length: usize) -> QueryBuilder<Postgres> {
        let mut sql = self.select();
        sql.push(" FROM (SELECT c.*");
        push_contacts(&mut sql, self.workspace);
        self.push_after(&mut sql);
        self.push_order(&mut sql, "");
        push_limit(&mut sql, length);
        sql.push(") AS c WHERE true");
        push_selection(&mut sql, self.workspace, self.selection);
        self.push_order(&mut sql, "");
        push_limit(&mut sql, self.limit);
        sql
    }

    /// Finds all matches by an index and sorts them. The order is one that no index
    /// has, so that the planner cannot walk along one.
    fn sorted(&self) -> QueryBuilder<Postgres> {
        self.ordered("::text || ''", None, self.limit)
    }

    /// So many of all matches up to this contact, or of all.
    fn ordered(
        &self,
        suffix: &'static str,
        end: Option<&PageCursor>,
        limit: usize,
    ) -> QueryBuilder<Postgres> {
        let mut sql = self.select();
        push_contacts(&mut sql, self.workspace);
        self.push_after(&mut sql);
        if let Some(end) = end {
            self.push_bound(&mut sql, if self.order.descending { " >= " } else { " <= " }, end);
        }
        push_selection(&mut sql, self.workspace, self.selection);
        self.push_order(&mut sql, suffix);
        push_limit(&mut sql, limit);
        sql
    }

    /// Locks those of these contacts that still match.
    fn locked(&self, contact_ids: Vec<Uuid>) -> QueryBuilder<Postgres> {
        let mut sql = self.select();
        push_contacts(&mut sql, self.workspace);
        sql.push(" AND c.contact_id = ANY(").push_bind(contact_ids).push(")");
        push_selection(&mut sql, self.workspace, self.selection);
        self.push_order(&mut sql, "");
        sql.push(" FOR UPDATE");
        sql
    }

    fn select(&self) -> QueryBuilder<Postgres> {
        let mut sql = QueryBuilder::new("SELECT ");
        sql.push(columns(&self.workspace.settings.opt_in_policy));
        if let Some(column) = self.sort_key() {
            sql.push(", ").push(column);
        }
        sql
    }

    fn push_after(&self, sql: &mut QueryBuilder<Postgres>) {
        if let Some(after) = self.after {
            self.push_bound(sql, if self.order.descending { " < " } else { " > " }, after);
        }
    }

    fn push_bound(
        &self,
        sql: &mut QueryBuilder<Postgres>,
        beyond: &'static str,
        cursor: &PageCursor,
    ) {
        match self.sort_key() {
            Some(column) => {
                sql.push(" AND (").push(column).push(", c.contact_id)").push(beyond).push("(");
                sql.push_bind(cursor.sort_key.clone()).push(", ");
                sql.push_bind(cursor.contact_id).push(")");
            }
            None => {
                sql.push(" AND c.contact_id").push(beyond).push_bind(cursor.contact_id);
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

/// Whether an index finds the selected contacts.
fn is_indexed(selection: &Selection) -> bool {
    !selection.words.is_empty() || selection.filter.as_ref().is_some_and(filter::is_indexed)
}

/// Whether all contacts are selected: then the statement has one of a few texts and should stay prepared.
/// The text of each filter is different and would evict others. Also, a prepared
/// statement is soon planned for any value, while the right plan depends on how many
/// contacts have it.
fn selects_all(selection: &Selection) -> bool {
    selection.filter.is_none() && selection.words.is_empty()
}

fn push_contacts(sql: &mut QueryBuilder<Postgres>, workspace: &Workspace) {
    sql.push(" FROM contact AS c WHERE c.workspace_id = ");
    sql.push_bind(workspace.workspace_id.clone());
}

fn push_selection(sql: &mut QueryBuilder<Postgres>, workspace: &Workspace, selection: &Selection) {
    if !selection.words.is_empty() {
        sql.push(" AND c.words @@ ").push_bind(search_query(&selection.words)).push("::tsquery");
    }
    if let Some(expr) = &selection.filter {
        sql.push(" AND ");
        filter::push(sql, &workspace.settings.opt_in_policy, selection.now, expr);
    }
}

fn push_limit(sql: &mut QueryBuilder<Postgres>, limit: usize) {
    sql.push(" LIMIT ").push_bind(row_limit(limit));
}

/// Matches names in which each word is a prefix of a word. Words consist of
/// letters and digits and are quoted, so none of them is syntax.
fn search_query(words: &[String]) -> String {
    words.iter().map(|word| format!("'{word}':*")).collect::<Vec<_>>().join(" & ")
}
