//! The rules, without I/O, clock or framework: what a contact is, what may be
//! written, what a filter means, and who may be messaged.

pub mod attribute;
pub mod consent;
pub mod contact;
pub mod error;
pub mod filter;
pub mod identity;
pub mod ids;
pub mod import;
pub mod keyring;
pub mod ledger;
pub mod merge;
pub mod phone;
pub mod receipt;
pub mod search;
pub mod tag;
pub mod text;

/// A moment, to the microsecond.
pub type Time = chrono::DateTime<chrono::Utc>;
