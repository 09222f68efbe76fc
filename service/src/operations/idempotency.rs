//! Idempotent requests: one that is sent again with the same request_id returns the
//! first response.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::MatchKey;
use crate::store::{Bulk, Lock, NewStoredResponse, Operation, Store, Transaction};

use super::{lock_workspace, workspace};

/// A response as it is stored, with the person it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedResponse {
    /// The encoded response.
    pub response: Bytes,
    /// The contact it is about. Erasing the contact erases the response.
    pub contact_id: Option<Uuid>,
    /// The hashed key of the non-contact it is about. Erasing that person erases the
    /// response.
    pub match_key: Option<MatchKey>,
}

/// An operation that runs once per request_id.
pub struct Idempotent<O, F> {
    /// The operation.
    pub operation: O,
    /// Encodes the response.
    pub encode: F,
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// The name of the API method.
    pub method: &'static str,
    /// None if the caller sent none: the operation always runs.
    pub request_id: Option<Uuid>,
    /// From [`fingerprint`].
    pub fingerprint: [u8; 32],
}

/// Hash of method and request body. Two requests with the same id have to have the
/// same one.
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

    fn bulk(&self) -> Option<Bulk<'_>> {
        self.operation.bulk()
    }

    fn is_objection(&self) -> bool {
        self.operation.is_objection()
    }

    fn needs_preparation(&self) -> bool {
        self.operation.needs_preparation()
    }

    async fn prepare(&self, store: &Store) -> Result<()> {
        if let Some(request_id) = self.request_id {
            let mut db = store.read().await?;
            let workspace = workspace(&mut *db, &self.workspace_id).await?;
            let since = store.kept_since(store.response_retention());
            if db.stored_response(&workspace, request_id, since).await?.is_some() {
                // Answered already, or refused: nothing is done again.
                return Ok(());
            }
        }
        self.operation.prepare(store).await
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Bytes> {
        let Some(request_id) = self.request_id else {
            return Ok((self.encode)(self.operation.run(tx).await?).response);
        };
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let since = tx.responses_since;
        if let Some(saved) = tx.db.stored_response(&workspace, request_id, since).await? {
            let is_same =
                tx.keyring().seals(&self.fingerprint).any(|seal| saved.fingerprint == seal);
            if self.operation.is_objection() && !is_same {
                // Erased since, or another objection: none is refused for its request_id.
                tx.without_words = saved.fingerprint.is_empty();
                return match self.operation.run(tx).await {
                    Ok(output) => Ok((self.encode)(output).response),
                    // Whom it is about was erased, which denies everything.
                    Err(error)
                        if saved.fingerprint.is_empty()
                            && error.reason() == Reason::ContactNotFound =>
                    {
                        Ok(Bytes::new())
                    }
                    Err(error) => Err(error),
                };
            }
            if saved.fingerprint.is_empty() {
                let message = "the contact of this request was erased after it; to make one again \
                               send another request_id";
                return Err(
                    Error::new(Reason::ContactNotFound, message).with_resource("contact", "")
                );
            }
            if is_same {
                return Ok(saved.response);
            }
            let message = "this request_id was used for another request; make a new one";
            return Err(Error::invalid(Reason::RequestIdReused, "request_id", message));
        }
        let answer = (self.encode)(self.operation.run(tx).await?);
        let saved = NewStoredResponse {
            request_id,
            // Sealed with a key. A plain hash could be guessed from phone numbers.
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
