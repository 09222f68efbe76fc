//! The seam: what a database has to be able to do.

use async_trait::async_trait;
use uuid::Uuid;

use super::types::{
    CheckRows, ConsentRow, ContactRow, DuplicateCandidate, DuplicateKey, KeyLock, Lock,
    NewStoredResponse, Order, PageCursor, ReadPurpose, Receipt, Selection, StoredResponse,
    StoredResponseInfo, Subjects, Workspace,
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

/// A database.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Begins a transaction that may write.
    async fn begin(&self) -> Result<Box<dyn Session>>;
    /// A session outside of a transaction, for reading.
    async fn reader(&self, purpose: ReadPurpose) -> Result<Box<dyn Session>>;
    /// The rows of these keys, in whatever order, in one read of the primary's
    /// committed state begun within this call. Keys without a row are left out.
    /// None if there is no such workspace.
    async fn check(&self, workspace_id: &str, keys: &[MatchKey]) -> Result<Option<CheckRows>>;
    /// The same with the suppression keys that any row found may be under.
    async fn check_suppressed(
        &self,
        workspace_id: &str,
        keys: &[MatchKey],
    ) -> Result<(CheckRows, Vec<KeyId>)>;
    /// The suppression keys in use in any workspace.
    async fn suppression_keys(&self) -> Result<Vec<KeyId>>;
    /// How many transactions that write one caller may run beside each other and
    /// gain by it.
    fn parallel_writes(&self) -> usize;
    /// Overwrites what erasures left in unused parts of the database's files, if
    /// anything; nothing to do where the database server sees to it.
    async fn vacuum(&self) -> Result<()>;
    /// Name and version of the database engine, such as `SQLite 3.50.4`.
    async fn engine_version(&self) -> Result<String>;
    /// Closes all connections.
    async fn close(&self);
}

/// One connection: in a transaction if it came from [`Backend::begin`].
///
/// Everything is written for many at once, because a call costs more than a
/// row. Slices may be of any length.
#[async_trait]
pub trait Session: Send {
    /// Makes the transaction's changes last.
    async fn commit(self: Box<Self>) -> Result<()>;
    /// Undoes them.
    async fn rollback(self: Box<Self>);

    // Workspaces

    /// One workspace, held as `lock` says until the transaction ends.
    async fn workspace(&mut self, workspace_id: &str, lock: Lock) -> Result<Option<Workspace>>;
    /// Workspaces with ids greater than `after`, by id.
    async fn workspaces(&mut self, after: &str, limit: usize) -> Result<Vec<Workspace>>;
    /// Adds one. False if the id is taken.
    async fn insert_workspace(&mut self, workspace: &Workspace) -> Result<bool>;
    /// Erases one with everything in it, and says how many contacts it had.
    async fn delete_workspace(&mut self, workspace: &Workspace) -> Result<i64>;
    /// Counts up the consent revision, which nobody else does until the
    /// transaction ends, and returns it with the end of the ledger, which
    /// nobody else moves until then.
    async fn next_consent_revision(&mut self, workspace: &Workspace) -> Result<(i64, Head)>;

    // Definitions

    /// All tags, by id.
    async fn tags(&mut self, workspace: &Workspace) -> Result<Vec<Tag>>;
    /// How many contacts carry each of these tags.
    async fn tag_counts(&mut self, workspace: &Workspace, tag_ids: &[&str]) -> Result<Vec<i64>>;
    /// Adds tags, or replaces those of the same id.
    async fn put_tags(&mut self, workspace: &Workspace, tags: &[Tag]) -> Result<()>;
    /// Removes a tag nobody carries.
    async fn delete_tag(&mut self, workspace: &Workspace, tag_id: &str) -> Result<()>;
    /// All attribute definitions, by id.
    async fn attributes(&mut self, workspace: &Workspace) -> Result<Vec<AttributeDefinition>>;
    /// How many contacts have a value of each of these attributes.
    async fn attribute_counts(
        &mut self,
        workspace: &Workspace,
        attribute_ids: &[&str],
    ) -> Result<Vec<i64>>;
    /// Adds a definition, or replaces the one of the same id.
    async fn put_attribute(
        &mut self,
        workspace: &Workspace,
        attribute: &AttributeDefinition,
    ) -> Result<()>;
    /// Removes a definition nobody has a value of.
    async fn delete_attribute(&mut self, workspace: &Workspace, attribute_id: &str) -> Result<()>;

    // Contacts

    /// The contacts these name, index for index; in a transaction they stay as
    /// they are until it ends. The id of a merged contact names the one it was
    /// merged into.
    async fn find_contacts(
        &mut self,
        workspace: &Workspace,
        people: &[Recipient],
    ) -> Result<Vec<Option<ContactRow>>>;
    /// A page of the contacts selected, behind `after`.
    async fn page(
        &mut self,
        workspace: &Workspace,
        selection: &Selection,
        order: Order,
        after: Option<&PageCursor>,
        limit: usize,
    ) -> Result<Vec<ContactRow>>;
    /// What contacts are compared by, in its order and then that of their ids,
    /// behind `after`.
    async fn duplicate_candidates(
        &mut self,
        workspace: &Workspace,
        likeness: DuplicateKey,
        after: Option<&DuplicateCandidate>,
        limit: usize,
    ) -> Result<Vec<DuplicateCandidate>>;
    /// How many contacts are selected.
    async fn count(&mut self, workspace: &Workspace, selection: &Selection) -> Result<i64>;
    /// Adds contacts, without their consent rows.
    async fn insert_contacts(&mut self, workspace: &Workspace, contacts: &[Contact]) -> Result<()>;
    /// Changes profiles, each from what it was to what it is to be.
    async fn update_contacts(
        &mut self,
        workspace: &Workspace,
        changes: &[(Contact, Contact)],
    ) -> Result<()>;
    /// Removes contacts and what hangs on them, except consent rows and events.
    async fn delete_contacts(&mut self, workspace: &Workspace, contacts: &[Contact]) -> Result<()>;
    /// Makes the id `from`, and those that lead to it, lead to another contact,
    /// whose saved answers its own become.
    async fn redirect_contact(&mut self, workspace: &Workspace, from: Uuid, to: Uuid)
    -> Result<()>;
    /// Writes what contacts show of their consent.
    async fn set_contact_consent(
        &mut self,
        workspace: &Workspace,
        consents: &[(Uuid, ConsentSummary)],
    ) -> Result<()>;
    /// Keeps the proof of an erasure.
    async fn insert_receipt(&mut self, workspace: &Workspace, receipt: &Receipt) -> Result<()>;
    /// The proofs of erasures of the contact that had this id.
    async fn receipts(&mut self, workspace: &Workspace, contact_id: Uuid) -> Result<Vec<Receipt>>;
    /// The proofs of all erasures from `since` on, by their id, behind `after`.
    async fn receipts_since(
        &mut self,
        workspace: &Workspace,
        since: Time,
        after: Uuid,
        limit: usize,
    ) -> Result<Vec<Receipt>>;

    // Consent

    /// The consent rows of these keys, index for index; in a transaction they
    /// stay as they are until it ends.
    async fn consent(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
    ) -> Result<Vec<Option<ConsentRow>>>;
    /// Adds consent rows, or replaces those of the same key.
    async fn put_consent(&mut self, workspace: &Workspace, rows: &[ConsentRow]) -> Result<()>;
    /// Removes consent rows.
    async fn delete_consent(&mut self, workspace: &Workspace, keys: &[MatchKey]) -> Result<()>;

    // Ledger

    /// Appends to the ledger, which ends with `head` then. Only after
    /// [`next_consent_revision`](Self::next_consent_revision).
    async fn append_entries(
        &mut self,
        workspace: &Workspace,
        entries: &[Entry],
        head: &Head,
    ) -> Result<()>;
    /// The entries of one person that have their details, newest first, from
    /// before the position `before`.
    async fn entries_about(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
        before: i64,
        limit: usize,
    ) -> Result<Vec<Entry>>;
    /// The entries behind the position `after`, in order.
    async fn entries(
        &mut self,
        workspace: &Workspace,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Entry>>;
    /// Removes what is personal from the entries of one person, and returns
    /// where they are; that they happened stays.
    async fn forget_details(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<Vec<i64>>;
    /// The ids of workspaces with events from before there was a chain, up to
    /// `limit`.
    async fn unsealed_workspaces(&mut self, limit: usize) -> Result<Vec<String>>;
    /// Writes salts and hashes of entries that were there before, up to which the
    /// ledger is sealed then.
    async fn seal_entries(
        &mut self,
        workspace: &Workspace,
        entries: &[Entry],
        head: &Head,
    ) -> Result<()>;

    // Suppression

    /// Holds the keys under which the workspace remembers people who are no
    /// contacts, after `current` was made one of them.
    async fn lock_suppression_keys(
        &mut self,
        workspace: &Workspace,
        current: KeyId,
        hold: KeyLock,
    ) -> Result<Vec<KeyId>>;
    /// The people who are no contacts of whom was written since this consent
    /// revision; none where transactions follow one another.
    async fn suppressed_since(
        &mut self,
        workspace: &Workspace,
        revision: i64,
    ) -> Result<Vec<MatchKey>>;
    /// How many rows of people who are no contacts are under a version of the key.
    async fn count_suppressed(&mut self, workspace: &Workspace, version: u32) -> Result<i64>;
    /// Drops people who are no contacts and of whom nothing was written since
    /// `before`, up to `limit`; how many.
    async fn drop_suppressions(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64>;
    /// Some of the people who are no contacts and are still named, as versions
    /// before 0.2 did.
    async fn suppressed_in_clear(
        &mut self,
        workspace: &Workspace,
        limit: usize,
    ) -> Result<Vec<ConsentRow>>;
    /// The same of the ledger's details.
    async fn subjects_in_clear(
        &mut self,
        workspace: &Workspace,
        limit: usize,
    ) -> Result<Vec<MatchKey>>;
    /// Gives the details of people who are no contacts other subjects.
    async fn rename_subjects(
        &mut self,
        workspace: &Workspace,
        renamed: &[(MatchKey, MatchKey)],
    ) -> Result<()>;

    // Idempotency

    /// The first answer to a request_id, unless it is from before `since`.
    async fn stored_response(
        &mut self,
        workspace: &Workspace,
        request_id: Uuid,
        since: Time,
    ) -> Result<Option<StoredResponse>>;
    /// Keeps an answer, and drops some from before `since`.
    async fn store_response(
        &mut self,
        workspace: &Workspace,
        answer: &NewStoredResponse,
        since: Time,
    ) -> Result<()>;
    /// Drops answers from before this time, up to `limit`; how many.
    async fn delete_stored_responses(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64>;
    /// Which answers that tell of a contact are kept, newest first.
    async fn stored_responses_about(
        &mut self,
        workspace: &Workspace,
        contact_id: Uuid,
        limit: usize,
    ) -> Result<Vec<StoredResponseInfo>>;
    /// Leaves nothing but the ids of requests about one person.
    async fn erase_stored_responses(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<()>;
}
