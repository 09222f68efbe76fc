use contacts_proto::v1::{self, attribute_value::Value};

use super::{FromProto, IntoProto, non_empty, time};
use crate::model::{
    AttributeValue, Contact, ContactIdentity, DeleteReason, DeletionReceipt, NewContact,
    OptInSummary, Recipient, RecordedConsent,
};

impl FromProto<v1::Contact> for Contact {
    fn from_proto(message: v1::Contact) -> Self {
        let attributes = message.attributes.into_iter();
        Self {
            contact_id: message.contact_id,
            phone_number: non_empty(message.phone_number),
            whatsapp_user_ids: message.whatsapp_user_ids,
            external_id: non_empty(message.external_id),
            first_name: non_empty(message.first_name),
            last_name: non_empty(message.last_name),
            email: non_empty(message.email),
            tags: message.tags,
            attributes: attributes
                .map(|(id, value)| (id, AttributeValue::from_proto(value)))
                .collect(),
            former_phone_numbers: message.former_phone_numbers,
            former_whatsapp_user_ids: message.former_whatsapp_user_ids,
            merged_contact_ids: message.merged_contact_ids,
            merged_external_ids: message.merged_external_ids,
            identities: message.identities.into_iter().filter_map(identity).collect(),
            opt_in: message.opt_in.map(OptInSummary::from_proto).unwrap_or_default(),
            create_time: time(message.create_time),
            update_time: time(message.update_time),
            etag: message.etag,
        }
    }
}

/// None for a kind of identity that this version does not know.
fn identity(message: v1::ContactIdentity) -> Option<ContactIdentity> {
    let identity = match message.identity? {
        v1::contact_identity::Identity::PhoneNumber(number) => Recipient::Phone(number),
        v1::contact_identity::Identity::WhatsappUserId(id) => Recipient::WhatsAppUserId(id),
    };
    Some(ContactIdentity {
        identity,
        is_former: message.is_former,
        join_time: time(message.join_time),
        consents: message.consents.into_iter().map(RecordedConsent::from_proto).collect(),
    })
}

impl IntoProto<v1::Contact> for NewContact {
    fn into_proto(self) -> v1::Contact {
        let attributes = self.attributes.into_iter();
        v1::Contact {
            phone_number: self.phone_number,
            whatsapp_user_ids: self.whatsapp_user_ids,
            external_id: self.external_id,
            first_name: self.first_name,
            last_name: self.last_name,
            email: self.email,
            tags: self.tags,
            attributes: attributes.map(|(id, value)| (id, value.into_proto())).collect(),
            ..v1::Contact::default()
        }
    }
}

impl FromProto<v1::AttributeValue> for AttributeValue {
    fn from_proto(message: v1::AttributeValue) -> Self {
        match message.value {
            Some(Value::String(text)) => Self::String(text),
            Some(Value::Number(number)) => Self::Number(number),
            Some(Value::Bool(value)) => Self::Bool(value),
            Some(Value::Timestamp(timestamp)) => {
                time(Some(timestamp)).map_or(Self::Unknown, Self::Timestamp)
            }
            None => Self::Unknown,
        }
    }
}

impl IntoProto<v1::AttributeValue> for AttributeValue {
    fn into_proto(self) -> v1::AttributeValue {
        let value = match self {
            Self::String(text) => Some(Value::String(text)),
            Self::Number(number) => Some(Value::Number(number)),
            Self::Bool(value) => Some(Value::Bool(value)),
            Self::Timestamp(time) => Some(Value::Timestamp(time.into())),
            Self::Unknown => None,
        };
        v1::AttributeValue { value }
    }
}

impl FromProto<v1::DeletionReceipt> for DeletionReceipt {
    fn from_proto(message: v1::DeletionReceipt) -> Self {
        Self {
            receipt_id: message.receipt_id,
            contact_id: message.contact_id,
            reason: DeleteReason::from_proto(message.reason),
            delete_time: time(message.delete_time),
        }
    }
}

impl IntoProto<v1::Recipient> for Recipient {
    fn into_proto(self) -> v1::Recipient {
        v1::Recipient { recipient: Some(self.into_proto()) }
    }
}

/// Every request about a single person has the same oneof, with a generated type of its own.
macro_rules! recipients {
    ($($request:ident)*) => {$(
        impl IntoProto<v1::$request::Recipient> for Recipient {
            fn into_proto(self) -> v1::$request::Recipient {
                match self {
                    Self::Phone(number) => v1::$request::Recipient::PhoneNumber(number),
                    Self::WhatsAppUserId(id) => v1::$request::Recipient::WhatsappUserId(id),
                    Self::ContactId(id) => v1::$request::Recipient::ContactId(id),
                    Self::ExternalId(id) => v1::$request::Recipient::ExternalId(id),
                }
            }
        }
    )*};
}

recipients! {
    recipient get_contact_request delete_contact_request link_identity_request
    export_contact_data_request
    check_opt_in_request
    record_opt_in_request record_opt_out_request record_platform_preference_request
    list_opt_in_events_request
}
