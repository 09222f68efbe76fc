//! Finding, listing and counting contacts.

use crate::domain::contact::Recipient;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::filter::{self, FilterError};
use crate::domain::search::{self, SearchError};
use crate::store::{ContactRow, Order, OrderBy, PageCursor, Reader, Selection, Store, Workspace};

use super::{definitions, workspace};

/// Returns the contacts of these recipients, in the order of `people`.
pub async fn find(
    store: &Store,
    workspace_id: &str,
    people: &[Recipient],
) -> Result<Vec<Option<ContactRow>>> {
    let mut db = store.read().await?;
    let workspace = workspace(&mut *db, workspace_id).await?;
    db.find_contacts(&workspace, people).await
}

/// Which contacts a request selects, as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// A filter expression.
    pub filter: String,
    /// Words to search for in names.
    pub query: String,
}

/// Looks up the workspace and compiles the query with its definitions.
pub async fn select(
    store: &Store,
    db: &mut dyn Reader,
    query: &Query,
) -> Result<(Workspace, Selection)> {
    let workspace = workspace(db, &query.workspace_id).await?;
    let filter = match query.filter.trim().is_empty() {
        true => None,
        false => {
            let definitions = definitions(db, &workspace).await?;
            filter::compile(&query.filter, &definitions).map_err(filter_error)?
        }
    };
    let words = match search::query_words(&query.query) {
        // A query without letters and digits matches no name.
        Err(SearchError::NoWords) => vec![search::IN_NO_NAME.to_owned()],
        words => words.map_err(|e| Error::invalid(Reason::InvalidQuery, "query", e.to_string()))?,
    };
    Ok((workspace, Selection { filter, words, now: store.now() }))
}

/// Returns a page of the selected contacts.
pub async fn list(
    db: &mut dyn Reader,
    (workspace, selection): &(Workspace, Selection),
    order: Order,
    after: Option<&PageCursor>,
    limit: usize,
) -> Result<Vec<ContactRow>> {
    db.list_contacts(workspace, selection, order, after, limit).await
}

/// Returns how many contacts a query selects.
pub async fn count(store: &Store, query: &Query) -> Result<i64> {
    let mut db = store.read().await?;
    let (workspace, selection) = select(store, &mut *db, query).await?;
    db.count_contacts(&workspace, &selection).await
}

/// Parses an `order_by`.
pub fn parse_order(text: &str) -> Result<Order> {
    let mut words = text.split_whitespace();
    let by = match words.next() {
        None | Some("create_time") => Some(OrderBy::CreateTime),
        Some("first_name") => Some(OrderBy::FirstName),
        Some("last_name") => Some(OrderBy::LastName),
        Some(_) => None,
    };
    let descending = match words.next() {
        None | Some("asc") => Some(false),
        Some("desc") => Some(true),
        Some(_) => None,
    };
    match (by, descending, words.next()) {
        (Some(by), Some(descending), None) => Ok(Order { by, descending }),
        _ => {
            let message = "order_by has to be create_time, first_name or last_name, \
                           optionally followed by asc or desc";
            Err(Error::invalid(Reason::InvalidOrderBy, "order_by", message))
        }
    }
}

/// The error for a filter that does not compile.
pub fn filter_error(error: FilterError) -> Error {
    let column = error.column.to_string();
    Error::invalid(Reason::InvalidFilter, "filter", error.to_string())
        .with_metadata("column", column)
}
