//! The machinery of the request builders.

use std::time::Duration;

use crate::error::Result;
use crate::handle::Handle;
use crate::transport::Unary;

/// A request message, and what is needed to send it.
#[derive(Clone)]
pub(crate) struct Prepared<Q> {
    pub handle: Handle,
    pub message: Q,
    pub deadline: Duration,
}

impl<Q> Prepared<Q> {
    pub fn new(handle: &Handle, message: Q) -> Self {
        let deadline = handle.config().deadline;
        Self { handle: handle.clone(), message, deadline }
    }

    /// An opt-in check, which has a deadline of its own.
    pub fn check(handle: &Handle, message: Q) -> Self {
        let deadline = handle.config().check_deadline;
        Self { handle: handle.clone(), message, deadline }
    }
}

impl<Q: Unary> Prepared<Q> {
    pub async fn send(self) -> Result<Q::Response> {
        self.handle.transport().call(self.message, self.deadline).await
    }
}

/// Declares the builder of a request message. Its own setters and `send` are written by hand.
macro_rules! request {
    ($(#[$doc:meta])* change $name:ident($message:ident) -> $output:ty) => {
        request! { $(#[$doc])* $name($message) -> $output }

        impl $name {
            /// Sets the id under which the server recognises a repetition of this change: a UUID.
            ///
            /// Without it, the SDK generates one. For 24 hours, the same change with the same id
            /// returns the first response and changes nothing.
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
        pub struct $name($crate::call::Prepared<contacts_proto::v1::$message>);

        impl $name {
            /// Sets how long the call may take, retries included. Overrides the client's default.
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
