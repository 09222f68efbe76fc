//! Errors as gRPC statuses. No other file makes a status of an error.

use std::error::Error as StdError;
use std::time::Duration;

use contacts_proto::rpc;
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};

use crate::domain::error::{Error, Reason};
use crate::store::loggable;
use crate::telemetry::call;

/// The domain of every `ErrorInfo`.
const DOMAIN: &str = "contacts.whatatalk";

// A status is at most 4 KiB: the message is in it up to three times, the field
// up to twice. Clients cut off headers at 8 KiB, base64 and percent signs
// included.
const MAX_MESSAGE: usize = 640;
const MAX_FIELD: usize = 128;
const MAX_VALUE: usize = 450;
const MAX_METADATA: usize = 3;

/// For `?` in handlers.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let rpc = to_rpc_status(&error);
        let details = rpc.encode_to_vec().into();
        Self::with_details(code(error.reason()), rpc.message, details)
    }
}

/// The status as a message, for the items of a batch.
pub(super) fn to_rpc_status(error: &Error) -> rpc::Status {
    log(error);
    let reason = error.reason();
    let code = code(reason);
    let message = cut(error.message(), MAX_MESSAGE);
    let mut details = vec![any("ErrorInfo", &error_info(error))];
    if let Some(field) = error.field().filter(|_| code == Code::InvalidArgument) {
        let violation = rpc::bad_request::FieldViolation {
            field: cut(field, MAX_FIELD),
            description: message.clone(),
            reason: name(reason).to_owned(),
            localized_message: None,
        };
        details.push(any("BadRequest", &rpc::BadRequest { field_violations: vec![violation] }));
    }
    if let Some(resource) = error.resource() {
        let resource = rpc::ResourceInfo {
            resource_type: resource.kind.to_owned(),
            resource_name: cut(&resource.id, MAX_FIELD),
            ..rpc::ResourceInfo::default()
        };
        details.push(any("ResourceInfo", &resource));
    }
    if let Some(delay) = retry_delay(reason) {
        let retry_delay = prost_types::Duration::try_from(delay).ok();
        details.push(any("RetryInfo", &rpc::RetryInfo { retry_delay }));
    }
    rpc::Status { code: code.into(), message, details }
}

fn error_info(error: &Error) -> rpc::ErrorInfo {
    let facts = error.metadata().iter().take(MAX_METADATA);
    let facts = facts.map(|(key, value)| ((*key).to_owned(), cut(value, MAX_VALUE)));
    let field = error.field().map(|field| ("field".to_owned(), cut(field, MAX_FIELD)));
    rpc::ErrorInfo {
        reason: name(error.reason()).to_owned(),
        domain: DOMAIN.to_owned(),
        metadata: facts.chain(field).collect(),
    }
}

/// The code of a reason, as `error_reason.proto` documents it (a test compares).
fn code(reason: Reason) -> Code {
    match reason {
        Reason::RequiredFieldMissing
        | Reason::InvalidPhoneNumber
        | Reason::InvalidWhatsappUserId
        | Reason::InvalidId
        | Reason::InvalidExternalId
        | Reason::ReservedId
        | Reason::InvalidText
        | Reason::InvalidEmail
        | Reason::LimitExceeded
        | Reason::ImmutableField
        | Reason::OutputOnlyField
        | Reason::InvalidUpdateMask
        | Reason::UnknownTag
        | Reason::UnknownAttribute
        | Reason::WrongAttributeType
        | Reason::InvalidEnumOption
        | Reason::InvalidFilter
        | Reason::InvalidQuery
        | Reason::InvalidOrderBy
        | Reason::InvalidPageToken
        | Reason::InvalidResumeToken
        | Reason::InvalidTime
        | Reason::RequestIdReused
        | Reason::InvalidArgument
        | Reason::InvalidSignature => Code::InvalidArgument,
        Reason::WorkspaceNotFound
        | Reason::ContactNotFound
        | Reason::TagNotFound
        | Reason::AttributeNotFound
        | Reason::TokenNotFound => Code::NotFound,
        Reason::WorkspaceAlreadyExists
        | Reason::ContactAlreadyExists
        | Reason::TagAlreadyExists
        | Reason::AttributeAlreadyExists => Code::AlreadyExists,
        Reason::TagInUse
        | Reason::AttributeInUse
        | Reason::CountMismatch
        | Reason::ConsentConflict
        | Reason::FormerIdentity
        | Reason::EvidenceRequired => Code::FailedPrecondition,
        Reason::EtagMismatch
        | Reason::RequestInFlight
        | Reason::WriteConflict
        | Reason::StreamIdle => Code::Aborted,
        Reason::DatabaseUnavailable | Reason::ShuttingDown => Code::Unavailable,
        Reason::Overloaded | Reason::MessageTooLarge => Code::ResourceExhausted,
        Reason::DeadlineExceeded => Code::DeadlineExceeded,
        Reason::Unauthenticated => Code::Unauthenticated,
        Reason::ScopeMissing | Reason::WorkspaceDenied => Code::PermissionDenied,
        Reason::Internal | Reason::Unspecified => Code::Internal,
    }
}

/// How long to wait before a retry. None if a retry does not help.
fn retry_delay(reason: Reason) -> Option<Duration> {
    match reason {
        Reason::WriteConflict => Some(Duration::from_millis(50)),
        Reason::ShuttingDown => Some(Duration::from_millis(100)),
        Reason::RequestInFlight => Some(Duration::from_millis(200)),
        Reason::DatabaseUnavailable => Some(Duration::from_millis(500)),
        Reason::Overloaded => Some(Duration::from_secs(1)),
        _ => None,
    }
}

fn name(reason: Reason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

fn any(name: &str, message: &impl Message) -> Any {
    Any {
        type_url: format!("type.googleapis.com/google.rpc.{name}"),
        value: message.encode_to_vec(),
    }
}

/// The beginning of a text, at most `max` bytes of it.
fn cut(text: &str, max: usize) -> String {
    text[..text.floor_char_boundary(max)].to_owned()
}

/// Logs the cause, which the caller does not get to see. An error without a cause
/// has nothing more to log, or was logged already for all the callers it failed.
fn log(error: &Error) {
    let Some(cause) = error.source() else { return };
    let (reason, cause) = (name(error.reason()), loggable(cause));
    let call = call::current();
    let (id, method) = call.as_ref().map(|call| (call.request_id(), &*call.method)).unzip();
    /// One line at a level.
    macro_rules! line {
        ($log:ident) => {
            tracing::$log!(
                error.reason = reason,
                error.cause = cause,
                request.id = id,
                rpc.method = method,
                "a call failed"
            )
        };
    }
    match code(error.reason()) {
        Code::Internal => line!(error),
        _ => line!(warn),
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    /// Every reason of the contract, with the code its comment begins with.
    fn documented() -> Vec<(Reason, String)> {
        let proto = include_str!("../../../proto/whatatalk/contacts/v1/error_reason.proto");
        let mut documented = Vec::new();
        let mut comment = String::new();
        for line in proto.lines().map(str::trim) {
            if let Some(text) = line.strip_prefix("//") {
                comment.push_str(text.trim());
                continue;
            }
            let comment = std::mem::take(&mut comment);
            if let Some((name, _)) = line.split_once(" = ")
                && let Some(reason) = Reason::from_str_name(name)
                && let Some((code, _)) = comment.split_once(':')
            {
                documented.push((reason, code.to_owned()));
            }
        }
        documented
    }

    #[test]
    fn each_reason_has_its_documented_code() {
        let documented = documented();
        assert!(documented.len() > 40, "{}", documented.len());
        for (reason, expected) in documented {
            let code = format!("{:?}", code(reason)).to_uppercase();
            assert_eq!(code, expected.replace('_', ""), "{reason:?}");
        }
    }

    #[test]
    fn an_invalid_field_is_in_the_details_and_the_metadata() {
        let error = Error::invalid(Reason::InvalidEmail, "contact.email", "not an address");
        let status = Status::from(error);
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "not an address"));
        let details = status.get_error_details();
        let info = details.error_info().expect("an ErrorInfo");
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("INVALID_EMAIL", DOMAIN));
        assert_eq!(info.metadata["field"], "contact.email");
        let violations = &details.bad_request().expect("a BadRequest").field_violations;
        assert_eq!(violations[0].field, "contact.email");
        assert!(details.retry_info().is_none() && details.resource_info().is_none());

        let repeated = rpc::Status::decode(status.details()).expect("a google.rpc.Status");
        assert_eq!((repeated.code, repeated.message.as_str()), (3, "not an address"));
    }

    #[test]
    fn a_field_of_another_code_is_in_the_metadata_only() {
        let error = Error::invalid(Reason::ContactAlreadyExists, "contact.phone_number", "taken")
            .with_resource("contact", "0190")
            .with_metadata("contact_id", "0190");
        let details = Status::from(error).get_error_details();
        assert!(details.bad_request().is_none());
        assert_eq!(details.resource_info().expect("a resource").resource_name, "0190");
        let metadata = &details.error_info().expect("an ErrorInfo").metadata;
        assert_eq!(metadata["field"], "contact.phone_number");
        assert_eq!(metadata["contact_id"], "0190");
    }

    #[test]
    fn reasons_that_may_be_retried_have_a_retry_delay() {
        for (reason, code) in documented() {
            let retry = Status::from(Error::new(reason, "x")).get_error_details();
            let helps = matches!(
                reason,
                Reason::RequestInFlight | Reason::WriteConflict | Reason::Overloaded
            ) || code == "UNAVAILABLE";
            assert_eq!(retry.retry_info().is_some(), helps, "{reason:?}");
        }
    }

    #[test]
    fn causes_are_not_part_of_a_status() {
        let status = Status::from(Error::internal("the secret"));
        assert!(!format!("{status:?}").contains("secret"));
    }

    #[test]
    fn the_largest_status_fits_into_headers() {
        let long = "é".repeat(10_000);
        let mut error =
            Error::invalid(Reason::InvalidEnumOption, &long, &long).with_resource("tag", &long);
        for key in ["one", "two", "three", "four", "five", "six"] {
            error = error.with_metadata(key, &long);
        }
        let status = Status::from(error);
        let size = status.message().len() + status.details().len();
        assert!(size <= 4 * 1024, "{size}");
    }
}
