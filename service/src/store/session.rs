//! The seam: what a database has to be able to do.

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use crate::domain::Time;
use crate::domain::attribute::AttributeDefinition;
use crate::domain::consent::{ConsentState, ConsentSummary};
use crate::domain::contact::{Contact, Person};
use crate::domain::error::Result;
use crate::domain::filter::Expr;
use crate::domain::keyring::{KeyId, Keyring};
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
    async fn purge(&self) -> Result<()>;
    /// Closes all connections.
    async fn close(&self);
}

/// What a check found, by key.
pub type CheckRows = std::collections::HashMap<MatchKey, CheckRow>;

/// What a check needs of one person.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckRow {
    /// None when only an opt-out is known.
    pub contact_id: Option<Uuid>,
    /// The person's consent.
    pub state: ConsentState,
}

/// Who reads, so that one kind of user cannot starve another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadPurpose {
    /// One call.
    Unary,
    /// A page of a stream.
    Stream,
    /// Many reads of one state of the database, until the session is rolled
    /// back.
    Snapshot,
}

/// How a transaction holds on to the workspace it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Not at all: for reading.
    None,
    /// Its definitions stay while contacts that use them are written.
    Shared,
    /// Nobody else writes: for deleting definitions or the workspace.
    Exclusive,
}

/// How a transaction holds the suppression keys of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHold {
    /// To make a contact of somebody: until it is there, nobody writes what
    /// is known of people who are none.
    Shared,
    /// To write that: until it is there, nobody makes a contact.
    Exclusive,
}

/// A workspace as stored. Reaching any of its data takes this.
#[derive(Clone, Debug, PartialEq)]
pub struct Workspace {
    /// `[a-z][a-z0-9_-]{0,62}`.
    pub workspace_id: String,
    /// Free text.
    pub display_name: String,
    /// When it was made.
    pub create_time: Time,
    /// Grows with every change of anybody's consent in it.
    pub consent_revision: i64,
    /// Where its ledger ends.
    pub ledger: Head,
    /// Authenticates its page and resume tokens.
    pub token_key: [u8; 32],
    /// The backend's own short key. 0 until stored.
    pub row_key: i64,
}

/// Which contacts a list, count or stream is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// None: all.
    pub filter: Option<Expr>,
    /// Every one has to be a prefix of a word of the name. Empty: all.
    pub words: Vec<String>,
    /// What expiries are held against.
    pub now: Time,
}

/// By what contacts are ordered; ties by contact_id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderBy {
    /// By creation, which is by contact_id.
    CreateTime,
    /// By first, then last name, as search sees them.
    FirstName,
    /// By last, then first name, as search sees them.
    LastName,
}

/// In what order contacts are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub by: OrderBy,
    /// Largest first.
    pub descending: bool,
}

/// A place in an ordered list: behind this contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The name key it is ordered by; empty when ordered by creation.
    pub sort_key: String,
    /// The contact.
    pub contact_id: Uuid,
}

/// What makes contacts look like one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// The same email address, the case of a-z aside.
    Email,
    /// The same name, as search sees it, and the same end of the phone number.
    NameAndNumber,
}

impl Likeness {
    /// Longer email addresses are not compared, in bytes: the place of one has to
    /// fit into a resume token.
    pub const MAX_EMAIL: usize = 254;
    /// How much of a phone number is compared, in digits.
    pub const NUMBER_END: usize = 8;
}

/// What one contact is compared by: two that are equal look like one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likely {
    /// The email address, or the name.
    pub text: String,
    /// The end of the phone number; empty with an email address.
    pub number: String,
    /// Whose.
    pub contact_id: Uuid,
}

/// A contact's row, its profile still encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct ContactRow {
    /// Stable for life.
    pub contact_id: Uuid,
    /// The profile, see [`encode_profile`](super::encode_profile).
    pub record: Bytes,
    /// Counts the changes of the profile.
    pub version: i64,
    /// What the person agreed to.
    pub consent: ConsentSummary,
    /// The name key a page was ordered by; empty elsewhere.
    pub sort_key: String,
}

impl ContactRow {
    /// Where a page that ends with this row ends.
    pub fn position(&self) -> Position {
        Position { sort_key: self.sort_key.clone(), contact_id: self.contact_id }
    }
}

/// The consent of one person under one of their keys. A contact with phone
/// number and user id has two rows of the same state.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsentRow {
    /// Whom.
    pub match_key: MatchKey,
    /// None when only an opt-out is known.
    pub contact_id: Option<Uuid>,
    /// The person's consent.
    pub state: ConsentState,
    /// The workspace's consent revision that wrote it.
    pub revision: i64,
}

/// Under what the events of one person are found: as a contact, and from before
/// they were one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subjects {
    /// The contact, and those that were merged into it.
    pub contact_ids: Vec<Uuid>,
    /// Its keys, or the stranger's.
    pub keys: Vec<MatchKey>,
}

impl Subjects {
    /// Under what a contact's events are found. What was said before they were
    /// one is under hashed keys.
    pub fn of(contact: &Contact, keyring: &Keyring, workspace: &Workspace) -> Self {
        let mut contact_ids = vec![contact.contact_id];
        contact_ids.extend(&contact.profile.merged_contact_ids);
        let hashed =
            |key: &MatchKey| keyring.hashed_all(&workspace.workspace_id, key).collect::<Vec<_>>();
        let keys = contact.profile.match_keys().iter().flat_map(hashed).collect();
        Self { contact_ids, keys }
    }

    /// The same of somebody who is no contact.
    pub fn of_stranger(key: &MatchKey, keyring: &Keyring, workspace: &Workspace) -> Self {
        let keys = keyring.hashed_all(&workspace.workspace_id, key).collect();
        Self { contact_ids: Vec::new(), keys }
    }
}

/// A definition, with how many contacts use it.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted<T> {
    /// The definition.
    pub definition: T,
    /// Contacts that use it.
    pub contact_count: i64,
}

/// An answer to be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedAnswer {
    /// The caller's id.
    pub request_id: Uuid,
    /// Of method and request: the same id with another is a mistake.
    pub fingerprint: Vec<u8>,
    /// Of the API.
    pub method: &'static str,
    /// The encoded response.
    pub response: Bytes,
    /// The contact the response tells of, whose erasure erases it too.
    pub contact_id: Option<Uuid>,
    /// The hashed key of who is no contact, for the same.
    pub match_key: Option<MatchKey>,
    /// When.
    pub create_time: Time,
}

/// That an answer is kept, without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerNote {
    /// The caller's id.
    pub request_id: Uuid,
    /// Empty: kept before methods were.
    pub method: String,
    /// When.
    pub create_time: Time,
}

/// The first answer to a request_id, as it is found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstAnswer {
    /// Of method and request: the same id with another is a mistake. Empty after
    /// an erasure, which leaves nothing but the id.
    pub fingerprint: Vec<u8>,
    /// The encoded response.
    pub response: Bytes,
}

/// Proof of an erasure.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// Its own id.
    pub receipt_id: Uuid,
    /// The id the contact had.
    pub contact_id: Uuid,
    /// As the API's enum counts.
    pub reason: i32,
    /// When.
    pub delete_time: Time,
    /// The contacts that were merged into it.
    pub merged_contact_ids: Vec<Uuid>,
    /// Under what is remembered that the person was erased. Empty: from before
    /// receipts kept it.
    pub hashed_keys: Vec<MatchKey>,
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
        people: &[Person],
    ) -> Result<Vec<Option<ContactRow>>>;
    /// A page of the contacts selected, behind `after`.
    async fn page(
        &mut self,
        workspace: &Workspace,
        selection: &Selection,
        order: Order,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<ContactRow>>;
    /// What contacts are compared by, in its order and then that of their ids,
    /// behind `after`.
    async fn likely(
        &mut self,
        workspace: &Workspace,
        likeness: Likeness,
        after: Option<&Likely>,
        limit: usize,
    ) -> Result<Vec<Likely>>;
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
    async fn hold_suppression_keys(
        &mut self,
        workspace: &Workspace,
        current: KeyId,
        hold: KeyHold,
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
    async fn saved_answer(
        &mut self,
        workspace: &Workspace,
        request_id: Uuid,
        since: Time,
    ) -> Result<Option<FirstAnswer>>;
    /// Keeps an answer, and drops some from before `since`.
    async fn save_answer(
        &mut self,
        workspace: &Workspace,
        answer: &SavedAnswer,
        since: Time,
    ) -> Result<()>;
    /// Drops answers from before this time, up to `limit`; how many.
    async fn drop_answers(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64>;
    /// Which answers that tell of a contact are kept, newest first.
    async fn answers_about(
        &mut self,
        workspace: &Workspace,
        contact_id: Uuid,
        limit: usize,
    ) -> Result<Vec<AnswerNote>>;
    /// Leaves nothing but the ids of requests about one person.
    async fn forget_answers(&mut self, workspace: &Workspace, subjects: &Subjects) -> Result<()>;
}
