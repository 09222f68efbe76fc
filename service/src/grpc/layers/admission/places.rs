//! The places of a class of calls.
//!
//! So that no client keeps others out, a connection gets a place only if more are free than it has:
//! one that sends as many calls as it can has half of them, of six each has a seventh, and a seventh
//! is left.
//!
//! A call whose request has not arrived holds a place as long as that may take, without doing
//! anything. So that nobody can keep others out by sending half of many requests, such calls give
//! way to new ones: first those of the connection that has the most of them, of these the oldest.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::task::AtomicWaker;
use metrics::Counter;
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::Status;

use crate::domain::error::{Error, Reason, Result};
use crate::grpc::body::{BodyHook, PolledFrame, trailers};
use crate::grpc::layers::memory::Of;
use crate::grpc::methods::Class;
use crate::telemetry::metrics::{Metrics, PLACES, PLACES_REFUSED, PLACES_TAKEN};

/// A connection, in the extensions of its requests, and what it takes of what all share.
pub(in crate::grpc) struct Client {
    peer: SocketAddr,
    /// Places, by class.
    held: [AtomicUsize; Class::COUNT],
    /// Bytes of requests, and of responses.
    pub(in crate::grpc::layers) memory: [AtomicUsize; Of::COUNT],
}

impl Client {
    pub(in crate::grpc) fn new(peer: SocketAddr) -> Self {
        Self { peer, held: Default::default(), memory: Default::default() }
    }

    /// Where it is from.
    pub(in crate::grpc::layers) fn peer(&self) -> SocketAddr {
        self.peer
    }
}

/// The places of a class.
pub(super) struct Places {
    class: Class,
    free: Arc<Semaphore>,
    refused: Counter,
    next_id: AtomicU64,
    /// By connection, in the order in which they came.
    unfinished: Mutex<Unfinished>,
}

type Unfinished = HashMap<Option<SocketAddr>, BTreeMap<u64, Arc<Arrival>>>;

impl Places {
    pub(super) fn new(class: Class, count: usize, metrics: &Metrics) -> Arc<Self> {
        let name = [class.name()];
        let free = Arc::new(Semaphore::new(count));
        metrics.gauge(&PLACES, &name).set(count as f64);
        let taken = metrics.gauge(&PLACES_TAKEN, &name);
        let sampled = Arc::clone(&free);
        metrics.sample(move || taken.set((count - sampled.available_permits().min(count)) as f64));
        let refused = metrics.counter(&PLACES_REFUSED, &name);
        let (next_id, unfinished) = (AtomicU64::new(0), Mutex::default());
        Arc::new(Self { class, free, refused, next_id, unfinished })
    }

    /// Takes a place for a call of this connection, without waiting.
    pub(super) fn enter(self: &Arc<Self>, client: Option<Arc<Client>>) -> Result<Place> {
        let held = client.as_ref().map(|client| &client.held[self.class as usize]);
        let has_many = held.is_some_and(|held| {
            held.load(Ordering::Relaxed) >= self.free.available_permits().max(1)
        });
        // The place gives it back.
        let is_taken = !has_many && self.free.try_acquire().map(SemaphorePermit::forget).is_ok();
        if !is_taken {
            // One call or the other is refused.
            self.refused.increment(1);
            self.make_room(client.as_deref().filter(|_| has_many))?;
        }
        if let Some(held) = held {
            held.fetch_add(1, Ordering::Relaxed);
        }
        let arrival = Arrival {
            places: Arc::clone(self),
            client,
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            state: AtomicU8::new(NEW),
            waker: AtomicWaker::new(),
        };
        Ok(Place(Arc::new(arrival)))
    }

    /// Takes the place of a call that has not arrived: of this connection, or of any.
    fn make_room(&self, client: Option<&Client>) -> Result<()> {
        let mut unfinished = self.unfinished();
        let calls = match client {
            Some(client) => unfinished.get(&Some(client.peer)),
            None => unfinished.values().max_by_key(|calls| {
                let oldest = calls.first_key_value().map(|(id, _)| *id);
                (calls.len(), Reverse(oldest))
            }),
        };
        let oldest = calls.and_then(BTreeMap::first_key_value);
        let Some(call) = oldest.map(|(_, call)| Arc::clone(call)) else {
            let message = match client {
                Some(_) => {
                    "this connection has as many calls of this kind as the server takes from one now; \
                     retry later"
                }
                None => "the server has as many calls of this kind as it takes; retry later",
            };
            return Err(Error::new(Reason::Overloaded, message));
        };
        call.state.store(GAVE_WAY, Ordering::Relaxed);
        remove(&mut unfinished, &call);
        drop(unfinished);
        call.waker.wake();
        Ok(())
    }

    fn unfinished(&self) -> MutexGuard<'_, Unfinished> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove(unfinished: &mut Unfinished, call: &Arrival) {
    if let Some(calls) = unfinished.get_mut(&call.peer()) {
        calls.remove(&call.id);
        if calls.is_empty() {
            unfinished.remove(&call.peer());
        }
    }
}

/// Most requests arrive with their headers, and are never noted as unfinished.
const NEW: u8 = 0;
/// In [`Places::unfinished`]. Only there, under its lock, this becomes one of the others.
const UNFINISHED: u8 = 1;
const ARRIVED: u8 = 2;
const GAVE_WAY: u8 = 3;

/// Whether the request of a call, or the first message of it, has arrived.
pub(in crate::grpc::layers) struct Arrival {
    places: Arc<Places>,
    client: Option<Arc<Client>>,
    id: u64,
    state: AtomicU8,
    waker: AtomicWaker,
}

impl Arrival {
    /// Notes that it has: from now on its place is its own.
    pub(in crate::grpc::layers) fn complete(&self) -> Result<()> {
        match self.exchange(NEW, ARRIVED) {
            Ok(_) | Err(ARRIVED) => return Ok(()),
            Err(_) => {}
        }
        let mut unfinished = self.places.unfinished();
        if let Err(GAVE_WAY) = self.exchange(UNFINISHED, ARRIVED) {
            return Err(gave_way());
        }
        remove(&mut unfinished, self);
        Ok(())
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.client.as_ref().map(|client| client.peer)
    }

    fn exchange(&self, from: u8, to: u8) -> std::result::Result<u8, u8> {
        self.state.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
    }
}

/// The place of a call, given back when this is dropped.
pub(in crate::grpc::layers) struct Place(Arc<Arrival>);

impl Place {
    /// Where its arrival is noted.
    pub(super) fn arrival(&self) -> Arc<Arrival> {
        Arc::clone(&self.0)
    }

    /// Waits for the need to give way, while the request has not arrived.
    pub(super) fn poll_gave_way(&self, cx: &Context<'_>) -> Poll<Error> {
        let call = &self.0;
        match call.state.load(Ordering::Relaxed) {
            ARRIVED => return Poll::Pending,
            NEW => {
                let mut unfinished = call.places.unfinished();
                if call.exchange(NEW, UNFINISHED).is_ok() {
                    unfinished.entry(call.peer()).or_default().insert(call.id, Arc::clone(call));
                }
            }
            _ => {}
        }
        call.waker.register(cx.waker());
        match call.state.load(Ordering::Relaxed) {
            GAVE_WAY => Poll::Ready(gave_way()),
            _ => Poll::Pending,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // One that gave way has none any more.
        if self.0.complete().is_ok() {
            self.0.places.free.add_permits(1);
        }
        if let Some(client) = &self.0.client {
            client.held[self.0.places.class as usize].fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl BodyHook for Arc<Place> {
    fn poll_frame<B>(&mut self, body: Pin<&mut B>, cx: &mut Context<'_>) -> PolledFrame
    where
        B: http_body::Body<Data = Bytes, Error = Status>,
    {
        match body.poll_frame(cx) {
            Poll::Pending => {
                let gave_way = self.poll_gave_way(cx);
                gave_way.map(|error| Some(Ok(trailers(&Status::from(error)))))
            }
            frame => frame,
        }
    }
}

fn gave_way() -> Error {
    let message = "the server has as many calls of this kind as it takes, and this one had not \
                   arrived whole; retry later";
    Error::new(Reason::Overloaded, message)
}
