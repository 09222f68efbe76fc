//! What cannot be done to people, and what to do instead.

use crate::domain::consent::{EvidenceField, MessageCategory, NoEffect};
use crate::domain::contact::Contact;
use crate::domain::error::{Error, Reason};
use crate::domain::phone::MatchKey;

/// The error for consent that others claim and that does not count.
pub fn consent_conflict(why: NoEffect) -> Error {
    let conflict = |message: &str| Error::new(Reason::ConsentConflict, message);
    match why {
        NoEffect::Objected { event } | NoEffect::Erased { event } => conflict(
            "the person opted out or was erased, which only they can lift: if they agreed again \
             themselves, record it with OptInService.RecordOptIn and the source WEB_FORM, \
             INBOUND_MESSAGE, IVR or PAPER",
        )
        .with_metadata("event_id", event.to_string()),
        NoEffect::OlderThanKnown => conflict(
            "the opt-in has no time, or one before what is known of the person: send the time at which \
             they agreed, or leave out their consent",
        ),
        NoEffect::DoesNotWiden => conflict(
            "the person agreed until a time, which only they can extend: if they agreed again \
             themselves, record it with OptInService.RecordOptIn and the source WEB_FORM, \
             INBOUND_MESSAGE, IVR or PAPER",
        ),
        NoEffect::FormerIdentity | NoEffect::NotOfThisPerson => conflict(
            "the opt-in names an identity that is not the contact's: name the one that the person \
             agreed under",
        ),
        NoEffect::BeforeHolder => conflict(
            "the opt-in is from before this number or user id was released or erased, from while it was \
             a former one, or from before the contact with this id was merged into another, so it may \
             be of somebody else: record it again when this person agrees",
        ),
    }
}

/// Completes the error for an opt-in that conflicts in some of its categories only.
pub(super) fn only_of(conflict: Error, categories: &[MessageCategory]) -> Error {
    let names = categories.iter().map(|c| format!("MESSAGE_CATEGORY_{}", c.name().to_uppercase()));
    let names = names.collect::<Vec<_>>().join(",");
    let advice = format!("nothing was recorded: send the other categories without {names}");
    conflict.with_advice(&advice).with_metadata("categories", names)
}

/// The error for an opt-in without what the policy requires of its evidence.
pub fn evidence_required(missing: &[EvidenceField]) -> Error {
    let names: Vec<&str> = missing.iter().map(Into::into).collect();
    let listed = names.join(", ");
    let message = format!(
        "the workspace's opt_in_policy requires the evidence fields {listed}: send what the \
         person agreed to, or change the policy with WorkspaceService.UpdateWorkspace"
    );
    let first = names.first().copied().unwrap_or_default();
    Error::invalid(Reason::EvidenceRequired, format!("evidence.{first}"), message)
        .with_metadata("fields", names.join(","))
}

/// The error for a number or user id that a contact had before: it may be somebody
/// else's by now.
pub fn former_identity(key: &MatchKey, contact: &Contact) -> Error {
    let id = contact.contact_id.to_string();
    let what = if key.is_phone() { "phone number" } else { "user id" };
    let field = if key.is_phone() { "phone_number" } else { "whatsapp_user_ids" };
    let message = format!(
        "this is a former {what} of contact {id} and may be somebody else's by now: name the \
         contact by contact_id if you mean it; if the {what} is somebody else's, release it \
         first with ContactService.LinkIdentity and release"
    );
    Error::invalid(Reason::FormerIdentity, field, message)
        .with_resource("contact", id.clone())
        .with_metadata("contact_id", id)
}

/// The error for an external id that another contact has.
pub fn external_id_exists(contact: &Contact) -> Error {
    let id = contact.contact_id.to_string();
    let message = format!(
        "contact {id} has this external id; change it there with UpdateContact, or, if the two are \
         one person, join them with MergeContacts"
    );
    Error::invalid(Reason::ContactAlreadyExists, "external_id", message)
        .with_resource("contact", id.clone())
        .with_metadata("contact_id", id)
}

/// The error for a number or user id that a contact has, or had before.
pub fn already_exists(key: &MatchKey, contact: &Contact, advice: &str) -> Error {
    let id = contact.contact_id.to_string();
    let (field, what) = match key.is_phone() {
        true => ("phone_number", "phone number"),
        false => ("whatsapp_user_ids", "user id"),
    };
    let former = contact.profile.is_former(key);
    let message = match (former, key.is_phone()) {
        (false, true) => format!("contact {id} has this {what}, in this or another form; {advice}"),
        (false, false) => format!("contact {id} has this {what}; {advice}"),
        (true, _) => format!(
            "this is a former {what} of contact {id}: if it is somebody else's now, release it \
             with ContactService.LinkIdentity and release; otherwise {advice}"
        ),
    };
    let error = Error::invalid(Reason::ContactAlreadyExists, field, message)
        .with_resource("contact", id.clone())
        .with_metadata("contact_id", id);
    if former { error.with_metadata("former", "true") } else { error }
}
