use std::fmt;

use bytes::Bytes;
use contacts_proto::v1;
use prost::Message;

use super::super::resume_token::ResumeToken;
use crate::convert::FromProto;
use crate::error::{Error, Result};
use crate::model::Contact;

/// Several contacts of a segment. Each contact is decoded when it is read.
#[derive(Clone)]
pub struct SegmentBatch {
    contacts: Vec<Bytes>,
    token: ResumeToken,
}

impl SegmentBatch {
    pub(super) fn new(contacts: Vec<Bytes>, token: ResumeToken) -> Self {
        Self { contacts, token }
    }

    /// The number of contacts, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> usize {
        self.contacts.len()
    }

    /// The position behind this batch. Store it once all of the batch is processed.
    pub fn resume_token(&self) -> &ResumeToken {
        &self.token
    }

    /// The contacts in the order of the stream.
    pub fn contacts(&self) -> impl ExactSizeIterator<Item = Result<Contact>> {
        self.contacts.iter().cloned().map(decode)
    }

    /// The contacts as they were received: one encoded `whatatalk.contacts.v1.Contact` each. For programs
    /// that forward them: decoding is most of what a contact costs a client.
    pub fn encoded(&self) -> &[Bytes] {
        &self.contacts
    }

    pub(super) fn into_encoded(self) -> std::vec::IntoIter<Bytes> {
        self.contacts.into_iter()
    }
}

pub(super) fn decode(encoded: Bytes) -> Result<Contact> {
    match v1::Contact::decode(encoded) {
        Ok(message) => Ok(Contact::from_proto(message)),
        // The decoder's message names fields and contains no values.
        Err(error) => Err(Error::invalid_response(format!("a contact is damaged: {error}"))),
    }
}

impl fmt::Debug for SegmentBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentBatch")
            .field("len", &self.len())
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
