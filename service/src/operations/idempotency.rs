//! Replays: a change sent again with its request_id returns the first answer.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::MatchKey;
use crate::store::{Lock, NewStoredResponse, Operation, Transaction};

use super::lock_workspace;

/// The first answer, encoded, with the contact it tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedResponse {
    /// The encoded response.
    pub response: Bytes,
    /// Whose erasure erases it.
    pub contact_id: Option<Uuid>,
    /// The same of somebody who is no contact: their hashed key.
    pub match_key: Option<MatchKey>,
}

/// A change that happens once per request_id.
pub struct Idempotent<O, F> {
    /// The change.
    pub operation: O,
    /// Encodes its outcome.
    pub encode: F,
    /// Where.
    pub workspace_id: String,
    /// Of the API.
    pub method: &'static str,
    /// None: the caller takes the risk.
    pub request_id: Option<Uuid>,
    /// Of method and request.
    pub fingerprint: [u8; 32],
}

/// What tells one request from another.
pub fn fingerprint(method: &str, request: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(method).chain_update([0]).chain_update(request).finalize().into()
}

impl<O, F> Operation for Idempotent<O, F>
where
    O: Operation,
    O::Output: Sync,
    F: Fn(O::Output) -> EncodedResponse + Send + Sync + 'static,
{
    type Output = Bytes;

    async fn run(&self, tx: &mut Transaction) -> Result<Bytes> {
        let Some(request_id) = self.request_id else {
            return Ok((self.encode)(self.operation.run(tx).await?).response);
        };
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let since = tx.responses_since;
        if let Some(saved) = tx.db.stored_response(&workspace, request_id, since).await? {
            if saved.fingerprint.is_empty() {
                let message = "the contact of this request was erased after it; to make one again \
                               send another request_id";
                return Err(
                    Error::new(Reason::ContactNotFound, message).with_resource("contact", "")
                );
            }
            if tx.keyring().seals(&self.fingerprint).any(|seal| saved.fingerprint == seal) {
                return Ok(saved.response);
            }
            let message = "this request_id was used for another request; make a new one";
            return Err(Error::invalid(Reason::RequestIdReused, "request_id", message));
        }
        let answer = (self.encode)(self.operation.run(tx).await?);
        let saved = NewStoredResponse {
            request_id,
            // Sealed: what a request told of a person could be found by trying.
            fingerprint: tx.keyring().seal(&self.fingerprint).to_vec(),
            method: self.method,
            response: answer.response.clone(),
            contact_id: answer.contact_id,
            match_key: answer.match_key,
            create_time: tx.now,
        };
        tx.db.store_response(&workspace, &saved, since).await?;
        Ok(answer.response)
    }
}
