//! From tonic's status to this crate's error.

use std::error::Error as StdError;

use contacts_proto::rpc;
use prost::Message;
use tonic::{Code, Status, TimeoutExpired};

use crate::convert::FromProto;
use crate::error::{Error, ErrorKind};

pub(super) fn deadline_exceeded() -> Error {
    Error::new(ErrorKind::DeadlineExceeded, "no response within the deadline")
}

/// Converts every status that tonic returns.
pub(super) fn from_status(status: Status) -> Error {
    if chain(&status).any(|error| error.is::<TimeoutExpired>()) {
        return deadline_exceeded();
    }
    if is_broken_connection(&status) {
        return connection_error(&status);
    }
    let mut details = rpc::Status::decode(status.details()).unwrap_or_default();
    details.code = status.code().into();
    details.message = status.message().to_owned();
    Error::from_proto(details)
}

/// Whether tonic created the status because the connection failed during the call: a GOAWAY, a reset,
/// or a proxy. Such a status has one of many codes, CANCELLED and UNKNOWN among them. A status from the
/// server has no source and, unless a proxy sent it, has details.
fn is_broken_connection(status: &Status) -> bool {
    let bare = status.details().is_empty();
    status.source().is_some()
        || (bare && status.code() == Code::Unknown)
        || (bare && status.code() == Code::Internal && status.message().contains("Unexpected EOF"))
}

pub(super) fn connection_error(error: &(dyn StdError + 'static)) -> Error {
    Error::unavailable(format!("the connection to the service failed: {}", root_cause(error)))
}

/// The innermost cause, which says the most: `Connection refused` and not `transport error`.
pub(super) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    match chain(error).last() {
        Some(cause) => cause.to_string(),
        None => error.to_string(),
    }
}

fn chain<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}
