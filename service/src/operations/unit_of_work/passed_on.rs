//! Objections that were passed on from one person to another, because a row of an import said that they are one.
//!
//! One is passed on once: who agrees after that is not denied again by the next import of the same row. The
//! ledger tells which were, by the evidence of the event that stands against the other person.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::record::Recording;
use super::{EntryId, UnitOfWork};
use crate::domain::consent::{
    ConsentEvent, EventChange, EventKind, Evidence, IdentityId, MessageCategory, PASSED_ON_ACTOR,
};
use crate::domain::contact::{Contact, Recipient};
use crate::domain::error::Result;
use crate::domain::ledger::Entry;
use crate::store::{ListedUnder, Listing, Subjects, Transaction};

/// How many events of a contact are looked at, on average, the last ones; and how many of all contacts.
const EVENTS_EACH: usize = 100;
const MAX_EVENTS: usize = 5_000;

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
    /// How many identities the events name that passed one on since.
    accepted: usize,
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
        let entries = entries.await?;
        let erased = self.erased(tx, &entries, &subjects.contact_ids).await?;
        // The newest first.
        for entry in entries {
            let named = entry.fact.identity_ids();
            let of_erased = erased.get(&entry.position).into_iter().flatten().copied();
            let event = entry.event()?;
            let of_contact = event.contact_id.and_then(|id| self.find_contact(&Recipient::Id(id)));
            // Said before the person was a contact, or of one that was erased.
            let of_identities = named.iter().filter_map(|id| by_identity.get(id).copied());
            let persons = of_identities.chain(of_contact).chain(of_erased);
            for person in persons.collect::<HashSet<_>>() {
                self.note(person, &event);
            }
        }
        Ok(())
    }

    /// Whose identities these entries erased, by position. An erasure names one identity, and is listed under
    /// whoever has another one now.
    async fn erased(
        &self,
        tx: &mut Transaction,
        entries: &[Entry],
        contact_ids: &[Uuid],
    ) -> Result<HashMap<i64, Vec<EntryId>>> {
        let erasures = entries.iter().filter(|entry| entry.fact.kind == EventKind::Erased as i64);
        let listed = |id: &Uuid, position| (ListedUnder::Also(Listing::Contact(*id)), position);
        let asked: Vec<_> = erasures
            .flat_map(|entry| contact_ids.iter().map(|id| (*id, entry.position)))
            .take(MAX_EVENTS)
            .collect();
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        if asked.is_empty() {
            return Ok(found);
        }
        let under: Vec<_> = asked.iter().map(|(id, position)| listed(id, *position)).collect();
        let are_listed = tx.db.are_listed(self.workspace, &under).await?;
        for ((id, position), _) in asked.into_iter().zip(are_listed).filter(|(_, listed)| *listed) {
            found.entry(position).or_default().extend(self.find_contact(&Recipient::Id(id)));
        }
        Ok(found)
    }

    /// Makes an objection count that is passed on to a person, without effect too: they know it from then on.
    pub fn accept_passed_on(&mut self, recording: Recording) {
        let to = recording.entry;
        let event = self.accept(recording).clone();
        self.note(to, &event);
        self.passed_on.accepted += self.count_identities(to);
    }

    /// How many identities a person has, current and former, each of which an event costs.
    pub fn count_identities(&self, person: EntryId) -> usize {
        self.entries[person.0].person.members().len().max(1)
    }

    /// How much was passed on: events, each times the identities of the person.
    pub fn count_passed_on(&self) -> usize {
        self.passed_on.accepted
    }

    /// Makes an objection of a person count, which is their last.
    pub fn accept_objection(&mut self, recording: Recording) {
        let person = recording.entry;
        let event = self.accept(recording).clone();
        for forbidden in forbidden(&event) {
            self.passed_on.last_own.insert((person, forbidden), event.event_id);
        }
        self.note(person, &event);
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
            Some((origin, all_of)) => {
                known.origins.insert(event.event_id, origin);
                let EventChange::Said { named, .. } = &event.change else { return };
                for forbidden in forbidden {
                    for origin in all_of.into_iter().chain([origin]) {
                        let key = (person, origin, forbidden.clone());
                        known.passed.entry(key).or_default().extend(named);
                    }
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
                if !self.was_passed_on(to, *event, forbidden) {
                    found.insert((*event, forbidden.clone()));
                }
            }
        }
        found.into_iter().collect()
    }

    /// Whether this was passed on to all identities that a person has.
    pub fn was_passed_on(&self, to: EntryId, event: Uuid, forbidden: &Forbidden) -> bool {
        let passed = self.passed_on.passed.get(&(to, event, forbidden.clone()));
        let current = || self.entries[to.0].person.current().into_iter();
        passed.is_some_and(|passed| current().all(|identity| passed.contains(&identity)))
    }

    /// The evidence with which an objection is passed on, or several as one: their last, and what
    /// [`id_of_all`] says.
    pub fn evidence_of(origin: Uuid, all_of: Option<Uuid>) -> Evidence {
        let others = all_of.map(|all| format!("{AND_OTHERS}{all}")).unwrap_or_default();
        Evidence { actor: format!("{PASSED_ON_ACTOR}{origin}{others}"), ..Evidence::default() }
    }
}

/// What tells in an actor that an event stands for several objections.
const AND_OTHERS: &str = " and others, together ";

/// Names several objections that are passed on as one: the same for the same ones, in any order.
pub fn id_of_all(mut objections: Vec<(Uuid, Forbidden)>) -> Uuid {
    objections.sort_unstable();
    let mut hash = Sha256::new();
    for (event, _) in &objections {
        hash.update(event.as_bytes());
    }
    let hash: [u8; 32] = hash.finalize().into();
    let (id, _) = hash.split_first_chunk().expect("32 bytes");
    uuid::Builder::from_custom_bytes(*id).into_uuid()
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

/// What was passed on, and what names it together with others.
fn origin(evidence: &Evidence) -> Option<(Uuid, Option<Uuid>)> {
    let origin = evidence.actor.strip_prefix(PASSED_ON_ACTOR)?;
    match origin.split_once(AND_OTHERS) {
        None => Some((origin.parse().ok()?, None)),
        Some((last, all)) => Some((last.parse().ok()?, Some(all.parse().ok()?))),
    }
}
