//! Contacts. The stored record is already encoded as the API sends it, see
//! [`wire_contact`].

use std::collections::{BTreeMap, BTreeSet};

use contacts_proto::v1;
use prost::Message;

use super::recipient::MAX_ALSO;
use super::{attribute, decode_enum, output_only};
use crate::domain::Time;
use crate::domain::attribute::AttributeValue;
use crate::domain::contact::{Profile, View, parse_phone, parse_user_id};
use crate::domain::error::{Error, Result};
use crate::domain::external_id::ExternalId;
use crate::domain::identity::MAX_USER_IDS;
use crate::domain::phone::{PhoneNumber, WhatsAppUserId};
use crate::store::{ContactRow, Receipt, timestamp, wire_contact};

const OPT_IN_ADVICE: &str = "consent is recorded with OptInService.RecordOptIn and RecordOptOut, \
                             or with the consent block of an import";

/// Encodes a stored contact.
pub(crate) fn encode(row: &ContactRow, view: View, now: Time) -> Result<v1::Contact> {
    v1::Contact::decode(wire_contact(row, view, now)).map_err(Error::internal)
}

/// Encodes the receipt of a deletion.
pub(crate) fn encode_receipt(receipt: Receipt) -> v1::DeletionReceipt {
    v1::DeletionReceipt {
        receipt_id: receipt.receipt_id.to_string(),
        contact_id: receipt.contact_id.to_string(),
        reason: receipt.reason,
        delete_time: Some(timestamp(receipt.delete_time)),
    }
}

/// Decodes how much of a contact to return.
pub(crate) fn decode_view(view: i32) -> Result<View> {
    Ok(match decode_enum("view", view)? {
        v1::ContactView::Basic => View::Basic,
        v1::ContactView::Unspecified | v1::ContactView::Full => View::Full,
    })
}

/// Decodes a contact to create. Its phone number and user id are validated here,
/// the rest by the operation, which has the workspace's definitions.
pub(crate) fn decode_new(contact: v1::Contact) -> Result<Profile> {
    if !contact.contact_id.is_empty() {
        return Err(output_only("contact.contact_id", "leave it out"));
    }
    if !contact.etag.is_empty() {
        return Err(output_only("contact.etag", "leave it out; it goes with changes"));
    }
    refuse_output_only(&contact, "leave it out")?;
    Ok(Profile {
        phone_number: decode_phone(&contact)?,
        whatsapp_user_ids: decode_user_ids(&contact)?,
        external_id: decode_external_id(&contact)?,
        first_name: contact.first_name,
        last_name: contact.last_name,
        email: contact.email,
        tags: contact.tags.into_iter().collect(),
        attributes: decode_attributes(contact.attributes)?,
        ..Profile::default()
    })
}

/// Refuses fields that no caller may set, in a new contact or an update.
pub(super) fn refuse_output_only(contact: &v1::Contact, advice: &str) -> Result<()> {
    if contact.opt_in.is_some() {
        return Err(opt_in_is_elsewhere());
    }
    for (field, set) in [
        ("contact.create_time", contact.create_time.is_some()),
        ("contact.update_time", contact.update_time.is_some()),
        ("contact.former_phone_numbers", !contact.former_phone_numbers.is_empty()),
        ("contact.former_whatsapp_user_ids", !contact.former_whatsapp_user_ids.is_empty()),
        ("contact.merged_contact_ids", !contact.merged_contact_ids.is_empty()),
        ("contact.merged_external_ids", !contact.merged_external_ids.is_empty()),
        ("contact.identities", !contact.identities.is_empty()),
    ] {
        if set {
            return Err(output_only(field, advice));
        }
    }
    Ok(())
}

/// The error for consent sent with a contact.
pub(super) fn opt_in_is_elsewhere() -> Error {
    output_only("contact.opt_in", OPT_IN_ADVICE)
}

/// Decodes the phone number. None if it is empty.
pub(super) fn decode_phone(contact: &v1::Contact) -> Result<Option<PhoneNumber>> {
    match contact.phone_number.as_str() {
        "" => Ok(None),
        number => parse_phone("contact.phone_number", number).map(Some),
    }
}

/// Decodes the WhatsApp user ids.
pub(super) fn decode_user_ids(contact: &v1::Contact) -> Result<Vec<WhatsAppUserId>> {
    let ids = &contact.whatsapp_user_ids;
    if ids.len() > MAX_USER_IDS {
        return Err(Error::limit("contact.whatsapp_user_ids", MAX_USER_IDS, ids.len()));
    }
    let mut decoded = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let id =
            parse_user_id("contact.whatsapp_user_ids", id).map_err(|error| match ids.len() {
                1 => error,
                _ => error.with_advice(&format!("it is whatsapp_user_ids[{index}]")),
            })?;
        if !decoded.contains(&id) {
            decoded.push(id);
        }
    }
    Ok(decoded)
}

/// Decodes the business's own id. None if it is empty.
pub(super) fn decode_external_id(contact: &v1::Contact) -> Result<Option<ExternalId>> {
    match contact.external_id.as_str() {
        "" => Ok(None),
        id => ExternalId::parse("contact.external_id", id).map(Some),
    }
}

/// Decodes whatever names the person, without what cannot be read: also more user ids than a contact
/// can have, as many as further ids of an objection.
pub(super) fn decode_readable_ids(contact: &v1::Contact) -> Profile {
    let ids = contact.whatsapp_user_ids.iter().take(MAX_ALSO);
    let ids: BTreeSet<_> = ids.filter_map(|id| WhatsAppUserId::parse(id).ok()).collect();
    Profile {
        phone_number: PhoneNumber::parse(&contact.phone_number).ok(),
        whatsapp_user_ids: ids.into_iter().collect(),
        external_id: decode_external_id(contact).ok().flatten(),
        ..Profile::default()
    }
}

/// Decodes attribute values.
pub(super) fn decode_attributes(
    attributes: BTreeMap<String, v1::AttributeValue>,
) -> Result<BTreeMap<String, AttributeValue>> {
    let decode = |(id, value): (String, v1::AttributeValue)| {
        let value = attribute::decode_required_value(&id, value)?;
        Ok((id, value))
    };
    attributes.into_iter().map(decode).collect()
}

#[cfg(test)]
mod tests {
    use contacts_proto::Timestamp;

    use super::*;
    use crate::domain::error::Reason;

    #[test]
    fn fields_that_only_the_server_sets_are_refused() {
        let contact = v1::Contact::default;
        let one = || vec!["1".to_owned()];
        for (sent, field) in [
            (v1::Contact { contact_id: "x".to_owned(), ..contact() }, "contact.contact_id"),
            (v1::Contact { etag: "v1".to_owned(), ..contact() }, "contact.etag"),
            (
                v1::Contact { opt_in: Some(v1::OptInSummary::default()), ..contact() },
                "contact.opt_in",
            ),
            (
                v1::Contact { create_time: Some(Timestamp::default()), ..contact() },
                "contact.create_time",
            ),
            (
                v1::Contact { update_time: Some(Timestamp::default()), ..contact() },
                "contact.update_time",
            ),
            (
                v1::Contact { former_phone_numbers: one(), ..contact() },
                "contact.former_phone_numbers",
            ),
            (
                v1::Contact { former_whatsapp_user_ids: one(), ..contact() },
                "contact.former_whatsapp_user_ids",
            ),
            (v1::Contact { merged_contact_ids: one(), ..contact() }, "contact.merged_contact_ids"),
            (
                v1::Contact { merged_external_ids: one(), ..contact() },
                "contact.merged_external_ids",
            ),
            (
                v1::Contact { identities: vec![v1::ContactIdentity::default()], ..contact() },
                "contact.identities",
            ),
        ] {
            let error = decode_new(sent).expect_err("refused");
            assert_eq!((error.reason(), error.field()), (Reason::OutputOnlyField, Some(field)));
            let points_to_opt_in = error.message().contains("OptInService");
            assert_eq!(points_to_opt_in, field == "contact.opt_in", "{error}");
        }
    }

    #[test]
    fn an_attribute_without_a_value_is_refused() {
        let attributes = BTreeMap::from([("city".to_owned(), v1::AttributeValue::default())]);
        let error = decode_new(v1::Contact { attributes, ..v1::Contact::default() });
        let error = error.expect_err("no value");
        assert_eq!(error.reason(), Reason::WrongAttributeType);
        assert_eq!(error.field(), Some("contact.attributes.city"));
    }
}
