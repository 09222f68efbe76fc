use contacts_proto::v1;

use super::{FromProto, all, count, non_empty};
use crate::model::{
    WebhookCounts, WebhookOutcome, WebhookReport, WebhookResult, WebhookStatementKind,
};

impl FromProto<v1::IngestWhatsAppWebhookResponse> for WebhookReport {
    fn from_proto(message: v1::IngestWhatsAppWebhookResponse) -> Self {
        let ignored = message.ignored.into_iter();
        Self {
            results: all(message.results),
            counts: WebhookCounts::from_proto(message.counts.unwrap_or_default()),
            ignored: ignored.map(|(why, number)| (why, count(number))).collect(),
            signature_verified: message.signature_verified,
        }
    }
}

impl FromProto<v1::WebhookResult> for WebhookResult {
    fn from_proto(message: v1::WebhookResult) -> Self {
        Self {
            entry: count(message.entry),
            change: count(message.change),
            kind: WebhookStatementKind::from_proto(message.kind),
            outcome: WebhookOutcome::from_proto(message.outcome),
            contact_id: non_empty(message.contact_id),
            event_id: non_empty(message.event_id),
            other_contact_id: non_empty(message.other_contact_id),
            path: non_empty(message.path),
            message: non_empty(message.message),
        }
    }
}

impl FromProto<v1::WebhookCounts> for WebhookCounts {
    fn from_proto(message: v1::WebhookCounts) -> Self {
        Self {
            recorded: count(message.recorded),
            linked: count(message.linked),
            already_applied: count(message.already_applied),
            already_linked: count(message.already_linked),
            unknown_contact: count(message.unknown_contact),
            contradicts: count(message.contradicts),
            outdated: count(message.outdated),
            refused: count(message.refused),
            unreadable: count(message.unreadable),
        }
    }
}
