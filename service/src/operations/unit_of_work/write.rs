//! Writing the changes, and erasing contacts.

use std::collections::HashSet;

use uuid::Uuid;

use super::UnitOfWork;
use crate::domain::Time;
use crate::domain::consent::ConsentState;
use crate::domain::contact::{Contact, Recipient};
use crate::domain::error::{Error, Result};
use crate::domain::ledger::Entry as LedgerEntry;
use crate::domain::phone::MatchKey;
use crate::operations::ledger;
use crate::store::{ConsentRow, KeyLock, Subjects, Transaction, Workspace};

impl UnitOfWork<'_> {
    /// Writes the changes.
    pub async fn write(self, tx: &mut Transaction) -> Result<()> {
        let workspace = self.workspace;
        let keyring = tx.keyring();
        let hashed = |key: &MatchKey| keyring.hashed(&workspace.workspace_id, key);
        let consent_changed = self.entries.iter().any(|entry| entry.state != entry.stored_state);
        let consent_changed = consent_changed || !self.events.is_empty() || !self.merges.is_empty();
        let mut revision = workspace.consent_revision;
        let (mut inserts, mut updates, mut summaries) = (Vec::new(), Vec::new(), Vec::new());
        let (mut rows, mut dropped) = (Vec::new(), Vec::new());
        let (mut claimed, mut non_contacts) = (Vec::new(), Vec::new());
        for entry in self.entries {
            let keys = entry.keys();
            let summary = entry.state.summary();
            let old_keys = entry.before.as_ref().map(|c| c.profile.match_keys());
            let contact_id = entry.after.as_ref().map(|contact| contact.contact_id);
            let keys_changed = match (&entry.after, &old_keys) {
                (Some(_), Some(old)) => *old != keys,
                (Some(_), None) => true,
                // A contact took over the keys of this non-contact.
                (None, _) => keys.is_empty(),
            };
            if keys_changed || entry.state != entry.stored_state {
                let old_keys = old_keys.unwrap_or_default();
                dropped.extend(entry.rows);
                let row = |key, contact_id| row(key, contact_id, entry.state.clone(), revision);
                match &entry.after {
                    Some(_) => {
                        claimed.extend(keys.iter().filter(|key| !old_keys.contains(key)).cloned());
                        rows.extend(keys.iter().map(|key| row(key.clone(), contact_id)));
                    }
                    None => {
                        rows.extend(keys.iter().map(|key| row(hashed(key), None)));
                        non_contacts.extend(keys.iter().cloned());
                    }
                }
                for key in old_keys.into_iter().filter(|key| !keys.contains(key)) {
                    // An opt-out stays with the key that the contact gives up.
                    if entry.state.is_suppressed() {
                        let state = entry.state.clone().only_suppressions();
                        rows.push(self::row(hashed(&key), None, state, revision));
                    }
                    dropped.push(key);
                }
            }
            match (entry.before, entry.after) {
                (None, Some(contact)) => inserts.push(Contact { consent: summary, ..contact }),
                (Some(before), Some(after)) => {
                    if entry.state != entry.stored_state {
                        summaries.push((after.contact_id, summary));
                    }
                    if before.profile != after.profile {
                        updates.push((before, after));
                    }
                }
                _ => {}
            }
        }
        for (gone, into) in &self.merges {
            tx.db.redirect_contact(workspace, gone.contact_id, *into).await?;
            tx.db.delete_contacts(workspace, std::slice::from_ref(gone)).await?;
        }
        if !inserts.is_empty() {
            tx.db.insert_contacts(workspace, &inserts).await?;
        }
        if !updates.is_empty() {
            tx.db.update_contacts(workspace, &updates).await?;
        }
        let mut events = ledger::entries(tx, self.events)?;
        let suppresses = rows.iter().any(|row| row.contact_id.is_none());
        // From here on, other changes of consent in the workspace wait. The writes
        // above do not make them wait.
        let mut head = workspace.ledger;
        if consent_changed || suppresses {
            (revision, head) = tx.db.next_consent_revision(workspace).await?;
        }
        if suppresses {
            tx.lock_suppression_keys(workspace, KeyLock::Exclusive).await?;
            refuse_new_contacts(tx, workspace, &non_contacts).await?;
            refuse_new_suppressions(tx, workspace, &claimed).await?;
        }
        rows.iter_mut().for_each(|row| row.revision = revision);
        let written: HashSet<_> = rows.iter().map(|row| &row.match_key).collect();
        dropped.retain(|key| !written.contains(key));
        if !dropped.is_empty() {
            tx.db.delete_consent(workspace, &dropped).await?;
        }
        if !rows.is_empty() {
            rows.sort_by(|a, b| a.match_key.cmp(&b.match_key));
            tx.db.upsert_consent(workspace, &rows).await?;
        }
        if !claimed.is_empty() && !suppresses {
            tx.lock_suppression_keys(workspace, KeyLock::Shared).await?;
            refuse_new_suppressions(tx, workspace, &claimed).await?;
        }
        if !summaries.is_empty() {
            tx.db.set_contact_consent(workspace, &summaries).await?;
        }
        ledger::append(tx, workspace, head, &mut events).await
    }

    /// Erases a contact. Returns its hashed keys, under which stay stored what the
    /// person opted out of and that they were erased at `delete_time`.
    pub async fn erase(
        self,
        tx: &mut Transaction,
        contact: &Contact,
        delete_time: Time,
    ) -> Result<Vec<MatchKey>> {
        let workspace = self.workspace;
        let keys = contact.profile.match_keys();
        let (revision, head) = tx.db.next_consent_revision(workspace).await?;
        tx.lock_suppression_keys(workspace, KeyLock::Exclusive).await?;
        let event_id = tx.new_id();
        let entry = self.find(&Recipient::Id(contact.contact_id));
        let state = entry.map(|entry| self.consent(entry).clone()).unwrap_or_default();
        let state = state.erased(event_id, delete_time);
        let keyring = tx.keyring();
        let subjects = Subjects::of(contact, &keyring, workspace);
        tx.db.delete_contacts(workspace, std::slice::from_ref(contact)).await?;
        let erased = tx.db.erase_ledger_details(workspace, &subjects).await?;
        let event = LedgerEntry::of_erasure(event_id, contact.contact_id, erased, tx.now);
        ledger::append(tx, workspace, head, &mut [event]).await?;
        tx.db.erase_stored_responses(workspace, &subjects).await?;
        tx.db.delete_consent(workspace, &keys).await?;
        let hashed = |key| keyring.hashed(&workspace.workspace_id, key);
        let hashed: Vec<_> = keys.iter().map(hashed).collect();
        let row = |key: &MatchKey| row(key.clone(), None, state.clone(), revision);
        put_suppressions(tx, workspace, hashed.iter().map(row).collect()).await?;
        Ok(hashed)
    }
}

/// Writes suppressions. Where one exists, the stricter state of both is stored.
pub(in crate::operations) async fn put_suppressions(
    tx: &mut Transaction,
    workspace: &Workspace,
    mut rows: Vec<ConsentRow>,
) -> Result<()> {
    rows.sort_by(|a, b| a.match_key.cmp(&b.match_key));
    let keys: Vec<_> = rows.iter().map(|row| row.match_key.clone()).collect();
    let known = tx.db.consent(workspace, &keys).await?;
    for (row, known) in rows.iter_mut().zip(known) {
        if let Some(known) = known {
            row.state = std::mem::take(&mut row.state).stricter(known.state);
        }
    }
    tx.db.upsert_consent(workspace, &rows).await
}

/// Fails with a write conflict if one of these non-contacts has become a contact since
/// it was loaded.
async fn refuse_new_contacts(
    tx: &mut Transaction,
    workspace: &Workspace,
    non_contacts: &[MatchKey],
) -> Result<()> {
    let found = tx.db.consent(workspace, non_contacts).await?;
    if found.into_iter().flatten().any(|row| row.contact_id.is_some()) {
        return Err(Error::write_conflict());
    }
    Ok(())
}

/// Fails with a write conflict if the owner of one of these keys, who becomes a
/// contact, has opted out since it was loaded.
async fn refuse_new_suppressions(
    tx: &mut Transaction,
    workspace: &Workspace,
    claimed: &[MatchKey],
) -> Result<()> {
    let since = workspace.consent_revision;
    let written = tx.db.suppressed_since(workspace, since).await?;
    if written.is_empty() {
        return Ok(());
    }
    let written: HashSet<_> = written.into_iter().collect();
    let keyring = tx.keyring();
    let mut hashed =
        claimed.iter().flat_map(|key| keyring.hashed_all(&workspace.workspace_id, key));
    match hashed.any(|key| written.contains(&key)) {
        true => Err(Error::write_conflict()),
        false => Ok(()),
    }
}

fn row(
    match_key: MatchKey,
    contact_id: Option<Uuid>,
    state: ConsentState,
    revision: i64,
) -> ConsentRow {
    ConsentRow { match_key, contact_id, state, revision }
}
