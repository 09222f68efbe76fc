//! The contacts that had an identity before its holder of today, for objections that were said in their time and
//! are recorded only now.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::{EntryId, Named, UnitOfWork};
use crate::domain::Time;
use crate::domain::consent::{EventKind, IdentityId};
use crate::domain::contact::Recipient;
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;
use crate::store::{Subjects, Transaction};

/// How often an identity may have changed hands, on average, that all times are looked at; else the last ones.
const CHANGES_EACH: usize = 100;
/// The same of all identities of a transaction.
const MAX_CHANGES: usize = 20_000;

impl UnitOfWork<'_> {
    /// Loads the contacts that released these identities after these times. Of one that was erased nothing
    /// is left to protect.
    pub async fn load_earlier_holders(
        &mut self,
        tx: &mut Transaction,
        said: &[(&MatchKey, Time)],
    ) -> Result<()> {
        let mut asked: HashMap<IdentityId, MatchKey> = HashMap::new();
        for (key, time) in said {
            let entry = self.find(&Recipient::Key((*key).clone()));
            let since = entry.and_then(|entry| self.own(entry, key)?.since);
            if let Some(entry) = entry.filter(|_| since.is_some_and(|since| *time <= since))
                && let Some(id) = self.entries[entry.0].ids.get(key)
            {
                asked.insert(id, (*key).clone());
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        let subjects =
            Subjects { identities: asked.keys().copied().collect(), ..Subjects::default() };
        let limit = MAX_CHANGES.min(asked.len() * CHANGES_EACH);
        let changes =
            tx.db.ledger_entries_about(self.workspace, &subjects, i64::MAX, limit).await?;
        let mut contacts = BTreeSet::new();
        for fact in changes.into_iter().map(|entry| entry.fact) {
            let released = fact.kind == EventKind::Released as i64;
            let time = Time::from_timestamp_micros(fact.record_time);
            let (Some(contact), Some(time), true) = (fact.contact_id, time, released) else {
                continue;
            };
            let key = fact.identity_ids().into_iter().find_map(|id| asked.get(&id));
            if let Some(key) = key {
                self.releases.entry(key.clone()).or_default().push((time, contact));
                contacts.insert(contact);
            }
        }
        let unknown = contacts.into_iter().map(Recipient::Id);
        let unknown: Vec<_> = unknown.filter(|contact| self.find(contact).is_none()).collect();
        self.load_contacts(tx, &unknown, HashMap::new()).await.map(drop)
    }

    /// The contacts that had an identity at a time, or came to have it since, and released it: an objection
    /// under it stands against them, too. Each with when it last did. Nothing that was permitted
    /// before lifts it there: the identity is not among those that are the contact's now, by which the scope of
    /// a permission is known.
    pub fn earlier_holders(&self, key: &MatchKey, said: Time) -> Vec<(EntryId, Named, Time)> {
        let releases = self.releases.get(key).into_iter().flatten();
        let later = releases.filter(|(released, _)| said <= *released);
        let holder = |(released, contact): &(Time, Uuid)| {
            let contact = Recipient::Id(*contact);
            let entry = self.find_contact(&contact)?;
            let is_merged = self.is_merged(entry, &contact);
            Some((entry, if is_merged { Named::Merged } else { Named::Contact }, *released))
        };
        later.filter_map(holder).collect()
    }
}
