//! Changes with a request_id: a request sent again gets the stored response.

use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prost::Message;
use uuid::Uuid;

use super::mutation::{Mutation, MutationResponse};
use crate::domain::error::{Error, Reason, Result};
use crate::operations::DEFAULT_WORKSPACE;
use crate::operations::idempotency::{Idempotent, fingerprint};
use crate::store::{Bulk, Operation, Store, Transaction};
use crate::telemetry::call;

/// Longest request_id that is parsed, in bytes.
const MAX_REQUEST_ID: usize = 255;

/// The request_ids in use by this process. The database keeps two processes
/// from using the same one.
#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashSet<Key>>>);

type Key = (String, Uuid);

/// Identifies a request, so that the same request sent again gets the stored
/// response.
pub(super) struct IdempotencyKey<M> {
    workspace_id: String,
    /// None: the caller sent none, and each request is a change of its own.
    request_id: Option<Uuid>,
    fingerprint: [u8; 32],
    mutation: PhantomData<fn(M)>,
}

impl<M: Mutation> IdempotencyKey<M> {
    /// The key of a request as it was received, before any part of it is moved.
    pub(super) fn of(request: &M) -> Result<Self> {
        let request_id = match decode_request_id(request.request_id()) {
            Err(_) if request.is_objection() => None,
            request_id => request_id?,
        };
        let fingerprint = match request_id {
            Some(_) => fingerprint(M::method(), &request.encode_to_vec()),
            None => [0; 32],
        };
        let workspace_id = request.workspace_id().to_owned();
        Ok(Self { workspace_id, request_id, fingerprint, mutation: PhantomData })
    }
}

fn decode_request_id(request_id: &str) -> Result<Option<Uuid>> {
    if request_id.is_empty() {
        return Ok(None);
    }
    if request_id.len() > MAX_REQUEST_ID {
        return Err(Error::limit("request_id", MAX_REQUEST_ID, request_id.len()));
    }
    Uuid::try_parse(request_id).map(Some).map_err(|_| {
        let message = "request_id has to be a UUID that you make, such as \
                       2b1e1e0c-6f0a-4d0e-9a55-0c7c3f2f8a11, or empty";
        Error::invalid(Reason::InvalidArgument, "request_id", message)
    })
}

impl InFlight {
    /// Runs a change, or returns the stored response to the same request.
    pub(super) async fn run<M, O, R, F>(
        &self,
        store: &Store,
        key: IdempotencyKey<M>,
        operation: O,
        encode: F,
    ) -> Result<M::Response>
    where
        M: Mutation,
        O: Operation,
        O::Output: Sync,
        R: Into<MutationResponse<M>>,
        F: Fn(O::Output) -> R + Send + Sync + 'static,
    {
        let IdempotencyKey { workspace_id, request_id, fingerprint, .. } = key;
        let guard = match request_id {
            Some(request_id) => Some(self.enter(&workspace_id, request_id)?),
            None => None,
        };
        let operation = Idempotent {
            operation,
            encode: move |output| {
                let encoded = encode(output).into().encoded;
                call::about(encoded.contact_id);
                encoded
            },
            workspace_id,
            method: M::method(),
            request_id,
            fingerprint,
        };
        let response = store.write(Guarded { operation, _guard: guard }).await?;
        M::Response::decode(response).map_err(Error::internal)
    }

    fn enter(&self, workspace_id: &str, request_id: Uuid) -> Result<Guard> {
        let workspace_id = if workspace_id.is_empty() { DEFAULT_WORKSPACE } else { workspace_id };
        let key = (workspace_id.to_owned(), request_id);
        if !self.lock().insert(key.clone()) {
            let message = "a call with this request_id is being worked on; retry for its response";
            return Err(Error::new(Reason::RequestInFlight, message));
        }
        Ok(Guard { in_flight: self.clone(), key })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Guard {
    in_flight: InFlight,
    key: Key,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.in_flight.lock().remove(&self.key);
    }
}

/// Holds a request_id until the change has ended. The change goes on when its
/// caller goes away.
struct Guarded<O> {
    operation: O,
    _guard: Option<Guard>,
}

impl<O: Operation> Operation for Guarded<O> {
    type Output = O::Output;

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
        self.operation.prepare(store).await
    }

    async fn run(&self, tx: &mut Transaction) -> Result<O::Output> {
        self.operation.run(tx).await
    }
}

#[cfg(test)]
mod tests {
    use contacts_proto::v1;

    use super::*;

    #[test]
    fn a_request_id_is_a_uuid_or_empty() {
        let key = |id: &str| {
            let request_id = id.to_owned();
            IdempotencyKey::of(&v1::CreateTagRequest { request_id, ..Default::default() })
                .map_err(|error| error.reason())
        };
        assert!(key("").expect("none").request_id.is_none());
        assert!(key("2b1e1e0c-6f0a-4d0e-9a55-0c7c3f2f8a11").expect("one").request_id.is_some());
        assert_eq!(key("42").err(), Some(Reason::InvalidArgument));
        assert_eq!(key(&"4".repeat(256)).err(), Some(Reason::LimitExceeded));
    }

    #[test]
    fn a_request_id_is_in_use_once_at_a_time() {
        let in_flight = InFlight::default();
        let id = Uuid::from_u128(7);
        let guard = in_flight.enter("", id).expect("free");
        assert!(in_flight.enter("other", id).is_ok());
        let error = in_flight.enter(DEFAULT_WORKSPACE, id).err().expect("taken");
        assert_eq!(error.reason(), Reason::RequestInFlight);
        drop(guard);
        assert!(in_flight.enter("", id).is_ok());
    }
}
