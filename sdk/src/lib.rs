//! Client of the contacts service: check whether a person may be messaged, stream audiences for
//! campaigns, import contacts, and list them.
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
//! # Overview
//!
//! - [`ContactsClient`] is cheap to clone. Its methods return the calls by topic: [`OptIn`],
//!   [`Contacts`], [`Tags`], [`Attributes`], [`Webhooks`], [`Workspaces`], [`ApiTokens`].
//! - Each call is a builder in [`request`]: set the optional parameters, then `.await` it.
//! - Lists are read page by page, or as streams of pages or items. Segments and imports are streams
//!   that reconnect and resume. All streams implement the futures `Stream` trait and have a `next`
//!   method, so that no import is needed.
//! - [`Filter`] builds filters. Every filter parameter also accepts text.
//!
//! # Checks fail closed
//!
//! [`OptIn::may_send`] returns false for every error. [`OptIn::check`] returns the reason as well;
//! send only if [`CheckResult::is_allowed`]. A decision that this version does not know is a denial.
//! Code that sends messages can depend on the trait [`OptInChecker`] and be tested with a fake.
//!
//! # Deadlines and retries
//!
//! Every single call has a deadline: 1 s for opt-in checks, 10 s for everything else, unless the
//! client or the call sets another. It covers all retries, is sent to the server, and is enforced in
//! the client too, so that a dead peer cannot block a call. Streams may run for any length of time;
//! the wait for each message is limited.
//!
//! Only calls that may run twice without harm are retried: see [`RetryPolicy`]. A change that fails
//! with [`Error::is_deadline_exceeded`] may have happened. Repeat it with its [`Error::request_id`]:
//! the server applies it at most once.
//!
//! # Features
//!
//! - `tls`: connections to `https://` addresses.
//! - `receipts`: verifies decision receipts offline, with `contacts_sdk::receipt`. Checks return them
//!   without this feature, as text.
//! - `proto`: the protobuf messages, conversions between them and this crate's types, and the
//!   generated clients. These follow the versions of tonic and prost, and are not covered by this
//!   crate's version promise.
//!
//! The minimum supported Rust version is 1.89.
#![warn(missing_docs)]

mod api_tokens;
mod attributes;
mod call;
mod client;
mod config;
mod contacts;
mod convert;
mod error;
pub mod filter;
mod handle;
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
mod webhooks;
mod workspaces;

#[cfg(feature = "proto")]
pub use contacts_proto as proto;

pub use api_tokens::ApiTokens;
pub use attributes::Attributes;
pub use client::{ClientBuilder, ContactsClient};
pub use contacts::{
    ContactStream, Contacts, DuplicateGroup, DuplicateGroups, ImportChunks, ResumeToken,
    SegmentBatch, SegmentBatches,
};
pub use error::{Error, ErrorKind, FieldViolation, Resource, reason};
pub use filter::Filter;
pub use model::{
    ApiToken, Attribute, AttributeType, AttributeValue, BatchCheckResult, CheckOutcome,
    CheckReason, CheckResult, ChunkResult, Contact, ContactData, ContactField, ContactIdentity,
    ContactView, Decision, DeleteReason, DeletionReceipt, DuplicateReason, Evidence, EvidenceField,
    ImportConsent, ImportOptions, ImportRow, ImportSummary, MessageCategory, NewApiToken,
    NewContact, OnConflict, OptInEvent, OptInEventKind, OptInPolicy, OptInPolicyPeriod,
    OptInRecord, OptInSource, OptInStatus, OptInSummary, OrderBy, PlatformPreference, Recipient,
    RecordedConsent, RecordedPlatformPreference, RowFailure, StoredResponse, Tag, TagUpdate,
    TokenScope, WebhookCounts, WebhookOutcome, WebhookReport, WebhookResult, WebhookStatementKind,
    Workspace,
};
pub use opt_in::{CheckStream, CheckedBatch, OptIn, OptInChecker, OptInFuture};
pub use paging::{Items, Page, Pages};
pub use retry::RetryPolicy;
pub use tags::Tags;
#[cfg(feature = "proto")]
pub use transport::{Credentials, Service};
pub use webhooks::Webhooks;
pub use workspaces::Workspaces;
