//! Changing the phone number and user id of a contact.

use crate::domain::consent::{Evidence, Source};
use crate::domain::contact::{Profile, Recipient};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::{MatchKey, PhoneNumber, WhatsAppUserId};
use crate::store::{ContactRow, Lock, Operation, Transaction};

use super::contacts::refuse_former;
use super::lock_workspace;
use super::unit_of_work::{Carry, UnitOfWork};

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
    /// The user id that it replaces. None: it is added to those there are.
    pub replaces: Option<WhatsAppUserId>,
    /// Former phone numbers and user ids that now belong to somebody else.
    pub release: Vec<MatchKey>,
    /// What was permitted under the identity that is replaced is permitted under the new
    /// one, too: who says so, and what shows it.
    pub carry_opt_in: Option<(Source, Evidence)>,
    /// Empty: whatever the version.
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
        let is_current = |key: &MatchKey| {
            contact.profile.match_keys().contains(key) && !contact.profile.is_former(key)
        };
        // Sent again, it changes nothing, so a former number may name the contact.
        if !people[1..].iter().filter_map(Recipient::key).all(is_current) {
            refuse_former(&unit, std::slice::from_ref(&self.person))?;
        }
        contact.validate_etag(&self.etag)?;
        let mut profile = contact.profile.clone();
        if let Some(number) = self.phone_number {
            profile.set_phone_number(number);
        }
        if let Some(id) = &self.whatsapp_user_id {
            replace_or_add(&mut profile, self.replaces.as_ref(), id)?;
        }
        for key in &self.release {
            if !profile.release(key) {
                return Err(not_former());
            }
        }
        profile.validate().map_err(new)?;
        let number = self.phone_number.map(|number| (number.match_key(), None));
        let replaced = self.replaces.as_ref().map(WhatsAppUserId::match_key);
        let id = self.whatsapp_user_id.as_ref().map(|id| (id.match_key(), replaced));
        let carry = self.carry_opt_in.as_ref().map(|(source, evidence)| Carry {
            to: number.into_iter().chain(id).collect(),
            source: *source,
            evidence: evidence.clone(),
        });
        unit.update(tx, entry, profile, carry.as_ref()).map_err(new)?;
        let row = unit.row(entry).ok_or_else(Error::contact_not_found)?;
        unit.write(tx).await?;
        Ok(row)
    }
}

fn replace_or_add(
    profile: &mut Profile,
    replaces: Option<&WhatsAppUserId>,
    id: &WhatsAppUserId,
) -> Result<()> {
    match replaces {
        // Sent again, it is done already.
        Some(old)
            if profile.is_former(&old.match_key()) && profile.whatsapp_user_ids.contains(id) => {}
        Some(old) if !profile.replace_whatsapp_user_id(old, id.clone()) => {
            let message = "the contact does not have the user id in replaces: GetContact shows \
                           those it has; leave replaces out to add the new one to them";
            return Err(Error::invalid(Reason::InvalidArgument, "replaces", message));
        }
        Some(_) => {}
        None => profile.add_whatsapp_user_id(id.clone()),
    }
    Ok(())
}

/// Renames the field of an error to the one of the request.
fn new(error: Error) -> Error {
    match error.field() {
        Some("whatsapp_user_ids") => error.with_field("new_whatsapp_user_id"),
        Some("phone_number") => error.with_field("new_phone_number"),
        _ => error,
    }
}

fn not_former() -> Error {
    let message = "release has what is no former number and no user id of this contact; GetContact \
                   shows them, and the number it has now is released with the call that replaces it";
    Error::invalid(Reason::InvalidArgument, "release", message)
}
