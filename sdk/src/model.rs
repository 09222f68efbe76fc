//! What calls take and return: plain types, independent of the wire.

mod attribute;
mod attribute_value;
mod check;
mod consent;
mod contact;
mod deletion;
mod duplicates;
mod export;
mod import;
mod new_contact;
mod person;
mod tag;
mod workspace;

pub use attribute::{Attribute, AttributeType};
pub use attribute_value::AttributeValue;
pub use check::{BatchCheckResult, CheckOutcome, CheckReason, CheckResult, Decision};
pub use consent::{
    Evidence, MessageCategory, OptInEvent, OptInEventKind, OptInRecord, OptInSource, OptInStatus,
    OptInSummary, PlatformPreference,
};
pub use contact::{Contact, ContactView};
pub use deletion::{DeleteReason, DeletionReceipt};
pub use duplicates::DuplicateReason;
pub use export::{ContactData, RecordedConsent, RecordedPlatformPreference, SavedAnswer};
pub use import::{
    ChunkResult, ImportConsent, ImportOptions, ImportRow, ImportSummary, OnConflict, RowFailure,
    TagUpdate,
};
pub use new_contact::NewContact;
pub use person::Person;
pub use tag::Tag;
pub use workspace::Workspace;
