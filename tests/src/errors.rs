//! Assertions on errors.

use std::fmt::Debug;

use contacts_proto::rpc;
use contacts_proto::v1::ErrorReason;
use contacts_sdk::{Error, ErrorKind};
use prost::Message;
use tonic::{Code, Status};

/// The result of a call that is expected to fail.
pub trait Refused: Sized {
    /// Returns the error, after checking what all errors have in common. Panics if the call succeeded.
    #[track_caller]
    fn refused(self) -> Error;

    /// Returns the error and checks its reason.
    #[track_caller]
    fn refused_for(self, reason: &str) -> Error {
        let error = self.refused();
        assert_eq!(error.reason(), Some(reason), "{error:?}");
        error
    }

    /// Returns the error and checks that it is INVALID_ARGUMENT with this reason and field.
    #[track_caller]
    fn refused_at(self, reason: &str, field: &str) -> Error {
        let error = self.refused_for(reason);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error:?}");
        let fields: Vec<_> = error.field_violations().iter().map(|v| v.field.as_str()).collect();
        assert_eq!((fields, error.metadata("field")), (vec![field], Some(field)), "{error:?}");
        error
    }
}

impl<T: Debug> Refused for Result<T, Error> {
    fn refused(self) -> Error {
        self.expect_err("refused")
    }
}

impl<T: Debug> Refused for Result<T, Status> {
    fn refused(self) -> Error {
        rpc_error(&self.expect_err("refused"))
    }
}

impl Refused for Error {
    fn refused(self) -> Error {
        self
    }
}

/// Decodes the error of a status, after checking what all errors of the service have in common.
#[track_caller]
pub fn rpc_error(status: &Status) -> Error {
    let code = status.code();
    let details = status.details();
    let size = status.message().len() + details.len();
    assert!(size <= 4 * 1024, "an error of {size} bytes: {status:?}");
    let decoded = rpc::Status::decode(details).expect("a google.rpc.Status");
    assert_eq!((decoded.code, &*decoded.message), (code.into(), status.message()), "{status:?}");
    assert_well_formed(&decoded);
    Error::from(decoded)
}

#[track_caller]
fn assert_well_formed(status: &rpc::Status) {
    let detail = |name: &str| {
        let url = format!("type.googleapis.com/google.rpc.{name}");
        status.details.iter().filter(move |any| any.type_url == url).collect::<Vec<_>>()
    };
    let [info] = detail("ErrorInfo")[..] else { panic!("not one ErrorInfo: {status:?}") };
    let info = rpc::ErrorInfo::decode(&*info.value).expect("an ErrorInfo");
    assert_eq!(info.domain, "contacts.whatatalk");
    let documented = ErrorReason::from_str_name(&format!("ERROR_REASON_{}", info.reason));
    assert!(documented.is_some(), "an undocumented reason: {status:?}");
    assert!(!status.message.is_empty(), "{status:?}");

    // An invalid request names the field, and a retryable error says when to retry.
    let code = Code::from_i32(status.code);
    assert_eq!(
        detail("BadRequest").len(),
        usize::from(code == Code::InvalidArgument),
        "{status:?}"
    );
    let may_retry = code == Code::Unavailable
        || matches!(&*info.reason, "REQUEST_IN_FLIGHT" | "WRITE_CONFLICT" | "OVERLOADED");
    assert_eq!(detail("RetryInfo").len(), usize::from(may_retry), "{status:?}");
    let names_resource = matches!(code, Code::NotFound | Code::AlreadyExists);
    assert!(!names_resource || detail("ResourceInfo").len() == 1, "{status:?}");
}
