//! Under what a restored workspace lists the entries of its ledger, besides their details.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::domain::consent::fold::World;
use crate::domain::consent::{Change, EventChange, IdentityId};
use crate::domain::error::Result;
use crate::domain::ledger::Entry;
use crate::domain::phone::MatchKey;
use crate::operations::restore::RestoredContact;
use crate::store::{ConsentRow, DetailClaim, Listing};

/// What the entries until now amount to, and whose they are.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) world: World,
    /// Where events are, for the lists of those for whom they count.
    places: HashMap<Uuid, Place>,
    /// The events about identities that are nobody's, with the keys of their details.
    said_of_nobody: HashMap<IdentityId, Vec<(Uuid, MatchKey)>>,
    /// What contacts claimed of it, which is not written yet.
    pub(super) claims: Vec<DetailClaim>,
    /// Positions of details that a later run of the export says are erased.
    pub(super) late_erasures: HashSet<i64>,
    /// The events that made an identity nobody's, and what stood against it then.
    partings: HashMap<IdentityId, Vec<i64>>,
    /// Entries listed under what they let go, or under a contact that what they stand against came to.
    pub(super) listings: Vec<(Listing, i64)>,
}

/// Where an event is, and whose its detail is.
struct Place {
    position: i64,
    owner: Option<Uuid>,
    has_detail: bool,
}

impl Lists {
    /// Adds the next entry.
    pub(super) fn add(&mut self, entry: &Entry) -> Result<()> {
        let place = Place {
            position: entry.position,
            owner: entry.fact.contact_id,
            has_detail: entry.detail.is_some(),
        };
        self.places.insert(entry.fact.event_id, place);
        let gone = self.list(entry)?;
        if let Some(event) = entry.fact.fold_event()? {
            self.world.apply(&event);
        }
        for identity in gone {
            let standing = self.standing(identity);
            let parted = self.partings.entry(identity).or_default();
            parted.push(entry.position);
            parted.extend(standing);
        }
        Ok(())
    }

    /// Lists an entry under the identities and the contact that it let go, and what was said of an
    /// identity under the contact that it came to. Returns these identities.
    fn list(&mut self, entry: &Entry) -> Result<Vec<IdentityId>> {
        let gone = match entry.fact.change()? {
            EventChange::Identities(Change::Released { identity }) => vec![identity],
            // Found by a replay of erasures: no detail leads to it.
            EventChange::Identities(Change::Created { identities }) if entry.detail.is_none() => {
                let listing = |id| (Listing::Identity(id), entry.position);
                self.listings.extend(identities.into_iter().map(listing));
                Vec::new()
            }
            EventChange::Identities(Change::Erased { identity }) => {
                let contact = entry.fact.contact_id.map(Listing::Contact);
                self.listings.extend(contact.map(|listing| (listing, entry.position)));
                let person = self.world.person(identity);
                let members = person.map(|person| person.members().iter().map(|m| m.id).collect());
                members.unwrap_or_else(|| vec![identity])
            }
            EventChange::Identities(Change::Merged { contact_id, .. }) => {
                // Leads to the survivor, also after its erasure.
                self.listings.push((Listing::Contact(contact_id), entry.position));
                Vec::new()
            }
            EventChange::Forgotten(identities) => identities,
            EventChange::Identities(Change::Claimed { identity }) => {
                if let Some(contact_id) = entry.fact.contact_id {
                    self.claim(identity, contact_id);
                }
                Vec::new()
            }
            EventChange::Said { named, .. } => {
                if let (None, Some(detail)) = (entry.fact.contact_id, &entry.detail) {
                    // The detail has the key of the first.
                    let said = named.first().map(|id| self.said_of_nobody.entry(*id).or_default());
                    let key = MatchKey::from_stored(detail.match_key.clone());
                    said.into_iter().for_each(|it| it.push((entry.fact.event_id, key.clone())));
                }
                Vec::new()
            }
            EventChange::Identities(_) => Vec::new(),
        };
        let listing = |id: &IdentityId| (Listing::Identity(*id), entry.position);
        self.listings.extend(gone.iter().map(listing));
        Ok(gone)
    }

    /// The positions of what stands against an identity.
    fn standing(&self, identity: IdentityId) -> Vec<i64> {
        let row = self.world.row(identity).unwrap_or_default();
        let events = row.objections.events().into_iter();
        events.filter_map(|event| Some(self.places.get(&event)?.position)).collect()
    }

    /// Lists what stands against an identity under the contact that it comes to, which has the
    /// details of what was said before from then on: its erasure erases them.
    fn claim(&mut self, identity: IdentityId, contact_id: Uuid) {
        let standing = self.standing(identity).into_iter();
        let listed = standing.map(|position| (Listing::Contact(contact_id), position));
        self.listings.extend(listed);
        for (event, key) in self.said_of_nobody.remove(&identity).into_iter().flatten() {
            if let Some(place) = self.places.get_mut(&event) {
                place.owner = Some(contact_id);
                self.claims.push(DetailClaim { key, position: place.position, contact_id });
            }
        }
    }

    /// The positions of entries that are listed under the key of a non-contact.
    pub(super) fn of_suppression(&self, row: &ConsentRow) -> Vec<i64> {
        // What was said of it while it was nobody's is listed by its details.
        let said = self.said_of_nobody.get(&row.identity_id).into_iter().flatten();
        let said: Vec<_> = said.filter_map(|(event, _)| self.places.get(event)).collect();
        let has_details = |place: &Place| {
            let is_said = said.iter().any(|it| it.position == place.position);
            is_said && self.has_detail(place)
        };
        self.counting(row, has_details).chain(self.parted(row)).collect()
    }

    /// The positions of entries that are listed under the identities of a contact since they were let go.
    pub(super) fn parted_of(&self, restored: &RestoredContact) -> Vec<(MatchKey, i64)> {
        let of_rows = restored.rows.iter();
        of_rows.flat_map(|row| self.parted(row).map(|at| (row.match_key.clone(), at))).collect()
    }

    /// The positions of entries that count for a contact, and are not listed by their details.
    pub(super) fn counting_of(&self, restored: &RestoredContact) -> Vec<i64> {
        let ids: Vec<_> = restored.contact.all_ids().collect();
        // What is said of a contact, or was of nobody, is listed by its details.
        let has_details = |place: &Place| {
            place.owner.is_none_or(|id| ids.contains(&id)) && self.has_detail(place)
        };
        // All rows have the same: what counts for one identity counts for the contact.
        let first = restored.rows.first().into_iter();
        first.flat_map(|row| self.counting(row, has_details)).collect()
    }

    fn has_detail(&self, place: &Place) -> bool {
        place.has_detail && !self.late_erasures.contains(&place.position)
    }

    /// The positions of events that count for an identity, without those that its list shows
    /// anyhow.
    fn counting(
        &self,
        row: &ConsentRow,
        is_listed: impl Fn(&Place) -> bool,
    ) -> impl Iterator<Item = i64> {
        let events = row.consent.objections.events().into_iter();
        let places = events.filter_map(|event| self.places.get(&event));
        places.filter(move |place| !is_listed(place)).map(|place| place.position)
    }

    /// The positions of what is listed under an identity since it was let go.
    fn parted(&self, row: &ConsentRow) -> impl Iterator<Item = i64> {
        self.partings.get(&row.identity_id).into_iter().flatten().copied()
    }
}
