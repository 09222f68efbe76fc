use std::fmt;

use bytes::Bytes;
use contacts_proto::v1;
use prost::Message;

use crate::convert::FromProto;
use crate::error::{Error, Result};
use crate::model::Contact;

/// A place in a segment: store it as text to go on there after a restart.
///
/// Opaque, at most 512 bytes, and good only for a segment with the same filter, query and limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResumeToken(String);

impl ResumeToken {
    /// The token as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The token as text.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl From<String> for ResumeToken {
    fn from(token: String) -> Self {
        Self(token)
    }
}

impl From<&str> for ResumeToken {
    fn from(token: &str) -> Self {
        Self(token.to_owned())
    }
}

impl fmt::Display for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Some contacts of a segment. They are still encoded: each is decoded when it is looked at.
#[derive(Clone)]
pub struct SegmentBatch {
    contacts: Vec<Bytes>,
    token: ResumeToken,
}

impl SegmentBatch {
    pub(super) fn new(contacts: Vec<Bytes>, token: ResumeToken) -> Self {
        Self { contacts, token }
    }

    /// How many contacts there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> usize {
        self.contacts.len()
    }

    /// Where the segment goes on behind this batch. Store it when the whole batch is done.
    pub fn resume_token(&self) -> &ResumeToken {
        &self.token
    }

    /// The contacts in order.
    pub fn contacts(&self) -> impl ExactSizeIterator<Item = Result<Contact>> {
        self.contacts.iter().cloned().map(decode)
    }

    pub(super) fn into_encoded(self) -> std::vec::IntoIter<Bytes> {
        self.contacts.into_iter()
    }
}

pub(super) fn decode(encoded: Bytes) -> Result<Contact> {
    match v1::Contact::decode(encoded) {
        Ok(message) => Ok(Contact::from_proto(message)),
        // The decoder's own words name fields only.
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
