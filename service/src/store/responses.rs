//! Stored responses, which make requests idempotent.

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use super::{Subjects, Workspace};
use crate::domain::Time;
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;

/// A response to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewStoredResponse {
    /// The caller's id of the request.
    pub request_id: Uuid,
    /// Sealed hash of method and request body. A request with the same id has to
    /// have the same one.
    pub fingerprint: Vec<u8>,
    /// The name of the method.
    pub method: &'static str,
    /// The encoded response.
    pub response: Bytes,
    /// The contact the response is about. Erasing it erases the response.
    pub contact_id: Option<Uuid>,
    /// The hashed key of the non-contact the response is about. Erasing that
    /// person erases the response.
    pub match_key: Option<MatchKey>,
    /// When the request was handled.
    pub create_time: Time,
}

/// A stored response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// As in [`NewStoredResponse`]. Empty once the response is erased.
    pub fingerprint: Vec<u8>,
    /// The encoded response. Empty once it is erased.
    pub response: Bytes,
}

/// A stored response without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponseInfo {
    /// The caller's id of the request.
    pub request_id: Uuid,
    /// The name of the method.
    pub method: String,
    /// When the request was handled.
    pub create_time: Time,
}

/// Reads stored responses.
#[async_trait]
pub trait ResponseReader {
    /// Returns the response to this request, unless it was stored before `since`.
    async fn stored_response(
        &mut self,
        workspace: &Workspace,
        request_id: Uuid,
        since: Time,
    ) -> Result<Option<StoredResponse>>;
    /// Returns which responses about a contact are stored, newest first.
    async fn stored_responses_about(
        &mut self,
        workspace: &Workspace,
        contact_id: Uuid,
        limit: usize,
    ) -> Result<Vec<StoredResponseInfo>>;
}

/// Writes stored responses.
#[async_trait]
pub trait ResponseWriter {
    /// Stores a response, and deletes some that were stored before `since`.
    async fn store_response(
        &mut self,
        workspace: &Workspace,
        response: &NewStoredResponse,
        since: Time,
    ) -> Result<()>;
    /// Deletes up to `limit` responses that were stored before this time. Returns
    /// how many.
    async fn delete_stored_responses(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64>;
    /// Makes the responses about non-contacts, by their hashed keys, those about a contact, so
    /// that they are erased with it whatever becomes of the key.
    async fn claim_stored_responses(
        &mut self,
        workspace: &Workspace,
        keys: &[MatchKey],
        contact_id: Uuid,
    ) -> Result<()>;
    /// Erases the content of responses about one person. Their request ids stay,
    /// so that a late retry does not create the person again.
    async fn erase_stored_responses(
        &mut self,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<()>;
}
