//! A phone number and a user id that are one person's.

use super::ids::Links;
use super::outcome::{Outcome, Why};
use crate::domain::contact::{Contact, Recipient};
use crate::domain::error::{Error, Result};
use crate::domain::phone::{MatchKey, PhoneNumber, WhatsAppUserId};

/// What is new of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum New {
    /// The contact has the phone number.
    UserId,
    /// The contact has the user id, and no phone number.
    PhoneNumber,
}

/// What to link, or what becomes of it without that.
pub(super) fn judge(
    (phone, phone_owner): (&MatchKey, Option<&Contact>),
    (user, user_owner): (&MatchKey, Option<&Contact>),
) -> std::result::Result<New, Outcome> {
    let contradicts = |contact: &Contact, other: Option<&Contact>, why| Outcome::Contradicts {
        contact_id: contact.contact_id,
        other_contact_id: other.map(|other| other.contact_id),
        why,
    };
    let is_former = |contact: &Contact, key| contact.profile.is_former(key);
    match (phone_owner, user_owner) {
        (None, None) => Err(Outcome::UnknownContact),
        (Some(one), Some(other)) if one.contact_id != other.contact_id => {
            Err(contradicts(one, Some(other), Why::TwoContacts))
        }
        (Some(contact), Some(_)) if is_former(contact, phone) || is_former(contact, user) => {
            Err(contradicts(contact, None, Why::Former))
        }
        (Some(contact), Some(_)) => Err(Outcome::AlreadyLinked { contact_id: contact.contact_id }),
        (Some(contact), None) if is_former(contact, phone) => {
            Err(contradicts(contact, None, Why::Former))
        }
        (None, Some(contact)) if is_former(contact, user) => {
            Err(contradicts(contact, None, Why::Former))
        }
        (Some(_), None) => Ok(New::UserId),
        (None, Some(contact)) if contact.profile.phone_number.is_some() => {
            Err(contradicts(contact, None, Why::OtherNumber))
        }
        (None, Some(_)) => Ok(New::PhoneNumber),
    }
}

/// Links the id that is not known yet to the contact that has the other.
pub(super) fn link(
    links: &mut Links<'_, '_>,
    phone_number: PhoneNumber,
    user_id: &WhatsAppUserId,
) -> Result<Outcome> {
    let (phone, user) = (phone_number.match_key(), user_id.match_key());
    let owner = |key: &MatchKey| links.unit.find_contact(&Recipient::Key(key.clone()));
    let (phone_owner, user_owner) = (owner(&phone), owner(&user));
    let contact = |entry: Option<_>| entry.and_then(|entry| links.unit.contact(entry));
    let new = match judge((&phone, contact(phone_owner)), (&user, contact(user_owner))) {
        Ok(new) => new,
        Err(outcome) => return Ok(outcome),
    };
    let entry = phone_owner.or(user_owner).ok_or_else(Error::contact_not_found)?;
    let known = if new == New::UserId { &phone } else { &user };
    let outdated = links.outdated(entry, &[known], &[&phone, &user]);
    let left = || [&phone, &user].into_iter().any(|key| links.was_left(key)).then_some(Why::Left);
    if let Some(why) = outdated.or_else(left) {
        return Ok(links.outdated_outcome(entry, why));
    }
    match new {
        New::UserId => links.link(entry, &user, Some(&phone), |profile| {
            profile.add_whatsapp_user_id(user_id.clone());
        })?,
        New::PhoneNumber => links.link(entry, &phone, Some(&user), |profile| {
            profile.set_phone_number(phone_number);
        })?,
    }
    Ok(links.linked(entry, None))
}
