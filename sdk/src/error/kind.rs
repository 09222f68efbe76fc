use std::fmt;

/// The kind of an [`Error`](crate::Error).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is not valid. A retry does not help.
    InvalidArgument,
    /// The resource does not exist.
    NotFound,
    /// The resource already exists.
    AlreadyExists,
    /// The state of the data does not permit the call: for example, a tag is in use.
    FailedPrecondition,
    /// The change conflicted with another one.
    Aborted,
    /// The server could not be reached, or could not process the call.
    Unavailable,
    /// Too many concurrent calls, or a message that is too large.
    ResourceExhausted,
    /// The deadline passed.
    DeadlineExceeded,
    /// The bearer token is missing or not valid.
    Unauthenticated,
    /// The bearer token does not permit the call.
    PermissionDenied,
    /// The server cancelled the call.
    Cancelled,
    /// A value is out of range.
    OutOfRange,
    /// The server does not know the call, because it is older than this crate.
    Unimplemented,
    /// An error in the server. The details are in its log.
    Internal,
    /// A stream ended, but fewer items arrived than the server sent. See
    /// [`is_incomplete`](crate::Error::is_incomplete).
    Incomplete,
    /// The response does not match the request and was discarded.
    InvalidResponse,
    /// Any other error.
    Unknown,
}

impl ErrorKind {
    pub(crate) fn from_code(code: i32) -> Self {
        match code {
            1 => Self::Cancelled,
            3 => Self::InvalidArgument,
            4 => Self::DeadlineExceeded,
            5 => Self::NotFound,
            6 => Self::AlreadyExists,
            7 => Self::PermissionDenied,
            8 => Self::ResourceExhausted,
            9 => Self::FailedPrecondition,
            10 => Self::Aborted,
            11 => Self::OutOfRange,
            12 => Self::Unimplemented,
            13 | 15 => Self::Internal,
            14 => Self::Unavailable,
            16 => Self::Unauthenticated,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidArgument => "invalid argument",
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::FailedPrecondition => "failed precondition",
            Self::Aborted => "aborted",
            Self::Unavailable => "unavailable",
            Self::ResourceExhausted => "resource exhausted",
            Self::DeadlineExceeded => "deadline exceeded",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission denied",
            Self::Cancelled => "cancelled",
            Self::OutOfRange => "out of range",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal error",
            Self::Incomplete => "incomplete",
            Self::InvalidResponse => "invalid response",
            Self::Unknown => "unknown error",
        })
    }
}
