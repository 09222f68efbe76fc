//! The wire contract of the contacts service, as generated code.
//!
//! The `.proto` files in this folder are the reference documentation of the API.
//! This crate holds what is made from them, committed so that nobody who embeds
//! the SDK needs a code generator: messages, tonic clients and servers, and the
//! descriptor set that reflection serves.
//!
//! After a change of a `.proto` file: `REGENERATE=1 cargo test -p contacts-proto`.
#![warn(missing_docs)]

/// Package `whatatalk.contacts.v1`.
#[rustfmt::skip]
#[expect(clippy::all, reason = "generated code has its generator's style")]
#[cfg_attr(any(feature = "client", feature = "server"),
           expect(unused_qualifications, clippy::allow_attributes_without_reason,
                  reason = "generated code has its generator's style"))]
pub mod v1 {
    include!("generated/whatatalk.contacts.v1.rs");
}

mod contact_batch;
#[cfg(feature = "receipt")]
pub mod receipt;

pub use contact_batch::ContactBatch;
pub use prost_types::{Duration, FieldMask, Timestamp};
pub use tonic_types::pb as rpc;

/// The descriptors of every `.proto` file of the service, imports included,
/// encoded as a `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptor_set.bin");
