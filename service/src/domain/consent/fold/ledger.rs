//! The fold over a ledger: the same operations, from its first event on.

use std::collections::HashMap;

use uuid::Uuid;

use super::{IdentityConsent, IdentityId, Person, Recorded, Role, Statement};
use crate::domain::Time;

/// An event of the ledger, without personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id; for what was said that of the statement.
    pub id: Uuid,
    /// When it was recorded.
    pub record_time: Time,
    /// What happened.
    pub change: Change,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Something was said. What names identities of several persons counts for each.
    Said(Statement),
    /// A contact was created. Only one of several identities needs the event.
    Created {
        /// All of them.
        identities: Vec<IdentityId>,
    },
    /// An identity joined a contact: [`Person::join`].
    Linked {
        /// Which.
        identity: IdentityId,
        /// Any identity of the contact.
        to: IdentityId,
        /// The one whose permissions it takes over.
        carry_from: Option<IdentityId>,
        /// The one that is a former one from now.
        replaces: Option<IdentityId>,
    },
    /// Two contacts became one: [`Person::merge`].
    Merged {
        /// Any identity of the one that stays.
        into: IdentityId,
        /// Any identity of the one that goes.
        from: IdentityId,
        /// The id of the one that goes, for readers of the ledger.
        contact_id: Uuid,
        /// Those that are former ones from now.
        retired: Vec<IdentityId>,
    },
    /// An identity became a former one by itself: [`Person::retire`].
    Retired {
        /// Which.
        identity: IdentityId,
    },
    /// An identity was let go: [`Person::release`].
    Released {
        /// Which.
        identity: IdentityId,
    },
    /// What stood against an identity that was nobody's is its contact's. It
    /// explains, and changes nothing.
    Claimed {
        /// Which.
        identity: IdentityId,
    },
    /// A contact was erased, or one that was no contact: [`Person::erase`].
    Erased {
        /// Any identity of it.
        identity: IdentityId,
    },
}

/// All persons that a ledger speaks of.
#[derive(Clone, Debug, Default)]
pub struct World {
    persons: HashMap<IdentityId, Person>,
    /// By identity, the identity under which its person is kept.
    places: HashMap<IdentityId, IdentityId>,
}

/// What a ledger amounts to. Events come in the order of their positions; for
/// a time in the past, those recorded until then.
pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> World {
    let mut world = World::default();
    for event in events {
        world.apply(event);
    }
    world
}

impl World {
    /// The row of an identity; None if no event names it.
    pub fn row(&self, id: IdentityId) -> Option<IdentityConsent> {
        self.person(id)?.row(id)
    }

    /// The role of an identity; one that is nobody's counts as current.
    pub fn role(&self, id: IdentityId) -> Option<Role> {
        let members = self.person(id)?.members();
        members.iter().find_map(|member| (member.id == id).then_some(member.role))
    }

    /// Drops an identity whose row was deleted at the end of its retention.
    pub fn forget(&mut self, id: IdentityId) {
        let mut person = self.take(id);
        person.members.retain(|member| member.id != id);
        self.places.remove(&id);
        self.put(person);
    }

    /// The person an identity is of.
    pub fn person(&self, id: IdentityId) -> Option<&Person> {
        self.persons.get(self.places.get(&id)?)
    }

    /// All persons, in no order.
    pub fn persons(&self) -> impl Iterator<Item = &Person> {
        self.persons.values()
    }

    /// Applies the next event. For what was said, what came of it for each
    /// person it names.
    pub fn apply(&mut self, event: &Event) -> Vec<Recorded> {
        let time = event.record_time;
        match &event.change {
            Change::Said(statement) => return self.say(statement),
            Change::Created { identities } => self.create(identities, time),
            Change::Linked { identity, to, carry_from, replaces } => {
                let mut person = self.take(*to);
                // One that is already of the person is left where it is.
                let row = match person.row(*identity) {
                    Some(_) => IdentityConsent::default(),
                    None => self.take_alone(*identity, time),
                };
                person.join(*identity, row, time, *carry_from, *replaces);
                self.put(person);
            }
            Change::Merged { into, from, contact_id: _, retired } => {
                let mut person = self.take(*into);
                if person.row(*from).is_none() {
                    person.merge(self.take(*from), time);
                }
                retired.iter().for_each(|identity| person.retire(*identity, time));
                self.put(person);
            }
            Change::Retired { identity } => {
                let mut person = self.take(*identity);
                person.retire(*identity, time);
                self.put(person);
            }
            Change::Released { identity } => {
                let mut person = self.take(*identity);
                let released = person.release(*identity, time);
                self.put(person);
                released.into_iter().for_each(|person| self.put(person));
            }
            Change::Claimed { .. } => {}
            Change::Erased { identity } => {
                let erased = self.take(*identity).erase(time, event.id);
                erased.into_iter().for_each(|person| self.put(person));
            }
        }
        Vec::new()
    }

    fn say(&mut self, statement: &Statement) -> Vec<Recorded> {
        let mut left = statement.named.clone();
        let mut recorded = Vec::new();
        while let Some(id) = left.first() {
            let mut person = self.take(*id);
            recorded.push(person.record(statement));
            left.retain(|id| person.own(*id).is_none());
            self.put(person);
        }
        recorded
    }

    fn create(&mut self, identities: &[IdentityId], time: Time) {
        let mut rows: Vec<(IdentityId, IdentityConsent)> = Vec::new();
        for id in identities {
            if rows.iter().all(|(known, _)| known != id) {
                rows.push((*id, self.take_alone(*id, time)));
            }
        }
        self.put(Person::create(rows));
    }

    /// Takes an identity out of the world, released if it is a former one or not alone.
    fn take_alone(&mut self, id: IdentityId, time: Time) -> IdentityConsent {
        let mut person = self.take(id);
        let alone = match person.members() {
            [member] if member.role == Role::Current => Some(std::mem::take(&mut person)),
            _ => person.release(id, time),
        };
        self.put(person);
        alone.and_then(|alone| alone.row(id)).unwrap_or_default()
    }

    /// Takes the person of an identity, a new one if no event named it before.
    fn take(&mut self, id: IdentityId) -> Person {
        let known = self.places.get(&id).and_then(|place| self.persons.remove(place));
        known.unwrap_or_else(|| Person::create([(id, IdentityConsent::default())]))
    }

    fn put(&mut self, person: Person) {
        let Some(first) = person.members().first().map(|member| member.id) else { return };
        for member in person.members() {
            self.places.insert(member.id, first);
        }
        self.persons.insert(first, person);
    }
}
