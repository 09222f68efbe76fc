//! Changing the phone number and user id of a contact.

use crate::domain::contact::Recipient;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::{MatchKey, PhoneNumber, WhatsAppUserId};
use crate::store::{ContactRow, Lock, Operation, Transaction};

use super::lock_workspace;
use super::unit_of_work::UnitOfWork;

/// Gives a contact a new phone number or user id.
#[derive(Debug)]
pub struct LinkIdentity {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// Identifies the contact.
    pub person: Recipient,
    /// The new phone number.
    pub phone_number: Option<PhoneNumber>,
    /// The new user id.
    pub whatsapp_user_id: Option<WhatsAppUserId>,
    /// Former phone numbers and user ids that now belong to somebody else.
    pub release: Vec<MatchKey>,
    /// The version the change is based on. Empty for any.
    pub etag: String,
}

impl Operation for LinkIdentity {
    type Output = ContactRow;

    async fn run(&self, tx: &mut Transaction) -> Result<ContactRow> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let mut people = vec![self.person.clone()];
        people.extend(self.phone_number.iter().map(|number| Recipient::Key(number.match_key())));
        people.extend(self.whatsapp_user_id.iter().map(|id| Recipient::Key(id.match_key())));
        let mut unit = UnitOfWork::load(tx, &workspace, &people).await?;
        let entry = unit.find_contact(&self.person).ok_or_else(Error::contact_not_found)?;
        let contact = unit.contact(entry).ok_or_else(Error::contact_not_found)?;
        contact.validate_etag(&self.etag)?;
        let mut profile = contact.profile.clone();
        if let Some(number) = self.phone_number {
            profile.set_phone_number(number);
        }
        if let Some(id) = &self.whatsapp_user_id {
            profile.set_whatsapp_user_id(id.clone());
        }
        for key in &self.release {
            if !profile.release(key) {
                return Err(not_former());
            }
        }
        profile.validate()?;
        unit.update(tx, entry, profile).map_err(new)?;
        let row = unit.row(entry).ok_or_else(Error::contact_not_found)?;
        unit.write(tx).await?;
        Ok(row)
    }
}

/// Renames the field of an error to the one of the request.
fn new(error: Error) -> Error {
    match error.field().map(|field| format!("new_{field}")) {
        Some(field) => error.with_field(field),
        None => error,
    }
}

fn not_former() -> Error {
    let message = "release has what is no former number or user id of this contact; GetContact \
                   shows them, and what it has now is released with the call that replaces it";
    Error::invalid(Reason::InvalidArgument, "release", message)
}
