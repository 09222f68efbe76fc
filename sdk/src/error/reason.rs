//! The reasons [`Error::reason`](crate::Error::reason) can give, one constant each.
//!
//! A newer server may give others. Constants match like literals:
//!
//! ```
//! use contacts_sdk::{Error, reason};
//!
//! fn advice(error: &Error) -> &'static str {
//!     match error.reason() {
//!         Some(reason::UNKNOWN_TAG) => "make the tag first",
//!         Some(reason::ETAG_MISMATCH) => "read the contact again",
//!         _ => "see the message",
//!     }
//! }
//! ```

/// INVALID_ARGUMENT: a required field is empty. Metadata: `field`.
pub const REQUIRED_FIELD_MISSING: &str = "REQUIRED_FIELD_MISSING";
/// INVALID_ARGUMENT: not a phone number. Metadata: `field`.
pub const INVALID_PHONE_NUMBER: &str = "INVALID_PHONE_NUMBER";
/// INVALID_ARGUMENT: not a business-scoped user id. Metadata: `field`.
pub const INVALID_WHATSAPP_USER_ID: &str = "INVALID_WHATSAPP_USER_ID";
/// INVALID_ARGUMENT: not an id the server made, or not of the form of an id. Metadata: `field`.
pub const INVALID_ID: &str = "INVALID_ID";
/// INVALID_ARGUMENT: an id with a meaning of its own, such as an attribute `opted_in`. Metadata:
/// `field`, `id`.
pub const RESERVED_ID: &str = "RESERVED_ID";
/// INVALID_ARGUMENT: text with a NUL or too many combining marks. Metadata: `field`.
pub const INVALID_TEXT: &str = "INVALID_TEXT";
/// INVALID_ARGUMENT: not an email address. Metadata: `field`.
pub const INVALID_EMAIL: &str = "INVALID_EMAIL";
/// INVALID_ARGUMENT: too long or too many. Metadata: `field`, `limit`, `actual`.
pub const LIMIT_EXCEEDED: &str = "LIMIT_EXCEEDED";
/// INVALID_ARGUMENT: a field that never changes, such as phone_number. Metadata: `field`.
pub const IMMUTABLE_FIELD: &str = "IMMUTABLE_FIELD";
/// INVALID_ARGUMENT: a field only the server sets, such as opt_in. Metadata: `field`.
pub const OUTPUT_ONLY_FIELD: &str = "OUTPUT_ONLY_FIELD";
/// INVALID_ARGUMENT: a path of an update mask that is not one. Metadata: `field`, `path`.
pub const INVALID_UPDATE_MASK: &str = "INVALID_UPDATE_MASK";
/// INVALID_ARGUMENT: a tag the workspace does not have. Metadata: `field`, `tag_id`,
/// `suggestion`.
pub const UNKNOWN_TAG: &str = "UNKNOWN_TAG";
/// INVALID_ARGUMENT: an attribute the workspace does not have. Metadata: `field`, `attribute_id`,
/// `suggestion`.
pub const UNKNOWN_ATTRIBUTE: &str = "UNKNOWN_ATTRIBUTE";
/// INVALID_ARGUMENT: a value that is not of the attribute's type. Metadata: `field`,
/// `expected_type`.
pub const WRONG_ATTRIBUTE_TYPE: &str = "WRONG_ATTRIBUTE_TYPE";
/// INVALID_ARGUMENT: a value that is not an option of the ENUM attribute. Metadata: `field`,
/// `options`.
pub const INVALID_ENUM_OPTION: &str = "INVALID_ENUM_OPTION";
/// INVALID_ARGUMENT: the filter does not parse or check. Metadata: `field`, `column`.
pub const INVALID_FILTER: &str = "INVALID_FILTER";
/// INVALID_ARGUMENT: the name search has too many words or characters. Metadata: `field`.
pub const INVALID_QUERY: &str = "INVALID_QUERY";
/// INVALID_ARGUMENT: not an order contacts can be listed in. Metadata: `field`.
pub const INVALID_ORDER_BY: &str = "INVALID_ORDER_BY";
/// INVALID_ARGUMENT: a page token that is damaged or of another request. Metadata: `field`.
pub const INVALID_PAGE_TOKEN: &str = "INVALID_PAGE_TOKEN";
/// INVALID_ARGUMENT: a resume token that is damaged or of another request. Metadata: `field`.
pub const INVALID_RESUME_TOKEN: &str = "INVALID_RESUME_TOKEN";
/// INVALID_ARGUMENT: a time out of range, such as one in the future. Metadata: `field`.
pub const INVALID_TIME: &str = "INVALID_TIME";
/// INVALID_ARGUMENT: a request_id that was used with another body. Metadata: `field`.
pub const REQUEST_ID_REUSED: &str = "REQUEST_ID_REUSED";
/// INVALID_ARGUMENT: anything else; the field violation says what. Metadata: `field`.
pub const INVALID_ARGUMENT: &str = "INVALID_ARGUMENT";
/// NOT_FOUND: no such workspace. Metadata: `workspace_id`.
pub const WORKSPACE_NOT_FOUND: &str = "WORKSPACE_NOT_FOUND";
/// NOT_FOUND: no such contact.
pub const CONTACT_NOT_FOUND: &str = "CONTACT_NOT_FOUND";
/// NOT_FOUND: no such tag. Metadata: `tag_id`, `suggestion`.
pub const TAG_NOT_FOUND: &str = "TAG_NOT_FOUND";
/// NOT_FOUND: no such attribute. Metadata: `attribute_id`, `suggestion`.
pub const ATTRIBUTE_NOT_FOUND: &str = "ATTRIBUTE_NOT_FOUND";
/// ALREADY_EXISTS: the workspace id is taken. Metadata: `workspace_id`.
pub const WORKSPACE_ALREADY_EXISTS: &str = "WORKSPACE_ALREADY_EXISTS";
/// ALREADY_EXISTS: a contact has this phone number, in whatever form, or this user id. Metadata:
/// `field`, `contact_id`.
pub const CONTACT_ALREADY_EXISTS: &str = "CONTACT_ALREADY_EXISTS";
/// ALREADY_EXISTS: a tag has this id or display name. Metadata: `field`, `tag_id`.
pub const TAG_ALREADY_EXISTS: &str = "TAG_ALREADY_EXISTS";
/// ALREADY_EXISTS: an attribute has this id or display name. Metadata: `field`, `attribute_id`.
pub const ATTRIBUTE_ALREADY_EXISTS: &str = "ATTRIBUTE_ALREADY_EXISTS";
/// FAILED_PRECONDITION: contacts carry the tag; `force` takes it off. Metadata: `tag_id`,
/// `contact_count`.
pub const TAG_IN_USE: &str = "TAG_IN_USE";
/// FAILED_PRECONDITION: contacts have a value; `force` deletes it. Metadata: `attribute_id`,
/// `contact_count`.
pub const ATTRIBUTE_IN_USE: &str = "ATTRIBUTE_IN_USE";
/// FAILED_PRECONDITION: `expected_count` is not the count. Metadata: `expected_count`, `count`.
pub const COUNT_MISMATCH: &str = "COUNT_MISMATCH";
/// FAILED_PRECONDITION: an import claims consent for somebody who objected. Metadata: `event_id`.
pub const CONSENT_CONFLICT: &str = "CONSENT_CONFLICT";
/// ABORTED: the resource changed since its etag was read. Read it again.
pub const ETAG_MISMATCH: &str = "ETAG_MISMATCH";
/// ABORTED: a call with this request_id is being worked on. Retry.
pub const REQUEST_IN_FLIGHT: &str = "REQUEST_IN_FLIGHT";
/// ABORTED: two changes met. Retry.
pub const WRITE_CONFLICT: &str = "WRITE_CONFLICT";
/// ABORTED: nothing arrived on an import for too long. Answered chunks stay. Metadata:
/// `idle_seconds`.
pub const IMPORT_IDLE: &str = "IMPORT_IDLE";
/// UNAVAILABLE: the database cannot answer. Nothing was half done. Retry.
pub const DATABASE_UNAVAILABLE: &str = "DATABASE_UNAVAILABLE";
/// UNAVAILABLE: the server is stopping. Retry on another connection.
pub const SHUTTING_DOWN: &str = "SHUTTING_DOWN";
/// RESOURCE_EXHAUSTED: too many calls at once. Retry later.
pub const OVERLOADED: &str = "OVERLOADED";
/// DEADLINE_EXCEEDED: the time the caller gave ran out. A change may or may not have happened;
/// repeat it with its request_id to know.
pub const DEADLINE_EXCEEDED: &str = "DEADLINE_EXCEEDED";
/// INTERNAL: a fault of the server; its log has the details.
pub const INTERNAL: &str = "INTERNAL";
