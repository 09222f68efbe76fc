//! Loading what is stored of people before they are changed.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::{Entry, UnitOfWork};
use crate::domain::contact::Recipient;
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;
use crate::store::{ConsentRow, Transaction, Workspace, decode_profile};

impl<'a> UnitOfWork<'a> {
    /// Loads these people.
    pub async fn load(
        tx: &mut Transaction,
        workspace: &'a Workspace,
        people: &[Recipient],
    ) -> Result<Self> {
        let mut unit = Self {
            workspace,
            entries: Vec::new(),
            by_key: HashMap::new(),
            by_id: HashMap::new(),
            events: Vec::new(),
            merges: Vec::new(),
        };
        // Sorted, so that all transactions lock rows in the same order.
        let mut keys: BTreeSet<MatchKey> = BTreeSet::new();
        let mut ids: BTreeSet<Uuid> = BTreeSet::new();
        for person in people {
            match person {
                Recipient::Id(id) => drop(ids.insert(*id)),
                Recipient::Key(key) => drop(keys.insert(key.clone())),
            }
        }
        let asked = keys.clone();
        let mut rows = fetch_consent(tx, workspace, keys).await?;
        ids.extend(rows.values().filter_map(|row| row.contact_id));
        let people: Vec<_> = ids.into_iter().map(Recipient::Id).collect();
        let contacts = match people.as_slice() {
            [] => Vec::new(),
            some => tx.db.find_contacts(workspace, some).await?,
        };
        let mut contacts =
            contacts.iter().flatten().map(decode_profile).collect::<Result<Vec<_>>>()?;
        // A contact may be identified by its id and by that of one merged into it.
        contacts.sort_by_key(|contact| contact.contact_id);
        contacts.dedup_by_key(|contact| contact.contact_id);
        // The other rows of the contacts, because all rows of a contact are written.
        let unseen = contacts
            .iter()
            .flat_map(|contact| contact.profile.match_keys())
            .filter(|key| !rows.contains_key(key))
            .collect();
        rows.extend(fetch_consent(tx, workspace, unseen).await?);

        for contact in contacts {
            let first = contact.profile.match_keys().into_iter().next();
            let state = first.and_then(|key| rows.get(&key)).map(|row| row.state.clone());
            let state = state.unwrap_or_default();
            unit.add(Entry {
                before: Some(contact.clone()),
                after: Some(contact),
                loose_keys: Vec::new(),
                rows: Vec::new(),
                stored_state: state.clone(),
                state,
            });
        }
        let owned = |key: &MatchKey| rows.get(key).is_some_and(|row| row.contact_id.is_some());
        let non_contacts = asked.into_iter().filter(|key| !owned(key)).collect();
        unit.load_non_contacts(tx, non_contacts).await?;
        Ok(unit)
    }

    /// Loads non-contacts, who are stored under hashes of these keys.
    async fn load_non_contacts(&mut self, tx: &mut Transaction, keys: Vec<MatchKey>) -> Result<()> {
        let workspace = self.workspace;
        let keyring = tx.keyring();
        let mut names = HashMap::new();
        for key in &keys {
            let hashed = keyring.hashed_all(&workspace.workspace_id, key);
            names.extend(hashed.map(|hashed| (hashed, key)));
        }
        let found = fetch_consent(tx, workspace, names.keys().cloned().collect()).await?;
        for row in found.into_values() {
            let Some(key) = names.get(&row.match_key) else { continue };
            match self.by_key.get(*key) {
                // A person may have rows under several versions of the key.
                Some(entry) => {
                    let known = &mut self.entries[*entry];
                    known.state = std::mem::take(&mut known.state).stricter(row.state);
                    known.stored_state = known.state.clone();
                    known.rows.push(row.match_key);
                }
                None => {
                    self.add_non_contact_as((*key).clone(), vec![row.match_key], row.state);
                }
            }
        }
        Ok(())
    }
}

async fn fetch_consent(
    tx: &mut Transaction,
    workspace: &Workspace,
    keys: BTreeSet<MatchKey>,
) -> Result<HashMap<MatchKey, ConsentRow>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<_> = keys.into_iter().collect();
    let rows = tx.db.consent(workspace, &keys).await?;
    Ok(rows.into_iter().flatten().map(|row| (row.match_key.clone(), row)).collect())
}
