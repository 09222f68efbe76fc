//! One connection, as the seam wants it. The SQL is in the files beside.

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, Transaction};
use uuid::Uuid;

use super::{
    consent, contacts, definitions, duplicates, events, failure, idempotency, pages, receipts,
    redirects, suppression, workspaces,
};
use crate::domain::Time;
use crate::domain::attribute::AttributeDefinition;
use crate::domain::consent::ConsentSummary;
use crate::domain::contact::{Contact, Recipient};
use crate::domain::error::Result;
use crate::domain::keyring::KeyId;
use crate::domain::ledger::{Entry, Head};
use crate::domain::phone::MatchKey;
use crate::domain::tag::Tag;
use crate::store::{
    ConsentRow, ContactRow, DuplicateCandidate, DuplicateKey, KeyLock, Lock, NewStoredResponse,
    Order, PageCursor, Receipt, Selection, Session, StoredResponse, StoredResponseInfo, Subjects,
    Workspace,
};

pub(super) enum SqliteSession {
    InTransaction(Transaction<'static, Sqlite>),
    Reading(PoolConnection<Sqlite>),
}

impl SqliteSession {
    fn db(&mut self) -> &mut SqliteConnection {
        match self {
            Self::InTransaction(transaction) => transaction,
            Self::Reading(connection) => connection,
        }
    }
}

#[async_trait]
impl Session for SqliteSession {
    async fn commit(self: Box<Self>) -> Result<()> {
        match *self {
            Self::InTransaction(transaction) => transaction.commit().await.map_err(failure),
            Self::Reading(_) => Ok(()),
        }
    }

    async fn rollback(self: Box<Self>) {
        if let Self::InTransaction(transaction) = *self
            && let Err(error) = transaction.rollback().await
        {
            tracing::warn!(error.kind = ?error.as_database_error().map(|e| e.kind()), "rollback failed");
        }
    }

    async fn workspace(&mut self, workspace_id: &str, _: Lock) -> Result<Option<Workspace>> {
        // There is one writer at a time: nothing has to be held.
        workspaces::get(self.db(), workspace_id).await
    }

    async fn workspaces(&mut self, after: &str, limit: usize) -> Result<Vec<Workspace>> {
        workspaces::list(self.db(), after, limit).await
    }

    async fn insert_workspace(&mut self, workspace: &Workspace) -> Result<bool> {
        workspaces::insert(self.db(), workspace).await
    }

    async fn delete_workspace(&mut self, workspace: &Workspace) -> Result<i64> {
        workspaces::delete(self.db(), workspace).await
    }

    async fn next_consent_revision(&mut self, workspace: &Workspace) -> Result<(i64, Head)> {
        workspaces::next_consent_revision(self.db(), workspace).await
    }

    async fn tags(&mut self, workspace: &Workspace) -> Result<Vec<Tag>> {
        definitions::tags(self.db(), workspace).await
    }

    async fn tag_counts(&mut self, workspace: &Workspace, tag_ids: &[&str]) -> Result<Vec<i64>> {
        definitions::tag_counts(self.db(), workspace, tag_ids).await
    }

    async fn put_tags(&mut self, workspace: &Workspace, tags: &[Tag]) -> Result<()> {
        definitions::put_tags(self.db(), workspace, tags).await
    }

    async fn delete_tag(&mut self, workspace: &Workspace, tag_id: &str) -> Result<()> {
        definitions::delete_tag(self.db(), workspace, tag_id).await
    }

    async fn attributes(&mut self, workspace: &Workspace) -> Result<Vec<AttributeDefinition>> {
        definitions::attributes(self.db(), workspace).await
    }

    async fn attribute_counts(
        &mut self,
        workspace: &Workspace,
        attribute_ids: &[&str],
    ) -> Result<Vec<i64>> {
        definitions::attribute_counts(self.db(), workspace, attribute_ids).await
    }

    async fn put_attribute(
        &mut self,
        workspace: &Workspace,
        attribute: &AttributeDefinition,
    ) -> Result<()> {
        definitions::put_attribute(self.db(), workspace, attribute).await
    }

    async fn delete_attribute(&mut self, workspace: &Workspace, attribute_id: &str) -> Result<()> {
        definitions::delete_attribute(self.db(), workspace, attribute_id).await
    }

    async fn find_contacts(
        &mut self,
        workspace: &Workspace,
        people: &[Recipient],
    ) -> Result<Vec<Option<ContactRow>>> {
        contacts::find(self.db(), workspace, people).await
    }

    async fn page(
        &mut self,
        workspace: &Workspace,
        selection: &Selection,
        order: Order,
        after: Option<&PageCursor>,
        limit: usize,
    ) -> Result<Vec<ContactRow>> {
        pages::page(self.db(), workspace, selection, order, after, limit).await
    }

    async fn duplicate_candidates(
        &mut self,
        workspace: &Workspace,
        likeness: DuplicateKey,
        after: Option<&DuplicateCandidate>,
        limit: usize,
    ) -> Result<Vec<DuplicateCandidate>> {
        duplicates::page(self.db(), workspace, likeness, after, limit).await
    }

    async fn count(&mut self, workspace: &Workspace, selection: &Selection) -> Result<i64> {
        pages::count(self.db(), workspace, selection).await
    }

    async fn insert_contacts(&mut self, workspace: &Workspace, contacts: &[Contact]) -> Result<()> {
        contacts::insert(self.db(), workspace, contacts).await
    }

    async fn update_contacts(
        &mut self,
        workspace: &Workspace,
        changes: &[(Contact, Contact)],
    ) -> Result<()> {
        contacts::update(self.db(), workspace, changes).await
    }

    async fn delete_contacts(&mut self, workspace: &Workspace, contacts: &[Contact]) -> Result<()> {
        contacts::delete(self.db(), workspace, contacts).await
    }

    async fn redirect_contact(
        &mut self,
        workspace: &Workspace,
        from: Uuid,
        to: Uuid,
    ) -> Result<()> {
        redirects::put(self.db(), workspace, from, to).await
    }

    async fn set_contact_consent(
        &mut self,
        workspace: &Workspace,
        consents: &[(Uuid, ConsentSummary)],
    ) -> Result<()> {
        contacts::set_consent(self.db(), workspace, consents).await
    }

    async fn insert_receipt(&mut self, workspace: &Workspace, receipt: &Receipt) -> Result<()> {
        receipts::insert(self.db(), workspace, receipt).await
    }

    async fn receipts(&mut self, workspace: &Workspace, contact_id: Uuid) -> Result<Vec<Receipt>> {
        receipts::of_contact(self.db(), workspace, contact_id).await
    }

    async fn receipts_since(
        &mut self,
        workspace: &Workspace,
        since: Time,
        after: Uuid,
        limit: usize,
    ) -> Result<Vec<Receipt>> {
        receipts::since(self.db(), workspace, since, after, limit).await
    }

    async fn consent(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
    ) -> Result<Vec<Option<ConsentRow>>> {
        consent::get(self.db(), workspace, keys).await
    }

    async fn put_consent(&mut self, workspace: &Workspace, rows: &[ConsentRow]) -> Result<()> {
        consent::put(self.db(), workspace, rows).await
    }

    async fn delete_consent(&mut self, workspace: &Workspace, keys: &[MatchKey]) -> Result<()> {
        consent::delete(self.db(), workspace, keys).await
    }

    async fn append_entries(
        &mut self,
        workspace: &Workspace,
        entries: &[Entry],
        head: &Head,
    ) -> Result<()> {
        events::append(self.db(), workspace, entries, head).await
    }

    async fn entries_about(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
        before: i64,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        events::about(self.db(), workspace, subjects, before, limit).await
    }

    async fn entries(
        &mut self,
        workspace: &Workspace,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        events::list(self.db(), workspace, after, limit).await
    }

    async fn forget_details(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<Vec<i64>> {
        events::forget(self.db(), workspace, subjects).await
    }

    async fn unsealed_workspaces(&mut self, limit: usize) -> Result<Vec<String>> {
        events::unsealed_workspaces(self.db(), limit).await
    }

    async fn seal_entries(
        &mut self,
        workspace: &Workspace,
        entries: &[Entry],
        head: &Head,
    ) -> Result<()> {
        events::seal(self.db(), workspace, entries, head).await
    }

    async fn lock_suppression_keys(
        &mut self,
        workspace: &Workspace,
        current: KeyId,
        _: KeyLock,
    ) -> Result<Vec<KeyId>> {
        suppression::lock_keys(self.db(), workspace, current).await
    }

    async fn suppressed_since(&mut self, _: &Workspace, _: i64) -> Result<Vec<MatchKey>> {
        Ok(Vec::new())
    }

    async fn count_suppressed(&mut self, workspace: &Workspace, version: u32) -> Result<i64> {
        suppression::count(self.db(), workspace, version).await
    }

    async fn drop_suppressions(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64> {
        suppression::drop(self.db(), workspace, before, limit).await
    }

    async fn suppressed_in_clear(
        &mut self,
        workspace: &Workspace,
        limit: usize,
    ) -> Result<Vec<ConsentRow>> {
        suppression::in_clear(self.db(), workspace, limit).await
    }

    async fn subjects_in_clear(
        &mut self,
        workspace: &Workspace,
        limit: usize,
    ) -> Result<Vec<MatchKey>> {
        suppression::subjects_in_clear(self.db(), workspace, limit).await
    }

    async fn rename_subjects(
        &mut self,
        workspace: &Workspace,
        renamed: &[(MatchKey, MatchKey)],
    ) -> Result<()> {
        suppression::rename_subjects(self.db(), workspace, renamed).await
    }

    async fn stored_response(
        &mut self,
        workspace: &Workspace,
        request_id: Uuid,
        since: Time,
    ) -> Result<Option<StoredResponse>> {
        idempotency::get(self.db(), workspace, request_id, since).await
    }

    async fn store_response(
        &mut self,
        workspace: &Workspace,
        answer: &NewStoredResponse,
        since: Time,
    ) -> Result<()> {
        idempotency::save(self.db(), workspace, answer, since).await
    }
    async fn delete_stored_responses(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64> {
        idempotency::drop(self.db(), workspace, before, limit).await
    }

    async fn stored_responses_about(
        &mut self,
        workspace: &Workspace,
        contact_id: Uuid,
        limit: usize,
    ) -> Result<Vec<StoredResponseInfo>> {
        idempotency::about(self.db(), workspace, contact_id, limit).await
    }

    async fn erase_stored_responses(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<()> {
        idempotency::forget(self.db(), workspace, subjects).await
    }
}
