//! Objections that were passed on from one person to another, because a row of an import said that they are one.
//!
//! One is passed on once: who agrees after that is not denied again by the next import of the same row. The
//! ledger tells which were, by the evidence of the event that stands against the other person.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{EntryId, UnitOfWork};
use crate::domain::consent::{EventKind, Evidence};
use crate::domain::contact::Recipient;
use crate::domain::error::Result;
use crate::store::{Subjects, Transaction};

/// How the actor of an event begins that passes one on. The id of the other event follows.
const ACTOR: &str = "a row of an import, for event ";
/// How many events of a contact are looked at, on average, the last ones; and how many of all contacts.
const EVENTS_EACH: usize = 100;
const MAX_EVENTS: usize = 20_000;

#[derive(Default)]
pub(super) struct PassedOn {
    /// The events with which persons objected.
    own: HashSet<(EntryId, Uuid)>,
    /// Those of others that were passed on to them.
    passed: HashSet<(EntryId, Uuid)>,
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
        let contact_ids: Vec<_> = contacts
            .flat_map(|contact| {
                let merged = contact.profile.merged_contact_ids.iter();
                merged.chain([&contact.contact_id]).copied().collect::<Vec<_>>()
            })
            .collect();
        if contact_ids.is_empty() {
            return Ok(());
        }
        let limit = MAX_EVENTS.min(persons.len() * EVENTS_EACH);
        let subjects = Subjects { contact_ids, ..Subjects::default() };
        let entries = tx.db.ledger_entries_about(self.workspace, &subjects, i64::MAX, limit);
        for entry in entries.await? {
            let event = entry.event()?;
            let contact = event.contact_id.map(Recipient::Id);
            let person = contact.and_then(|contact| self.find_contact(&contact));
            let objects =
                matches!(event.change.kind(), EventKind::OptOut | EventKind::PlatformStop);
            if let Some(person) = person.filter(|_| objects) {
                match origin(&event.evidence) {
                    None => drop(self.passed_on.own.insert((person, event.event_id))),
                    Some(origin) => {
                        self.passed_on.passed.insert((person, origin));
                        self.passed_on.origins.insert(event.event_id, origin);
                    }
                }
            }
        }
        Ok(())
    }

    /// The evidence with which an objection is passed on to a person. None if it was, or comes back to who said it.
    /// One that stands against somebody else because an id was released is not their own any more.
    pub fn pass_on(&mut self, event: Uuid, to: EntryId) -> Option<Evidence> {
        let copied_of = self.passed_on.origins.get(&event);
        if copied_of.is_some_and(|origin| self.passed_on.own.contains(&(to, *origin))) {
            return None;
        }
        let origin = *copied_of.unwrap_or(&event);
        let is_new = self.passed_on.passed.insert((to, origin));
        is_new.then(|| Evidence { actor: format!("{ACTOR}{origin}"), ..Evidence::default() })
    }

    /// Notes that an event passed one on.
    pub fn passed_on(&mut self, event: Uuid, evidence: &Evidence) {
        self.passed_on.origins.extend(origin(evidence).map(|origin| (event, origin)));
    }
}

fn origin(evidence: &Evidence) -> Option<Uuid> {
    evidence.actor.strip_prefix(ACTOR)?.parse().ok()
}
