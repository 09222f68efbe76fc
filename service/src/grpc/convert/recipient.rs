//! How a request names a person.

use contacts_proto::v1;
use contacts_proto::v1::recipient::Recipient as Name;
use uuid::Uuid;

use crate::domain::contact::{Recipient, parse_phone, parse_user_id};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::MatchKey;
use crate::store::parse_id;

/// The oneof by which a request names a person.
pub trait NamesRecipient {
    /// The same as of [`v1::Recipient`].
    fn name(self) -> Name;
}

/// Whom a request is about.
pub fn decode_recipient(recipient: Option<impl NamesRecipient>) -> Result<Recipient> {
    match recipient.map(NamesRecipient::name) {
        Some(Name::PhoneNumber(number)) => {
            Ok(Recipient::Key(parse_phone("phone_number", &number)?.match_key()))
        }
        Some(Name::WhatsappUserId(id)) => {
            Ok(Recipient::Key(MatchKey::user(&parse_user_id("whatsapp_user_id", &id)?)))
        }
        Some(Name::ContactId(id)) => Ok(Recipient::Id(contact_id("contact_id", &id)?)),
        None => {
            let message = "name the person: send phone_number, whatsapp_user_id or contact_id";
            Err(Error::invalid(Reason::RequiredFieldMissing, "phone_number", message))
        }
    }
}

/// Reads an id the server made.
pub fn contact_id(field: &str, id: &str) -> Result<Uuid> {
    parse_id(id).ok_or_else(|| {
        let message = format!(
            "{field} has to be an id this server made, such as \
             01920c5e-7b1a-7c3d-9e4f-5a6b7c8d9e0f"
        );
        Error::invalid(Reason::InvalidId, field, message)
    })
}

impl NamesRecipient for Name {
    fn name(self) -> Name {
        self
    }
}

/// Requests about one person carry the oneof of [`v1::Recipient`] inline, which
/// generates a type of its own each time.
macro_rules! inline_recipients {
    ($($request:ident),* $(,)?) => {$(
        impl NamesRecipient for v1::$request::Recipient {
            fn name(self) -> Name {
                match self {
                    Self::PhoneNumber(number) => Name::PhoneNumber(number),
                    Self::WhatsappUserId(id) => Name::WhatsappUserId(id),
                    Self::ContactId(id) => Name::ContactId(id),
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
    fn errors_name_the_field_that_was_sent() {
        for (recipient, reason, field) in [
            (None, Reason::RequiredFieldMissing, "phone_number"),
            (Some(Name::PhoneNumber(String::new())), Reason::InvalidPhoneNumber, "phone_number"),
            (
                Some(Name::WhatsappUserId("x".to_owned())),
                Reason::InvalidWhatsappUserId,
                "whatsapp_user_id",
            ),
            (Some(Name::ContactId("7".to_owned())), Reason::InvalidId, "contact_id"),
        ] {
            let error = decode_recipient(recipient).expect_err("nobody");
            assert_eq!((error.reason(), error.field()), (reason, Some(field)));
        }
    }
}
