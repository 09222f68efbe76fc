use contacts_proto::v1;

use super::{FromProto, all, non_empty, time};
use crate::model::{
    Contact, ContactData, MessageCategory, OptInStatus, RecordedConsent,
    RecordedPlatformPreference, StoredResponse,
};

impl FromProto<v1::ExportContactDataResponse> for ContactData {
    fn from_proto(message: v1::ExportContactDataResponse) -> Self {
        Self {
            contact: message.contact.map(Contact::from_proto),
            consents: all(message.consents),
            platform_preferences: all(message.platform_preferences),
            events: all(message.events),
            events_page_token: non_empty(message.events_page_token),
            stored_responses: all(message.stored_responses),
            more_stored_responses: message.more_stored_responses,
            receipts: all(message.receipts),
            export_time: time(message.export_time),
        }
    }
}

impl FromProto<v1::RecordedConsent> for RecordedConsent {
    fn from_proto(message: v1::RecordedConsent) -> Self {
        Self {
            category: MessageCategory::from_proto(message.category),
            status: OptInStatus::from_proto(message.status),
            event_id: non_empty(message.event_id),
            occurred_time: time(message.occurred_time),
            expire_time: time(message.expire_time),
        }
    }
}

impl FromProto<v1::RecordedPlatformPreference> for RecordedPlatformPreference {
    fn from_proto(message: v1::RecordedPlatformPreference) -> Self {
        Self {
            stopped: message.preference() != v1::PlatformPreference::Resume,
            sender_phone_number_id: non_empty(message.sender_phone_number_id),
            occurred_time: time(message.occurred_time),
            event_id: message.event_id,
        }
    }
}

impl FromProto<v1::StoredResponse> for StoredResponse {
    fn from_proto(message: v1::StoredResponse) -> Self {
        Self {
            request_id: message.request_id,
            method: message.method,
            create_time: time(message.create_time),
        }
    }
}
