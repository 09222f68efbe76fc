//! What was known of people at a time in the past: the ledger's entries up to then, folded by
//! the code that writes use.
//!
//! Where an erasure left open to which of several identities a message would have gone, all
//! of them decide: stricter, never looser.

mod history;

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use uuid::Uuid;

use self::history::history;
use super::workspace;
use crate::domain::Time;
use crate::domain::consent::{Change, EventChange, IdentityId};
use crate::domain::contact::{Contact, Recipient};
use crate::domain::error::{Error, Result};
use crate::domain::ids;
use crate::domain::ledger::{Entry, Past};
use crate::domain::phone::MatchKey;
use crate::store::{
    CheckRow, ConsentRow, Reader, Store, Subjects, Workspace, decode_profile, require_keys,
};

/// What was known of some people.
#[derive(Debug, Default)]
pub struct PastPeople {
    /// Index for index, the identities that decide about each, which all have to be allowed.
    /// None if nothing was known.
    pub rows: Vec<Vec<CheckRow>>,
    /// Of contacts that are not named by a key: the identities that messages would have gone
    /// to, as far as that is known.
    pub primary_keys: Vec<MatchKey>,
}

/// Reads what was known of these people at a time, from one state of the database.
///
/// # Errors
/// When their history is too long.
pub async fn people(
    store: &Store,
    workspace_id: &str,
    recipients: &[&Recipient],
    time: Time,
) -> Result<PastPeople> {
    let mut db = store.read_snapshot().await?;
    let found = read(&mut *db, store, workspace_id, recipients, time).await;
    db.close().await;
    found
}

async fn read(
    db: &mut dyn Reader,
    store: &Store,
    workspace_id: &str,
    recipients: &[&Recipient],
    time: Time,
) -> Result<PastPeople> {
    let workspace = workspace(db, workspace_id).await?;
    // Fails where the newest entries may be missing, as every check does.
    db.check(&workspace.workspace_id, &[], false).await?;
    if time < workspace.create_time {
        let rows = recipients.iter().map(|_| Vec::new()).collect();
        return Ok(PastPeople { rows, ..PastPeople::default() });
    }
    // Newest first. Which policy applied before the oldest that is kept is not known: it may
    // have been one by which every permission had expired.
    let policies = db.opt_in_policies(&workspace).await?;
    let in_force = policies.iter().find(|period| period.begin_time <= time);
    let max_ages = in_force.map_or([Some(TimeDelta::zero()); 3], |period| period.policy.max_ages());
    let present = Present::read(db, store, workspace, recipients).await?;
    let past = present.past(time)?;
    let mut people = PastPeople::default();
    for (recipient, found) in recipients.iter().zip(&present.found) {
        let ids = match recipient {
            Recipient::Key(key) => present.identities_of(store, key),
            Recipient::Id(_) | Recipient::ExternalId(_) => {
                let ids = found.map(|id| present.primaries(&past, id)).unwrap_or_default();
                if let [id] = ids.as_slice() {
                    people.primary_keys.extend(present.keys.get(id).cloned());
                }
                ids
            }
        };
        let row = |id: IdentityId| {
            let was = past.identity(id)?;
            let (contact_id, is_former, consent) = (was.contact_id, was.is_former, was.consent);
            Some(CheckRow { identity_id: id, contact_id, is_former, consent, max_ages })
        };
        people.rows.push(ids.into_iter().filter_map(row).collect());
    }
    Ok(people)
}

/// What is known now, from which the past is found.
struct Present {
    workspace: Workspace,
    contacts: HashMap<Uuid, Contact>,
    /// Index for index, the contact that a recipient names, or the id of one that is gone.
    found: Vec<Option<Uuid>>,
    /// The rows of contacts' keys, and of the recipients' hashed ones.
    rows: HashMap<MatchKey, ConsentRow>,
    /// All that is in the ledger of these people, in the order of positions.
    entries: Vec<Entry>,
    /// The phone numbers and user ids, as far as they are still known.
    keys: HashMap<IdentityId, MatchKey>,
}

impl Present {
    async fn read(
        db: &mut dyn Reader,
        store: &Store,
        workspace: Workspace,
        recipients: &[&Recipient],
    ) -> Result<Self> {
        let keyring = store.keyring();
        let asked: Vec<Recipient> = recipients.iter().copied().cloned().collect();
        let mut contacts = HashMap::new();
        let (mut found, mut subjects) = (Vec::new(), Subjects::default());
        let mut keys: HashSet<MatchKey> = HashSet::new();
        for (recipient, row) in asked.iter().zip(db.find_contacts(&workspace, &asked).await?) {
            if let Some(key) = recipient.key() {
                keys.extend(keyring.hashed_all(&workspace.workspace_id, key));
            }
            let named = match recipient {
                Recipient::Id(id) => Some(*id),
                Recipient::Key(_) | Recipient::ExternalId(_) => None,
            };
            subjects.contact_ids.extend(named);
            let Some(row) = row else {
                found.push(named);
                continue;
            };
            let contact = decode_profile(&row)?;
            found.push(named.or(Some(contact.contact_id)));
            keys.extend(contact.profile.match_keys());
            let of_contact = Subjects::of(&contact, keyring, &workspace);
            subjects.contact_ids.extend(of_contact.contact_ids);
            subjects.keys.extend(of_contact.keys);
            contacts.insert(contact.contact_id, contact);
        }
        let keys: Vec<_> = keys.into_iter().collect();
        let rows: Vec<_> = db.consent(&workspace, &keys).await?.into_iter().flatten().collect();
        // After the rows: the key of a row is registered before the row is written.
        require_keys(keyring, &db.suppression_keys(&workspace.workspace_id).await?)?;
        subjects.keys.extend(keys.into_iter().filter(MatchKey::is_hashed));
        subjects.identities.extend(rows.iter().map(|row| row.identity_id));
        let entries = history(db, &workspace, subjects).await?;
        let keys = keys_of(&rows, &entries)?;
        let rows = rows.into_iter().map(|row| (row.match_key.clone(), row)).collect();
        Ok(Self { workspace, contacts, found, rows, entries, keys })
    }

    /// The past as of a time.
    ///
    /// # Errors
    /// When the ledger does not explain what checks read now: then it does not explain the
    /// past either.
    fn past(&self, time: Time) -> Result<Past> {
        let owner = |row: &ConsentRow| Some((row.identity_id, row.contact_id?));
        let present = self.rows.values().filter_map(owner).collect();
        let create_time = |id: Uuid| match self.contacts.get(&id) {
            Some(contact) => Some(contact.create_time),
            // The id has the millisecond, and the contact was made within it.
            None => ids::time(id)?.checked_add_signed(TimeDelta::milliseconds(1)),
        };
        let now = Past::at(Time::MAX_UTC, &self.entries, &present, create_time)?;
        for row in self.rows.values() {
            let folded = now.identity(row.identity_id).unwrap_or_default();
            if folded.consent != row.consent
                || folded.contact_id != row.contact_id
                || folded.is_former != row.is_former
            {
                return Err(Error::internal(
                    "the ledger does not amount to a stored consent; run audit verify",
                ));
            }
        }
        Past::at(time, &self.entries, &present, create_time)
    }

    /// The identities that a phone number or user id had: one, unless what was known of it
    /// was deleted at the end of its retention, and it got another since.
    fn identities_of(&self, store: &Store, key: &MatchKey) -> Vec<IdentityId> {
        let hashed = store.keyring().hashed_all(&self.workspace.workspace_id, key);
        let keys: HashSet<_> = hashed.chain([key.clone()]).collect();
        let rows = keys.iter().filter_map(|key| self.rows.get(key)).map(|row| row.identity_id);
        let mut ids: Vec<_> = rows.collect();
        let is_of_key = |entry: &&Entry| {
            let detail = entry.detail.as_ref();
            entry.fact.contact_id.is_none()
                && detail
                    .is_some_and(|detail| keys.iter().any(|key| key.as_str() == detail.match_key))
        };
        let said = self.entries.iter().filter(is_of_key);
        ids.extend(said.flat_map(|entry| entry.fact.identity_ids()));
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The identities of a contact that a message may have gone to: its phone number if it
    /// had one, else its user ids. Of one whose key is not known any more nobody can tell
    /// which it is.
    fn primaries(&self, past: &Past, contact_id: Uuid) -> Vec<IdentityId> {
        let current = past.current(past.survivor(contact_id));
        let is_phone = |id: &IdentityId| self.keys.get(id).map(MatchKey::is_phone);
        match current.iter().find(|id| is_phone(id) == Some(true)) {
            Some(phone) => vec![*phone],
            None => current,
        }
    }
}

/// The phone numbers and user ids of identities, as far as they are still known.
fn keys_of(rows: &[ConsentRow], entries: &[Entry]) -> Result<HashMap<IdentityId, MatchKey>> {
    let mut keys = HashMap::new();
    for Entry { fact, detail, .. } in entries {
        let Some(detail) = detail else { continue };
        let id = match fact.change()? {
            EventChange::Identities(
                Change::Linked { identity, .. }
                | Change::Retired { identity }
                | Change::Released { identity }
                | Change::Claimed { identity },
            ) => Some(identity),
            // Its key is that of the first.
            EventChange::Identities(Change::Created { identities }) => identities.first().copied(),
            EventChange::Said { named, .. } if named.len() == 1 => named.first().copied(),
            _ => None,
        };
        if let Some(id) = id {
            keys.insert(id, MatchKey::from_stored(detail.match_key.clone()));
        }
    }
    keys.extend(rows.iter().map(|row| (row.identity_id, row.match_key.clone())));
    keys.retain(|_, key| !key.is_hashed());
    Ok(keys)
}
