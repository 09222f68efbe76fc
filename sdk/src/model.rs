//! What calls take and return: plain types, without tonic's and prost's.

mod api_token;
mod attribute;
mod attribute_value;
mod check;
mod consent;
mod contact;
mod contact_field;
mod deletion;
mod duplicates;
mod export;
mod import;
mod new_contact;
mod order_by;
mod recipient;
mod tag;
mod webhook;
mod workspace;

pub use api_token::{ApiToken, NewApiToken, TokenScope};
pub use attribute::{Attribute, AttributeType};
pub use attribute_value::AttributeValue;
pub use check::{BatchCheckResult, CheckOutcome, CheckReason, CheckResult, Decision};
pub use consent::{
    Evidence, MessageCategory, OptInEvent, OptInEventKind, OptInRecord, OptInSource, OptInStatus,
    OptInSummary, PlatformPreference,
};
pub use contact::{Contact, ContactIdentity, ContactView};
pub use contact_field::ContactField;
pub use deletion::{DeleteReason, DeletionReceipt};
pub use duplicates::DuplicateReason;
pub use export::{ContactData, RecordedConsent, RecordedPlatformPreference, StoredResponse};
pub use import::{
    ChunkResult, ImportConsent, ImportOptions, ImportRow, ImportSummary, OnConflict, RowFailure,
    TagUpdate,
};
pub use new_contact::NewContact;
pub use order_by::OrderBy;
pub use recipient::Recipient;
pub use tag::Tag;
pub use webhook::{
    WebhookCounts, WebhookOutcome, WebhookReport, WebhookResult, WebhookStatementKind,
};
pub use workspace::{EvidenceField, OptInPolicy, OptInPolicyPeriod, Workspace};
