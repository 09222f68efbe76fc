//! SQL of pages and counts of contacts.

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::session::SqliteSession;
use super::values::{json, row_limit, seq};
use super::{filter, row_batch};
use crate::domain::error::Result;
use crate::domain::filter::{Expr, Predicate};
use crate::store::{
    ContactPage, DirectoryReader, Order, OrderBy, PageCursor, Selection, Workspace,
};

/// A tag of at most this many contacts is used to find them. With a more frequent
/// one, reading all contacts in order finds a page sooner.
const RARE_TAG: i64 = 50_000;

/// Most characters of a word for which the name index has a list of its own (`prefix` of name_search), which is
/// read as far as it is needed. Of longer ones it first joins the lists of all words that begin with it.
const LISTED_CHARS: usize = 5;
/// How many contacts are tried whose names begin like longer words, per contact of the page. That of frequent
/// words fills the page, and costs others about a millisecond.
const TRIED_PER_ROW: usize = 10;
/// Largest page for which that is done.
const LARGEST_TRIED: usize = 250;

#[async_trait]
impl DirectoryReader for SqliteSession {
    async fn list_contacts(
        &mut self,
        workspace: &Workspace,
        selection: &Selection,
        order: Order,
        after: Option<&PageCursor>,
        limit: usize,
    ) -> Result<ContactPage> {
        let source = Source::choose(self, workspace, selection).await?;
        let policy = &workspace.settings.opt_in_policy;
        let mut asked = limit;
        if limit <= LARGEST_TRIED && source.can_try(selection, order) {
            let tried = limit.saturating_mul(TRIED_PER_ROW);
            let sql = source.page(workspace, selection, order, after, (asked, Some(tried)));
            match row_batch::fetch(self, sql, policy).await? {
                Some(rows) if rows.len() == asked => {
                    return Ok(ContactPage { rows, is_last: false });
                }
                Some(_) => {}
                None => asked = row_batch::fewer(asked)?,
            }
        }
        loop {
            let sql = source.page(workspace, selection, order, after, (asked, None));
            match row_batch::fetch(self, sql, policy).await? {
                Some(rows) => {
                    let is_last = rows.len() < asked;
                    return Ok(ContactPage { rows, is_last });
                }
                None => asked = row_batch::fewer(asked)?,
            }
        }
    }

    async fn count_contacts(
        &mut self,
        workspace: &Workspace,
        selection: &Selection,
    ) -> Result<i64> {
        let source = Source::choose(self, workspace, selection).await?;
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT count(*)");
        source.push(&mut sql, workspace, selection);
        Ok(self.fetch_one(sql.build()).await?.get(0))
    }
}

/// The table that the search for contacts starts from.
enum Source {
    /// The contacts, in the order of their ids.
    Contacts,
    /// The name index.
    Names,
    /// The tag index, with the key of a rare tag.
    Tag(i64),
}

impl Source {
    async fn choose(
        db: &mut SqliteSession,
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

    /// The contact's sequence in this table, so that the search can start in the
    /// middle of it.
    fn seq_column(&self) -> &'static str {
        match self {
            Self::Contacts => "c.seq",
            Self::Names => "n.rowid",
            Self::Tag(_) => "t.seq",
        }
    }

    /// Whether a page of frequent words is found sooner by the beginnings of the words.
    fn can_try(&self, selection: &Selection, order: Order) -> bool {
        matches!((self, order.by), (Self::Names, OrderBy::CreateTime))
            && selection.words.iter().any(|word| word.chars().count() > LISTED_CHARS)
    }

    /// The statement that reads a page of so many contacts. With `tried`, among so many whose names begin like
    /// the words.
    fn page(
        &self,
        workspace: &Workspace,
        selection: &Selection,
        order: Order,
        after: Option<&PageCursor>,
        (limit, tried): (usize, Option<usize>),
    ) -> QueryBuilder<Sqlite> {
        let sort_key = match order.by {
            OrderBy::CreateTime => None,
            OrderBy::FirstName => Some("c.first_name_key"),
            OrderBy::LastName => Some("c.last_name_key"),
        };
        let (beyond, direction) = if order.descending { (" < ", " DESC") } else { (" > ", "") };
        let seq_column = self.seq_column();
        let policy = &workspace.settings.opt_in_policy;
        let mut sql = row_batch::select(sort_key.unwrap_or("''"), policy);
        match tried {
            Some(tried) => push_tried(&mut sql, workspace, selection, (order, after), tried),
            None => self.push(&mut sql, workspace, selection),
        }
        match (after, sort_key) {
            (Some(cursor), Some(column)) => {
                sql.push(" AND (").push(column).push(", c.seq)").push(beyond).push("(");
                sql.push_bind(cursor.sort_key.clone()).push(", ");
                sql.push_bind(seq(cursor.contact_id)).push(")");
            }
            (Some(cursor), None) => {
                sql.push(" AND ").push(seq_column).push(beyond);
                sql.push_bind(seq(cursor.contact_id));
            }
            (None, _) => {}
        }
        sql.push(" ORDER BY ");
        match sort_key {
            Some(column) => sql.push(column).push(direction).push(", c.seq"),
            None => sql.push(seq_column),
        };
        sql.push(direction).push(" LIMIT ").push_bind(row_limit(limit));
        sql
    }

    /// Appends `FROM … WHERE …`. With CROSS JOIN, SQLite keeps the order of tables.
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
                push_words(sql, selection);
            }
        }
        push_filter(sql, workspace, selection);
    }
}

/// Appends `FROM … WHERE …` for so many contacts whose names begin like the words.
fn push_tried(
    sql: &mut QueryBuilder<Sqlite>,
    workspace: &Workspace,
    selection: &Selection,
    (order, after): (Order, Option<&PageCursor>),
    tried: usize,
) {
    let (beyond, direction) = if order.descending { ("<", " DESC") } else { (">", "") };
    let beginnings = |word: &String| word.chars().take(LISTED_CHARS).collect();
    let beginnings: Vec<String> = selection.words.iter().map(beginnings).collect();
    sql.push(" FROM (SELECT rowid FROM name_search WHERE name_search MATCH ");
    sql.push_bind(match_expression(&beginnings));
    if let Some(after) = after {
        sql.push(format!(" AND rowid {beyond} ")).push_bind(seq(after.contact_id));
    }
    sql.push(" ORDER BY rowid").push(direction).push(" LIMIT ").push_bind(row_limit(tried));
    sql.push(") AS n CROSS JOIN contact AS c ON c.workspace_key = ").push_bind(workspace.row_key);
    sql.push(" AND c.seq = n.rowid WHERE true");
    push_words(sql, selection);
    push_filter(sql, workspace, selection);
}

fn push_words(sql: &mut QueryBuilder<Sqlite>, selection: &Selection) {
    for word in &selection.words {
        sql.push(" AND instr(' ' || c.search_words, ");
        sql.push_bind(format!(" {word}")).push(") > 0");
    }
}

fn push_filter(sql: &mut QueryBuilder<Sqlite>, workspace: &Workspace, selection: &Selection) {
    if let Some(expr) = &selection.filter {
        sql.push(" AND ");
        filter::push(sql, workspace, selection.now, expr);
    }
}

/// Returns the rarest tag that every selected contact has, if it is rare.
async fn rarest_tag(
    db: &mut SqliteSession,
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
    let query = sqlx::query(
        "SELECT tag_key FROM tag
         WHERE workspace_key = ? AND tag_id IN (SELECT value FROM json_each(?))
             AND contact_count <= ?
         ORDER BY contact_count LIMIT 1",
    );
    let query = query.bind(workspace.row_key).bind(json(&tags)?).bind(RARE_TAG);
    let row = db.fetch_optional(query).await?;
    Ok(row.map(|row| row.get(0)))
}

fn tag_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Is(Predicate::HasTag(tag)) => Some(tag),
        _ => None,
    }
}

/// Matches names in which each word is a prefix of a word. Words consist of
/// letters and digits and are quoted, so none of them is syntax.
fn match_expression(words: &[String]) -> String {
    words.iter().map(|word| format!("\"{word}\"*")).collect::<Vec<_>>().join(" AND ")
}
