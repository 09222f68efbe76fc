//! LinkIdentity and MergeContacts.

use contacts_proto::v1;
use strum::VariantArray;

use super::contact_mask::{self, Path};
use super::{consent, mask, recipient};
use crate::domain::consent::{Evidence, Source};
use crate::domain::contact::{ContactField, Recipient, parse_phone, parse_user_id};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::identity::MAX_FORMER_IDS;
use crate::domain::merge::{MergeField, MergeRules};
use crate::domain::phone::{MatchKey, PhoneError, PhoneNumber, WhatsAppUserId};
use crate::operations::identity::LinkIdentity;
use crate::operations::merge::MergeContacts;

/// Decodes the numbers and ids to add to a contact or to release from it.
pub(crate) fn decode_link(request: v1::LinkIdentityRequest) -> Result<LinkIdentity> {
    let carry_opt_in = decode_carry(&request)?;
    let person = recipient::decode(request.recipient)?;
    let (number, id) = (&request.new_phone_number, &request.new_whatsapp_user_id);
    if number.is_empty() && id.is_empty() && request.release.is_empty() {
        let message = "there is nothing to do: send new_phone_number, new_whatsapp_user_id or \
                       release";
        let field = "new_phone_number";
        return Err(Error::invalid(Reason::RequiredFieldMissing, field, message));
    }
    let phone_number = match number.as_str() {
        "" => None,
        number => Some(parse_phone("new_phone_number", number)?),
    };
    let whatsapp_user_id = match id.as_str() {
        "" => None,
        id => Some(parse_user_id("new_whatsapp_user_id", id)?),
    };
    let replaces = match (request.replaces.as_str(), &whatsapp_user_id) {
        ("", _) => None,
        (_, None) => {
            let message = "replaces needs new_whatsapp_user_id; to take a user id from the \
                           contact, send it in release";
            return Err(Error::invalid(Reason::InvalidArgument, "replaces", message));
        }
        (id, Some(new)) => {
            let old = parse_user_id("replaces", id)?;
            if old.match_key() == new.match_key() {
                let message = "replaces is the new user id itself: send the one that it replaces, \
                               or leave it out";
                return Err(Error::invalid(Reason::InvalidArgument, "replaces", message));
            }
            Some(old)
        }
    };
    // A contact has at most so many former numbers, and so many former ids.
    if request.release.len() > 2 * MAX_FORMER_IDS {
        return Err(Error::limit("release", 2 * MAX_FORMER_IDS, request.release.len()));
    }
    let release =
        request.release.iter().map(|text| decode_released(text)).collect::<Result<_>>()?;
    Ok(LinkIdentity {
        workspace_id: request.workspace_id,
        person,
        phone_number,
        whatsapp_user_id,
        replaces,
        release,
        carry_opt_in,
        etag: request.etag,
    })
}

/// Who says that the opt-in is the new identity's, too, and what shows it.
fn decode_carry(request: &v1::LinkIdentityRequest) -> Result<Option<(Source, Evidence)>> {
    if !request.carry_opt_in {
        let fields = [("source", request.source != 0), ("evidence", request.evidence.is_some())];
        if let Some((field, _)) = fields.into_iter().find(|(_, is_sent)| *is_sent) {
            let message = format!("{field} is of an opt-in that carries over: set carry_opt_in");
            return Err(Error::invalid(Reason::InvalidArgument, field, message));
        }
        return Ok(None);
    }
    let source = consent::decode_source("source", request.source)?
        .filter(|source| source.is_the_person() || *source == Source::Platform);
    let source = source.ok_or_else(|| {
        let message = "carry_opt_in needs a source that speaks for the person: WEB_FORM, \
                       INBOUND_MESSAGE, IVR, PAPER or PLATFORM";
        Error::invalid(Reason::InvalidArgument, "source", message)
    })?;
    Ok(Some((source, consent::decode_evidence(request.evidence.as_ref())?)))
}

/// A number or a user id: no text is both.
fn decode_released(text: &str) -> Result<MatchKey> {
    match PhoneNumber::parse(text) {
        Ok(number) => Ok(number.match_key()),
        Err(PhoneError::UserId) => WhatsAppUserId::parse(text)
            .map(|id| id.match_key())
            .map_err(|e| Error::invalid(Reason::InvalidWhatsappUserId, "release", e.to_string())),
        Err(e) => Err(Error::invalid(Reason::InvalidPhoneNumber, "release", e.to_string())),
    }
}

/// Decodes which two contacts are the same person, and whose values win.
pub(crate) fn decode_merge(request: v1::MergeContactsRequest) -> Result<MergeContacts> {
    let paths = mask::paths(request.take_mask).unwrap_or_default();
    let mut take = Vec::new();
    for path in &paths {
        decode_taken(path, &mut take)?;
    }
    let rules = MergeRules { take, keep_survivor_tags: request.keep_survivor_tags };
    rules.validate()?;
    Ok(MergeContacts {
        workspace_id: request.workspace_id,
        survivor: decode_contact("survivor", request.survivor)?,
        merged: decode_contact("merged", request.merged)?,
        rules,
        survivor_etag: request.survivor_etag,
        merged_etag: request.merged_etag,
    })
}

fn decode_contact(field: &str, recipient: Option<v1::Recipient>) -> Result<Recipient> {
    let recipient = recipient.ok_or_else(|| Error::required(field))?;
    recipient::decode(recipient.recipient).map_err(|error| error.in_parent(field))
}

fn decode_taken(path: &str, take: &mut Vec<MergeField>) -> Result<()> {
    let whole_field = |field: ContactField| match field {
        ContactField::FirstName => MergeField::FirstName,
        ContactField::LastName => MergeField::LastName,
        ContactField::Email => MergeField::Email,
        ContactField::Tags => MergeField::Tags,
        ContactField::Attributes => MergeField::Attributes,
        ContactField::WhatsAppUserIds => MergeField::WhatsAppUserIds,
        ContactField::ExternalId => MergeField::ExternalId,
    };
    match Path::parse(path).ok_or_else(|| unknown_taken(path))? {
        Path::All => {
            take.extend(ContactField::VARIANTS.iter().copied().map(whole_field));
            take.push(MergeField::PhoneNumber);
        }
        Path::PhoneNumber => take.push(MergeField::PhoneNumber),
        Path::Field(field) => take.push(whole_field(field)),
        Path::Attribute(id) => take.push(MergeField::Attribute(id.to_owned())),
    }
    Ok(())
}

fn unknown_taken(path: &str) -> Error {
    let shown: String = path.chars().take(64).collect();
    let paths = contact_mask::valid_paths();
    let message = format!("no field {shown:?} to take; the paths are phone_number, {paths}");
    Error::invalid(Reason::InvalidUpdateMask, "take_mask", message).with_metadata("path", shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_a_number_or_a_user_id() {
        let key = |text| decode_released(text).map_err(|e| (e.reason(), e.field().is_some()));
        let number = PhoneNumber::parse("5521987654321").expect("a number");
        assert_eq!(key("+55 21 8765-4321"), Ok(number.match_key()));
        assert_eq!(key("US.1").expect("an id").as_str(), "uUS.1");
        assert_eq!(key("US."), Err((Reason::InvalidWhatsappUserId, true)));
        assert_eq!(key("12"), Err((Reason::InvalidPhoneNumber, true)));
    }

    #[test]
    fn take_mask_paths_are_fields() {
        let take = |paths: &[&str]| {
            let mut take = Vec::new();
            let decoded = paths.iter().try_for_each(|path| decode_taken(path, &mut take));
            decoded.map(|()| take).map_err(|error| (error.reason(), error.message().to_owned()))
        };
        let city = MergeField::Attribute("city".to_owned());
        assert_eq!(take(&["tags", "attributes.city"]), Ok(vec![MergeField::Tags, city]));
        assert_eq!(take(&["*"]).expect("all").len(), 8);
        for path in ["opt_in", "contact_id", "attributes.", "name"] {
            let (reason, message) = take(&[path]).expect_err("no field");
            assert_eq!(reason, Reason::InvalidUpdateMask, "{path}");
            assert!(message.contains("first_name"), "{message}");
        }
    }

    #[test]
    fn what_shows_an_opt_in_needs_one_that_carries_over() {
        let source = v1::LinkIdentityRequest { source: 1, ..Default::default() };
        let evidence = v1::LinkIdentityRequest {
            evidence: Some(v1::OptInEvidence::default()),
            ..Default::default()
        };
        for (request, field) in [(source, "source"), (evidence, "evidence")] {
            let error = decode_carry(&request).expect_err("nothing carries over");
            assert_eq!(error.field(), Some(field));
        }
    }

    #[test]
    fn a_link_request_without_anything_to_link_is_refused() {
        let recipient = v1::link_identity_request::Recipient::PhoneNumber("15551234567".to_owned());
        let request = v1::LinkIdentityRequest {
            recipient: Some(recipient),
            ..v1::LinkIdentityRequest::default()
        };
        let error = decode_link(request.clone()).expect_err("nothing to do");
        assert_eq!(error.field(), Some("new_phone_number"));
        let many = v1::LinkIdentityRequest { release: vec!["US.1".to_owned(); 101], ..request };
        assert_eq!(decode_link(many).expect_err("many").reason(), Reason::LimitExceeded);
    }
}
