//! Creating, changing and erasing one contact.

use crate::domain::contact::{Change, Profile, Recipient, definition};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::external_id::ExternalId;
use crate::domain::phone::{PhoneNumber, WhatsAppUserId};
use crate::store::{ContactRow, Lock, Operation, Receipt, Transaction};

use super::unit_of_work::{UnitOfWork, Version, former_identity};
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
    /// Identifies the contact: the first that finds one.
    pub names: Vec<Recipient>,
    /// The phone number in the request, which has to be the contact's.
    pub phone_number: Option<PhoneNumber>,
    /// The external id in the request, which has to be the contact's if it has one.
    pub external_id: Option<ExternalId>,
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// The version the change is based on. Empty for any.
    pub etag: String,
    /// The profile of a new contact if none exists. The changes apply to it.
    pub if_missing: Option<Profile>,
}

impl UpdateContact {
    /// The contact to make, or why none is made.
    fn missing(&self) -> Result<Profile> {
        let missing = self.if_missing.clone().ok_or_else(Error::contact_not_found)?;
        match self.names.as_slice() {
            // Of somebody who was erased or merged, for example: a further contact would not be found by it.
            [Recipient::Id(_)] if !missing.match_keys().is_empty() => {
                let advice = "to create a contact leave contact_id out: the server makes it";
                Err(Error::contact_not_found().with_advice(advice))
            }
            _ => Ok(missing),
        }
    }
}

impl Operation for UpdateContact {
    type Output = ContactRow;

    async fn run(&self, tx: &mut Transaction) -> Result<ContactRow> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let definitions = definitions(&mut *tx.db, &workspace).await?;
        let below = |error: Error| error.in_parent("contact");
        let mut people = self.names.clone();
        people.extend(self.phone_number.as_ref().map(|phone| Recipient::Key(phone.match_key())));
        people.extend(self.external_id.iter().cloned().map(Recipient::ExternalId));
        people.extend(self.if_missing.iter().flat_map(self::people));
        let added = |ids: &[WhatsAppUserId]| -> Vec<_> {
            ids.iter().map(|id| Recipient::Key(id.match_key())).collect()
        };
        for change in &self.changes {
            match change {
                Change::WhatsAppUserIds(ids) | Change::AddWhatsAppUserIds(ids) => {
                    people.extend(added(ids));
                }
                Change::ExternalId(Some(id)) => people.push(Recipient::ExternalId(id.clone())),
                // Clearing an attribute that does not exist is a mistake of the caller.
                Change::Attribute { id, value: None } => {
                    definition(&definitions, id).map_err(below)?;
                }
                _ => {}
            }
        }
        let mut unit = UnitOfWork::load(tx, &workspace, &people).await?;

        refuse_former(&unit, &self.names).map_err(below)?;
        if self.if_missing.is_some() {
            refuse_former(&unit, &people).map_err(below)?;
        }
        let existing = self.names.iter().find_map(|name| unit.find_contact(name));
        let mut profile = match existing.and_then(|entry| unit.contact(entry)) {
            Some(contact) => {
                contact.validate_etag(&self.etag)?;
                let mut profile = contact.profile.clone();
                if let Some(number) = self.phone_number {
                    keep_phone(&mut profile, number).map_err(below)?;
                }
                if let Some(id) = &self.external_id {
                    keep_external_id(&mut profile, id).map_err(below)?;
                }
                profile
            }
            None => self.missing()?,
        };
        for change in &self.changes {
            change.apply(&mut profile);
        }
        profile.validate().map_err(below)?;
        profile.validate_against(&definitions).map_err(below)?;
        let entry = match existing {
            Some(entry) => {
                unit.update(tx, entry, profile, None).map_err(below)?;
                entry
            }
            None => unit.create(tx, profile).map_err(below)?,
        };
        let row = unit.row(entry).ok_or_else(Error::contact_not_found)?;
        unit.write(tx).await?;
        Ok(row)
    }
}

/// Checks a phone number sent with other changes: a form of the contact's number, or one
/// for a contact without a number, which gets it. A stored number never changes.
pub(super) fn keep_phone(profile: &mut Profile, sent: PhoneNumber) -> Result<()> {
    match profile.phone_number {
        None => profile.set_phone_number(sent),
        Some(kept) if kept.match_key() == sent.match_key() => {}
        Some(_) => {
            let message = "a phone number does not change with the rest: if the person has a new \
                           one, send it to LinkIdentity; somebody else's is a new contact";
            return Err(Error::invalid(Reason::ImmutableField, "phone_number", message));
        }
    }
    Ok(())
}

/// The same of the business's own id.
pub(super) fn keep_external_id(profile: &mut Profile, sent: &ExternalId) -> Result<()> {
    if profile.external_id.is_none() {
        profile.set_external_id(Some(sent.clone()));
    } else if !profile.external_ids().any(|known| known == sent) {
        let message = "the contact has another external_id: if this one replaces it, send it to \
                       UpdateContact with external_id in update_mask";
        return Err(Error::invalid(Reason::ImmutableField, "external_id", message));
    }
    Ok(())
}

/// Refuses a number or user id that a contact had before: it may be somebody else's by
/// now.
pub(super) fn refuse_former(unit: &UnitOfWork<'_>, recipients: &[Recipient]) -> Result<()> {
    for recipient in recipients {
        let Recipient::Key(key) = recipient else { continue };
        let contact = unit.find_contact(recipient).and_then(|entry| unit.contact(entry));
        if let Some(contact) = contact.filter(|contact| contact.profile.is_former(key)) {
            return Err(former_identity(key, contact));
        }
    }
    Ok(())
}

/// The names by which a profile's person may be known already: the business's own id, then
/// the phone number, then user ids.
pub(super) fn people(profile: &Profile) -> Vec<Recipient> {
    let external_id = profile.external_id.iter().cloned().map(Recipient::ExternalId);
    external_id.chain(profile.match_keys().into_iter().map(Recipient::Key)).collect()
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
        refuse_former(&unit, std::slice::from_ref(&self.person))?;
        let contact = unit
            .find_contact(&self.person)
            .and_then(|entry| unit.contact(entry))
            .ok_or_else(Error::contact_not_found)?
            .clone();
        contact.validate_etag(&self.etag)?;
        let hashed_keys = unit.erase(tx, &contact, tx.now, Version::Latest).await?;
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
