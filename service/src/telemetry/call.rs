//! The call that a task works for: what the access log, the audit log and log lines say about it.
//!
//! A task finds its call with [`current`]. The layer of calls makes it, and whoever learns more
//! about it adds that: nothing has to be passed through handlers and operations.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use http::HeaderValue;
use uuid::Uuid;

use crate::operations::named;

tokio::task_local! {
    static CURRENT: Option<Arc<Call>>;
}

/// Who makes a call, as the audit log names them: the id of a token, never its secret. Without
/// one, the caller is `anonymous`.
#[derive(Clone, Debug)]
pub(crate) struct Actor(pub(crate) Arc<str>);

/// What a call takes of what all calls share, given back when it is dropped.
pub(crate) type Taken = dyn Any + Send + Sync;

/// A call under way. Nothing in it is personal data.
#[derive(Debug)]
pub(crate) struct Call {
    /// The path of a method that exists, or `unknown`.
    pub(crate) method: Arc<str>,
    /// Visible ASCII.
    pub(crate) request_id: HeaderValue,
    peer: Option<SocketAddr>,
    actor: OnceLock<Actor>,
    workspace_id: OnceLock<Box<str>>,
    contact_id: Mutex<Option<Uuid>>,
    has_arrived: AtomicBool,
    /// Its place, and the memory of its request, as long as it has them.
    place: OnceLock<Weak<Taken>>,
    memory: OnceLock<Weak<Taken>>,
}

impl Call {
    pub(crate) fn new(method: Arc<str>, request_id: HeaderValue, peer: Option<SocketAddr>) -> Self {
        Self {
            method,
            request_id,
            peer,
            actor: OnceLock::new(),
            workspace_id: OnceLock::new(),
            contact_id: Mutex::default(),
            has_arrived: AtomicBool::new(false),
            place: OnceLock::new(),
            memory: OnceLock::new(),
        }
    }

    /// Sets its place, once. What outlives it holds that, too.
    pub(crate) fn set_place(&self, place: &Arc<impl Any + Send + Sync>) {
        drop(self.place.set(Arc::downgrade(place) as Weak<Taken>));
    }

    /// Sets the memory of its request, in the same way.
    pub(crate) fn set_memory(&self, memory: &Arc<impl Any + Send + Sync>) {
        drop(self.memory.set(Arc::downgrade(memory) as Weak<Taken>));
    }

    fn taken(&self) -> [Option<Arc<Taken>>; 2] {
        [&self.place, &self.memory].map(|taken| taken.get()?.upgrade())
    }

    /// Whether its request was received, or its caller is known.
    pub(crate) fn has_arrived(&self) -> bool {
        self.has_arrived.load(Ordering::Relaxed)
    }

    /// Notes that its request, or the first message of it, was received.
    pub(crate) fn set_arrived(&self) {
        self.has_arrived.store(true, Ordering::Relaxed);
    }

    /// Its id, for logs.
    pub(crate) fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// Where it came from. None in tests of layers.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Who made it.
    pub(crate) fn actor(&self) -> &str {
        self.actor.get().map_or("anonymous", |Actor(name)| name)
    }

    /// Sets who made it, once.
    pub(crate) fn set_actor(&self, actor: Actor) {
        drop(self.actor.set(actor));
    }

    /// The workspace of its request. None if the request names none that could exist.
    pub(crate) fn workspace_id(&self) -> Option<&str> {
        self.workspace_id.get().map(|id| &**id)
    }

    /// Sets the workspace by the field of the request, once. What is no id of a workspace could
    /// be anything, and is left out.
    pub(crate) fn set_workspace(&self, field: &str) {
        if let Ok(id) = named(field) {
            drop(self.workspace_id.set(id.into()));
        }
    }

    /// The contact it is about. None if there is not exactly one.
    pub(crate) fn contact_id(&self) -> Option<Uuid> {
        *self.contact_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the contact. The last one counts: a transaction may run again, and end with another.
    pub(crate) fn set_contact(&self, id: Uuid) {
        *self.contact_id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }
}

/// The call that this task works for.
pub(crate) fn current() -> Option<Arc<Call>> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// Notes which contact the current call is about.
pub(crate) fn about(contact_id: Option<Uuid>) {
    if let Some(id) = contact_id {
        // The error is that there is no call.
        let _ = CURRENT.try_with(|call| call.as_ref().map(|call| call.set_contact(id)));
    }
}

/// Notes the workspace of a call whose request has it where the layers do not look.
pub(crate) fn in_workspace(id: &str) {
    let _ = CURRENT.try_with(|call| call.as_ref().map(|call| call.set_workspace(id)));
}

/// Runs a future for a call.
pub(crate) fn scope<F: Future>(call: Arc<Call>, future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(Some(call), future)
}

/// The same for what is not a future.
pub(crate) fn sync_scope<R>(call: &Arc<Call>, function: impl FnOnce() -> R) -> R {
    CURRENT.sync_scope(Some(Arc::clone(call)), function)
}

/// Makes a future that another task will run work for the current call.
pub(crate) fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(current(), future)
}

/// The same for one that goes on when the caller goes away. It holds what the call takes of what all
/// share until its end: otherwise whoever asks and goes away could have any number of them run.
pub(crate) fn outliving<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let taken = current().map(|call| call.taken());
    carried(async move {
        let _taken = taken;
        future.await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Arc<Call> {
        Arc::new(Call::new("unknown".into(), HeaderValue::from_static("7"), None))
    }

    #[test]
    fn a_workspace_is_named_only_if_it_could_exist() {
        for (field, expected) in [
            ("", Some("default")),
            ("acme", Some("acme")),
            ("+15551234567", None),
            ("15551234567", None),
            ("Ana Silva", None),
        ] {
            let call = call();
            call.set_workspace(field);
            assert_eq!(call.workspace_id(), expected, "{field}");
        }
    }

    #[tokio::test]
    async fn tasks_work_for_the_call_that_began_them() {
        about(Some(Uuid::max()));
        assert!(current().is_none());
        let call = call();
        let work = async { tokio::spawn(carried(async { about(Some(Uuid::from_u128(7))) })).await };
        scope(Arc::clone(&call), work).await.expect("no panic");
        assert_eq!(call.contact_id(), Some(Uuid::from_u128(7)));
        about(Some(Uuid::max()));
        assert_eq!(call.contact_id(), Some(Uuid::from_u128(7)));
    }

    #[tokio::test]
    async fn what_outlives_a_call_holds_what_that_takes() {
        let call = call();
        let (place, memory) = (Arc::new(()), Arc::new(()));
        call.set_place(&place);
        call.set_memory(&memory);
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let task = sync_scope(&call, || tokio::spawn(outliving(ended)));
        assert_eq!((Arc::strong_count(&place), Arc::strong_count(&memory)), (2, 2));
        drop(end);
        assert!(task.await.expect("no panic").is_err());
        assert_eq!((Arc::strong_count(&place), Arc::strong_count(&memory)), (1, 1));
        let weak = Arc::downgrade(&place);
        drop(place);
        assert!(weak.upgrade().is_none(), "the call alone does not hold it");
    }
}
