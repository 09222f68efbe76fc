//! The error type of the service. `grpc::error` converts it to a gRPC status.

use std::error::Error as StdError;
use std::fmt;

// The only generated type that the domain uses. It keeps the documented list of reasons and the list
// in use the same.
pub use contacts_proto::v1::ErrorReason as Reason;

/// An error of an operation.
///
/// Everything but the source is sent to the caller, so it contains no personal data and no text of a
/// database driver. The source is only logged.
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

/// The resource that an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `contact`, `tag`, `attribute` or `workspace`.
    pub kind: &'static str,
    /// Id of the resource. Empty if it is not known, or personal data.
    pub id: String,
}

impl Error {
    /// Creates an error. The message says what to change in the request.
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

    /// Creates an error for an invalid field.
    pub fn invalid(reason: Reason, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(reason, message).with_field(field)
    }

    /// Creates an error for a required field that is empty.
    pub fn required(field: impl Into<String>) -> Self {
        let field = field.into();
        let message = format!("{field} is required");
        Self::invalid(Reason::RequiredFieldMissing, field, message)
    }

    /// Creates an error for a field that exceeds a limit.
    pub fn limit(field: impl Into<String>, limit: usize, actual: usize) -> Self {
        Self::limit_of(field, "", limit, actual)
    }

    /// The same, of what is counted in a unit: it is part of the message.
    pub fn limit_of(field: impl Into<String>, unit: &str, limit: usize, actual: usize) -> Self {
        let field = field.into();
        let message = format!("{field}: at most {limit}{unit}, got {actual}");
        Self::invalid(Reason::LimitExceeded, field, message)
            .with_metadata("limit", limit.to_string())
            .with_metadata("actual", actual.to_string())
    }

    /// Creates an error for a contact that does not exist.
    pub fn contact_not_found() -> Self {
        let message = "no such contact; check what names it and workspace_id, or create it with CreateContact";
        Self::new(Reason::ContactNotFound, message).with_resource("contact", "")
    }

    /// Creates an error for a conflict with a concurrent write. The caller may retry.
    pub fn write_conflict() -> Self {
        Self::new(Reason::WriteConflict, "another change came first; retry")
    }

    /// Creates an error for a database that cannot be reached. The caller may retry.
    pub fn unavailable(source: impl StdError + Send + Sync + 'static) -> Self {
        Self::new(Reason::DatabaseUnavailable, "the database cannot answer now; retry")
            .caused_by(source)
    }

    /// Creates an error for a bug or a corrupt database. The source is logged and not sent.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let mut error = Self::new(Reason::Internal, "internal error; the server's log has details");
        error.0.source = Some(source.into());
        error
    }

    /// Sets the field of the request that is wrong.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// Prefixes the field with its parent: `first_name` in `contact` becomes `contact.first_name`.
    #[must_use]
    pub fn in_parent(mut self, parent: &str) -> Self {
        if let Some(field) = &mut self.0.field {
            *field = format!("{parent}.{field}");
        }
        self
    }

    /// Sets the resource that the error is about.
    #[must_use]
    pub fn with_resource(mut self, kind: &'static str, id: impl Into<String>) -> Self {
        self.0.resource = Some(Resource { kind, id: id.into() });
        self
    }

    /// Appends advice to the message.
    #[must_use]
    pub fn with_advice(mut self, more: &str) -> Self {
        self.0.message = format!("{}; {more}", self.0.message);
        self
    }

    /// Adds a key and a value for programs.
    #[must_use]
    pub fn with_metadata(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.0.metadata.push((key, value.into()));
        self
    }

    /// Sets the source, which is logged and not sent.
    #[must_use]
    pub fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    /// Copies the error for another caller that waited for the same result. The source is not copied,
    /// so that it is logged once.
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

    /// The documented reason, which determines the gRPC code.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The message for the caller.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The field of the request that is wrong.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The resource that the error is about.
    pub fn resource(&self) -> Option<&Resource> {
        self.0.resource.as_ref()
    }

    /// Keys and values for programs.
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
