//! Reading the ledger: what it amounts to, and whether each event is listed.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::listed::Wanted;
use super::{Audit, Difference, PAGE, StateMismatch};
use crate::domain::consent::fold::World;
use crate::domain::consent::{Change, EventChange, IdentityId, Role};
use crate::domain::contact::Recipient;
use crate::domain::error::Result;
use crate::domain::ledger::Entry;
use crate::domain::phone::MatchKey;
use crate::store::{ListedUnder, Listing, decode_profile};

/// What a ledger tells.
#[derive(Default)]
pub(super) struct Told {
    /// What it amounts to.
    pub(super) world: World,
    /// The identities of non-contacts whose rows were deleted.
    pub(super) forgotten: HashSet<IdentityId>,
    /// The numbers and user ids, or hashes of them, that details give identities.
    pub(super) keys: HashMap<IdentityId, Vec<MatchKey>>,
    /// Where the events are.
    pub(super) places: HashMap<Uuid, EventPlace>,
    /// The contacts that claimed an identity.
    claimers: HashMap<IdentityId, Vec<Uuid>>,
    /// Merged contacts, each with the one it was merged into.
    survivors: HashMap<Uuid, Uuid>,
    erased: HashSet<Uuid>,
    details: i64,
}

/// Where an event is, and for whom its detail is listed.
#[derive(Clone, Copy)]
pub(super) struct EventPlace {
    pub(super) position: i64,
    /// Of an event that has its detail, the contact it was said of.
    pub(super) contact_id: Option<Uuid>,
}

/// The details of non-contacts that are not listed under their keys, with who is named.
type Loose = Vec<(i64, Vec<IdentityId>)>;

impl Audit<'_> {
    /// Reads the ledger. What is not listed as it was recorded is reported.
    pub(super) async fn read_ledger(&mut self) -> Result<Told> {
        let (mut told, mut loose) = (Told::default(), Loose::new());
        let mut after = 0;
        loop {
            let entries = self.db.ledger_entries(self.workspace, after, PAGE).await?;
            let Some(last) = entries.last() else { break };
            after = last.position;
            let mut wanted = Wanted::default();
            for entry in &entries {
                told.want_listed(entry, &mut wanted)?;
                told.read(entry)?;
            }
            for (mismatch, named) in self.unlisted(wanted).await? {
                match (named, mismatch.position) {
                    (Some(named), Some(position)) => loose.push((position, named)),
                    _ => self.found.add(mismatch),
                }
            }
        }
        self.compare_claimed(&told, loose).await?;
        if self.db.count_listed_details(self.workspace).await? > told.details {
            self.found.add(StateMismatch::of(Difference::ListedTooOften));
        }
        self.compare_redirects(&told).await?;
        Ok(told)
    }

    /// What was said of a non-contact is listed under the contact that claimed it.
    async fn compare_claimed(&mut self, told: &Told, loose: Loose) -> Result<()> {
        let mut wanted = Wanted::default();
        for (position, named) in loose {
            let claimers = named.iter().filter_map(|id| told.claimers.get(id)).flatten();
            let all = claimers.flat_map(|id| [*id, told.survivor(*id)]);
            let identity_id = named.first().map(|id| id.0);
            let mismatch = StateMismatch {
                identity_id,
                position: Some(position),
                ..StateMismatch::of(Difference::Unlisted)
            };
            wanted.add(all.map(ListedUnder::Claimed), position, mismatch);
        }
        self.report_unlisted(wanted).await
    }

    /// The ids of merged contacts lead to those that they were merged into.
    async fn compare_redirects(&mut self, told: &Told) -> Result<()> {
        let mut merged: Vec<_> = told.survivors.keys().copied().collect();
        merged.sort_unstable();
        for chunk in merged.chunks(PAGE) {
            let asked: Vec<_> = chunk.iter().copied().map(Recipient::Id).collect();
            let found = self.db.find_contacts(self.workspace, &asked).await?;
            for (id, found) in chunk.iter().zip(found) {
                let survivor = told.survivor(*id);
                let expected = (!told.erased.contains(&survivor)).then_some(survivor);
                let found = found.as_ref().map(decode_profile).transpose().ok().flatten();
                if found.map(|contact| contact.contact_id) != expected {
                    self.found.add(StateMismatch {
                        contact_id: Some(*id),
                        ..StateMismatch::of(Difference::Redirect)
                    });
                }
            }
        }
        Ok(())
    }
}

impl Told {
    /// The contact that a contact was merged into, or itself.
    fn survivor(&self, mut contact_id: Uuid) -> Uuid {
        // No more steps than merges.
        for _ in 0..self.survivors.len() {
            match self.survivors.get(&contact_id) {
                Some(into) => contact_id = *into,
                None => break,
            }
        }
        contact_id
    }

    /// Wants what is recorded with an entry: whose its detail is, and the pointers to what lets
    /// identities go. Called before the entry is read.
    fn want_listed(
        &self,
        entry: &Entry,
        wanted: &mut Wanted<(StateMismatch, Option<Vec<IdentityId>>)>,
    ) -> Result<()> {
        let Entry { position, fact, detail, .. } = entry;
        let mismatch = |identity: Option<IdentityId>| StateMismatch {
            identity_id: identity.map(|id| id.0),
            contact_id: fact.contact_id,
            position: Some(*position),
            difference: Difference::Unlisted,
        };
        let named = fact.identity_ids();
        match (detail, fact.contact_id) {
            (Some(_), Some(id)) => {
                let what = (mismatch(named.first().copied()), None);
                wanted.add([ListedUnder::Contact(id)], *position, what);
            }
            (Some(detail), None) => {
                let under = ListedUnder::Key(MatchKey::from_stored(detail.match_key.clone()));
                let what = (mismatch(named.first().copied()), Some(named));
                wanted.add([under], *position, what);
            }
            (None, _) => {}
        }
        let let_go = match fact.change()? {
            EventChange::Forgotten(identities) => identities,
            EventChange::Identities(Change::Released { identity }) => vec![identity],
            EventChange::Identities(Change::Erased { identity }) => {
                if let Some(id) = fact.contact_id {
                    let under = ListedUnder::Also(Listing::Contact(id));
                    wanted.add([under], *position, (mismatch(None), None));
                }
                let person = self.world.person(identity);
                person.map(|p| p.members().iter().map(|m| m.id).collect()).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        for id in let_go {
            let under = ListedUnder::Also(Listing::Identity(id));
            wanted.add([under], *position, (mismatch(Some(id)), None));
        }
        Ok(())
    }

    fn read(&mut self, entry: &Entry) -> Result<()> {
        let fact = &entry.fact;
        let has_detail = entry.detail.is_some();
        self.details += i64::from(has_detail);
        let contact_id = fact.contact_id.filter(|_| has_detail);
        self.places.insert(fact.event_id, EventPlace { position: entry.position, contact_id });
        match fact.change()? {
            EventChange::Forgotten(identities) => self.forgotten.extend(identities),
            EventChange::Identities(Change::Claimed { identity }) => {
                self.claimers.entry(identity).or_default().extend(fact.contact_id);
            }
            EventChange::Identities(Change::Merged { contact_id, .. }) => {
                self.survivors.extend(fact.contact_id.map(|into| (contact_id, into)));
            }
            EventChange::Identities(Change::Erased { .. }) => self.erased.extend(fact.contact_id),
            _ => {}
        }
        if let Some(detail) = &entry.detail
            && let Some(identity) = self.named_by(entry, &detail.match_key)?
        {
            let key = MatchKey::from_stored(detail.match_key.clone());
            let known = self.keys.entry(identity).or_default();
            if !known.contains(&key) {
                known.push(key);
            }
        }
        if let Some(event) = fact.fold_event()? {
            self.world.apply(&event);
        }
        Ok(())
    }

    /// The identity that the key of a detail is of, if that is certain.
    fn named_by(&self, entry: &Entry, key: &str) -> Result<Option<IdentityId>> {
        Ok(match entry.fact.change()? {
            EventChange::Identities(
                Change::Linked { identity, .. }
                | Change::Retired { identity }
                | Change::Released { identity }
                | Change::Claimed { identity },
            ) => Some(identity),
            EventChange::Identities(Change::Created { identities }) => identities.first().copied(),
            EventChange::Said { named, .. } => {
                named.first().copied().filter(|id| self.is_certain(*id, &named, key))
            }
            _ => None,
        })
    }

    /// What is said of a contact has the key that a message would go to, whichever identity it
    /// counts for: so the key is certain if there is one identity, or if it is a user id while
    /// the contact has a phone number.
    fn is_certain(&self, first: IdentityId, named: &[IdentityId], key: &str) -> bool {
        let members = self.world.person(first).map_or(&[][..], |person| person.members());
        let has_number = || {
            members.iter().any(|member| {
                let keys = self.keys.get(&member.id);
                member.role == Role::Current
                    && keys.is_some_and(|keys| keys.iter().any(MatchKey::is_phone))
            })
        };
        members.len() <= 1 && named.len() == 1 || key.starts_with('u') && has_number()
    }
}
