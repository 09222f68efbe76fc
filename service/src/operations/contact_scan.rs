//! Reading and changing many contacts, page by page.

use std::collections::VecDeque;

use tokio_util::task::task_tracker::TaskTrackerToken;
use uuid::Uuid;

use crate::domain::contact::{Contact, Recipient};
use crate::domain::error::Result;
use crate::domain::filter::Expr;
use crate::store::{
    Bulk, ContactPage, ContactRow, GivenUp, Lock, LongWork, Operation, Order, OrderBy, PAGE_BYTES,
    PageCursor, Reader, Selection, Store, Transaction, Workspace, decode_profile,
};

use super::{ensure_same, ensure_still_there, lock_workspace, workspace};

/// How many contacts are read at a time where all are changed in one transaction.
const REWRITE_PAGE: usize = 100;

/// Oldest first. In this order, contacts that are added during a scan come after
/// its cursor.
pub const BY_CREATION: Order = Order { by: OrderBy::CreateTime, descending: false };

/// Pages grow: a small first page arrives early, large ones cost less per contact.
const FIRST_PAGE: usize = 500;
const LARGEST_PAGE: usize = 8000;
/// The size of a page that the next one should have, in bytes, and of one page of all scans that there are. Each
/// stream holds a few pages in memory, which are larger only where contacts suddenly are: up to [`PAGE_BYTES`].
const USUAL_BYTES: usize = PAGE_BYTES / 2;
const BYTES_OF_ALL: usize = 32 << 20;

/// Reads all selected contacts. It holds no connection between pages, so a slow
/// client does not keep one from others.
pub struct ContactScan {
    store: Store,
    workspace: Workspace,
    selection: Selection,
    after: Option<PageCursor>,
    page_size: usize,
    finished: bool,
    counted: TaskTrackerToken,
}

impl ContactScan {
    /// Makes a scan that begins after the cursor `after`.
    pub fn new(
        store: Store,
        workspace: Workspace,
        selection: Selection,
        after: Option<PageCursor>,
    ) -> Self {
        let (page_size, counted) = (FIRST_PAGE, store.scans().token());
        Self { store, workspace, selection, after, page_size, finished: false, counted }
    }

    /// Returns the next page, empty at the end.
    pub async fn next_page(&mut self) -> Result<VecDeque<ContactRow>> {
        if self.finished {
            return Ok(VecDeque::new());
        }
        self.selection.now = self.store.now_for_expiry();
        let mut db = self.store.read_stream().await?;
        self.reload_policy(&mut *db).await?;
        let after = self.after.as_ref();
        let limit = self.page_size;
        let ContactPage { rows, is_last } =
            db.list_contacts(&self.workspace, &self.selection, BY_CREATION, after, limit).await?;
        ensure_still_there(&mut *db, &self.workspace).await?;
        self.finished = is_last;
        let bytes: usize = rows.iter().map(|row| size_of_val(row) + row.record.len()).sum();
        let share = BYTES_OF_ALL / self.counted.task_tracker().len();
        let fitting = USUAL_BYTES.min(share) * rows.len() / bytes.max(1);
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

/// Changes every contact that the filter selects. `edit` returns whether it changed the
/// contact. Each transaction changes some of them, so that no opt-out waits for
/// all; when one fails, those before it stay changed.
pub async fn rewrite_selected<F>(
    store: &Store,
    workspace: &Workspace,
    filter: Option<Expr>,
    edit: F,
) -> Result<Edited>
where
    F: Fn(&mut Contact) -> Result<bool> + Clone + Send + Sync + 'static,
{
    let selection = Selection { filter, words: Vec::new(), now: store.now_for_expiry() };
    let mut scan = ContactScan::new(store.clone(), workspace.clone(), selection, None);
    let mut edited = Edited::default();
    loop {
        let page = scan.next_page().await?;
        if page.is_empty() {
            return Ok(edited);
        }
        let ids: Vec<_> = page.iter().map(|row| row.contact_id).collect();
        let mut left = ids.as_slice();
        while !left.is_empty() {
            let (ids, rest) = left.split_at(store.rows_of(LongWork::Edit).min(left.len()));
            left = rest;
            let ids = ids.to_vec();
            let rewrite = Rewrite { workspace: workspace.clone(), ids, edit: edit.clone() };
            let Edited { matched, changed } = store.write(rewrite).await?;
            edited.matched += matched;
            edited.changed += changed;
        }
    }
}

struct Rewrite<F> {
    workspace: Workspace,
    ids: Vec<Uuid>,
    edit: F,
}

impl<F> Operation for Rewrite<F>
where
    F: Fn(&mut Contact) -> Result<bool> + Send + Sync + 'static,
{
    type Output = Edited;

    fn bulk(&self) -> Option<Bulk<'_>> {
        let rows = Some((LongWork::Edit, self.ids.len()));
        Some(Bulk {
            workspace_id: &self.workspace.workspace_id,
            rows,
            given_up: GivenUp::RunsAgain,
        })
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Edited> {
        let workspace = lock_workspace(tx, &self.workspace.workspace_id, Lock::Shared).await?;
        ensure_same(&self.workspace, Some(&workspace))?;
        let people: Vec<_> = self.ids.iter().map(|id| Recipient::Id(*id)).collect();
        let found = tx.db.find_contacts(&workspace, &people).await?;
        // Without those that were deleted meanwhile, or merged into another one.
        let same = self.ids.iter().zip(&found);
        let rows = same.filter_map(|(id, row)| row.as_ref().filter(|row| row.contact_id == *id));
        rewrite(tx, &workspace, rows, &self.edit).await
    }
}

/// Changes every contact that the filter selects, in this transaction: for the few that are
/// left after [`rewrite_selected`].
pub async fn each_selected(
    tx: &mut Transaction,
    workspace: &Workspace,
    filter: Expr,
    mut edit: impl FnMut(&mut Contact) -> bool + Send,
) -> Result<()> {
    let selection = Selection { filter: Some(filter), words: Vec::new(), now: tx.now };
    let mut after = None;
    loop {
        let ContactPage { rows, is_last } = tx
            .db
            .list_contacts(workspace, &selection, BY_CREATION, after.as_ref(), REWRITE_PAGE)
            .await?;
        after = rows.last().map(ContactRow::cursor);
        rewrite(tx, workspace, &rows, |contact| Ok(edit(contact))).await?;
        if is_last {
            return Ok(());
        }
    }
}

/// Changes contacts, in this transaction.
async fn rewrite<'r>(
    tx: &mut Transaction,
    workspace: &Workspace,
    rows: impl IntoIterator<Item = &'r ContactRow> + Send,
    mut edit: impl FnMut(&mut Contact) -> Result<bool> + Send,
) -> Result<Edited> {
    let mut edited = Edited::default();
    let mut changes = Vec::new();
    for row in rows {
        edited.matched += 1;
        let before = decode_profile(row)?;
        let mut changed = before.clone();
        if edit(&mut changed)? {
            changed.version += 1;
            changed.update_time = tx.now;
            edited.changed += 1;
            changes.push((before, changed));
        }
    }
    if !changes.is_empty() {
        tx.db.update_contacts(workspace, &changes).await?;
    }
    Ok(edited)
}
