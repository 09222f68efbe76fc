//! Request builders, returned by the methods of [`Contacts`](crate::Contacts),
//! [`OptIn`](crate::OptIn), [`Tags`](crate::Tags), [`Attributes`](crate::Attributes),
//! [`Webhooks`](crate::Webhooks), [`Workspaces`](crate::Workspaces) and
//! [`ApiTokens`](crate::ApiTokens).
//!
//! Set the optional parameters, then `.await` the builder; `.send().await` does the same. Every
//! builder of a single call has `deadline(…)`, and every builder of a change has `request_id(…)`.

pub use crate::api_tokens::{CreateToken, ListTokens, RevokeToken, RotateToken};
pub use crate::attributes::{
    CreateAttribute, DeleteAttribute, GetAttribute, ListAttributes, UpdateAttribute,
};
pub use crate::contacts::{
    BatchGetContacts, BatchUpsertContacts, CountContacts, CreateContact, DeleteContact,
    ExportContactData, GetContact, ImportContacts, LinkIdentity, ListContacts, MergeContacts,
    StreamContacts, StreamDuplicates, UpdateContact, UpdateContactTags,
};
#[cfg(feature = "receipts")]
pub use crate::opt_in::ListReceiptKeys;
pub use crate::opt_in::{
    BatchCheckOptIn, CheckOptIn, CheckOptInStream, ListOptInEvents, RecordOptIn, RecordOptOut,
    RecordPlatformPreference,
};
pub use crate::tags::{CreateTag, DeleteTag, GetTag, ListTags, UpdateTag};
pub use crate::webhooks::IngestWebhook;
pub use crate::workspaces::{
    CreateWorkspace, DeleteWorkspace, GetOptInPolicies, GetWorkspace, ListWorkspaces,
    UpdateWorkspace,
};
