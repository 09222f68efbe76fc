//! Business rules: what a contact is, which values are valid, what a filter matches, and who may be
//! messaged. No I/O, no clock and no async; times and ids are passed in.

pub mod access;
pub mod attribute;
pub mod consent;
pub mod contact;
pub mod error;
pub mod external_id;
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
pub mod webhook;
pub mod workspace;

/// A timestamp in UTC. Stored with microsecond precision.
pub type Time = chrono::DateTime<chrono::Utc>;
