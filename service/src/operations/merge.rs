//! Joining two contacts that are one person.

use crate::domain::contact::{Person, definition};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::merge::{MergeRules, Taken};
use crate::store::{ContactRow, Lock, Operation, Transaction};

use super::draft::{Draft, EntryId};
use super::{vocabulary, workspace};

/// Joins two contacts.
#[derive(Debug)]
pub struct MergeContacts {
    /// Where.
    pub workspace_id: String,
    /// Who stays.
    pub survivor: Person,
    /// Who goes.
    pub merged: Person,
    /// What remains of both.
    pub rules: MergeRules,
    /// Empty: whatever the version.
    pub survivor_etag: String,
    /// Empty: whatever the version.
    pub merged_etag: String,
}

impl Operation for MergeContacts {
    type Output = ContactRow;

    async fn run(&self, tx: &mut Transaction) -> Result<ContactRow> {
        let workspace = workspace(&mut *tx.session, &self.workspace_id, Lock::Shared).await?;
        let vocabulary = vocabulary(&mut *tx.session, &workspace).await?;
        for field in &self.rules.take {
            if let Taken::Attribute(id) = field {
                definition(&vocabulary, id).map_err(|error| error.at("take_mask"))?;
            }
        }
        let people = [self.survivor.clone(), self.merged.clone()];
        let mut draft = Draft::load(tx, &workspace, &people).await?;
        let find = |person, field| -> Result<EntryId> {
            draft.find_contact(person).ok_or_else(|| Error::contact_not_found().at(field))
        };
        let survivor = find(&self.survivor, "survivor")?;
        let merged = find(&self.merged, "merged")?;
        let (Some(kept), Some(gone)) = (draft.contact(survivor), draft.contact(merged)) else {
            return Err(Error::contact_not_found());
        };
        if survivor == merged {
            let id = kept.contact_id;
            let message = format!("survivor and merged are one contact already: {id}");
            return Err(Error::invalid(Reason::InvalidArgument, "merged", message));
        }
        kept.check_etag(&self.survivor_etag)?;
        gone.check_etag(&self.merged_etag)?;
        let profile = self.rules.merge(kept, gone);
        profile.check()?;
        draft.merge(tx, survivor, merged, profile)?;
        let row = draft.row(survivor).ok_or_else(Error::contact_not_found)?;
        draft.write(tx).await?;
        Ok(row)
    }
}
