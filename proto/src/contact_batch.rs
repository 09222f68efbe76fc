use bytes::Bytes;
use prost::{DecodeError, Message};

use crate::v1::Contact;

/// Some contacts of a stream, each still encoded.
///
/// On the wire this is the `ContactBatch` of the contract: a repeated message
/// and a repeated `bytes` look the same. The server passes stored records
/// through without decoding them, which is the largest cost of a stream, and a
/// client decodes a contact when it looks at it.
#[derive(Clone, PartialEq, Message)]
pub struct ContactBatch {
    /// One encoded [`Contact`] each.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub contacts: Vec<Bytes>,
}

impl ContactBatch {
    /// Decodes the contacts one by one, in order.
    pub fn decode_contacts(&self) -> impl ExactSizeIterator<Item = Result<Contact, DecodeError>> {
        self.contacts.iter().map(|encoded| Contact::decode(encoded.clone()))
    }
}
