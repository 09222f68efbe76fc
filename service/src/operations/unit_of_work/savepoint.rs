//! Taking back what was done for one row of an import, so that it happens as a whole or
//! not at all.

use super::persons::Entry;
use super::{EntryId, UnitOfWork};
use crate::domain::Time;
use crate::domain::contact::Recipient;
use crate::domain::phone::MatchKey;

/// What a row may change, as it was before.
pub struct Savepoint {
    entries: Vec<(usize, Entry)>,
    keys: Vec<(MatchKey, Option<usize>)>,
    entry_count: usize,
    events: usize,
    claims: usize,
    shared_events: usize,
}

impl UnitOfWork<'_> {
    /// Remembers what is known of these people.
    pub fn savepoint(&self, people: &[Recipient]) -> Savepoint {
        let keys = people.iter().filter_map(Recipient::key);
        let places: Vec<_> = keys.map(|key| (key.clone(), self.by_key.get(key).copied())).collect();
        let earlier = |key| self.earlier_holders(key, Time::MIN_UTC).into_iter().map(|(it, ..)| it);
        let earlier = people.iter().filter_map(Recipient::key).flat_map(earlier);
        let found = people.iter().filter_map(|person| self.find(person)).chain(earlier);
        let mut touched: Vec<_> = found.map(|EntryId(at)| at).collect();
        touched.sort_unstable();
        touched.dedup();
        Savepoint {
            entries: touched.into_iter().map(|at| (at, self.entries[at].clone())).collect(),
            keys: places,
            entry_count: self.entries.len(),
            events: self.events.len(),
            claims: self.claims.len(),
            shared_events: self.shared_events.len(),
        }
    }

    /// Takes back all changes since.
    pub fn roll_back(&mut self, savepoint: Savepoint) {
        let Savepoint { entries, keys, entry_count, events, claims, shared_events } = savepoint;
        for entry in self.entries.split_off(entry_count) {
            for key in entry.keys() {
                if self.by_key.get(&key).is_some_and(|at| *at >= entry_count) {
                    self.by_key.remove(&key);
                }
            }
            if let Some(contact) = &entry.after {
                self.by_id.remove(&contact.contact_id);
                for id in contact.profile.external_ids() {
                    self.by_external_id.remove(id);
                }
            }
        }
        self.events.truncate(events);
        self.claims.truncate(claims);
        self.shared_events.truncate(shared_events);
        for (key, place) in keys {
            match place {
                Some(at) => drop(self.by_key.insert(key, at)),
                None => drop(self.by_key.remove(&key)),
            }
        }
        for (at, entry) in entries {
            self.entries[at] = entry;
            self.index(at);
        }
    }
}
