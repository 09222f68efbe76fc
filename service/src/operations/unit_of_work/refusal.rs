//! Errors for changes that are not allowed, with what to do instead.

use crate::domain::consent::{ConsentState, Statement};
use crate::domain::contact::Contact;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::MatchKey;

/// Fails if somebody else claims an opt-in for a person who opted out or was erased.
pub fn refuse_conflict(state: &ConsentState, claim: &Statement) -> Result<()> {
    let mut claimed = claim.categories.iter().map(|category| state.get(*category));
    let Some(known) = claimed.find(|known| known.is_suppressed()) else { return Ok(()) };
    let message = "the person opted out or was erased, which only they can lift: if they agreed \
                   again themselves, record it with OptInService.RecordOptIn and the source \
                   WEB_FORM, INBOUND_MESSAGE, IVR or PAPER";
    let error = Error::new(Reason::ConsentConflict, message);
    Err(match known.event_id {
        Some(event_id) => error.with_metadata("event_id", event_id.to_string()),
        None => error,
    })
}

/// The error for a phone number or user id that a contact has or had.
pub fn already_exists(key: &MatchKey, contact: &Contact, advice: &str) -> Error {
    let id = contact.contact_id.to_string();
    let (field, what) = match key.is_phone() {
        true => ("phone_number", "phone number"),
        false => ("whatsapp_user_id", "user id"),
    };
    let former = contact.profile.is_former(key);
    let message = match (former, key.is_phone()) {
        (false, true) => format!("contact {id} has this {what}, in this or another form; {advice}"),
        (false, false) => format!("contact {id} has this {what}; {advice}"),
        (true, _) => format!(
            "this is a former {what} of contact {id}; {advice}; if it is somebody else's now, \
             release it with LinkIdentity"
        ),
    };
    let error = Error::invalid(Reason::ContactAlreadyExists, field, message)
        .with_resource("contact", id.clone())
        .with_metadata("contact_id", id);
    if former { error.with_metadata("former", "true") } else { error }
}
