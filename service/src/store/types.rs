//! What passes the seam: what is asked of a database, and what it keeps.

use bytes::Bytes;
use uuid::Uuid;

use crate::domain::Time;
use crate::domain::consent::{ConsentState, ConsentSummary};
use crate::domain::contact::Contact;
use crate::domain::filter::Expr;
use crate::domain::keyring::Keyring;
use crate::domain::ledger::Head;
use crate::domain::phone::MatchKey;

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
pub enum KeyLock {
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
pub struct PageCursor {
    /// The name key it is ordered by; empty when ordered by creation.
    pub sort_key: String,
    /// The contact.
    pub contact_id: Uuid,
}

/// What makes contacts look like one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateKey {
    /// The same email address, the case of a-z aside.
    Email,
    /// The same name, as search sees it, and the same end of the phone number.
    NameAndNumber,
}

impl DuplicateKey {
    /// Longer email addresses are not compared, in bytes: the place of one has to
    /// fit into a resume token.
    pub const MAX_EMAIL: usize = 254;
    /// How much of a phone number is compared, in digits.
    pub const NUMBER_END: usize = 8;
}

/// What one contact is compared by: two that are equal look like one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateCandidate {
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
    pub fn cursor(&self) -> PageCursor {
        PageCursor { sort_key: self.sort_key.clone(), contact_id: self.contact_id }
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
    /// Its keys, or the non_contact's.
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
    pub fn of_non_contact(key: &MatchKey, keyring: &Keyring, workspace: &Workspace) -> Self {
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
pub struct NewStoredResponse {
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
pub struct StoredResponseInfo {
    /// The caller's id.
    pub request_id: Uuid,
    /// Empty: kept before methods were.
    pub method: String,
    /// When.
    pub create_time: Time,
}

/// The first answer to a request_id, as it is found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
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
