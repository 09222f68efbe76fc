//! Merging two contacts of the same person.

use crate::domain::contact::{Recipient, definition};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::merge::{MergeField, MergeRules};
use crate::store::{ContactRow, Lock, Operation, Transaction};

use super::unit_of_work::{EntryId, UnitOfWork};
use super::{definitions, lock_workspace};

/// Merges one contact into another.
#[derive(Debug)]
pub struct MergeContacts {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// Identifies the contact that stays.
    pub survivor: Recipient,
    /// Identifies the contact that is merged into it.
    pub merged: Recipient,
    /// Which fields are taken from which contact.
    pub rules: MergeRules,
    /// The version of the survivor that the merge is based on. Empty for any.
    pub survivor_etag: String,
    /// The version of the merged contact. Empty for any.
    pub merged_etag: String,
}

impl Operation for MergeContacts {
    type Output = ContactRow;

    async fn run(&self, tx: &mut Transaction) -> Result<ContactRow> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let definitions = definitions(&mut *tx.db, &workspace).await?;
        for field in &self.rules.take {
            if let MergeField::Attribute(id) = field {
                definition(&definitions, id).map_err(|error| error.with_field("take_mask"))?;
            }
        }
        let people = [self.survivor.clone(), self.merged.clone()];
        let mut unit = UnitOfWork::load(tx, &workspace, &people).await?;
        let find = |person, field| -> Result<EntryId> {
            unit.find_contact(person).ok_or_else(|| Error::contact_not_found().with_field(field))
        };
        let survivor = find(&self.survivor, "survivor")?;
        let merged = find(&self.merged, "merged")?;
        let (Some(kept), Some(gone)) = (unit.contact(survivor), unit.contact(merged)) else {
            return Err(Error::contact_not_found());
        };
        if survivor == merged {
            let id = kept.contact_id;
            let message = format!("survivor and merged are one contact already: {id}");
            return Err(Error::invalid(Reason::InvalidArgument, "merged", message));
        }
        kept.validate_etag(&self.survivor_etag).map_err(|e| e.with_field("survivor_etag"))?;
        gone.validate_etag(&self.merged_etag).map_err(|e| e.with_field("merged_etag"))?;
        let profile = self.rules.merge(kept, gone);
        profile.validate()?;
        unit.merge(tx, survivor, merged, profile)?;
        let row = unit.row(survivor).ok_or_else(Error::contact_not_found)?;
        unit.write(tx).await?;
        Ok(row)
    }
}
