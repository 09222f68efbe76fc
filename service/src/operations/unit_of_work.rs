//! Unit of work: loads contacts and their consent, applies changes in memory, and
//! writes them in one transaction. The only place that changes contacts or consent.

mod earlier_holders;
mod events;
mod history;
mod identities;
mod load;
mod passed_on;
mod persons;
mod record;
mod refusal;
mod savepoint;
mod write;

use std::collections::HashMap;

pub use identities::Carry;
pub use passed_on::{Forbidden, id_of_all};
pub use record::Named;
pub use refusal::{
    already_exists, consent_conflict, evidence_required, external_id_exists, former_identity,
};
use uuid::Uuid;

use self::passed_on::PassedOn;
use self::persons::Entry;
pub(super) use self::persons::new_identity;
pub use self::write::Version;
pub(super) use self::write::positions_of;
use crate::domain::Time;
use crate::domain::consent::fold::Own;
use crate::domain::consent::{ConsentEvent, EventKind, ShownConsent};
use crate::domain::contact::{Contact, Recipient};
use crate::domain::external_id::ExternalId;
use crate::domain::phone::MatchKey;
use crate::store::{ContactRow, Listing, Workspace, encode_profile};

/// Persons to be changed together.
pub struct UnitOfWork<'a> {
    workspace: &'a Workspace,
    entries: Vec<Entry>,
    by_key: HashMap<MatchKey, usize>,
    by_id: HashMap<Uuid, usize>,
    by_external_id: HashMap<ExternalId, usize>,
    events: Vec<ConsentEvent>,
    /// Events without effect, which may be in the ledger already.
    history: Vec<Uuid>,
    /// Contacts that go, each with the one it is merged into.
    merges: Vec<(Contact, Uuid)>,
    /// The keys of non-contacts that became a contact's.
    claims: Vec<(MatchKey, Uuid)>,
    /// Events that are listed under an identity besides its contact.
    shared_events: Vec<(Listing, Uuid)>,
    /// When contacts released identities that were asked for.
    releases: HashMap<MatchKey, Vec<(Time, Uuid)>>,
    passed_on: PassedOn,
}

/// One person of a [`UnitOfWork`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(usize);

impl UnitOfWork<'_> {
    fn add(&mut self, entry: Entry) -> EntryId {
        self.entries.push(entry);
        self.index(self.entries.len() - 1)
    }

    fn index(&mut self, entry: usize) -> EntryId {
        for key in self.entries[entry].keys() {
            self.by_key.insert(key, entry);
        }
        if let Some(contact) = &self.entries[entry].after {
            self.by_id.extend(contact.all_ids().map(|id| (id, entry)));
            let external_ids = contact.profile.external_ids();
            self.by_external_id.extend(external_ids.map(|id| (id.clone(), entry)));
        }
        EntryId(entry)
    }

    /// The person a recipient names, contact or not.
    pub fn find(&self, recipient: &Recipient) -> Option<EntryId> {
        match recipient {
            Recipient::Id(id) => self.by_id.get(id),
            Recipient::Key(key) => self.by_key.get(key),
            // One that a contact had when the unit began may be gone.
            Recipient::ExternalId(id) => self.by_external_id.get(id).filter(|entry| {
                let contact = self.entries[**entry].after.as_ref();
                contact.is_some_and(|contact| contact.profile.external_ids().any(|its| its == id))
            }),
        }
        .map(|entry| EntryId(*entry))
    }

    /// The contact a recipient names, by a current or former identity.
    pub fn find_contact(&self, recipient: &Recipient) -> Option<EntryId> {
        self.find(recipient).filter(|entry| self.contact(*entry).is_some())
    }

    /// Whether a recipient names the contact by an id that may have been that of one that was
    /// merged into it. The survivor of a merge may have got its external id by it.
    pub fn is_merged(&self, entry: EntryId, recipient: &Recipient) -> bool {
        let Some(contact) = self.contact(entry) else { return false };
        match recipient {
            Recipient::Id(id) => *id != contact.contact_id,
            Recipient::ExternalId(_) => !contact.profile.merged_contact_ids.is_empty(),
            Recipient::Key(_) => false,
        }
    }

    /// The contact, as it is to be.
    pub fn contact(&self, entry: EntryId) -> Option<&Contact> {
        self.entries[entry.0].after.as_ref()
    }

    /// The contact as a response shows it.
    pub fn row(&self, entry: EntryId) -> Option<ContactRow> {
        let contact = self.contact(entry)?;
        Some(ContactRow {
            contact_id: contact.contact_id,
            record: encode_profile(contact),
            version: contact.version,
            consent: self.shown(entry),
            sort_key: String::new(),
            identities: self.entries[entry.0].identities(&self.workspace.settings.opt_in_policy),
        })
    }

    /// The event of the latest link.
    pub fn latest_link(&self) -> Option<Uuid> {
        let is_link = |event: &&ConsentEvent| event.change.kind() == EventKind::Linked;
        self.events.iter().rev().find(is_link).map(|event| event.event_id)
    }

    /// What an identity has for itself.
    pub fn own(&self, entry: EntryId, key: &MatchKey) -> Option<&Own> {
        let entry = &self.entries[entry.0];
        let id = entry.ids.get(key)?;
        entry.person.members().iter().find(|member| member.id == id).map(|member| &member.own)
    }

    /// What the contact shows of its consent: that of the identity that a message
    /// would go to.
    pub fn shown(&self, entry: EntryId) -> ShownConsent {
        self.entries[entry.0].summary().shown(&self.workspace.settings.opt_in_policy)
    }
}
