//! The request builders: what the methods of the client return.
//!
//! Set what is optional, then `.await` the builder; `.send().await` is the same. All have
//! `deadline(…)`, and changes have `request_id(…)`.

use std::time::Duration;

use crate::client::ContactsClient;
use crate::error::Result;
use crate::transport::Call;

pub use crate::attributes::{
    CreateAttribute, DeleteAttribute, GetAttribute, ListAttributes, UpdateAttribute,
};
pub use crate::contacts::{
    BatchGetContacts, BatchUpsertContacts, CountContacts, CreateContact, DeleteContact,
    ExportContactData, GetContact, ImportContacts, LinkIdentity, ListContacts, MergeContacts,
    StreamContacts, StreamDuplicates, UpdateContact, UpdateContactTags,
};
pub use crate::opt_in::{
    BatchCheckOptIn, CheckOptIn, CheckOptInStream, ListOptInEvents, RecordOptIn, RecordOptOut,
    RecordPlatformPreference,
};
pub use crate::tags::{CreateTag, DeleteTag, GetTag, ListTags, UpdateTag};
pub use crate::workspaces::{CreateWorkspace, DeleteWorkspace, GetWorkspace, ListWorkspaces};

/// A message, and the client that will send it.
#[derive(Clone)]
pub(crate) struct Prepared<Q> {
    pub client: ContactsClient,
    pub message: Q,
    pub deadline: Duration,
}

impl<Q> Prepared<Q> {
    pub fn new(client: &ContactsClient, message: Q) -> Self {
        let deadline = client.config().deadline;
        Self { client: client.clone(), message, deadline }
    }

    pub fn check(client: &ContactsClient, message: Q) -> Self {
        let deadline = client.config().check_deadline;
        Self { client: client.clone(), message, deadline }
    }
}

impl<Q: Call> Prepared<Q> {
    pub async fn send(self) -> Result<Q::Response> {
        self.client.transport().call(self.message, self.deadline).await
    }
}

/// Declares a builder around a message; its own setters and `send` are written by hand.
macro_rules! request {
    ($(#[$doc:meta])* change $name:ident($message:ident) -> $output:ty) => {
        request! { $(#[$doc])* $name($message) -> $output }

        impl $name {
            /// Sets the id by which the server recognises a repetition of this change: a UUID. One
            /// is made if none is set. The same id within 24 hours gets the first answer again.
            pub fn request_id(mut self, id: impl Into<String>) -> Self {
                self.0.message.request_id = id.into();
                self
            }
        }
    };
    ($(#[$doc:meta])* $name:ident($message:ident) -> $output:ty) => {
        $(#[$doc])*
        #[derive(Clone)]
        #[must_use = "a request does nothing until it is awaited"]
        pub struct $name($crate::request::Prepared<contacts_proto::v1::$message>);

        impl $name {
            /// Sets how long the call may take, retries included, in place of the client's default.
            pub fn deadline(mut self, deadline: std::time::Duration) -> Self {
                self.0.deadline = deadline;
                self
            }
        }

        impl IntoFuture for $name {
            type Output = $crate::error::Result<$output>;
            type IntoFuture = futures_util::future::BoxFuture<'static, Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.send())
            }
        }
    };
}

pub(crate) use request;
