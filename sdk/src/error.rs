//! The error of every call.

mod kind;
pub mod reason;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

pub use kind::ErrorKind;

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of a call.
///
/// Use the predicates, or match on [`kind`](Self::kind) and [`reason`](Self::reason). `Display` and
/// `Debug` output contains no personal data of the request and may be logged.
///
/// ```no_run
/// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
/// use contacts_sdk::NewContact;
///
/// match client.contacts().create(NewContact::new().phone("15551234567")).await {
///     Ok(contact) => println!("created {}", contact.contact_id),
///     Err(error) if error.is_already_exists() => {
///         println!("exists: {:?}", error.existing_contact_id());
///     }
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
pub(crate) struct Inner {
    pub kind: ErrorKind,
    pub message: String,
    pub reason: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub field_violations: Vec<FieldViolation>,
    pub resource: Option<Resource>,
    pub retry_delay: Option<Duration>,
    pub request_id: Option<String>,
    pub incomplete: bool,
    pub unacknowledged_rows: Vec<Range<u64>>,
}

/// An error in one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldViolation {
    /// The path of the field in the request, such as `contact.phone_number`.
    pub field: String,
    /// What is wrong, and what to send instead.
    pub description: String,
}

/// A resource that does not exist, or already exists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resource {
    /// Type of the resource, such as `tag`.
    pub resource_type: String,
    /// Id of the resource. Empty if it would reveal personal data.
    pub resource_name: String,
}

impl Error {
    /// Creates an error, for fakes in tests.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            reason: None,
            metadata: BTreeMap::new(),
            field_violations: Vec::new(),
            resource: None,
            retry_delay: None,
            request_id: None,
            incomplete: false,
            unacknowledged_rows: Vec::new(),
        }))
    }

    /// The kind of the error: a gRPC status code, or one that this crate adds.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The server's reason, one of the constants in [`reason`]. `None` if the error is not from the
    /// server.
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// A message for developers.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The errors in fields of the request, for [`is_invalid_argument`](Self::is_invalid_argument).
    pub fn field_violations(&self) -> &[FieldViolation] {
        &self.0.field_violations
    }

    /// A value that the server sent with the [`reason`](Self::reason), such as `suggestion`. The
    /// constants in [`reason`] list the keys.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.0.metadata.get(key).map(String::as_str)
    }

    /// The resource that does not exist, or already exists.
    pub fn resource(&self) -> Option<&Resource> {
        self.0.resource.as_ref()
    }

    /// How long the server asks to wait before the next attempt.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_delay
    }

    /// The `request_id` of the change that failed.
    ///
    /// After [`is_deadline_exceeded`](Self::is_deadline_exceeded), the change may or may not have been
    /// made. Repeat it with this `request_id`: the server applies it at most once.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The rows of a failed import that may or may not be stored, as ranges of indexes in the whole
    /// input. Rows after the last range were not sent.
    pub fn unacknowledged_rows(&self) -> &[Range<u64>] {
        &self.0.unacknowledged_rows
    }

    /// Whether the workspace, contact, tag or attribute does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// Whether a resource with the same id, name or phone number already exists.
    pub fn is_already_exists(&self) -> bool {
        self.kind() == ErrorKind::AlreadyExists
    }

    /// The id of the contact that has, or once had, the phone number or user id.
    pub fn existing_contact_id(&self) -> Option<&str> {
        (self.reason() == Some(reason::CONTACT_ALREADY_EXISTS))
            .then(|| self.metadata("contact_id"))
            .flatten()
    }

    /// Whether the request is not valid. See [`field_violations`](Self::field_violations).
    pub fn is_invalid_argument(&self) -> bool {
        self.kind() == ErrorKind::InvalidArgument
    }

    /// Whether the server could not be reached, or could not process the call.
    pub fn is_unavailable(&self) -> bool {
        self.kind() == ErrorKind::Unavailable
    }

    /// Whether the change conflicted with another one. Nothing was changed.
    pub fn is_aborted(&self) -> bool {
        self.kind() == ErrorKind::Aborted
    }

    /// Whether the resource has changed since its etag was read. Read it again.
    pub fn is_etag_mismatch(&self) -> bool {
        self.reason() == Some(reason::ETAG_MISMATCH)
    }

    /// Whether the deadline passed. A change may or may not have been made: see
    /// [`request_id`](Self::request_id).
    pub fn is_deadline_exceeded(&self) -> bool {
        self.kind() == ErrorKind::DeadlineExceeded
    }

    /// Whether the same call may succeed later. The SDK has already retried it, as far as the deadline
    /// and the [`RetryPolicy`](crate::RetryPolicy) allowed.
    ///
    /// True for UNAVAILABLE, for ABORTED by a concurrent call, and for RESOURCE_EXHAUSTED with a
    /// [`retry_delay`](Self::retry_delay). False for a passed deadline.
    pub fn is_retryable(&self) -> bool {
        match self.kind() {
            ErrorKind::Unavailable => true,
            ErrorKind::Aborted => {
                matches!(self.reason(), Some(reason::REQUEST_IN_FLIGHT | reason::WRITE_CONFLICT))
            }
            ErrorKind::ResourceExhausted => self.retry_delay().is_some(),
            _ => false,
        }
    }

    /// Whether a stream or an import ended early, so that only a part was delivered or stored.
    pub fn is_incomplete(&self) -> bool {
        self.0.incomplete
    }

    /// Whether a stream can resume on a new connection.
    pub(crate) fn is_resumable(&self) -> bool {
        self.is_retryable()
            || self.reason() == Some(reason::STREAM_IDLE)
            || matches!(self.kind(), ErrorKind::DeadlineExceeded | ErrorKind::Cancelled)
    }

    pub(crate) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    pub(crate) fn invalid_response(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidResponse, message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    pub(crate) fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(&mut self.0);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind())?;
        if !self.message().is_empty() {
            write!(f, ": {}", self.message())?;
        }
        for FieldViolation { field, description } in self.field_violations() {
            if !self.message().contains(description) {
                write!(f, "; {field}: {description}")?;
            }
        }
        match self.reason() {
            Some(reason) => write!(f, " [{reason}]"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
