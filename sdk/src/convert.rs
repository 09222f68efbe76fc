//! Conversions between the protobuf messages and this crate's types. No other module has any.
//!
//! They move values and do not copy them, because a segment converts every contact that it delivers.

mod api_token;
mod catalog;
mod consent;
mod contact;
mod enums;
mod error;
mod export;
mod import;
#[cfg(feature = "receipts")]
mod receipt;
mod webhook;

use std::time::SystemTime;

use contacts_proto::Timestamp;

pub(crate) use consent::{BatchRecipients, batch_result};
#[cfg(feature = "receipts")]
pub(crate) use receipt::receipt_keys;

use crate::error::{Error, Result};

/// Like `From`, but not part of the public API.
pub(crate) trait FromProto<P> {
    fn from_proto(message: P) -> Self;
}

/// Like `Into`, but not part of the public API.
pub(crate) trait IntoProto<P> {
    fn into_proto(self) -> P;
}

/// The resource that a response must contain.
pub(crate) fn present<P, T: FromProto<P>>(message: Option<P>) -> Result<T> {
    let missing = || Error::invalid_response("the response does not contain the resource");
    message.map(T::from_proto).ok_or_else(missing)
}

/// A time. One that `SystemTime` cannot represent counts as absent.
pub(crate) fn time(timestamp: Option<Timestamp>) -> Option<SystemTime> {
    timestamp.and_then(|timestamp| SystemTime::try_from(timestamp).ok())
}

pub(crate) fn count(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or_default()
}

fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn all<P, T: FromProto<P>>(messages: Vec<P>) -> Vec<T> {
    messages.into_iter().map(T::from_proto).collect()
}

fn all_into<T: IntoProto<P>, P>(values: impl IntoIterator<Item = T>) -> Vec<P> {
    values.into_iter().map(T::into_proto).collect()
}

/// The same conversions as `From`, for callers that use the messages.
#[cfg(feature = "proto")]
macro_rules! public {
    ($($own:ident <- $message:ty;)*) => {$(
        impl From<$message> for crate::$own {
            fn from(message: $message) -> Self {
                Self::from_proto(message)
            }
        }
    )*};
    ($($own:ident -> $message:ty;)*) => {$(
        impl From<crate::$own> for $message {
            fn from(value: crate::$own) -> Self {
                value.into_proto()
            }
        }
    )*};
}

#[cfg(feature = "proto")]
mod public {
    use super::{FromProto, IntoProto};
    use contacts_proto::{rpc, v1};

    public! {
        Contact <- v1::Contact;
        OptInSummary <- v1::OptInSummary;
        OptInEvent <- v1::OptInEvent;
        CheckResult <- v1::CheckOptInResponse;
        DeletionReceipt <- v1::DeletionReceipt;
        Tag <- v1::Tag;
        Attribute <- v1::Attribute;
        Workspace <- v1::Workspace;
        WebhookReport <- v1::IngestWhatsAppWebhookResponse;
        Error <- rpc::Status;
    }
    public! {
        NewContact -> v1::Contact;
        AttributeValue -> v1::AttributeValue;
        Recipient -> v1::Recipient;
        Evidence -> v1::OptInEvidence;
        OptInPolicy -> v1::OptInPolicy;
        ImportRow -> v1::ImportRow;
        ImportConsent -> v1::ImportConsent;
        ImportOptions -> v1::ImportOptions;
    }
}
