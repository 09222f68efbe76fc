//! Finding, listing and counting contacts.

use crate::domain::Time;
use crate::domain::consent::IdentityConsent;
use crate::domain::contact::Recipient;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::filter::{self, FilterError};
use crate::domain::identity::ContactIdentity;
use crate::domain::search::{self, SearchError};
use crate::store::{
    ContactRow, Order, OrderBy, Reader, Selection, Store, Workspace, decode_profile,
};

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

/// The same, with the contacts' identities.
pub async fn find_with_identities(
    store: &Store,
    workspace_id: &str,
    people: &[Recipient],
) -> Result<Vec<Option<ContactRow>>> {
    let mut db = store.read().await?;
    let workspace = workspace(&mut *db, workspace_id).await?;
    let mut found = db.find_contacts(&workspace, people).await?;
    add_identities(&mut *db, &workspace, found.iter_mut().flatten()).await?;
    Ok(found)
}

/// Adds to contacts their identities, each with what was said under it.
pub async fn add_identities(
    db: &mut dyn Reader,
    workspace: &Workspace,
    contacts: impl Iterator<Item = &mut ContactRow>,
) -> Result<()> {
    let mut contacts: Vec<_> = contacts.collect();
    let max_ages = workspace.settings.opt_in_policy.max_ages();
    let mut keys = Vec::with_capacity(contacts.len());
    for contact in &mut contacts {
        let profile = decode_profile(contact)?.profile;
        contact.identities = profile
            .identities()
            .map(|(identity, is_former)| {
                keys.push(identity.match_key());
                let consent = IdentityConsent::default();
                ContactIdentity { identity, is_former, consent, max_ages }
            })
            .collect();
    }
    if keys.is_empty() {
        return Ok(());
    }
    let mut rows = db.consent(workspace, &keys).await?.into_iter();
    for contact in contacts {
        for (identity, row) in contact.identities.iter_mut().zip(&mut rows) {
            // Released since the contact was read, it is no longer the contact's.
            let row = row.filter(|row| row.contact_id == Some(contact.contact_id));
            identity.consent = row.map(|row| row.consent).unwrap_or_default();
        }
    }
    Ok(())
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

/// Compiles a query with the definitions of its workspace. `asked_at` is the time of the
/// first request, which relative times are relative to: all pages of a list have the same.
pub async fn select(
    store: &Store,
    db: &mut dyn Reader,
    workspace: &Workspace,
    query: &Query,
    asked_at: Time,
) -> Result<Selection> {
    let filter = match query.filter.trim().is_empty() {
        true => None,
        false => {
            let definitions = definitions(db, workspace).await?;
            filter::compile(&query.filter, &definitions, asked_at).map_err(filter_error)?
        }
    };
    let words = match search::query_words(&query.query) {
        // A query without letters and digits matches no name.
        Err(SearchError::NoWords) => vec![search::IN_NO_NAME.to_owned()],
        words => words.map_err(|e| Error::invalid(Reason::InvalidQuery, "query", e.to_string()))?,
    };
    Ok(Selection { filter, words, now: store.now_for_expiry() })
}

/// Returns how many contacts a query selects.
pub async fn count(store: &Store, query: &Query) -> Result<i64> {
    let mut db = store.read_scan().await?;
    let workspace = workspace(&mut *db, &query.workspace_id).await?;
    let selection = select(store, &mut *db, &workspace, query, store.now()).await?;
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
