//! Reading and changing many contacts, page by page.

use std::collections::VecDeque;

use crate::domain::contact::Contact;
use crate::domain::error::Result;
use crate::domain::filter::Expr;
use crate::store::{
    ContactRow, Order, OrderBy, PageCursor, Reader, Selection, Store, Transaction, Workspace,
    decode_profile,
};

use super::{ensure_same, ensure_still_there, workspace};

/// How many contacts are rewritten at a time.
pub const REWRITE_PAGE: usize = 1000;

/// Oldest first. In this order, contacts that are added during a scan come after
/// its cursor.
pub const BY_CREATION: Order = Order { by: OrderBy::CreateTime, descending: false };

/// Pages grow: a small first page arrives early, large ones cost less per contact.
const FIRST_PAGE: usize = 500;
const LARGEST_PAGE: usize = 8000;
/// About the largest size of a page, in bytes of records. Each stream holds a few
/// pages in memory.
const PAGE_BYTES: usize = 4 << 20;

/// Reads all selected contacts. It holds no connection between pages, so a slow
/// client does not keep one from others.
pub struct ContactScan {
    store: Store,
    workspace: Workspace,
    selection: Selection,
    after: Option<PageCursor>,
    page_size: usize,
    finished: bool,
}

impl ContactScan {
    /// Makes a scan that begins after the cursor `after`.
    pub fn new(
        store: Store,
        workspace: Workspace,
        selection: Selection,
        after: Option<PageCursor>,
    ) -> Self {
        Self { store, workspace, selection, after, page_size: FIRST_PAGE, finished: false }
    }

    /// Returns the next page, empty at the end.
    pub async fn next_page(&mut self) -> Result<VecDeque<ContactRow>> {
        if self.finished {
            return Ok(VecDeque::new());
        }
        self.selection.now = self.store.now();
        let mut db = self.store.read_stream().await?;
        self.reload_policy(&mut *db).await?;
        let after = self.after.as_ref();
        let limit = self.page_size;
        let rows =
            db.list_contacts(&self.workspace, &self.selection, BY_CREATION, after, limit).await?;
        ensure_still_there(&mut *db, &self.workspace).await?;
        self.finished = rows.len() < limit;
        let bytes: usize = rows.iter().map(|row| row.record.len()).sum();
        let fitting = PAGE_BYTES * rows.len() / bytes.max(1);
        self.page_size = (limit * 4).min(LARGEST_PAGE).min(fitting.max(1));
        if let Some(last) = rows.last() {
            self.after = Some(last.cursor());
        }
        Ok(rows.into())
    }

    /// Reads the policy that decides about the next page: it may be another one by now.
    async fn reload_policy(&mut self, db: &mut dyn Reader) -> Result<()> {
        let now = workspace(db, &self.workspace.workspace_id).await?;
        ensure_same(&self.workspace, Some(&now))?;
        self.workspace.settings = now.settings;
        Ok(())
    }
}

/// The result of changing many contacts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edited {
    /// How many contacts were selected.
    pub matched: i64,
    /// How many of them changed.
    pub changed: i64,
}

/// Changes every contact that the filter selects, in this transaction. `edit`
/// returns whether it changed the contact.
pub async fn each_selected(
    tx: &mut Transaction,
    workspace: &Workspace,
    filter: impl Into<Option<Expr>>,
    page_size: usize,
    mut edit: impl FnMut(&mut Contact) -> bool + Send,
) -> Result<()> {
    try_each_selected(tx, workspace, filter.into(), page_size, true, |contact| Ok(edit(contact)))
        .await
        .map(drop)
}

/// Like [`each_selected`], but `edit` may fail, and nothing is written unless `write`
/// is set.
pub async fn try_each_selected(
    tx: &mut Transaction,
    workspace: &Workspace,
    filter: Option<Expr>,
    page_size: usize,
    write: bool,
    mut edit: impl FnMut(&mut Contact) -> Result<bool> + Send,
) -> Result<Edited> {
    let selection = Selection { filter, words: Vec::new(), now: tx.now };
    let mut after = None;
    let mut edited = Edited::default();
    loop {
        let page = tx
            .db
            .list_contacts(workspace, &selection, BY_CREATION, after.as_ref(), page_size)
            .await?;
        let full = page.len() == page_size;
        after = page.last().map(ContactRow::cursor);
        let mut changes = Vec::new();
        for row in &page {
            let before = decode_profile(row)?;
            let mut changed = before.clone();
            edited.matched += 1;
            if edit(&mut changed)? {
                changed.version += 1;
                changed.update_time = tx.now;
                edited.changed += 1;
                changes.push((before, changed));
            }
        }
        if write && !changes.is_empty() {
            tx.db.update_contacts(workspace, &changes).await?;
        }
        if !full {
            return Ok(edited);
        }
    }
}
