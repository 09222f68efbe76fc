use contacts_proto::v1;

use super::{FromProto, IntoProto, all, all_into, non_empty, time};
use crate::error::{Error, Result};
use crate::model::{
    BatchCheckResult, CheckOutcome, CheckReason, CheckResult, Decision, Evidence, OptInEvent,
    OptInEventKind, OptInSource, OptInStatus, OptInSummary, Recipient,
};

impl FromProto<v1::OptInSummary> for OptInSummary {
    fn from_proto(message: v1::OptInSummary) -> Self {
        Self {
            marketing: OptInStatus::from_proto(message.marketing),
            utility: OptInStatus::from_proto(message.utility),
            authentication: OptInStatus::from_proto(message.authentication),
            update_time: time(message.update_time),
        }
    }
}

impl FromProto<v1::CheckOptInResponse> for CheckResult {
    fn from_proto(message: v1::CheckOptInResponse) -> Self {
        Self {
            decision: Decision::from_proto(message.decision),
            reason: CheckReason::from_proto(message.reason),
            recipient_index: usize::try_from(message.recipient_index).unwrap_or_default(),
            contact_id: non_empty(message.contact_id),
            event_id: non_empty(message.event_id),
            consent_time: time(message.consent_time),
            check_time: time(message.check_time),
            receipt: non_empty(message.receipt),
        }
    }
}

/// The recipients of a batch: packed if all are phone numbers, which is shorter.
pub(crate) fn batch_recipients(recipients: Vec<Recipient>) -> (Vec<String>, Vec<v1::Recipient>) {
    if !recipients.iter().all(|recipient| matches!(recipient, Recipient::Phone(_))) {
        return (Vec::new(), all_into(recipients));
    }
    let number = |recipient| match recipient {
        Recipient::Phone(number) => Some(number),
        _ => None,
    };
    (recipients.into_iter().filter_map(number).collect(), Vec::new())
}

/// The results of a batch, or an error if there is not exactly one for each recipient: results belong
/// to recipients by index alone, so that one too few or too many makes all of them worthless.
pub(crate) fn batch_result(
    requested: usize,
    decisions: &[i32],
    reasons: &[i32],
    check_time: Option<contacts_proto::Timestamp>,
) -> Result<BatchCheckResult> {
    if decisions.len() != requested || reasons.len() != requested {
        return Err(Error::invalid_response(format!(
            "{requested} recipients were checked, but the response has {} decisions and {} reasons",
            decisions.len(),
            reasons.len(),
        )));
    }
    let outcomes =
        decisions.iter().zip(reasons).enumerate().map(|(index, (decision, reason))| CheckOutcome {
            index,
            decision: Decision::from_proto(*decision),
            reason: CheckReason::from_proto(*reason),
        });
    Ok(BatchCheckResult { outcomes: outcomes.collect(), check_time: time(check_time) })
}

impl FromProto<v1::OptInEvidence> for Evidence {
    fn from_proto(message: v1::OptInEvidence) -> Self {
        Self {
            wording: message.wording,
            wording_version: message.wording_version,
            business_name: message.business_name,
            url: message.url,
            message_id: message.message_id,
            actor: message.actor,
        }
    }
}

impl IntoProto<v1::OptInEvidence> for Evidence {
    fn into_proto(self) -> v1::OptInEvidence {
        v1::OptInEvidence {
            wording: self.wording,
            wording_version: self.wording_version,
            business_name: self.business_name,
            url: self.url,
            message_id: self.message_id,
            actor: self.actor,
        }
    }
}

impl FromProto<v1::OptInEvent> for OptInEvent {
    fn from_proto(message: v1::OptInEvent) -> Self {
        Self {
            event_id: message.event_id,
            contact_id: non_empty(message.contact_id),
            kind: OptInEventKind::from_proto(message.kind),
            status: OptInStatus::from_proto(message.status),
            sender_phone_number_id: non_empty(message.sender_phone_number_id),
            categories: all(message.categories),
            source: OptInSource::from_proto(message.source),
            evidence: message.evidence.map(Evidence::from_proto).unwrap_or_default(),
            reason_text: message.reason_text,
            occurred_time: time(message.occurred_time),
            record_time: time(message.record_time),
            expire_time: time(message.expire_time),
            changed_categories: all(message.changed_categories),
        }
    }
}
