//! Consent: statements to decode, events and checks to encode.

use contacts_proto::v1;

use super::{decode_enum, time};
use crate::domain::consent::{
    ALL_SENDERS, CheckReason, ConsentEvent, Decision, EventChange, EventKind, Evidence,
    MessageCategory, OptInStatus, PASSED_ON_ACTOR, PlatformStatement, Sending, Source, Statement,
    is_sender,
};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::text;
use crate::opt_in::CheckOutcome;
use crate::store::timestamp;

/// The limit of evidence and reasons.
const FREE_TEXT: text::TextLimit = text::DESCRIPTION;

/// Decodes the category of a check.
fn decode_category(category: i32) -> Result<MessageCategory> {
    Ok(match decode_enum("category", category)? {
        v1::MessageCategory::Unspecified | v1::MessageCategory::Marketing => {
            MessageCategory::Marketing
        }
        v1::MessageCategory::Utility => MessageCategory::Utility,
        v1::MessageCategory::Authentication => MessageCategory::Authentication,
    })
}

/// Decodes what is about to be sent.
pub(crate) fn decode_sending(category: i32, sender_phone_number_id: &str) -> Result<Sending<'_>> {
    validate_sender(sender_phone_number_id)?;
    Ok(Sending { category: decode_category(category)?, sender_phone_number_id })
}

fn validate_sender(sender_phone_number_id: &str) -> Result<()> {
    if sender_phone_number_id == ALL_SENDERS || is_sender(sender_phone_number_id) {
        return Ok(());
    }
    let message = "sender_phone_number_id has to be the id Meta gave the sending number, such as \
                   106540352242922, or empty";
    Err(Error::invalid(Reason::InvalidArgument, "sender_phone_number_id", message))
}

/// Decodes what a person told WhatsApp.
pub(crate) fn decode_platform(
    request: &v1::RecordPlatformPreferenceRequest,
) -> Result<PlatformStatement> {
    let stopped = match decode_enum("preference", request.preference)? {
        v1::PlatformPreference::Stop => true,
        v1::PlatformPreference::Resume => false,
        v1::PlatformPreference::Unspecified => {
            let message = "preference is required: send PLATFORM_PREFERENCE_STOP or \
                           PLATFORM_PREFERENCE_RESUME";
            return Err(Error::invalid(Reason::RequiredFieldMissing, "preference", message));
        }
    };
    let sender = validate_sender(&request.sender_phone_number_id);
    let evidence = decode_evidence(request.evidence.as_ref());
    let occurred_time = time::decode_optional("occurred_time", request.occurred_time);
    let statement = |sender: &str, evidence, occurred_time| PlatformStatement {
        stopped,
        sender_phone_number_id: sender.to_owned(),
        evidence,
        occurred_time,
    };
    if stopped {
        // A stop is not refused for what comes with it.
        let sender = sender.map_or(ALL_SENDERS, |()| &request.sender_phone_number_id);
        let occurred_time = occurred_time.unwrap_or_default();
        return Ok(statement(sender, evidence.unwrap_or_default(), occurred_time));
    }
    sender?;
    Ok(statement(&request.sender_phone_number_id, evidence?, occurred_time?))
}

/// Decodes what a person agreed to.
pub(crate) fn decode_opt_in(request: &v1::RecordOptInRequest) -> Result<Statement> {
    let source = decode_source("source", request.source)?.ok_or_else(|| {
        let message = "source is required: say how the opt-in reached you, such as \
                       OPT_IN_SOURCE_WEB_FORM";
        Error::invalid(Reason::RequiredFieldMissing, "source", message)
    })?;
    Ok(Statement {
        status: OptInStatus::OptedIn,
        categories: decode_categories(&request.categories)?,
        source,
        evidence: decode_evidence(request.evidence.as_ref())?,
        reason_text: String::new(),
        occurred_time: time::decode_optional("occurred_time", request.occurred_time)?,
        expire_time: time::decode_optional("expire_time", request.expire_time)?,
    })
}

/// Decodes what a person objected to. An objection is never refused for what comes with
/// it: a text that is too long is cut, a time that cannot be read is left out, and
/// categories or a source that are not known are taken for all, and for none.
pub(crate) fn decode_opt_out(request: &v1::RecordOptOutRequest) -> Result<Statement> {
    Ok(objection(
        &request.categories,
        request.source,
        &request.reason_text,
        request.occurred_time,
        Source::Api,
    ))
}

fn objection(
    categories: &[i32],
    source: i32,
    reason_text: &str,
    occurred_time: Option<contacts_proto::Timestamp>,
    default_source: Source,
) -> Statement {
    let source = decode_source("source", source).ok().flatten();
    Statement {
        status: OptInStatus::OptedOut,
        categories: decode_categories(categories).unwrap_or_else(|_| MessageCategory::ALL.to_vec()),
        source: source.unwrap_or(default_source),
        evidence: Evidence::default(),
        reason_text: cut_text(reason_text),
        occurred_time: time::decode_optional("occurred_time", occurred_time).unwrap_or_default(),
        expire_time: None,
    }
}

/// What fits of a text, with a note if something was cut.
fn cut_text(text: &str) -> String {
    const CUT: &str = " […]";
    if text::validate_field("reason_text", text, FREE_TEXT).is_ok() {
        return text.to_owned();
    }
    let room = FREE_TEXT.max_chars - CUT.chars().count();
    let readable = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    let mut cut: String = readable.take(room).collect();
    cut.push_str(CUT);
    match text::validate_field("reason_text", &cut, FREE_TEXT) {
        Ok(()) => cut,
        Err(_) => String::new(),
    }
}

/// Decodes the consent block of an import or of one of its rows.
pub(crate) fn decode_import(consent: Option<v1::ImportConsent>) -> Result<Option<Statement>> {
    let decode = |consent: v1::ImportConsent| {
        let status = match decode_enum("status", consent.status)? {
            v1::OptInStatus::OptedIn => OptInStatus::OptedIn,
            v1::OptInStatus::OptedOut => OptInStatus::OptedOut,
            v1::OptInStatus::Unspecified | v1::OptInStatus::NotAsked => {
                let message = "status has to be OPT_IN_STATUS_OPTED_IN or \
                               OPT_IN_STATUS_OPTED_OUT; leave consent out to not touch it";
                return Err(Error::invalid(Reason::InvalidArgument, "status", message));
            }
        };
        if status == OptInStatus::OptedOut {
            let evidence = decode_evidence(consent.evidence.as_ref()).unwrap_or_default();
            let (categories, time) = (&consent.categories, consent.occurred_time);
            let statement = objection(categories, consent.source, "", time, Source::Import);
            return Ok(Statement { evidence, ..statement });
        }
        Ok(Statement {
            status,
            categories: decode_categories(&consent.categories)?,
            source: decode_source("source", consent.source)?.unwrap_or(Source::Import),
            evidence: decode_evidence(consent.evidence.as_ref())?,
            reason_text: String::new(),
            occurred_time: time::decode_optional("occurred_time", consent.occurred_time)?,
            expire_time: None,
        })
    };
    consent.map(decode).transpose().map_err(|error: Error| error.in_parent("consent"))
}

/// Decodes categories. None means all.
fn decode_categories(categories: &[i32]) -> Result<Vec<MessageCategory>> {
    if categories.is_empty() {
        return Ok(MessageCategory::ALL.to_vec());
    }
    let decode = |category: &i32| match decode_enum("categories", *category)? {
        v1::MessageCategory::Marketing => Ok(MessageCategory::Marketing),
        v1::MessageCategory::Utility => Ok(MessageCategory::Utility),
        v1::MessageCategory::Authentication => Ok(MessageCategory::Authentication),
        v1::MessageCategory::Unspecified => {
            let message = "categories: MESSAGE_CATEGORY_UNSPECIFIED means nothing here; \
                           send no categories to mean all";
            Err(Error::invalid(Reason::InvalidArgument, "categories", message))
        }
    };
    let mut categories: Vec<_> = categories.iter().map(decode).collect::<Result<_>>()?;
    categories.sort_unstable();
    categories.dedup();
    Ok(categories)
}

/// Decodes a source. None if it is UNSPECIFIED.
pub(super) fn decode_source(field: &str, source: i32) -> Result<Option<Source>> {
    Ok(match decode_enum(field, source)? {
        v1::OptInSource::Unspecified => None,
        v1::OptInSource::WebForm => Some(Source::WebForm),
        v1::OptInSource::InboundMessage => Some(Source::InboundMessage),
        v1::OptInSource::Ivr => Some(Source::Ivr),
        v1::OptInSource::Paper => Some(Source::Paper),
        v1::OptInSource::Import => Some(Source::Import),
        v1::OptInSource::Operator => Some(Source::Operator),
        v1::OptInSource::Api => Some(Source::Api),
        v1::OptInSource::Platform => Some(Source::Platform),
    })
}

pub(super) fn decode_evidence(evidence: Option<&v1::OptInEvidence>) -> Result<Evidence> {
    let Some(evidence) = evidence else { return Ok(Evidence::default()) };
    let v1::OptInEvidence { wording, wording_version, business_name, url, message_id, actor } =
        evidence;
    for (field, text) in [
        ("evidence.wording", wording),
        ("evidence.wording_version", wording_version),
        ("evidence.business_name", business_name),
        ("evidence.url", url),
        ("evidence.message_id", message_id),
        ("evidence.actor", actor),
    ] {
        text::validate_field(field, text, FREE_TEXT)?;
    }
    Ok(Evidence {
        wording: wording.clone(),
        wording_version: wording_version.clone(),
        business_name: business_name.clone(),
        url: url.clone(),
        message_id: message_id.clone(),
        // An event that is copied from an export passes nothing on.
        actor: match actor.starts_with(PASSED_ON_ACTOR) {
            true => String::new(),
            false => actor.clone(),
        },
    })
}

/// Encodes an event of the ledger.
pub(crate) fn encode_event(event: ConsentEvent) -> v1::OptInEvent {
    let Evidence { wording, wording_version, business_name, url, message_id, actor } =
        event.evidence;
    let categories = |categories: Vec<MessageCategory>| {
        categories.into_iter().map(|category| encode_category(category).into()).collect()
    };
    let evidence =
        v1::OptInEvidence { wording, wording_version, business_name, url, message_id, actor };
    let (sender_phone_number_id, expire_time) = match &event.change {
        EventChange::Said { sender_phone_number_id, expire_time, .. } => {
            (sender_phone_number_id.clone(), *expire_time)
        }
        EventChange::Identities(_) | EventChange::Forgotten(_) => Default::default(),
    };
    let kind = event.change.kind();
    v1::OptInEvent {
        event_id: event.event_id.to_string(),
        contact_id: event.contact_id.map(|id| id.to_string()).unwrap_or_default(),
        status: match kind {
            EventKind::OptIn => v1::OptInStatus::OptedIn,
            EventKind::OptOut => v1::OptInStatus::OptedOut,
            _ => v1::OptInStatus::Unspecified,
        }
        .into(),
        kind: encode_kind(kind).into(),
        sender_phone_number_id,
        categories: categories(event.categories),
        source: event.source.map_or(v1::OptInSource::Unspecified, encode_source).into(),
        evidence: (evidence != v1::OptInEvidence::default()).then_some(evidence),
        reason_text: event.reason_text,
        occurred_time: Some(timestamp(event.occurred_time)),
        record_time: Some(timestamp(event.record_time)),
        expire_time: expire_time.map(timestamp),
        changed_categories: categories(event.changed_categories),
    }
}

fn encode_kind(kind: EventKind) -> v1::OptInEventKind {
    match kind {
        EventKind::OptIn => v1::OptInEventKind::OptIn,
        EventKind::OptOut => v1::OptInEventKind::OptOut,
        EventKind::PlatformStop => v1::OptInEventKind::PlatformStop,
        EventKind::PlatformResume => v1::OptInEventKind::PlatformResume,
        EventKind::Erased => v1::OptInEventKind::Erased,
        EventKind::Created => v1::OptInEventKind::Created,
        EventKind::Linked => v1::OptInEventKind::Linked,
        EventKind::Merged => v1::OptInEventKind::Merged,
        EventKind::Retired => v1::OptInEventKind::Retired,
        EventKind::Released => v1::OptInEventKind::Released,
        EventKind::Claimed => v1::OptInEventKind::Claimed,
        EventKind::Forgotten => v1::OptInEventKind::Forgotten,
    }
}

fn encode_source(source: Source) -> v1::OptInSource {
    match source {
        Source::WebForm => v1::OptInSource::WebForm,
        Source::InboundMessage => v1::OptInSource::InboundMessage,
        Source::Ivr => v1::OptInSource::Ivr,
        Source::Paper => v1::OptInSource::Paper,
        Source::Import => v1::OptInSource::Import,
        Source::Operator => v1::OptInSource::Operator,
        Source::Api => v1::OptInSource::Api,
        Source::Platform => v1::OptInSource::Platform,
    }
}

/// Encodes a category.
pub(crate) fn encode_category(category: MessageCategory) -> v1::MessageCategory {
    match category {
        MessageCategory::Marketing => v1::MessageCategory::Marketing,
        MessageCategory::Utility => v1::MessageCategory::Utility,
        MessageCategory::Authentication => v1::MessageCategory::Authentication,
    }
}

/// Encodes the outcome of one check.
pub(crate) fn encode_outcome(outcome: &CheckOutcome) -> v1::CheckOptInResponse {
    let id = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    v1::CheckOptInResponse {
        decision: encode_decision(outcome.reason).into(),
        reason: encode_reason(outcome.reason).into(),
        contact_id: id(outcome.contact_id),
        event_id: id(outcome.event_id),
        consent_time: outcome.consent_time.map(timestamp),
        check_time: Some(timestamp(outcome.check_time)),
        receipt: String::new(),
        recipient_index: i32::try_from(outcome.decided_by).unwrap_or(i32::MAX),
    }
}

/// Encodes the outcomes of a batch: decisions and reasons, index for index.
pub(crate) fn encode_outcomes(reasons: &[CheckReason]) -> (Vec<i32>, Vec<i32>) {
    let decision = |reason: &CheckReason| i32::from(encode_decision(*reason));
    let reason = |reason: &CheckReason| i32::from(encode_reason(*reason));
    (reasons.iter().map(decision).collect(), reasons.iter().map(reason).collect())
}

pub(super) fn encode_decision(reason: CheckReason) -> v1::Decision {
    match reason.decision() {
        Decision::Allow => v1::Decision::Allow,
        Decision::Deny => v1::Decision::Deny,
    }
}

pub(super) fn encode_reason(reason: CheckReason) -> v1::CheckReason {
    match reason {
        CheckReason::OptedIn => v1::CheckReason::OptedIn,
        CheckReason::NotAsked => v1::CheckReason::NotAsked,
        CheckReason::OptedOut => v1::CheckReason::OptedOut,
        CheckReason::PlatformOptedOut => v1::CheckReason::PlatformOptedOut,
        CheckReason::Expired => v1::CheckReason::Expired,
        CheckReason::UnknownContact => v1::CheckReason::UnknownContact,
        CheckReason::InvalidPhoneNumber => v1::CheckReason::InvalidPhoneNumber,
        CheckReason::InvalidRecipient => v1::CheckReason::InvalidRecipient,
        CheckReason::FormerIdentity => v1::CheckReason::FormerIdentity,
        CheckReason::Erased => v1::CheckReason::Erased,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_categories_mean_all_and_unknown_ones_are_refused() {
        let decode = |categories: &[i32]| decode_categories(categories).map_err(|e| e.reason());
        assert_eq!(decode(&[]), Ok(MessageCategory::ALL.to_vec()));
        assert_eq!(decode(&[2, 1, 2]), Ok(MessageCategory::ALL[..2].to_vec()));
        assert_eq!(decode(&[1, 0]), Err(Reason::InvalidArgument));
        assert_eq!(decode(&[4]), Err(Reason::InvalidArgument));
    }

    #[test]
    fn a_check_without_a_category_is_for_marketing() {
        assert_eq!(decode_category(0).expect("a category"), MessageCategory::Marketing);
        let error = decode_category(4).expect_err("unknown");
        assert_eq!((error.reason(), error.field()), (Reason::InvalidArgument, Some("category")));
    }

    #[test]
    fn an_opt_in_needs_a_source_and_an_opt_out_does_not() {
        let error = decode_opt_in(&v1::RecordOptInRequest::default()).expect_err("no source");
        assert_eq!((error.reason(), error.field()), (Reason::RequiredFieldMissing, Some("source")));
        let statement = decode_opt_out(&v1::RecordOptOutRequest::default()).expect("a statement");
        assert_eq!(statement.source, Source::Api);
    }

    #[test]
    fn a_consent_block_is_an_opt_in_or_an_opt_out() {
        let decode = |status: i32| {
            decode_import(Some(v1::ImportConsent { status, ..v1::ImportConsent::default() }))
        };
        for status in [0, 1, 9] {
            let error = decode(status).expect_err("refused");
            assert_eq!(error.field(), Some("consent.status"), "{status}");
        }
        let statement = decode(2).expect("decoded").expect("a statement");
        assert_eq!((statement.status, statement.source), (OptInStatus::OptedIn, Source::Import));
        assert!(decode_import(None).expect("decoded").is_none());
    }

    #[test]
    fn only_opted_in_is_encoded_as_allow() {
        let (decisions, reasons) = encode_outcomes(&[
            CheckReason::OptedIn,
            CheckReason::NotAsked,
            CheckReason::OptedOut,
            CheckReason::PlatformOptedOut,
            CheckReason::Expired,
            CheckReason::UnknownContact,
            CheckReason::InvalidPhoneNumber,
            CheckReason::FormerIdentity,
            CheckReason::Erased,
            CheckReason::InvalidRecipient,
        ]);
        assert_eq!(decisions, [1, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(reasons, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }
}
