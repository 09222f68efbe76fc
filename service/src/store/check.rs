//! Reading the consent of people by their keys, contacts or not.

use std::collections::HashMap;

use super::{Checked, ConsentChange, Reader, Store, Validity, require_keys};
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;

impl Store {
    /// Returns the consent of the people with these keys, as committed at some
    /// time during the call. Keys of whom nothing is known are left out. Returns
    /// None if the workspace does not exist.
    pub async fn check(
        &self,
        workspace_id: &str,
        keys: &[MatchKey],
        with_validity: bool,
    ) -> Result<Option<Checked>> {
        let mut db = self.read_check(workspace_id).await?;
        let Some(mut checked) = db.check(workspace_id, keys, with_validity).await? else {
            return Ok(None);
        };
        if checked.rows.len() < keys.len() {
            self.check_non_contacts(&mut *db, workspace_id, keys, &mut checked).await?;
        }
        Ok(Some(checked))
    }

    /// Returns what tells whether consent that was read before is still that of the database, as
    /// committed at some time during the call. None if the workspace does not exist.
    pub async fn validity(&self, workspace_id: &str) -> Result<Option<Validity>> {
        self.backend.validity(workspace_id).await
    }

    /// Whether [`validity`](Self::validity) takes microseconds and no connection.
    pub fn validates_in_place(&self) -> bool {
        self.backend.validates_in_place()
    }

    /// Returns the changes of consent from a revision on, in order. They are kept for some time only.
    pub async fn consent_changes(
        &self,
        workspace_id: &str,
        from: i64,
        limit: usize,
    ) -> Result<Vec<ConsentChange>> {
        let mut db = self.read_check(workspace_id).await?;
        db.consent_changes(workspace_id, from, limit).await
    }

    /// Adds the rows of non-contacts. Sending to them is not allowed anyway; the
    /// rows tell whether they opted out.
    async fn check_non_contacts(
        &self,
        db: &mut dyn Reader,
        workspace_id: &str,
        keys: &[MatchKey],
        checked: &mut Checked,
    ) -> Result<()> {
        let rows = &mut checked.rows;
        let mut asked_keys = HashMap::new();
        for key in keys.iter().filter(|key| !rows.contains_key(key)) {
            // The clear key again: the person may have become a contact since the
            // first read.
            asked_keys.insert(key.clone(), key);
            let hashed = self.keyring.hashed_all(workspace_id, key);
            asked_keys.extend(hashed.map(|hashed| (hashed, key)));
        }
        let mut stored_keys: Vec<_> = asked_keys.keys().cloned().collect();
        // Sorted, so that neighbours in the index are read together.
        stored_keys.sort_unstable();
        let found = db.check(workspace_id, &stored_keys, false).await?;
        let found = found.map(|checked| checked.rows).unwrap_or_default();
        // After the rows: the key of a row is registered before the row is written.
        let registered = db.suppression_keys(workspace_id).await?;
        require_keys(&self.keyring, &registered)?;
        for (stored_key, row) in found {
            let Some(key) = asked_keys.get(&stored_key) else { continue };
            // A contact since the first read.
            checked.is_exact &= stored_key.is_hashed();
            // A person may have rows under several versions of the key.
            let known = rows.entry((*key).clone()).or_insert_with(|| row.clone());
            known.consent.add_all_of(&row.consent);
            known.contact_id = known.contact_id.or(row.contact_id);
        }
        Ok(())
    }
}
