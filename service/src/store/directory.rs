//! Pages and counts of contacts that match a filter or a search.

use async_trait::async_trait;
use uuid::Uuid;

use super::{ContactRow, Workspace};
use crate::domain::Time;
use crate::domain::error::Result;
use crate::domain::filter::Expr;

/// Which contacts a list, count or stream includes.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// None selects all.
    pub filter: Option<Expr>,
    /// Each word has to be a prefix of a word of the name. Empty selects all.
    pub words: Vec<String>,
    /// The time at which expiries are evaluated.
    pub now: Time,
}

/// The key contacts are ordered by. Ties are ordered by contact_id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderBy {
    /// Creation, which is the order of contact ids.
    CreateTime,
    /// First name, then last name, as search normalises them.
    FirstName,
    /// Last name, then first name, as search normalises them.
    LastName,
}

/// The order of a list of contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The key.
    pub by: OrderBy,
    /// Largest first.
    pub descending: bool,
}

/// Identifies the last contact of a page. The next page begins after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageCursor {
    /// The contact's key in the order of the list. Empty when ordered by
    /// creation.
    pub sort_key: String,
    /// The contact.
    pub contact_id: Uuid,
}

/// About the largest size of a page, in bytes of records: a page of larger contacts ends before its limit.
pub const PAGE_BYTES: usize = 8 << 20;

/// A page of contacts.
#[derive(Debug, Default)]
pub struct ContactPage {
    /// At least one, unless there is none.
    pub rows: Vec<ContactRow>,
    /// Whether no contact is left after these. A page that is full may be the last one and not know it.
    pub is_last: bool,
}

/// Reads pages of contacts.
#[async_trait]
pub trait DirectoryReader {
    /// Returns a page of the selected contacts after the cursor `after`: so many, or fewer where they are
    /// larger than [`PAGE_BYTES`]. In a write transaction the contacts are locked until it ends.
    async fn list_contacts(
        &mut self,
        workspace: &Workspace,
        selection: &Selection,
        order: Order,
        after: Option<&PageCursor>,
        limit: usize,
    ) -> Result<ContactPage>;
    /// Returns how many contacts are selected.
    async fn count_contacts(&mut self, workspace: &Workspace, selection: &Selection)
    -> Result<i64>;
}
