//! Reading what is known of people, whatever names them.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::Checker;
use super::read::MANY;
use crate::domain::contact::Recipient;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::MatchKey;
use crate::store::{CheckRow, CheckRows, decode_profile};

/// How often a contact is looked up while others keep changing it.
const LOOKUPS: usize = 3;

/// What is known of some people.
#[derive(Default)]
pub(super) struct People {
    rows: CheckRows,
    /// By what names a contact otherwise than by a key.
    primaries: HashMap<Recipient, Primary>,
}

/// The identity of a contact that a message would go to.
struct Primary {
    contact_id: Uuid,
    key: MatchKey,
    is_former: bool,
}

impl People {
    /// The row that decides about a recipient. None if nothing is known of them.
    pub(super) fn row(&self, recipient: &Recipient) -> Option<&CheckRow> {
        self.rows.get(recipient.key().or_else(|| self.primary_key(recipient))?)
    }

    /// Of a contact that is not named by a key: the identity that a message would go to.
    pub(super) fn primary_key(&self, recipient: &Recipient) -> Option<&MatchKey> {
        self.primaries.get(recipient).map(|primary| &primary.key)
    }

    /// Whether a contact got another identity, or the identity another contact, between the
    /// lookup and the read: a number was changed or released, or a contact merged.
    fn has_moved(&self, recipient: &Recipient) -> bool {
        let is_current = |primary: &Primary| {
            self.rows.get(&primary.key).is_some_and(|row| {
                row.contact_id == Some(primary.contact_id) && row.is_former == primary.is_former
            })
        };
        self.primaries.get(recipient).is_some_and(|primary| !is_current(primary))
    }
}

impl Checker {
    /// Reads what is known of these people, in as few statements for many as for one.
    pub(super) async fn read_people(
        &self,
        workspace_id: &str,
        recipients: impl Iterator<Item = &Recipient> + Clone,
    ) -> Result<People> {
        let mut people = People::default();
        let mut keys: Vec<_> = recipients.clone().filter_map(Recipient::key).cloned().collect();
        let others: HashSet<_> = recipients.filter(|person| person.key().is_none()).collect();
        let mut looked_up: Vec<_> = others.into_iter().cloned().collect();
        for _ in 0..LOOKUPS {
            if !looked_up.is_empty() {
                let primaries = self.primaries(workspace_id, &looked_up).await?;
                keys.extend(primaries.values().map(|primary| primary.key.clone()));
                people.primaries.extend(primaries);
            }
            // Sorted, so that keys next to each other in the index are read together.
            keys.sort_unstable();
            keys.dedup();
            people.rows.extend(self.read_keys(workspace_id, &keys).await?);
            keys.clear();
            looked_up.retain(|recipient| people.has_moved(recipient));
            if looked_up.is_empty() {
                return Ok(people);
            }
            people.primaries.retain(|recipient, _| !looked_up.contains(recipient));
        }
        Err(Error::new(Reason::WriteConflict, "a contact is being changed; retry"))
    }

    /// The identities that messages to these contacts would go to. Nobody's ids are left
    /// out.
    async fn primaries(
        &self,
        workspace_id: &str,
        recipients: &[Recipient],
    ) -> Result<HashMap<Recipient, Primary>> {
        let found = match recipients.len() < MANY {
            true => self.reads.contacts(workspace_id, recipients).await?,
            false => {
                let (reads, workspace_id, recipients) =
                    (self.reads.clone(), workspace_id.to_owned(), recipients.to_vec());
                self.batch(async move { reads.contacts(&workspace_id, &recipients).await }).await?
            }
        };
        let mut primaries = HashMap::with_capacity(recipients.len());
        for (recipient, row) in recipients.iter().zip(found) {
            let Some(row) = row else { continue };
            let profile = decode_profile(&row)?.profile;
            if let Some(key) = profile.match_keys().into_iter().next() {
                let (contact_id, is_former) = (row.contact_id, profile.is_former(&key));
                primaries.insert(recipient.clone(), Primary { contact_id, key, is_former });
            }
        }
        Ok(primaries)
    }
}
