//! The identities of a contact as the API shows them.

use chrono::TimeDelta;
use contacts_proto::v1;
use contacts_proto::v1::contact_identity::Identity as Oneof;

use super::timestamp;
use crate::domain::consent::{IdentityConsent, MessageCategory};
use crate::domain::identity::{ContactIdentity, Identity};

/// Encodes one identity with its consent.
pub(super) fn encode(identity: &ContactIdentity) -> v1::ContactIdentity {
    let own = &identity.consent.own;
    v1::ContactIdentity {
        identity: Some(match &identity.identity {
            Identity::PhoneNumber(number) => Oneof::PhoneNumber(number.to_string()),
            Identity::WhatsAppUserId(id) => Oneof::WhatsappUserId(id.to_string()),
        }),
        is_former: identity.is_former,
        join_time: own.joined.max(own.returned).map(timestamp),
        consents: encode_consents(&identity.consent, identity.max_ages),
    }
}

/// Encodes what is recorded of an identity, one entry per category.
pub(crate) fn encode_consents(
    consent: &IdentityConsent,
    max_ages: [Option<TimeDelta>; 3],
) -> Vec<v1::RecordedConsent> {
    let encode =
        |category: MessageCategory| recorded(consent, category, max_ages[category as usize]);
    MessageCategory::ALL.into_iter().map(encode).collect()
}

fn recorded(
    consent: &IdentityConsent,
    category: MessageCategory,
    max_age: Option<TimeDelta>,
) -> v1::RecordedConsent {
    use v1::{MessageCategory as Category, OptInStatus as Status};
    let objection = consent.objections.opt_out(category);
    // Nothing that was permitted counts while an erasure stands.
    let is_erased = consent.objections.erasure(category).is_some();
    let permission = consent.permission(category).filter(|_| !is_erased);
    let (status, event, time) = match (objection, permission) {
        (Some(objection), _) => (Status::OptedOut, Some(objection.event), Some(objection.time)),
        (None, Some(permission)) => {
            (Status::OptedIn, Some(permission.event), Some(permission.time))
        }
        (None, None) => (Status::NotAsked, None, None),
    };
    let expire = permission.filter(|_| objection.is_none()).and_then(|p| p.expire_under(max_age));
    let category = match category {
        MessageCategory::Marketing => Category::Marketing,
        MessageCategory::Utility => Category::Utility,
        MessageCategory::Authentication => Category::Authentication,
    };
    v1::RecordedConsent {
        category: category.into(),
        status: status.into(),
        event_id: event.map(|id| id.to_string()).unwrap_or_default(),
        occurred_time: time.map(timestamp),
        expire_time: expire.map(timestamp),
    }
}
