//! Contacts that may be the same person.

use async_trait::async_trait;
use uuid::Uuid;

use super::Workspace;
use crate::domain::error::Result;

/// What two contacts have in common if they may be the same person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateKey {
    /// The same email address, ignoring the case of a-z.
    Email,
    /// The same name, as search normalises it, and the same last digits of the
    /// phone number.
    NameAndNumber,
}

impl DuplicateKey {
    /// Longest email address that is compared, in bytes: it has to fit into a
    /// resume token.
    pub const MAX_EMAIL: usize = 254;
    /// How many of the last digits of a phone number are compared.
    pub const NUMBER_END: usize = 8;
}

/// What one contact is compared by. Contacts with the same text and number may
/// be duplicates of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateCandidate {
    /// The email address or the name.
    pub text: String,
    /// The last digits of the phone number. Empty with an email address.
    pub number: String,
    /// The contact.
    pub contact_id: Uuid,
}

/// Reads what contacts are compared by.
#[async_trait]
pub trait DuplicateReader {
    /// Returns candidates after the candidate `after`, ordered by text, number
    /// and contact id, so that duplicates follow one another.
    async fn duplicate_candidates(
        &mut self,
        workspace: &Workspace,
        key: DuplicateKey,
        after: Option<&DuplicateCandidate>,
        limit: usize,
    ) -> Result<Vec<DuplicateCandidate>>;
}
