//! Objections that were passed on from one person to another, because a row of an import said that they are one.
//!
//! One is passed on once: who agrees after that is not denied again by the next import of the same row. The
//! ledger tells which were, by the evidence of the event that stands against the other person.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::record::Recording;
use super::{EntryId, UnitOfWork};
use crate::domain::consent::{
    ConsentEvent, EventChange, EventKind, Evidence, IdentityId, MessageCategory, PASSED_ON_ACTOR,
};
use crate::domain::contact::{Contact, Recipient};
use crate::domain::error::Result;
use crate::store::{Subjects, Transaction};

/// How many events of a contact are looked at, on average, the last ones; and how many of all contacts.
const EVENTS_EACH: usize = 100;
const MAX_EVENTS: usize = 20_000;

/// What an objection forbids.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Forbidden {
    /// Messages of a category.
    Category(MessageCategory),
    /// Marketing of a sender, or of all, on the platform.
    Sender(String),
}

#[derive(Default)]
pub(super) struct PassedOn {
    /// The events with which persons objected themselves.
    own: HashSet<(EntryId, Uuid)>,
    /// Of each person the last of these.
    last_own: HashMap<(EntryId, Forbidden), Uuid>,
    /// Those of others that were passed on to a person, with the identities it had then.
    passed: HashMap<(EntryId, Uuid, Forbidden), HashSet<IdentityId>>,
    /// Of an event that passes one on, the event of the person who objected.
    origins: HashMap<Uuid, Uuid>,
}

impl UnitOfWork<'_> {
    /// Loads which objections were passed on to these persons.
    pub async fn load_passed_on(
        &mut self,
        tx: &mut Transaction,
        persons: &HashSet<EntryId>,
    ) -> Result<()> {
        let contacts = persons.iter().filter_map(|person| self.contact(*person));
        let contact_ids: Vec<_> = contacts.flat_map(Contact::all_ids).collect();
        if contact_ids.is_empty() {
            return Ok(());
        }
        let mut by_identity = HashMap::new();
        for person in persons {
            let members = self.entries[person.0].person.members();
            by_identity.extend(members.iter().map(|member| (member.id, *person)));
        }
        let limit = MAX_EVENTS.min(persons.len() * EVENTS_EACH);
        let subjects = Subjects { contact_ids, ..Subjects::default() };
        let entries = tx.db.ledger_entries_about(self.workspace, &subjects, i64::MAX, limit);
        // The newest first.
        for entry in entries.await? {
            let named = entry.fact.identity_ids();
            let event = entry.event()?;
            let of_contact = event.contact_id.and_then(|id| self.find_contact(&Recipient::Id(id)));
            // Said before the person was a contact, or of one that was erased.
            let of_identities = named.iter().filter_map(|id| by_identity.get(id).copied());
            for person in of_identities.chain(of_contact).collect::<HashSet<_>>() {
                self.note(person, &event);
            }
        }
        Ok(())
    }

    /// Makes an objection count that is passed on to a person, without effect too: they know it from then on.
    pub fn accept_passed_on(&mut self, recording: Recording) {
        let to = recording.entry;
        let event = self.accept(recording).clone();
        self.note(to, &event);
    }

    /// Notes an objection that is a person's.
    fn note(&mut self, person: EntryId, event: &ConsentEvent) {
        let forbidden = forbidden(event);
        let known = &mut self.passed_on;
        match origin(&event.evidence) {
            None => {
                if !forbidden.is_empty() {
                    known.own.insert((person, event.event_id));
                }
                for forbidden in forbidden {
                    known.last_own.entry((person, forbidden)).or_insert(event.event_id);
                }
            }
            Some(origin) => {
                known.origins.insert(event.event_id, origin);
                let EventChange::Said { named, .. } = &event.change else { return };
                for forbidden in forbidden {
                    let passed = known.passed.entry((person, origin, forbidden)).or_default();
                    passed.extend(named);
                }
            }
        }
    }

    /// What stands against these persons and is to be passed on to another, by the event with which somebody
    /// objected. Not what was, to all identities that the other has, nor what comes back to who said it.
    pub fn to_pass_on<'s>(
        &self,
        others: impl Iterator<Item = (EntryId, &'s Vec<(Uuid, Forbidden)>)>,
        to: EntryId,
    ) -> Vec<(Uuid, Forbidden)> {
        let known = &self.passed_on;
        let current: HashSet<_> = self.entries[to.0].person.current().into_iter().collect();
        let mut found = HashSet::new();
        let standing =
            others.flat_map(|(from, standing)| standing.iter().map(move |one| (from, one)));
        for (from, (event, forbidden)) in standing {
            let origin = known.origins.get(event);
            // What was passed on to somebody hides what they said themselves, and what is later hides what was
            // recorded since.
            let own = known.last_own.get(&(from, forbidden.clone()));
            let copied = origin.filter(|origin| !known.own.contains(&(to, **origin)));
            for event in own.into_iter().chain(origin.is_none().then_some(event)).chain(copied) {
                let passed = known.passed.get(&(to, *event, forbidden.clone()));
                if !passed.is_some_and(|passed| passed.is_superset(&current)) {
                    found.insert((*event, forbidden.clone()));
                }
            }
        }
        found.into_iter().collect()
    }

    /// The evidence with which an objection is passed on.
    pub fn evidence_of(origin: Uuid) -> Evidence {
        Evidence { actor: format!("{PASSED_ON_ACTOR}{origin}"), ..Evidence::default() }
    }
}

/// What an event forbids. Nothing if it is no objection.
fn forbidden(event: &ConsentEvent) -> Vec<Forbidden> {
    match (&event.change, event.change.kind()) {
        (_, EventKind::Erased) => MessageCategory::ALL.map(Forbidden::Category).to_vec(),
        (_, EventKind::OptOut) => {
            event.categories.iter().copied().map(Forbidden::Category).collect()
        }
        (EventChange::Said { sender_phone_number_id, .. }, EventKind::PlatformStop) => {
            vec![Forbidden::Sender(sender_phone_number_id.clone())]
        }
        _ => Vec::new(),
    }
}

fn origin(evidence: &Evidence) -> Option<Uuid> {
    evidence.actor.strip_prefix(PASSED_ON_ACTOR)?.parse().ok()
}
