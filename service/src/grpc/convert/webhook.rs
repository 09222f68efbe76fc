//! What became of a webhook, to encode.

use contacts_proto::v1;
use uuid::Uuid;

use crate::operations::webhook::{Kind, Outcome, Report, Statement};

/// Encodes what became of a webhook.
pub(crate) fn encode_report(report: Report, verified: bool) -> v1::IngestWhatsAppWebhookResponse {
    let mut counts = v1::WebhookCounts::default();
    let results: Vec<_> = report.results.into_iter().map(encode_result).collect();
    for result in &results {
        let count = match result.outcome() {
            v1::WebhookOutcome::Recorded => &mut counts.recorded,
            v1::WebhookOutcome::Linked => &mut counts.linked,
            v1::WebhookOutcome::AlreadyApplied => &mut counts.already_applied,
            v1::WebhookOutcome::AlreadyLinked => &mut counts.already_linked,
            v1::WebhookOutcome::UnknownContact => &mut counts.unknown_contact,
            v1::WebhookOutcome::Contradicts => &mut counts.contradicts,
            v1::WebhookOutcome::Outdated => &mut counts.outdated,
            v1::WebhookOutcome::Refused => &mut counts.refused,
            v1::WebhookOutcome::Unreadable => &mut counts.unreadable,
            v1::WebhookOutcome::Unspecified => continue,
        };
        *count += 1;
    }
    let ignored = report.ignored.into_iter();
    v1::IngestWhatsAppWebhookResponse {
        results,
        counts: Some(counts),
        ignored: ignored.map(|(what, count)| (what.as_str().to_owned(), to_i32(count))).collect(),
        signature_verified: verified,
    }
}

fn encode_result(statement: Statement) -> v1::WebhookResult {
    let at = v1::WebhookResult {
        entry: to_i32(statement.entry),
        change: to_i32(statement.change),
        ..v1::WebhookResult::default()
    };
    let (kind, outcome) = match statement.outcome {
        Ok(known) => known,
        Err(unreadable) => {
            return v1::WebhookResult {
                outcome: v1::WebhookOutcome::Unreadable.into(),
                path: unreadable.path,
                message: unreadable.fault.to_string(),
                ..at
            };
        }
    };
    let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let of = |outcome: v1::WebhookOutcome, contact_id: Option<Uuid>| v1::WebhookResult {
        kind: encode_kind(kind).into(),
        outcome: outcome.into(),
        contact_id: id(contact_id),
        ..at
    };
    match outcome {
        Outcome::Recorded { contact_id, event_id } => v1::WebhookResult {
            event_id: event_id.to_string(),
            ..of(v1::WebhookOutcome::Recorded, contact_id)
        },
        Outcome::Linked { contact_id, event_id, note } => v1::WebhookResult {
            event_id: id(event_id),
            message: note.map(|note| note.to_string()).unwrap_or_default(),
            ..of(v1::WebhookOutcome::Linked, Some(contact_id))
        },
        Outcome::AlreadyApplied => of(v1::WebhookOutcome::AlreadyApplied, None),
        Outcome::AlreadyLinked { contact_id } => {
            of(v1::WebhookOutcome::AlreadyLinked, Some(contact_id))
        }
        Outcome::UnknownContact => of(v1::WebhookOutcome::UnknownContact, None),
        Outcome::Contradicts { contact_id, other_contact_id, why } => v1::WebhookResult {
            other_contact_id: id(other_contact_id),
            message: why.to_string(),
            ..of(v1::WebhookOutcome::Contradicts, Some(contact_id))
        },
        Outcome::Outdated { contact_id, why } => v1::WebhookResult {
            message: why.to_string(),
            ..of(v1::WebhookOutcome::Outdated, contact_id)
        },
        Outcome::Refused { message } => {
            v1::WebhookResult { message, ..of(v1::WebhookOutcome::Refused, None) }
        }
    }
}

fn encode_kind(kind: Kind) -> v1::WebhookStatementKind {
    match kind {
        Kind::Stop => v1::WebhookStatementKind::Stop,
        Kind::Resume => v1::WebhookStatementKind::Resume,
        Kind::OptOut => v1::WebhookStatementKind::OptOut,
        Kind::NumberChanged => v1::WebhookStatementKind::NumberChanged,
        Kind::UserIdChanged => v1::WebhookStatementKind::UserIdChanged,
        Kind::SamePerson => v1::WebhookStatementKind::SamePerson,
    }
}

/// Counts and indexes are limited by the size of a payload.
fn to_i32(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
