//! How a request names a person.

use contacts_proto::v1;
use contacts_proto::v1::recipient::Recipient;
use uuid::Uuid;

use crate::domain::contact::{Person, parse_phone, parse_user_id};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::MatchKey;
use crate::store::parse_id;

/// The oneof by which a request names a person.
pub trait NamesPerson {
    /// The same as of [`v1::Recipient`].
    fn recipient(self) -> Recipient;
}

/// Whom a request is about.
pub fn person(recipient: Option<impl NamesPerson>) -> Result<Person> {
    match recipient.map(NamesPerson::recipient) {
        Some(Recipient::PhoneNumber(number)) => {
            Ok(Person::Key(parse_phone("phone_number", &number)?.match_key()))
        }
        Some(Recipient::WhatsappUserId(id)) => {
            Ok(Person::Key(MatchKey::user(&parse_user_id("whatsapp_user_id", &id)?)))
        }
        Some(Recipient::ContactId(id)) => Ok(Person::Id(contact_id("contact_id", &id)?)),
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

impl NamesPerson for Recipient {
    fn recipient(self) -> Recipient {
        self
    }
}

/// Requests about one person carry the oneof of [`v1::Recipient`] inline, which
/// generates a type of its own each time.
macro_rules! inline_recipients {
    ($($request:ident),* $(,)?) => {$(
        impl NamesPerson for v1::$request::Recipient {
            fn recipient(self) -> Recipient {
                match self {
                    Self::PhoneNumber(number) => Recipient::PhoneNumber(number),
                    Self::WhatsappUserId(id) => Recipient::WhatsappUserId(id),
                    Self::ContactId(id) => Recipient::ContactId(id),
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
            (
                Some(Recipient::PhoneNumber(String::new())),
                Reason::InvalidPhoneNumber,
                "phone_number",
            ),
            (
                Some(Recipient::WhatsappUserId("x".to_owned())),
                Reason::InvalidWhatsappUserId,
                "whatsapp_user_id",
            ),
            (Some(Recipient::ContactId("7".to_owned())), Reason::InvalidId, "contact_id"),
        ] {
            let error = person(recipient).expect_err("nobody");
            assert_eq!((error.reason(), error.field()), (reason, Some(field)));
        }
    }
}
