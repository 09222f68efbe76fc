//! Creating, changing and erasing one contact.

use crate::domain::contact::{Change, Profile, Recipient, definition};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::PhoneNumber;
use crate::store::{ContactRow, Lock, Operation, Receipt, Transaction};

use super::unit_of_work::UnitOfWork;
use super::{definitions, lock_workspace};

/// Creates a contact.
#[derive(Debug)]
pub struct CreateContact {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// The profile to store.
    pub profile: Profile,
}

impl Operation for CreateContact {
    type Output = ContactRow;

    async fn run(&self, tx: &mut Transaction) -> Result<ContactRow> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let definitions = definitions(&mut *tx.db, &workspace).await?;
        let below = |error: Error| error.in_parent("contact");
        self.profile.validate().map_err(below)?;
        self.profile.validate_against(&definitions).map_err(below)?;
        let people = people(&self.profile);
        let mut unit = UnitOfWork::load(tx, &workspace, &people).await?;
        let entry = unit.create(tx, self.profile.clone()).map_err(below)?;
        let row = unit.row(entry).ok_or_else(Error::contact_not_found)?;
        unit.write(tx).await?;
        Ok(row)
    }
}

/// Changes a contact's profile.
#[derive(Debug)]
pub struct UpdateContact {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// Identifies the contact.
    pub person: Recipient,
    /// The phone number in the request, which has to be the contact's.
    pub phone_number: Option<PhoneNumber>,
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// The version the change is based on. Empty for any.
    pub etag: String,
    /// The profile of a new contact if none exists. The changes apply to it.
    pub if_missing: Option<Profile>,
}

impl Operation for UpdateContact {
    type Output = ContactRow;

    async fn run(&self, tx: &mut Transaction) -> Result<ContactRow> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let definitions = definitions(&mut *tx.db, &workspace).await?;
        let below = |error: Error| error.in_parent("contact");
        let mut people = vec![self.person.clone()];
        people.extend(self.phone_number.as_ref().map(|phone| Recipient::Key(phone.match_key())));
        people.extend(self.if_missing.iter().flat_map(self::people));
        for change in &self.changes {
            match change {
                Change::WhatsAppUserId(Some(id)) => people.push(Recipient::Key(id.match_key())),
                // Clearing an attribute that does not exist is a mistake of the caller.
                Change::Attribute { id, value: None } => {
                    definition(&definitions, id).map_err(below)?;
                }
                _ => {}
            }
        }
        let mut unit = UnitOfWork::load(tx, &workspace, &people).await?;

        let existing = unit.find_contact(&self.person);
        let mut profile = match existing.and_then(|entry| unit.contact(entry)) {
            Some(contact) => {
                contact.validate_etag(&self.etag)?;
                let mut profile = contact.profile.clone();
                self.keep_phone(&mut profile).map_err(below)?;
                profile
            }
            None => self.if_missing.clone().ok_or_else(Error::contact_not_found)?,
        };
        for change in &self.changes {
            change.apply(&mut profile);
        }
        profile.validate().map_err(below)?;
        profile.validate_against(&definitions).map_err(below)?;
        let entry = match existing {
            Some(entry) => {
                unit.update(tx, entry, profile).map_err(below)?;
                entry
            }
            None => unit.create(tx, profile).map_err(below)?,
        };
        let row = unit.row(entry).ok_or_else(Error::contact_not_found)?;
        unit.write(tx).await?;
        Ok(row)
    }
}

impl UpdateContact {
    /// Checks the phone number in the request. It may be another form of the stored
    /// number, or the former number that identified the contact. A contact without a
    /// number gets it. A stored number never changes.
    fn keep_phone(&self, profile: &mut Profile) -> Result<()> {
        let Some(sent) = self.phone_number else { return Ok(()) };
        let same = |kept: PhoneNumber| kept.match_key() == sent.match_key();
        match profile.phone_number {
            None => profile.set_phone_number(sent),
            Some(kept) if same(kept) || self.person == Recipient::Key(sent.match_key()) => {}
            Some(_) => {
                let message = "a phone number does not change with the rest: if the person has a \
                               new one, send it to LinkIdentity; somebody else's is a new contact";
                return Err(Error::invalid(Reason::ImmutableField, "phone_number", message));
            }
        }
        Ok(())
    }
}

/// The keys under which the person of a profile may already be stored.
pub(super) fn people(profile: &Profile) -> Vec<Recipient> {
    profile.match_keys().into_iter().map(Recipient::Key).collect()
}

/// Erases a contact.
#[derive(Debug)]
pub struct DeleteContact {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// Identifies the contact to erase.
    pub person: Recipient,
    /// The version the change is based on. Empty for any.
    pub etag: String,
    /// The number of the API's `DeleteReason`.
    pub reason: i32,
}

impl Operation for DeleteContact {
    type Output = Receipt;

    async fn run(&self, tx: &mut Transaction) -> Result<Receipt> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let unit = UnitOfWork::load(tx, &workspace, std::slice::from_ref(&self.person)).await?;
        let contact = unit
            .find_contact(&self.person)
            .and_then(|entry| unit.contact(entry))
            .ok_or_else(Error::contact_not_found)?
            .clone();
        contact.validate_etag(&self.etag)?;
        let hashed_keys = unit.erase(tx, &contact, tx.now).await?;
        let receipt = Receipt {
            receipt_id: tx.new_id(),
            contact_id: contact.contact_id,
            reason: self.reason,
            delete_time: tx.now,
            merged_contact_ids: contact.profile.merged_contact_ids,
            hashed_keys,
        };
        tx.db.insert_receipt(&workspace, &receipt).await?;
        Ok(receipt)
    }
}
