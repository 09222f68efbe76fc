//! Contacts of a backup that have what was an erased contact's when it was erased: it left them since.

use std::collections::{HashMap, HashSet};

use super::RepeatErasure;
use crate::domain::consent::{Evidence, MessageCategory, OptInStatus, Source, Statement};
use crate::domain::contact::{Profile, Recipient};
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;
use crate::operations::opt_in::record;
use crate::operations::unit_of_work::UnitOfWork;
use crate::operations::workspace as require_workspace;
use crate::store::{Receipt, Store, Transaction, Workspace};

/// Rows read at a time.
const PAGE: usize = 5000;

/// Numbers and user ids of contacts, by their hashed keys.
#[derive(Clone, Debug, Default)]
pub struct Holders(HashMap<MatchKey, MatchKey>);

impl Holders {
    /// Those of one erasure.
    pub fn of(&self, receipt: &Receipt) -> Self {
        let of_receipt = receipt.hashed_keys.iter();
        let found = of_receipt.filter_map(|hashed| self.0.get_key_value(hashed));
        Self(found.map(|(hashed, key)| (hashed.clone(), key.clone())).collect())
    }

    /// That with one of these hashes.
    pub(super) fn key_of(&self, hashed: &[MatchKey]) -> Option<&MatchKey> {
        hashed.iter().find_map(|hashed| self.0.get(hashed))
    }
}

/// Finds those that contacts of a workspace have. A hash does not tell of what it is: all are hashed.
pub async fn holders(
    store: &Store,
    workspace_id: &str,
    hashed_keys: &HashSet<MatchKey>,
) -> Result<Holders> {
    let mut db = store.read().await?;
    let workspace = require_workspace(&mut *db, workspace_id).await?;
    let mut found = HashMap::new();
    let mut after = String::new();
    loop {
        let rows = db.consent_page(&workspace, &after, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(Holders(found)) };
        last.match_key.as_str().clone_into(&mut after);
        for row in rows.iter().filter(|row| row.contact_id.is_some()) {
            let hashed = store.keyring().hashed_all(&workspace.workspace_id, &row.match_key);
            let wanted = hashed.filter(|hashed| hashed_keys.contains(hashed));
            found.extend(wanted.map(|hashed| (hashed, row.match_key.clone())));
        }
    }
}

impl RepeatErasure {
    /// Parts contacts from what had left them when it was erased. One that has nothing else keeps it, and
    /// objects as the erasure does. Returns the first of the hashed keys of what was kept.
    pub(super) async fn part(
        &self,
        tx: &mut Transaction,
        workspace: &Workspace,
    ) -> Result<Vec<MatchKey>> {
        let mut kept = Vec::new();
        let keyring = tx.keyring();
        for hashed in self.erasure.receipt.by_identity(&keyring) {
            let Some(key) = self.holders.key_of(hashed) else { continue };
            let recipient = Recipient::Key(key.clone());
            let people = std::slice::from_ref(&recipient);
            let mut unit = UnitOfWork::load(tx, workspace, people).await?;
            let entry = unit.find_contact(&recipient);
            let Some((entry, contact)) = entry.zip(entry.and_then(|entry| unit.contact(entry)))
            else {
                continue;
            };
            match without(contact.profile.clone(), key) {
                Some(profile) => drop(unit.update(tx, entry, profile, None)?),
                None => {
                    drop(record(&mut unit, tx, people, &self.statement())?);
                    kept.extend(hashed.first().cloned());
                }
            }
            unit.write(tx).await?;
        }
        Ok(kept)
    }

    fn statement(&self) -> Statement {
        Statement {
            status: OptInStatus::OptedOut,
            categories: MessageCategory::ALL.to_vec(),
            source: Source::Operator,
            evidence: Evidence::default(),
            reason_text: String::new(),
            occurred_time: Some(self.erasure.receipt.delete_time),
            expire_time: None,
        }
    }
}

/// The profile without this number or user id, if it is one of a contact still.
fn without(mut profile: Profile, key: &MatchKey) -> Option<Profile> {
    profile.phone_number = profile.phone_number.filter(|phone| phone.match_key() != *key);
    profile.release(key);
    profile.validate_identity().is_ok().then_some(profile)
}
