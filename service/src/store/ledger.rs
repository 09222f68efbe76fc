//! The ledger of consent events.

use async_trait::async_trait;
use uuid::Uuid;

use super::Workspace;
use crate::domain::consent::IdentityId;
use crate::domain::contact::Contact;
use crate::domain::error::Result;
use crate::domain::keyring::Keyring;
use crate::domain::ledger::{Entry, Head};
use crate::domain::phone::MatchKey;

/// Identifies the ledger entries and stored responses of one person, from their
/// time as a contact and before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subjects {
    /// The contact, and those that were merged into it.
    pub contact_ids: Vec<Uuid>,
    /// The hashed keys of the person.
    pub keys: Vec<MatchKey>,
    /// Identities, for the entries that let them go: [`Listing::Identity`].
    pub identities: Vec<IdentityId>,
}

impl Subjects {
    /// The subjects of a contact. Entries from before the person became a
    /// contact are under hashed keys.
    pub fn of(contact: &Contact, keyring: &Keyring, workspace: &Workspace) -> Self {
        let contact_ids = contact.all_ids().collect();
        let hashed =
            |key: &MatchKey| keyring.hashed_all(&workspace.workspace_id, key).collect::<Vec<_>>();
        let keys = contact.profile.match_keys().iter().flat_map(hashed).collect();
        Self { contact_ids, keys, identities: Vec::new() }
    }

    /// The subjects of a non-contact.
    pub fn of_non_contact(key: &MatchKey, keyring: &Keyring, workspace: &Workspace) -> Self {
        let keys = keyring.hashed_all(&workspace.workspace_id, key).collect();
        Self { keys, ..Self::default() }
    }
}

/// What an entry is also listed under. With these, the history of an identity is found
/// from its present, whatever became of its contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// The hashed key of a non-contact: for what still counts after a release or erasure.
    Key(MatchKey),
    /// An identity: for the entries that released, erased or forgot it.
    Identity(IdentityId),
    /// A contact: for what stood against an identity when it came to it, and for its erasure.
    Contact(Uuid),
}

impl Listing {
    /// The subject of its pointer. No two listings have the same.
    pub(super) fn subject(&self) -> String {
        match self {
            Self::Key(key) => key.as_str().to_owned(),
            Self::Identity(id) => identity_subject(*id),
            Self::Contact(id) => claimed_subject(*id),
        }
    }
}

/// A detail of a non-contact that became a contact's.
#[derive(Clone, Debug)]
pub struct DetailClaim {
    /// The hashed key that it is listed under.
    pub key: MatchKey,
    /// Its position.
    pub position: i64,
    /// The contact.
    pub contact_id: Uuid,
}

/// Where an entry may be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedUnder {
    /// Its detail, as said of a contact.
    Contact(Uuid),
    /// Its detail, as said before the contact claimed the identity.
    Claimed(Uuid),
    /// Its detail, as said of a non-contact.
    Key(MatchKey),
    /// Without a detail.
    Also(Listing),
}

/// Reads the ledger.
#[async_trait]
pub trait LedgerReader {
    /// Returns the entries after the position `after`, in order.
    async fn ledger_entries(
        &mut self,
        workspace: &Workspace,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Entry>>;
    /// Returns the entries of one person before the position `before`, newest
    /// first: those whose details are not erased, and those that still count for an
    /// identity that was released or erased, without details.
    async fn ledger_entries_about(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
        before: i64,
        limit: usize,
    ) -> Result<Vec<Entry>>;
    /// Returns the entries at these positions without their details, in any order.
    async fn ledger_entries_at(
        &mut self,
        workspace: &Workspace,
        positions: &[i64],
    ) -> Result<Vec<Entry>>;
    /// Whether entries are listed there, index for index.
    async fn are_listed(
        &mut self,
        workspace: &Workspace,
        asked: &[(ListedUnder, i64)],
    ) -> Result<Vec<bool>>;
    /// How many details are listed.
    async fn count_listed_details(&mut self, workspace: &Workspace) -> Result<i64>;
}

/// Writes the ledger.
#[async_trait]
pub trait LedgerWriter {
    /// Appends entries, after which the ledger ends with `head`. Requires
    /// [`next_consent_revision`](super::WorkspaceWriter::next_consent_revision)
    /// earlier in the transaction, which locks the end of the ledger.
    async fn append_ledger_entries(
        &mut self,
        workspace: &Workspace,
        entries: &[Entry],
        head: &Head,
    ) -> Result<()>;
    /// Erases the personal details of one person's entries. Returns the positions
    /// of these entries, which stay.
    async fn erase_ledger_details(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<Vec<i64>>;
    /// Erases the personal details of the entries at these positions. Reads all details.
    async fn erase_ledger_details_at(
        &mut self,
        workspace: &Workspace,
        positions: &[i64],
    ) -> Result<()>;
    /// Makes the details of non-contacts, by their hashed keys, those of a contact. What else
    /// is listed under these keys is listed under the contact, too, whatever becomes of them.
    async fn claim_ledger_details(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
        contact_id: Uuid,
    ) -> Result<()>;
    /// Makes the details at these positions, by their hashed keys, those of contacts.
    async fn claim_ledger_details_at(
        &mut self,
        workspace: &Workspace,
        claims: &[DetailClaim],
    ) -> Result<()>;
    /// Has the entries at these positions listed, too.
    async fn add_ledger_pointers(
        &mut self,
        workspace: &Workspace,
        pointers: &[(Listing, i64)],
    ) -> Result<()>;
}

/// The subject of an identity. Nothing else looks like it.
pub(super) fn identity_subject(id: IdentityId) -> String {
    format!("i:{}", id.0)
}

/// The subject of details that a contact claimed, and of its erasure. Neither a contact_id
/// nor a match key looks like it.
pub(super) fn claimed_subject(contact_id: Uuid) -> String {
    format!("k:{contact_id}")
}
