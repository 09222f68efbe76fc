//! The client of the contacts service: who may be messaged, segments for campaigns, imports, and the
//! directory.
//!
//! ```no_run
//! use contacts_sdk::{ContactsClient, MessageCategory, NewContact, OptInSource};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), contacts_sdk::Error> {
//! let client = ContactsClient::builder("http://127.0.0.1:50051").connect().await?;
//!
//! let ana = client
//!     .contacts()
//!     .create(NewContact::new().phone("15551234567").first_name("Ana"))
//!     .await?;
//! client.opt_in().record_opt_in(&ana, OptInSource::WebForm).await?;
//!
//! if client.opt_in().may_send(&ana, MessageCategory::Marketing).await {
//!     // send the template
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//!
//! - [`ContactsClient`] is cheap to clone and gives the calls by topic: [`OptIn`], [`Contacts`],
//!   [`Tags`], [`Attributes`], [`Workspaces`].
//! - Each call is a builder in [`request`]: set what is optional, then `.await` it.
//! - Lists can be read by page, or as streams of pages or items. Segments and imports are streams
//!   that survive dropped connections. All streams are futures `Stream`s and have an own `next`.
//! - [`Filter`] builds filters; every filter parameter also takes text.
//!
//! # Checks fail closed
//!
//! [`OptIn::may_send`] is false for every error. With [`OptIn::check`] send only if
//! [`CheckResult::is_allowed`]; answers that this version does not know are denials. Programs that
//! send depend on [`OptInChecker`] and pass a fake in their tests.
//!
//! # Deadlines and retries
//!
//! Every call has a deadline: 10 s, checks 1 s, or what the client or the call sets. It covers
//! retries, travels to the server, and runs in the client as well, so that a dead peer cannot hold a
//! call. Streams have no bound on their length; each wait for a message has one.
//!
//! Retried is what may run twice without harm: see [`RetryPolicy`]. A change that failed with
//! [`Error::is_deadline_exceeded`] may have happened; repeat it under its [`Error::request_id`].
//!
//! # Features
//!
//! - `tls`: `https://` addresses.
//! - `receipts`: verifies decision receipts offline, with `contacts_sdk::receipt`.
//! - `proto`: the protobuf messages, `From` conversions for them, and the generated clients. These
//!   follow tonic's and prost's versions.
//!
//! Needs Rust 1.89 or later.
#![warn(missing_docs)]

mod attributes;
mod client;
mod config;
mod contacts;
mod convert;
mod error;
pub mod filter;
mod model;
mod opt_in;
mod paging;
mod pipeline;
#[cfg(feature = "receipts")]
pub mod receipt;
pub mod request;
mod retry;
mod tags;
mod transport;
mod workspaces;

#[cfg(feature = "proto")]
pub use contacts_proto as proto;

pub use attributes::Attributes;
pub use client::{ClientBuilder, ContactsClient};
pub use contacts::{
    ContactStream, Contacts, DuplicateGroup, DuplicateGroups, ImportChunks, ResumeToken,
    SegmentBatch, SegmentBatches,
};
pub use error::{Error, ErrorKind, FieldViolation, Resource, reason};
pub use filter::Filter;
pub use model::{
    Attribute, AttributeType, AttributeValue, BatchCheckResult, CheckOutcome, CheckReason,
    CheckResult, ChunkResult, Contact, ContactData, ContactView, Decision, DeleteReason,
    DeletionReceipt, DuplicateReason, Evidence, ImportConsent, ImportOptions, ImportRow,
    ImportSummary, MessageCategory, NewContact, OnConflict, OptInEvent, OptInEventKind,
    OptInRecord, OptInSource, OptInStatus, OptInSummary, Person, PlatformPreference,
    RecordedConsent, RecordedPlatformPreference, RowFailure, SavedAnswer, Tag, TagUpdate,
    Workspace,
};
pub use opt_in::{CheckStream, CheckedBatch, OptIn, OptInChecker, OptInFuture};
pub use paging::{Items, Page, Pages};
pub use retry::RetryPolicy;
pub use tags::Tags;
#[cfg(feature = "proto")]
pub use transport::{Credentials, Service};
pub use workspaces::Workspaces;
