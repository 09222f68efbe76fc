//! Recipients: the oneof by which a request addresses one person.

use contacts_proto::v1;
use contacts_proto::v1::recipient::Recipient as Oneof;
use uuid::Uuid;

use crate::domain::consent::CheckReason;
use crate::domain::contact::{Recipient, parse_phone, parse_user_id};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::external_id::ExternalId;
use crate::domain::phone::{MatchKey, PhoneError, PhoneNumber, match_key_of};
use crate::opt_in::MAX_BATCH;
use crate::store::parse_id;

/// A oneof with the cases of [`v1::Recipient`].
pub(crate) trait RecipientOneof {
    /// The same case of [`v1::Recipient`].
    fn into_oneof(self) -> Oneof;
}

/// Decodes the person that a request addresses.
pub(crate) fn decode(recipient: Option<impl RecipientOneof>) -> Result<Recipient> {
    match recipient.map(RecipientOneof::into_oneof) {
        Some(Oneof::PhoneNumber(number)) => {
            Ok(Recipient::Key(parse_phone("phone_number", &number)?.match_key()))
        }
        Some(Oneof::WhatsappUserId(id)) => {
            Ok(Recipient::Key(MatchKey::user(&parse_user_id("whatsapp_user_id", &id)?)))
        }
        Some(Oneof::ExternalId(id)) => {
            Ok(Recipient::ExternalId(ExternalId::parse("external_id", &id)?))
        }
        Some(Oneof::ContactId(id)) => Ok(Recipient::Id(decode_contact_id("contact_id", &id)?)),
        None => {
            let message = "name the person: send phone_number, whatsapp_user_id, contact_id or \
                           external_id";
            Err(Error::invalid(Reason::RequiredFieldMissing, "phone_number", message))
        }
    }
}

/// Most ids in `also`.
pub(super) const MAX_ALSO: usize = 100;

/// Decodes the person that an objection names by several ids. One that cannot be read
/// does not make the objection fail, as long as another can.
pub(crate) fn decode_all(
    recipient: Option<impl RecipientOneof>,
    also: Vec<v1::Recipient>,
) -> Result<Vec<Recipient>> {
    let also = also.into_iter().take(MAX_ALSO).map(|also| decode(also.recipient));
    let mut recipients = Vec::new();
    let mut refused = None;
    for decoded in std::iter::once(decode(recipient)).chain(also) {
        match decoded {
            Ok(recipient) => recipients.push(recipient),
            Err(error) => drop(refused.get_or_insert(error)),
        }
    }
    match refused {
        Some(error) if recipients.is_empty() => Err(error),
        _ => Ok(recipients),
    }
}

/// Most ids in `also` of a check.
const MAX_CHECKED_ALSO: usize = 10;

/// Decodes the further ids of a check. One that cannot be read makes the check fail: the
/// others alone could allow what it denies.
pub(crate) fn decode_also(also: Vec<v1::Recipient>) -> Result<Vec<Recipient>> {
    if also.len() > MAX_CHECKED_ALSO {
        return Err(Error::limit("also", MAX_CHECKED_ALSO, also.len()));
    }
    let decode = |(index, also): (usize, v1::Recipient)| {
        decode(also.recipient).map_err(|error| error.in_parent(&format!("also[{index}]")))
    };
    also.into_iter().enumerate().map(decode).collect()
}

/// Decodes the people of a batch of checks: numbers as text, numbers as integers, then
/// others. What cannot be read gets the reason that it is denied for.
pub(crate) fn decode_batch(
    phone_numbers: &[String],
    phones: &[u64],
    recipients: Vec<v1::Recipient>,
) -> Result<Vec<Result<Recipient, CheckReason>>> {
    let lists = [
        ("phone_numbers", phone_numbers.len()),
        ("phones", phones.len()),
        ("recipients", recipients.len()),
    ];
    let count = lists.iter().map(|(_, count)| count).sum();
    if count > MAX_BATCH {
        let last = lists.iter().rfind(|(_, count)| *count > 0);
        return Err(Error::limit(last.map_or("phones", |(field, _)| field), MAX_BATCH, count));
    }
    let person = |key: Result<MatchKey, PhoneError>| {
        key.map(Recipient::Key).map_err(|_| CheckReason::InvalidPhoneNumber)
    };
    let of_integer = |number: &u64| PhoneNumber::from_integer(*number).map(|it| it.match_key());
    let other = |other: v1::Recipient| {
        decode(other.recipient).map_err(|error| match error.reason() {
            Reason::InvalidPhoneNumber => CheckReason::InvalidPhoneNumber,
            _ => CheckReason::InvalidRecipient,
        })
    };
    let mut people = Vec::with_capacity(count);
    people.extend(phone_numbers.iter().map(|text| person(match_key_of(text))));
    people.extend(phones.iter().map(|number| person(of_integer(number))));
    people.extend(recipients.into_iter().map(other));
    Ok(people)
}

/// Decodes a contact id, which only the server makes.
pub(crate) fn decode_contact_id(field: &str, id: &str) -> Result<Uuid> {
    parse_id(id).ok_or_else(|| {
        let message = format!(
            "{field} has to be an id this server made, such as \
             01920c5e-7b1a-7c3d-9e4f-5a6b7c8d9e0f"
        );
        Error::invalid(Reason::InvalidId, field, message)
    })
}

impl RecipientOneof for Oneof {
    fn into_oneof(self) -> Oneof {
        self
    }
}

/// Requests about one person have the cases of [`v1::Recipient`] inline, for
/// which prost generates a type per request.
macro_rules! inline_recipients {
    ($($request:ident),* $(,)?) => {$(
        impl RecipientOneof for v1::$request::Recipient {
            fn into_oneof(self) -> Oneof {
                match self {
                    Self::PhoneNumber(number) => Oneof::PhoneNumber(number),
                    Self::WhatsappUserId(id) => Oneof::WhatsappUserId(id),
                    Self::ContactId(id) => Oneof::ContactId(id),
                    Self::ExternalId(id) => Oneof::ExternalId(id),
                }
            }
        }
    )*};
}

inline_recipients!(
    get_contact_request,
    delete_contact_request,
    link_identity_request,
    export_contact_data_request,
    check_opt_in_request,
    record_opt_in_request,
    record_opt_out_request,
    record_platform_preference_request,
    list_opt_in_events_request,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_field_that_was_sent() {
        for (recipient, reason, field) in [
            (None, Reason::RequiredFieldMissing, "phone_number"),
            (Some(Oneof::PhoneNumber(String::new())), Reason::InvalidPhoneNumber, "phone_number"),
            (
                Some(Oneof::WhatsappUserId("x".to_owned())),
                Reason::InvalidWhatsappUserId,
                "whatsapp_user_id",
            ),
            (Some(Oneof::ContactId("7".to_owned())), Reason::InvalidId, "contact_id"),
            (Some(Oneof::ExternalId(" 7".to_owned())), Reason::InvalidExternalId, "external_id"),
        ] {
            let error = decode(recipient).expect_err("refused");
            assert_eq!((error.reason(), error.field()), (reason, Some(field)));
        }
    }
}
