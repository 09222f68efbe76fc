//! Changes with a request_id: sent again, they return the first answer.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use prost::Message;
use uuid::Uuid;

use crate::domain::contact::View;
use crate::domain::error::{Error, Reason, Result};
use crate::operations::DEFAULT_WORKSPACE;
use crate::operations::idempotency::{EncodedResponse, Idempotent, fingerprint};
use crate::store::{ContactRow, Operation, Store, Transaction, wire_contact};

/// Longest request_id that is looked at.
const MAX_REQUEST_ID: usize = 255;

/// The request_ids being worked on by this process. Two processes are kept
/// apart by the database.
#[derive(Clone, Default)]
pub struct InFlight(Arc<Mutex<HashSet<Key>>>);

type Key = (String, Uuid);

/// Which request a change belongs to.
pub struct IdempotencyKey {
    method: &'static str,
    workspace_id: String,
    request_id: Option<Uuid>,
    fingerprint: [u8; 32],
}

impl IdempotencyKey {
    /// Of a request as it came.
    pub fn of(
        method: &'static str,
        workspace_id: &str,
        request_id: &str,
        request: &impl Message,
    ) -> Result<Self> {
        let request_id = decode_request_id(request_id)?;
        let fingerprint = match request_id {
            Some(_) => fingerprint(method, &request.encode_to_vec()),
            None => [0; 32],
        };
        Ok(Self { method, workspace_id: workspace_id.to_owned(), request_id, fingerprint })
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
    /// Makes a change, or returns the answer to the same request before.
    pub async fn change<O, R, F>(
        &self,
        store: &Store,
        replay: IdempotencyKey,
        operation: O,
        encode: F,
    ) -> Result<R>
    where
        O: Operation,
        O::Output: Sync,
        R: Message + Default,
        F: Fn(O::Output) -> EncodedResponse + Send + Sync + 'static,
    {
        let IdempotencyKey { method, workspace_id, request_id, fingerprint } = replay;
        let guard = match request_id {
            Some(request_id) => Some(self.enter(&workspace_id, request_id)?),
            None => None,
        };
        let once = Idempotent { operation, encode, workspace_id, method, request_id, fingerprint };
        let response = store.write(Guarded { operation: once, _guard: guard }).await?;
        R::decode(response).map_err(Error::internal)
    }

    fn enter(&self, workspace_id: &str, request_id: Uuid) -> Result<Guard> {
        let workspace_id = if workspace_id.is_empty() { DEFAULT_WORKSPACE } else { workspace_id };
        let key = (workspace_id.to_owned(), request_id);
        if !self.lock().insert(key.clone()) {
            let message = "a call with this request_id is being worked on; retry for its answer";
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

/// Holds a request_id until the change has ended, which may be after its caller
/// went away.
struct Guarded<O> {
    operation: O,
    _guard: Option<Guard>,
}

impl<O: Operation> Operation for Guarded<O> {
    type Output = O::Output;

    async fn run(&self, tx: &mut Transaction) -> Result<O::Output> {
        self.operation.run(tx).await
    }
}

/// An answer that tells of no contact.
pub fn answer(response: &impl Message) -> EncodedResponse {
    EncodedResponse { response: response.encode_to_vec().into(), contact_id: None, match_key: None }
}

/// A response whose field 1 is a contact, as sent.
pub fn contact_answer(
    store: &Store,
) -> impl Fn(ContactRow) -> EncodedResponse + Send + Sync + 'static {
    let store = store.clone();
    move |row| {
        // A message and bytes look the same on the wire.
        let contact: Bytes = wire_contact(&row, View::Full, store.now());
        let mut response = Vec::with_capacity(contact.len() + 8);
        prost::encoding::bytes::encode(1, &contact, &mut response);
        EncodedResponse {
            response: response.into(),
            contact_id: Some(row.contact_id),
            match_key: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use contacts_proto::v1;

    use super::*;

    #[test]
    fn a_request_id_is_a_uuid_or_empty() {
        let request = v1::CreateTagRequest::default();
        let read =
            |id: &str| IdempotencyKey::of("CreateTag", "", id, &request).map_err(|e| e.reason());
        assert!(read("").expect("none").request_id.is_none());
        assert!(read("2b1e1e0c-6f0a-4d0e-9a55-0c7c3f2f8a11").expect("one").request_id.is_some());
        assert_eq!(read("42").err(), Some(Reason::InvalidArgument));
        assert_eq!(read(&"4".repeat(256)).err(), Some(Reason::LimitExceeded));
    }

    #[test]
    fn a_request_id_is_worked_on_once_at_a_time() {
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
