//! What entries amounted to at a time in the past: who had said what, and whose identities
//! were whose.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{Entry, Fact, time};
use crate::domain::Time;
use crate::domain::consent::fold::World;
use crate::domain::consent::{Change, EventChange, IdentityConsent, IdentityId, Role};
use crate::domain::error::Result;

/// The past of some people.
#[derive(Clone, Debug, Default)]
pub struct Past {
    world: World,
    contacts: HashMap<IdentityId, Uuid>,
    survivors: HashMap<Uuid, Uuid>,
    forgotten: HashSet<IdentityId>,
}

/// An identity as it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PastIdentity {
    /// None if it was no contact's.
    pub contact_id: Option<Uuid>,
    /// Whether the contact had it before.
    pub is_former: bool,
    /// What it was permitted, and what stood against its person.
    pub consent: IdentityConsent,
}

impl Past {
    /// The past as of `now`, which counts. `entries` are all of some people, in the order of
    /// their positions, later ones too: the first that names an identity tells whose it was
    /// before. `present` has the contacts of identities that no entry need name.
    ///
    /// # Errors
    /// When an entry was not written by this version.
    pub fn at(
        now: Time,
        entries: &[Entry],
        present: &HashMap<IdentityId, Uuid>,
        create_time: impl Fn(Uuid) -> Option<Time>,
    ) -> Result<Self> {
        let mut past = Self::default();
        let existed = |contact_id: &Uuid| create_time(*contact_id).is_some_and(|made| made <= now);
        for (id, contact_id) in first_contacts(entries, present)? {
            if existed(&contact_id) {
                past.contacts.insert(id, contact_id);
            }
        }
        for entry in entries.iter().filter(|entry| time(entry.fact.record_time) <= now) {
            past.apply(&entry.fact)?;
        }
        Ok(past)
    }

    /// The identity as it was. None if nothing was known of it.
    pub fn identity(&self, id: IdentityId) -> Option<PastIdentity> {
        let contact_id = self.contacts.get(&id).copied();
        let row = self.world.row(id).filter(|_| !self.forgotten.contains(&id));
        if contact_id.is_none() && row.as_ref().is_none_or(IdentityConsent::is_empty) {
            return None;
        }
        Some(PastIdentity {
            contact_id,
            is_former: contact_id.is_some() && self.world.role(id) == Some(Role::Former),
            consent: row.unwrap_or_default(),
        })
    }

    /// The contact that a contact had been merged into, or itself.
    pub fn survivor(&self, mut contact_id: Uuid) -> Uuid {
        // No more steps than merges, so that a damaged ledger cannot hold it up.
        for _ in 0..self.survivors.len() {
            contact_id = self.survivors.get(&contact_id).copied().unwrap_or(contact_id);
        }
        contact_id
    }

    /// The current identities of a contact, sorted.
    pub fn current(&self, contact_id: Uuid) -> Vec<IdentityId> {
        let is_current = |id: &IdentityId| self.world.role(*id) != Some(Role::Former);
        let of_contact = self.contacts.iter().filter(|(_, owner)| **owner == contact_id);
        let mut ids: Vec<_> = of_contact.map(|(id, _)| *id).filter(is_current).collect();
        ids.sort_unstable();
        ids
    }

    fn apply(&mut self, fact: &Fact) -> Result<()> {
        match fact.change()? {
            EventChange::Said { named, .. } => self.belong(&named, fact.contact_id),
            EventChange::Forgotten(ids) => {
                for id in ids {
                    self.world.forget(id);
                    self.contacts.remove(&id);
                    self.forgotten.insert(id);
                }
            }
            EventChange::Identities(change) => self.change_identities(change, fact.contact_id),
        }
        if let Some(event) = fact.fold_event()? {
            self.world.apply(&event);
        }
        Ok(())
    }

    /// Called before the world knows of the change.
    fn change_identities(&mut self, change: Change, contact_id: Option<Uuid>) {
        match change {
            Change::Created { identities } => self.belong(&identities, contact_id),
            Change::Linked { identity, .. }
            | Change::Retired { identity }
            | Change::Claimed { identity } => self.belong(&[identity], contact_id),
            Change::Merged { into, from, contact_id: merged, .. } => {
                for id in [into, from] {
                    let person = self.person(id);
                    self.belong(&person, contact_id);
                }
                self.survivors.extend(contact_id.map(|survivor| (merged, survivor)));
            }
            Change::Released { identity } => self.belong(&[identity], None),
            Change::Erased { identity } => {
                let person = self.person(identity);
                self.belong(&person, None);
            }
            // Never made: what is said has a variant of its own.
            Change::Said(_) => {}
        }
    }

    fn belong(&mut self, ids: &[IdentityId], contact_id: Option<Uuid>) {
        for id in ids {
            match contact_id {
                Some(contact_id) => self.contacts.insert(*id, contact_id),
                None => self.contacts.remove(id),
            };
        }
    }

    /// All identities of a person; one that no entry named before is alone.
    fn person(&self, id: IdentityId) -> Vec<IdentityId> {
        let members = self.world.person(id).map(|person| person.members());
        members.map_or_else(|| vec![id], |members| members.iter().map(|m| m.id).collect())
    }
}

/// The contacts that were created with an identity, as far as no entry says so: a contact of
/// a single identity has no entry of its creation.
fn first_contacts(
    entries: &[Entry],
    present: &HashMap<IdentityId, Uuid>,
) -> Result<HashMap<IdentityId, Uuid>> {
    let mut first: HashMap<IdentityId, Option<Uuid>> = HashMap::new();
    for Entry { fact, .. } in entries {
        let contact_id = fact.contact_id;
        let mut see = |id: IdentityId, contact_id: Option<Uuid>| {
            first.entry(id).or_insert(contact_id);
        };
        match fact.change()? {
            EventChange::Said { named, .. } => named.into_iter().for_each(|id| see(id, contact_id)),
            EventChange::Forgotten(ids) => ids.into_iter().for_each(|id| see(id, None)),
            EventChange::Identities(change) => match change {
                // These came to the contact with the entry.
                Change::Created { identities } => {
                    identities.into_iter().for_each(|id| see(id, None));
                }
                Change::Claimed { identity } => see(identity, None),
                Change::Linked { identity, to, carry_from, replaces } => {
                    see(identity, None);
                    let others = [Some(to), carry_from, replaces];
                    others.into_iter().flatten().for_each(|id| see(id, contact_id));
                }
                Change::Merged { into, from, contact_id: merged, retired: _ } => {
                    see(into, contact_id);
                    see(from, Some(merged));
                }
                Change::Retired { identity }
                | Change::Released { identity }
                | Change::Erased { identity } => see(identity, contact_id),
                Change::Said(_) => {}
            },
        }
    }
    for (id, contact_id) in present {
        first.entry(*id).or_insert(Some(*contact_id));
    }
    Ok(first.into_iter().filter_map(|(id, contact_id)| Some((id, contact_id?))).collect())
}
