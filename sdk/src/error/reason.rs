//! The reasons that [`Error::reason`](crate::Error::reason) returns, one constant each. They are
//! documented with their gRPC status code and the keys of [`Error::metadata`](crate::Error::metadata).
//!
//! A newer server may return others. Constants match like literals:
//!
//! ```
//! use contacts_sdk::{Error, reason};
//!
//! fn advice(error: &Error) -> &'static str {
//!     match error.reason() {
//!         Some(reason::UNKNOWN_TAG) => "create the tag first",
//!         Some(reason::ETAG_MISMATCH) => "read the contact again",
//!         _ => "see the message",
//!     }
//! }
//! ```

/// INVALID_ARGUMENT: a required field is empty. Metadata: `field`.
pub const REQUIRED_FIELD_MISSING: &str = "REQUIRED_FIELD_MISSING";
/// INVALID_ARGUMENT: the value is not a phone number. Metadata: `field`.
pub const INVALID_PHONE_NUMBER: &str = "INVALID_PHONE_NUMBER";
/// INVALID_ARGUMENT: the value is not a business-scoped user id. Metadata: `field`.
pub const INVALID_WHATSAPP_USER_ID: &str = "INVALID_WHATSAPP_USER_ID";
/// INVALID_ARGUMENT: the value does not have the form of an id. Metadata: `field`.
pub const INVALID_ID: &str = "INVALID_ID";
/// INVALID_ARGUMENT: the value is not an external id. Metadata: `field`.
pub const INVALID_EXTERNAL_ID: &str = "INVALID_EXTERNAL_ID";
/// INVALID_ARGUMENT: the id is reserved, such as `opted_in` for an attribute. Metadata: `field`,
/// `id`.
pub const RESERVED_ID: &str = "RESERVED_ID";
/// INVALID_ARGUMENT: the text contains a NUL or too many combining marks. Metadata: `field`.
pub const INVALID_TEXT: &str = "INVALID_TEXT";
/// INVALID_ARGUMENT: the value is not an email address. Metadata: `field`.
pub const INVALID_EMAIL: &str = "INVALID_EMAIL";
/// INVALID_ARGUMENT: the value is too long, or there are too many values. Metadata: `field`,
/// `limit`, `actual`.
pub const LIMIT_EXCEEDED: &str = "LIMIT_EXCEEDED";
/// INVALID_ARGUMENT: this call cannot change the field. For example, only LinkIdentity changes
/// `phone_number`. Metadata: `field`.
pub const IMMUTABLE_FIELD: &str = "IMMUTABLE_FIELD";
/// INVALID_ARGUMENT: only the server sets the field, such as `opt_in`. Metadata: `field`.
pub const OUTPUT_ONLY_FIELD: &str = "OUTPUT_ONLY_FIELD";
/// INVALID_ARGUMENT: a path in the update mask does not exist. Metadata: `field`, `path`.
pub const INVALID_UPDATE_MASK: &str = "INVALID_UPDATE_MASK";
/// INVALID_ARGUMENT: the request refers to a tag that does not exist. Metadata: `field`, `tag_id`,
/// `suggestion`.
pub const UNKNOWN_TAG: &str = "UNKNOWN_TAG";
/// INVALID_ARGUMENT: the request refers to an attribute that does not exist. Metadata: `field`,
/// `attribute_id`, `suggestion`.
pub const UNKNOWN_ATTRIBUTE: &str = "UNKNOWN_ATTRIBUTE";
/// INVALID_ARGUMENT: the value does not match the type of the attribute. Metadata: `field`,
/// `expected_type`.
pub const WRONG_ATTRIBUTE_TYPE: &str = "WRONG_ATTRIBUTE_TYPE";
/// INVALID_ARGUMENT: the value is not an option of the ENUM attribute. Metadata: `field`,
/// `options`.
pub const INVALID_ENUM_OPTION: &str = "INVALID_ENUM_OPTION";
/// INVALID_ARGUMENT: the filter has an error at `column`. Metadata: `field`, `column`.
pub const INVALID_FILTER: &str = "INVALID_FILTER";
/// INVALID_ARGUMENT: the name search has too many words or characters. Metadata: `field`.
pub const INVALID_QUERY: &str = "INVALID_QUERY";
/// INVALID_ARGUMENT: `order_by` is not one of the permitted orders. Metadata: `field`.
pub const INVALID_ORDER_BY: &str = "INVALID_ORDER_BY";
/// INVALID_ARGUMENT: the page token is damaged or belongs to another request. Metadata: `field`.
pub const INVALID_PAGE_TOKEN: &str = "INVALID_PAGE_TOKEN";
/// INVALID_ARGUMENT: the resume token is damaged or belongs to another request. Metadata: `field`.
pub const INVALID_RESUME_TOKEN: &str = "INVALID_RESUME_TOKEN";
/// INVALID_ARGUMENT: the time is out of range, for example in the future. Metadata: `field`.
pub const INVALID_TIME: &str = "INVALID_TIME";
/// INVALID_ARGUMENT: the request_id was used with a different request. Metadata: `field`.
pub const REQUEST_ID_REUSED: &str = "REQUEST_ID_REUSED";
/// INVALID_ARGUMENT: any other error; see the field violation. Metadata: `field`.
pub const INVALID_ARGUMENT: &str = "INVALID_ARGUMENT";
/// INVALID_ARGUMENT: a webhook is not signed with the app secret of the server. Metadata: `field`.
pub const INVALID_SIGNATURE: &str = "INVALID_SIGNATURE";
/// NOT_FOUND: the workspace does not exist. Metadata: `workspace_id`.
pub const WORKSPACE_NOT_FOUND: &str = "WORKSPACE_NOT_FOUND";
/// NOT_FOUND: the contact does not exist.
pub const CONTACT_NOT_FOUND: &str = "CONTACT_NOT_FOUND";
/// NOT_FOUND: the tag does not exist. Metadata: `tag_id`, `suggestion`.
pub const TAG_NOT_FOUND: &str = "TAG_NOT_FOUND";
/// NOT_FOUND: the attribute does not exist. Metadata: `attribute_id`, `suggestion`.
pub const ATTRIBUTE_NOT_FOUND: &str = "ATTRIBUTE_NOT_FOUND";
/// NOT_FOUND: the API token does not exist, or is not one that the caller manages.
pub const TOKEN_NOT_FOUND: &str = "TOKEN_NOT_FOUND";
/// ALREADY_EXISTS: the workspace id is taken. Metadata: `workspace_id`.
pub const WORKSPACE_ALREADY_EXISTS: &str = "WORKSPACE_ALREADY_EXISTS";
/// ALREADY_EXISTS: a contact has the phone number, in any equivalent form, or the user id. With
/// `former`, the contact had it earlier. Metadata: `field`, `contact_id`, `former`.
pub const CONTACT_ALREADY_EXISTS: &str = "CONTACT_ALREADY_EXISTS";
/// ALREADY_EXISTS: a tag with this id or display name exists. Metadata: `field`, `tag_id`.
pub const TAG_ALREADY_EXISTS: &str = "TAG_ALREADY_EXISTS";
/// ALREADY_EXISTS: an attribute with this id or display name exists. Metadata: `field`,
/// `attribute_id`.
pub const ATTRIBUTE_ALREADY_EXISTS: &str = "ATTRIBUTE_ALREADY_EXISTS";
/// FAILED_PRECONDITION: contacts have the tag. Set `force` to remove it from them. Metadata:
/// `tag_id`, `contact_count`.
pub const TAG_IN_USE: &str = "TAG_IN_USE";
/// FAILED_PRECONDITION: contacts have a value. Set `force` to delete the values. Metadata:
/// `attribute_id`, `contact_count`.
pub const ATTRIBUTE_IN_USE: &str = "ATTRIBUTE_IN_USE";
/// FAILED_PRECONDITION: the filter does not match `expected_count` contacts. Metadata:
/// `expected_count`, `count`.
pub const COUNT_MISMATCH: &str = "COUNT_MISMATCH";
/// FAILED_PRECONDITION: the opt-in conflicts with an earlier opt-out or deletion, which only the
/// person can lift. See [`OptIn::record_opt_in`](crate::OptIn::record_opt_in). Metadata:
/// `event_id`.
pub const CONSENT_CONFLICT: &str = "CONSENT_CONFLICT";
/// FAILED_PRECONDITION: the number or user id is a former one of a contact, and may be somebody else's
/// by now. Metadata: `contact_id`.
pub const FORMER_IDENTITY: &str = "FORMER_IDENTITY";
/// FAILED_PRECONDITION: the workspace's policy demands evidence that the opt-in does not have. See
/// [`OptInPolicy`](crate::OptInPolicy). Metadata: `fields`.
pub const EVIDENCE_REQUIRED: &str = "EVIDENCE_REQUIRED";
/// ABORTED: the resource has changed since its etag was read. Read it again.
pub const ETAG_MISMATCH: &str = "ETAG_MISMATCH";
/// ABORTED: another call with this request_id is in progress. Retry.
pub const REQUEST_IN_FLIGHT: &str = "REQUEST_IN_FLIGHT";
/// ABORTED: the change conflicted with another one. Retry.
pub const WRITE_CONFLICT: &str = "WRITE_CONFLICT";
/// ABORTED: the client of an import or of a stream of checks sent nothing for `idle_seconds`. Chunks
/// with a response are stored. Metadata: `idle_seconds`.
pub const STREAM_IDLE: &str = "STREAM_IDLE";
/// UNAVAILABLE: the database is not available. Nothing was changed. Retry.
pub const DATABASE_UNAVAILABLE: &str = "DATABASE_UNAVAILABLE";
/// UNAVAILABLE: the server is shutting down. Retry on another connection.
pub const SHUTTING_DOWN: &str = "SHUTTING_DOWN";
/// RESOURCE_EXHAUSTED: the server, or the workspace, has too many concurrent calls of this kind, or the
/// server's memory for requests is used up. Retry later.
pub const OVERLOADED: &str = "OVERLOADED";
/// DEADLINE_EXCEEDED: the caller's deadline passed. The change may or may not have been made.
/// Repeat it with the same request_id to find out.
pub const DEADLINE_EXCEEDED: &str = "DEADLINE_EXCEEDED";
/// RESOURCE_EXHAUSTED: a request message has more than `limit` bytes, or is compressed too much. Send
/// less at once; a retry does not help. Metadata: `limit`.
pub const MESSAGE_TOO_LARGE: &str = "MESSAGE_TOO_LARGE";
/// INTERNAL: an error in the server. The details are in its log.
pub const INTERNAL: &str = "INTERNAL";
/// UNAUTHENTICATED: the call has no API token, more than one, or one that is not valid, was revoked or
/// has expired.
pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
/// PERMISSION_DENIED: the token lacks the scope that the call needs. Metadata: `scope`.
pub const SCOPE_MISSING: &str = "SCOPE_MISSING";
/// PERMISSION_DENIED: the token is not for this workspace, which may or may not exist. Metadata:
/// `workspace_id`.
pub const WORKSPACE_DENIED: &str = "WORKSPACE_DENIED";
