//! Making, changing and erasing one contact.

use crate::domain::contact::{Change, Person, Profile, definition};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::PhoneNumber;
use crate::store::{ContactRow, Lock, Operation, Receipt, Transaction};

use super::draft::Draft;
use super::{vocabulary, workspace};

/// Makes a contact.
#[derive(Debug)]
pub struct CreateContact {
    /// Where.
    pub workspace_id: String,
    /// What to store.
    pub profile: Profile,
}

impl Operation for CreateContact {
    type Output = ContactRow;

    async fn run(&self, tx: &mut Transaction) -> Result<ContactRow> {
        let workspace = workspace(&mut *tx.session, &self.workspace_id, Lock::Shared).await?;
        let vocabulary = vocabulary(&mut *tx.session, &workspace).await?;
        let below = |error: Error| error.below("contact");
        self.profile.check().map_err(below)?;
        self.profile.check_against(&vocabulary).map_err(below)?;
        let people = people(&self.profile);
        let mut draft = Draft::load(tx, &workspace, &people).await?;
        let entry = draft.create(tx, self.profile.clone()).map_err(below)?;
        let row = draft.row(entry).ok_or_else(Error::contact_not_found)?;
        draft.write(tx).await?;
        Ok(row)
    }
}

/// Changes a contact's profile.
#[derive(Debug)]
pub struct UpdateContact {
    /// Where.
    pub workspace_id: String,
    /// Whom.
    pub person: Person,
    /// The phone number sent along, which may not be another one.
    pub phone_number: Option<PhoneNumber>,
    /// What.
    pub changes: Vec<Change>,
    /// Empty: whatever the version.
    pub etag: String,
    /// What to make if there is no such contact; the changes apply to it.
    pub if_missing: Option<Profile>,
}

impl Operation for UpdateContact {
    type Output = ContactRow;

    async fn run(&self, tx: &mut Transaction) -> Result<ContactRow> {
        let workspace = workspace(&mut *tx.session, &self.workspace_id, Lock::Shared).await?;
        let vocabulary = vocabulary(&mut *tx.session, &workspace).await?;
        let below = |error: Error| error.below("contact");
        let mut people = vec![self.person.clone()];
        people.extend(self.phone_number.as_ref().map(|phone| Person::Key(phone.match_key())));
        people.extend(self.if_missing.iter().flat_map(self::people));
        for change in &self.changes {
            match change {
                Change::WhatsAppUserId(Some(id)) => people.push(Person::Key(id.match_key())),
                // Clearing what is not defined is a slip of the pen, too.
                Change::Attribute { id, value: None } => {
                    definition(&vocabulary, id).map_err(below)?;
                }
                _ => {}
            }
        }
        let mut draft = Draft::load(tx, &workspace, &people).await?;

        let existing = draft.find_contact(&self.person);
        let mut profile = match existing.and_then(|entry| draft.contact(entry)) {
            Some(contact) => {
                contact.check_etag(&self.etag)?;
                let mut profile = contact.profile.clone();
                self.keep_phone(&mut profile).map_err(below)?;
                profile
            }
            None => self.if_missing.clone().ok_or_else(Error::contact_not_found)?,
        };
        for change in &self.changes {
            change.apply(&mut profile);
        }
        profile.check().map_err(below)?;
        profile.check_against(&vocabulary).map_err(below)?;
        let entry = match existing {
            Some(entry) => {
                draft.update(tx, entry, profile).map_err(below)?;
                entry
            }
            None => draft.create(tx, profile).map_err(below)?,
        };
        let row = draft.row(entry).ok_or_else(Error::contact_not_found)?;
        draft.write(tx).await?;
        Ok(row)
    }
}

impl UpdateContact {
    /// A number may be sent along, in any of its forms or as the former one that
    /// names the contact, and given to a contact that has none; it never changes.
    fn keep_phone(&self, profile: &mut Profile) -> Result<()> {
        let Some(sent) = self.phone_number else { return Ok(()) };
        let same = |kept: PhoneNumber| kept.match_key() == sent.match_key();
        match profile.phone_number {
            None => profile.set_phone_number(sent),
            Some(kept) if same(kept) || self.person == Person::Key(sent.match_key()) => {}
            Some(_) => {
                let message = "a phone number does not change with the rest: if the person has a \
                               new one, send it to LinkIdentity; somebody else's is a new contact";
                return Err(Error::invalid(Reason::ImmutableField, "phone_number", message));
            }
        }
        Ok(())
    }
}

/// The names by which a profile's person may be known already.
pub(super) fn people(profile: &Profile) -> Vec<Person> {
    profile.match_keys().into_iter().map(Person::Key).collect()
}

/// Erases a contact.
#[derive(Debug)]
pub struct DeleteContact {
    /// Where.
    pub workspace_id: String,
    /// Whom.
    pub person: Person,
    /// Empty: whatever the version.
    pub etag: String,
    /// As the API's enum counts.
    pub reason: i32,
}

impl Operation for DeleteContact {
    type Output = Receipt;

    async fn run(&self, tx: &mut Transaction) -> Result<Receipt> {
        let workspace = workspace(&mut *tx.session, &self.workspace_id, Lock::Shared).await?;
        let draft = Draft::load(tx, &workspace, std::slice::from_ref(&self.person)).await?;
        let contact = draft
            .find_contact(&self.person)
            .and_then(|entry| draft.contact(entry))
            .ok_or_else(Error::contact_not_found)?
            .clone();
        contact.check_etag(&self.etag)?;
        let hashed_keys = draft.erase(tx, &contact, tx.now).await?;
        let receipt = Receipt {
            receipt_id: tx.new_id(),
            contact_id: contact.contact_id,
            reason: self.reason,
            delete_time: tx.now,
            merged_contact_ids: contact.profile.merged_contact_ids,
            hashed_keys,
        };
        tx.session.insert_receipt(&workspace, &receipt).await?;
        Ok(receipt)
    }
}
