//! The one error type of the service. `grpc::error` turns it into a status.

use std::error::Error as StdError;
use std::fmt;

// The one generated type the domain uses: the documented list of reasons and
// the list in use cannot differ.
pub use contacts_proto::v1::ErrorReason as Reason;

/// What went wrong, in words and data that may leave the service: no personal
/// data, no text of a driver. What may not is in `source`, for the log.
#[derive(Debug)]
pub struct Error(Box<Body>);

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug)]
struct Body {
    reason: Reason,
    message: String,
    field: Option<String>,
    resource: Option<Resource>,
    metadata: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The resource an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `contact`, `tag`, `attribute` or `workspace`.
    pub kind: &'static str,
    /// Its id, as far as it is known and not personal.
    pub id: String,
}

impl Error {
    /// An error of this reason; the message says what to change.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self(Box::new(Body {
            reason,
            message: message.into(),
            field: None,
            resource: None,
            metadata: Vec::new(),
            source: None,
        }))
    }

    /// A field that has to be sent differently.
    pub fn invalid(reason: Reason, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(reason, message).with_field(field)
    }

    /// A required field that is empty.
    pub fn required(field: impl Into<String>) -> Self {
        let field = field.into();
        let message = format!("{field} is required");
        Self::invalid(Reason::RequiredFieldMissing, field, message)
    }

    /// More than a limit allows.
    pub fn limit(field: impl Into<String>, limit: usize, actual: usize) -> Self {
        let field = field.into();
        let message = format!("{field}: at most {limit}, got {actual}");
        Self::invalid(Reason::LimitExceeded, field, message)
            .with_metadata("limit", limit.to_string())
            .with_metadata("actual", actual.to_string())
    }

    /// No contact is known by what the request named.
    pub fn contact_not_found() -> Self {
        Self::new(Reason::ContactNotFound, "no such contact; create it with CreateContact")
            .with_resource("contact", "")
    }

    /// Another change came first.
    pub fn write_conflict() -> Self {
        Self::new(Reason::WriteConflict, "another change came first; retry")
    }

    /// The database cannot answer now.
    pub fn unavailable(source: impl StdError + Send + Sync + 'static) -> Self {
        Self::new(Reason::DatabaseUnavailable, "the database cannot answer now; retry")
            .caused_by(source)
    }

    /// A fault of the service.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let mut error = Self::new(Reason::Internal, "internal error; the server's log has details");
        error.0.source = Some(source.into());
        error
    }

    /// Names the field of the request.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// Puts the named field below `parent`: `first_name` below `contact` is
    /// `contact.first_name`.
    #[must_use]
    pub fn in_parent(mut self, parent: &str) -> Self {
        if let Some(field) = &mut self.0.field {
            *field = format!("{parent}.{field}");
        }
        self
    }

    /// Names the resource.
    #[must_use]
    pub fn with_resource(mut self, kind: &'static str, id: impl Into<String>) -> Self {
        self.0.resource = Some(Resource { kind, id: id.into() });
        self
    }

    /// Adds to what the message says.
    #[must_use]
    pub fn with_advice(mut self, more: &str) -> Self {
        self.0.message = format!("{}; {more}", self.0.message);
        self
    }

    /// Adds a fact for programs.
    #[must_use]
    pub fn with_metadata(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.0.metadata.push((key, value.into()));
        self
    }

    /// Adds what the log should show.
    #[must_use]
    pub fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    /// The same for somebody else who waited for the same thing. The cause
    /// stays behind: it is logged once.
    pub fn for_another_caller(&self) -> Self {
        let Body { reason, message, field, resource, metadata, source: _ } = &*self.0;
        Self(Box::new(Body {
            reason: *reason,
            message: message.clone(),
            field: field.clone(),
            resource: resource.clone(),
            metadata: metadata.clone(),
            source: None,
        }))
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// What to change.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The field of the request.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The resource.
    pub fn resource(&self) -> Option<&Resource> {
        self.0.resource.as_ref()
    }

    /// Facts for programs.
    pub fn metadata(&self) -> &[(&'static str, String)] {
        &self.0.metadata
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
