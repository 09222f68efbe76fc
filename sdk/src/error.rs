//! What a call can fail with.

mod kind;
pub mod reason;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

pub use kind::ErrorKind;

/// What a call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
///
/// Opaque: ask it with the predicates, or match on [`kind`](Self::kind) and
/// [`reason`](Self::reason). Neither its `Display` nor its `Debug` holds personal data of the
/// request; both may be logged.
///
/// ```no_run
/// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
/// use contacts_sdk::NewContact;
///
/// match client.contacts().create(NewContact::new().phone("15551234567")).await {
///     Ok(contact) => println!("made {}", contact.contact_id),
///     Err(error) if error.is_already_exists() => {
///         println!("there already: {:?}", error.existing_contact_id());
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

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldViolation {
    /// The path of the field in the request, such as `contact.phone_number`.
    pub field: String,
    /// What is wrong, and what to send instead.
    pub description: String,
}

/// The resource that is missing or there already.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resource {
    /// Its type.
    pub resource_type: String,
    /// Its id, as far as it may be told.
    pub resource_name: String,
}

impl Error {
    /// Makes an error, for fakes in tests: the crate's own calls make theirs.
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

    /// The class of the error: the gRPC status code, or one of this crate's own.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The server's reason, one of the constants in [`reason`]; none if the server was not reached.
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// What happened, in words for developers.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The fields that are wrong, for [`is_invalid_argument`](Self::is_invalid_argument).
    pub fn field_violations(&self) -> &[FieldViolation] {
        &self.0.field_violations
    }

    /// A value the server sent along with its [`reason`](Self::reason), such as `suggestion`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.0.metadata.get(key).map(String::as_str)
    }

    /// The resource that is missing or there already.
    pub fn resource(&self) -> Option<&Resource> {
        self.0.resource.as_ref()
    }

    /// How long the server asks to wait before a retry.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_delay
    }

    /// The id the failed change was sent under.
    ///
    /// After [`is_deadline_exceeded`](Self::is_deadline_exceeded) nobody knows whether the change
    /// happened: make the same call with this `request_id` to find out. It happens at most once.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The rows of a failed import of which nobody knows whether they are stored, as ranges of
    /// their indexes in the whole input. Rows behind the last range were not sent.
    pub fn unacknowledged_rows(&self) -> &[Range<u64>] {
        &self.0.unacknowledged_rows
    }

    /// Whether the workspace, contact, tag or attribute does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// Whether there is one with this id, name or number already.
    pub fn is_already_exists(&self) -> bool {
        self.kind() == ErrorKind::AlreadyExists
    }

    /// The contact that has the phone number or user id already.
    pub fn existing_contact_id(&self) -> Option<&str> {
        (self.reason() == Some(reason::CONTACT_ALREADY_EXISTS))
            .then(|| self.metadata("contact_id"))
            .flatten()
    }

    /// Whether the request itself is wrong: see [`field_violations`](Self::field_violations).
    pub fn is_invalid_argument(&self) -> bool {
        self.kind() == ErrorKind::InvalidArgument
    }

    /// Whether the service could not be reached or could not answer.
    pub fn is_unavailable(&self) -> bool {
        self.kind() == ErrorKind::Unavailable
    }

    /// Whether the change met another one; nothing was changed.
    pub fn is_aborted(&self) -> bool {
        self.kind() == ErrorKind::Aborted
    }

    /// Whether the resource changed since its etag was read: read it again.
    pub fn is_etag_mismatch(&self) -> bool {
        self.reason() == Some(reason::ETAG_MISMATCH)
    }

    /// Whether the deadline passed. A change may or may not have happened: see
    /// [`request_id`](Self::request_id).
    pub fn is_deadline_exceeded(&self) -> bool {
        self.kind() == ErrorKind::DeadlineExceeded
    }

    /// Whether the same call may succeed later. Reads and changes were already retried by then, as
    /// far as their deadline and [`RetryPolicy`](crate::RetryPolicy) allowed.
    ///
    /// True for UNAVAILABLE, for ABORTED by a concurrent call, and where the server says when to
    /// come back; not for a passed deadline.
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

    /// Whether a stream or an import ended early: what was delivered or stored is only a part.
    pub fn is_incomplete(&self) -> bool {
        self.0.incomplete
    }

    /// Whether another connection can go on where a stream broke off.
    pub(crate) fn is_resumable(&self) -> bool {
        self.is_retryable()
            || self.reason() == Some(reason::IMPORT_IDLE)
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
