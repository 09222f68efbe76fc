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

/// The recipients of a batch, in the shortest of the ways to send them: one of the lists has all.
#[derive(Default)]
pub(crate) struct BatchRecipients {
    /// Phone numbers that are digits and nothing else.
    pub(crate) phones: Vec<u64>,
    /// Phone numbers as they were passed.
    pub(crate) phone_numbers: Vec<String>,
    /// People named in any way.
    pub(crate) recipients: Vec<v1::Recipient>,
}

impl FromIterator<Recipient> for BatchRecipients {
    fn from_iter<I: IntoIterator<Item = Recipient>>(all: I) -> Self {
        let all: Vec<_> = all.into_iter().collect();
        // Other forms are left to the service, which is who says what a phone number is.
        if let Some(phones) = all.iter().map(integer).collect() {
            return Self { phones, ..Self::default() };
        }
        if !all.iter().all(|recipient| matches!(recipient, Recipient::Phone(_))) {
            return Self { recipients: all_into(all), ..Self::default() };
        }
        let text = |recipient| match recipient {
            Recipient::Phone(number) => Some(number),
            _ => None,
        };
        Self { phone_numbers: all.into_iter().filter_map(text).collect(), ..Self::default() }
    }
}

/// The digits of a phone number as an integer, which has the same digits.
fn integer(recipient: &Recipient) -> Option<u64> {
    let Recipient::Phone(number) = recipient else { return None };
    let is_plain = (1..=15).contains(&number.len())
        && !number.starts_with('0')
        && number.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| number.parse().ok())?
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

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(recipients: &[&str]) -> (Vec<u64>, Vec<String>, usize) {
        let recipients = recipients.iter().map(|text| match text.strip_prefix('#') {
            Some(id) => Recipient::ContactId(id.to_owned()),
            None => Recipient::Phone((*text).to_owned()),
        });
        let batch: BatchRecipients = recipients.collect();
        (batch.phones, batch.phone_numbers, batch.recipients.len())
    }

    #[test]
    fn only_digits_become_integers() {
        assert_eq!(batch(&[]), (vec![], vec![], 0));
        let plain = ["15551234567", "5521987654321", "12"];
        assert_eq!(batch(&plain), (vec![15_551_234_567, 5_521_987_654_321, 12], vec![], 0));
        for other in ["+15551234567", "015551234567", "", "1 555", "1555123456789012", "٩"] {
            let all = ["15551234567", other, "12"];
            assert_eq!(batch(&all), (vec![], all.map(str::to_owned).to_vec(), 0), "{other}");
        }
        assert_eq!(batch(&["15551234567", "#id", "12"]), (vec![], vec![], 3));
    }
}
