//! One connection, as the seam wants it. The SQL is in the files beside.

use std::collections::HashSet;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::{Executor, Postgres};
use uuid::Uuid;

use super::connection::Watch;
use super::usage::{Kind, Usage};
use super::{
    consent, contacts, definitions, duplicates, events, failure, idempotency, pages, receipts,
    redirects, rows, suppression, workspaces,
};
use crate::domain::Time;
use crate::domain::attribute::AttributeDefinition;
use crate::domain::consent::ConsentSummary;
use crate::domain::contact::{Contact, Recipient};
use crate::domain::error::{Error, Result};
use crate::domain::keyring::KeyId;
use crate::domain::ledger::{Entry, Head};
use crate::domain::phone::MatchKey;
use crate::domain::tag::Tag;
use crate::store::{
    ConsentRow, ContactRow, DuplicateCandidate, DuplicateKey, KeyLock, Lock, NewStoredResponse,
    Order, PageCursor, Receipt, Selection, Session, StoredResponse, StoredResponseInfo, Subjects,
    Workspace,
};

pub(super) struct PostgresSession {
    connection: PoolConnection<Postgres>,
    watch: Watch,
    in_transaction: bool,
    /// Keys whose consent rows the transaction read and holds.
    held_consent: HashSet<MatchKey>,
    usage: Usage,
}

impl PostgresSession {
    pub(super) fn reader(connection: PoolConnection<Postgres>, watch: Watch) -> Self {
        Self {
            connection,
            watch,
            in_transaction: false,
            held_consent: HashSet::new(),
            usage: Usage::default(),
        }
    }

    pub(super) async fn begin(connection: PoolConnection<Postgres>, watch: Watch) -> Result<Self> {
        Self::in_transaction(connection, watch, "BEGIN").await
    }

    pub(super) async fn snapshot(
        connection: PoolConnection<Postgres>,
        watch: Watch,
    ) -> Result<Self> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        Self::in_transaction(connection, watch, begin).await
    }

    async fn in_transaction(
        connection: PoolConnection<Postgres>,
        watch: Watch,
        begin: &'static str,
    ) -> Result<Self> {
        let mut session = Self::reader(connection, watch);
        session.in_transaction = true;
        session.execute(begin).await?;
        Ok(session)
    }

    async fn execute(&mut self, statement: &'static str) -> Result<()> {
        let executing = self.connection.execute(statement);
        self.watch.over(async { executing.await.map(drop).map_err(failure) }).await
    }

    async fn end(&mut self, statement: &'static str) -> Result<()> {
        if self.in_transaction {
            self.execute(statement).await?;
            self.in_transaction = false;
        }
        Ok(())
    }
}

impl Drop for PostgresSession {
    /// A connection that may still be in a transaction serves nobody again.
    /// The driver's own transactions can be cut off between BEGIN and their
    /// note of it, and would go back into the pool open.
    fn drop(&mut self) {
        if self.in_transaction {
            self.connection.close_on_drop();
        }
    }
}

#[async_trait]
impl Session for PostgresSession {
    async fn commit(mut self: Box<Self>) -> Result<()> {
        // The server answers COMMIT after a failure by rolling back, and with
        // no error.
        if self.watch.saw_failure() {
            return Err(Error::internal("a failed transaction was to be committed"));
        }
        self.watch.over(self.usage.write(&mut self.connection)).await?;
        self.end("COMMIT").await
    }

    async fn rollback(mut self: Box<Self>) {
        if let Err(error) = self.end("ROLLBACK").await {
            tracing::warn!(error.reason = ?error.reason(), "rollback failed");
        }
    }

    async fn workspace(&mut self, workspace_id: &str, lock: Lock) -> Result<Option<Workspace>> {
        self.watch.over(workspaces::get(&mut self.connection, workspace_id, lock)).await
    }

    async fn workspaces(&mut self, after: &str, limit: usize) -> Result<Vec<Workspace>> {
        self.watch.over(workspaces::list(&mut self.connection, after, limit)).await
    }

    async fn insert_workspace(&mut self, workspace: &Workspace) -> Result<bool> {
        self.watch.over(workspaces::insert(&mut self.connection, workspace)).await
    }

    async fn delete_workspace(&mut self, workspace: &Workspace) -> Result<i64> {
        self.usage = Usage::default();
        // Takes as long as there is something to delete.
        workspaces::delete(&mut self.connection, workspace).await
    }

    async fn next_consent_revision(&mut self, workspace: &Workspace) -> Result<(i64, Head)> {
        self.watch.over(workspaces::next_consent_revision(&mut self.connection, workspace)).await
    }

    async fn tags(&mut self, workspace: &Workspace) -> Result<Vec<Tag>> {
        self.watch.over(definitions::tags(&mut self.connection, workspace)).await
    }

    async fn tag_counts(&mut self, workspace: &Workspace, tag_ids: &[&str]) -> Result<Vec<i64>> {
        let db = &mut self.connection;
        self.watch.over(self.usage.read(db, workspace, Kind::Tag, tag_ids)).await
    }

    async fn put_tags(&mut self, workspace: &Workspace, tags: &[Tag]) -> Result<()> {
        self.watch.over(definitions::put_tags(&mut self.connection, workspace, tags)).await
    }

    async fn delete_tag(&mut self, workspace: &Workspace, tag_id: &str) -> Result<()> {
        let db = &mut self.connection;
        self.watch.over(definitions::delete_tag(db, workspace, tag_id)).await?;
        self.watch.over(self.usage.delete(db, workspace, Kind::Tag, tag_id)).await
    }

    async fn attributes(&mut self, workspace: &Workspace) -> Result<Vec<AttributeDefinition>> {
        self.watch.over(definitions::attributes(&mut self.connection, workspace)).await
    }

    async fn attribute_counts(
        &mut self,
        workspace: &Workspace,
        attribute_ids: &[&str],
    ) -> Result<Vec<i64>> {
        let db = &mut self.connection;
        self.watch.over(self.usage.read(db, workspace, Kind::Attribute, attribute_ids)).await
    }

    async fn put_attribute(
        &mut self,
        workspace: &Workspace,
        attribute: &AttributeDefinition,
    ) -> Result<()> {
        self.watch
            .over(definitions::put_attribute(&mut self.connection, workspace, attribute))
            .await
    }

    async fn delete_attribute(&mut self, workspace: &Workspace, attribute_id: &str) -> Result<()> {
        let db = &mut self.connection;
        self.watch.over(definitions::delete_attribute(db, workspace, attribute_id)).await?;
        self.watch.over(self.usage.delete(db, workspace, Kind::Attribute, attribute_id)).await
    }

    async fn find_contacts(
        &mut self,
        workspace: &Workspace,
        people: &[Recipient],
    ) -> Result<Vec<Option<ContactRow>>> {
        let hold = self.in_transaction;
        self.watch.over(contacts::find(&mut self.connection, workspace, people, hold)).await
    }

    async fn page(
        &mut self,
        workspace: &Workspace,
        selection: &Selection,
        order: Order,
        after: Option<&PageCursor>,
        limit: usize,
    ) -> Result<Vec<ContactRow>> {
        let page = pages::Page { workspace, selection, order, after, limit };
        if self.in_transaction {
            return self.watch.over(pages::hold(&mut self.connection, page)).await;
        }
        self.watch.over(pages::page(&mut self.connection, page)).await
    }

    async fn duplicate_candidates(
        &mut self,
        workspace: &Workspace,
        likeness: DuplicateKey,
        after: Option<&DuplicateCandidate>,
        limit: usize,
    ) -> Result<Vec<DuplicateCandidate>> {
        self.watch
            .over(duplicates::page(&mut self.connection, workspace, likeness, after, limit))
            .await
    }

    async fn count(&mut self, workspace: &Workspace, selection: &Selection) -> Result<i64> {
        self.watch.over(pages::count(&mut self.connection, workspace, selection)).await
    }

    async fn insert_contacts(&mut self, workspace: &Workspace, contacts: &[Contact]) -> Result<()> {
        self.watch.over(rows::insert(&mut self.connection, workspace, contacts)).await?;
        for contact in contacts {
            self.usage.change(workspace, None, Some(&contact.profile));
        }
        Ok(())
    }

    async fn update_contacts(
        &mut self,
        workspace: &Workspace,
        changes: &[(Contact, Contact)],
    ) -> Result<()> {
        self.watch.over(rows::update(&mut self.connection, workspace, changes)).await?;
        for (before, after) in changes {
            self.usage.change(workspace, Some(&before.profile), Some(&after.profile));
        }
        Ok(())
    }

    async fn delete_contacts(&mut self, workspace: &Workspace, contacts: &[Contact]) -> Result<()> {
        self.watch.over(contacts::delete(&mut self.connection, workspace, contacts)).await?;
        for contact in contacts {
            self.usage.change(workspace, Some(&contact.profile), None);
        }
        Ok(())
    }

    async fn redirect_contact(
        &mut self,
        workspace: &Workspace,
        from: Uuid,
        to: Uuid,
    ) -> Result<()> {
        self.watch.over(redirects::put(&mut self.connection, workspace, from, to)).await
    }

    async fn set_contact_consent(
        &mut self,
        workspace: &Workspace,
        consents: &[(Uuid, ConsentSummary)],
    ) -> Result<()> {
        self.watch.over(contacts::set_consent(&mut self.connection, workspace, consents)).await
    }

    async fn insert_receipt(&mut self, workspace: &Workspace, receipt: &Receipt) -> Result<()> {
        self.watch.over(receipts::insert(&mut self.connection, workspace, receipt)).await
    }

    async fn receipts(&mut self, workspace: &Workspace, contact_id: Uuid) -> Result<Vec<Receipt>> {
        self.watch.over(receipts::of_contact(&mut self.connection, workspace, contact_id)).await
    }

    async fn receipts_since(
        &mut self,
        workspace: &Workspace,
        since: Time,
        after: Uuid,
        limit: usize,
    ) -> Result<Vec<Receipt>> {
        let db = &mut self.connection;
        self.watch.over(receipts::since(db, workspace, since, after, limit)).await
    }

    async fn consent(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
    ) -> Result<Vec<Option<ConsentRow>>> {
        let db = &mut *self.connection;
        if !self.in_transaction {
            return self.watch.over(consent::get(db, workspace, keys)).await;
        }
        self.watch.over(consent::hold(db, workspace, keys, &mut self.held_consent)).await
    }

    async fn put_consent(&mut self, workspace: &Workspace, rows: &[ConsentRow]) -> Result<()> {
        let held = &mut self.held_consent;
        self.watch.over(consent::put(&mut self.connection, workspace, rows, held)).await
    }

    async fn delete_consent(&mut self, workspace: &Workspace, keys: &[MatchKey]) -> Result<()> {
        self.watch.over(consent::delete(&mut self.connection, workspace, keys)).await
    }

    async fn append_entries(
        &mut self,
        workspace: &Workspace,
        entries: &[Entry],
        head: &Head,
    ) -> Result<()> {
        self.watch.over(events::append(&mut self.connection, workspace, entries, head)).await
    }

    async fn entries_about(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
        before: i64,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        self.watch
            .over(events::about(&mut self.connection, workspace, subjects, before, limit))
            .await
    }

    async fn entries(
        &mut self,
        workspace: &Workspace,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        self.watch.over(events::list(&mut self.connection, workspace, after, limit)).await
    }

    async fn forget_details(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<Vec<i64>> {
        self.watch.over(events::forget(&mut self.connection, workspace, subjects)).await
    }

    async fn unsealed_workspaces(&mut self, limit: usize) -> Result<Vec<String>> {
        self.watch.over(events::unsealed_workspaces(&mut self.connection, limit)).await
    }

    async fn seal_entries(
        &mut self,
        workspace: &Workspace,
        entries: &[Entry],
        head: &Head,
    ) -> Result<()> {
        self.watch.over(events::seal(&mut self.connection, workspace, entries, head)).await
    }

    async fn lock_suppression_keys(
        &mut self,
        workspace: &Workspace,
        current: KeyId,
        hold: KeyLock,
    ) -> Result<Vec<KeyId>> {
        let db = &mut self.connection;
        self.watch.over(suppression::lock_keys(db, workspace, current, hold)).await
    }

    async fn suppressed_since(
        &mut self,
        workspace: &Workspace,
        revision: i64,
    ) -> Result<Vec<MatchKey>> {
        let db = &mut self.connection;
        self.watch.over(suppression::written_since(db, workspace, revision)).await
    }

    async fn count_suppressed(&mut self, workspace: &Workspace, version: u32) -> Result<i64> {
        self.watch.over(suppression::count(&mut self.connection, workspace, version)).await
    }

    async fn drop_suppressions(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64> {
        self.watch.over(suppression::drop(&mut self.connection, workspace, before, limit)).await
    }

    async fn suppressed_in_clear(
        &mut self,
        workspace: &Workspace,
        limit: usize,
    ) -> Result<Vec<ConsentRow>> {
        self.watch.over(suppression::in_clear(&mut self.connection, workspace, limit)).await
    }

    async fn subjects_in_clear(
        &mut self,
        workspace: &Workspace,
        limit: usize,
    ) -> Result<Vec<MatchKey>> {
        let db = &mut self.connection;
        self.watch.over(suppression::subjects_in_clear(db, workspace, limit)).await
    }

    async fn rename_subjects(
        &mut self,
        workspace: &Workspace,
        renamed: &[(MatchKey, MatchKey)],
    ) -> Result<()> {
        let db = &mut self.connection;
        self.watch.over(suppression::rename_subjects(db, workspace, renamed)).await
    }

    async fn stored_response(
        &mut self,
        workspace: &Workspace,
        request_id: Uuid,
        since: Time,
    ) -> Result<Option<StoredResponse>> {
        self.watch.over(idempotency::get(&mut self.connection, workspace, request_id, since)).await
    }

    async fn store_response(
        &mut self,
        workspace: &Workspace,
        answer: &NewStoredResponse,
        since: Time,
    ) -> Result<()> {
        self.watch.over(idempotency::save(&mut self.connection, workspace, answer, since)).await
    }
    async fn delete_stored_responses(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64> {
        self.watch.over(idempotency::drop(&mut self.connection, workspace, before, limit)).await
    }

    async fn stored_responses_about(
        &mut self,
        workspace: &Workspace,
        contact_id: Uuid,
        limit: usize,
    ) -> Result<Vec<StoredResponseInfo>> {
        self.watch
            .over(idempotency::about(&mut self.connection, workspace, contact_id, limit))
            .await
    }

    async fn erase_stored_responses(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<()> {
        self.watch.over(idempotency::forget(&mut self.connection, workspace, subjects)).await
    }
}
