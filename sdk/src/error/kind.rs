use std::fmt;

/// The class of an [`Error`](crate::Error).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is wrong, and stays wrong.
    InvalidArgument,
    /// There is no such resource.
    NotFound,
    /// There is such a resource already.
    AlreadyExists,
    /// The request is right, but not now: a tag in use, a count that is not the expected one.
    FailedPrecondition,
    /// The change met another one.
    Aborted,
    /// The service cannot be reached or cannot answer.
    Unavailable,
    /// Too many calls, or a message that is too large.
    ResourceExhausted,
    /// The deadline passed.
    DeadlineExceeded,
    /// The token is missing or not valid.
    Unauthenticated,
    /// The token does not allow this.
    PermissionDenied,
    /// The server stopped working on the call.
    Cancelled,
    /// A value is past the end of what there is.
    OutOfRange,
    /// The server does not know this call: it is older than this crate.
    Unimplemented,
    /// A fault of the server; its log has the details.
    Internal,
    /// A stream ended without its end message. See
    /// [`is_incomplete`](crate::Error::is_incomplete).
    Incomplete,
    /// The server's answer does not fit the request. Nothing of it was used.
    InvalidResponse,
    /// Anything else.
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
