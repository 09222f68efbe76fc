//! How many single checks a client sends at a time. Sent all at once, more than a server can answer would
//! make all of them late. So those that fit are sent, the newest of the others is next, and the
//! oldest run out of time without a cost to the server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_channel::oneshot;
use tokio::time::Instant;

use crate::error::{Error, Result, reason};

/// However overloaded the server is, as many are sent.
const FEWEST: f64 = 8.0;
/// What is left of the limit when the server is overloaded.
const CUT: f64 = 0.7;
/// The calls that were under way at a cut say nothing new.
const BETWEEN_CUTS: Duration = Duration::from_millis(50);

/// The limit: `most`, and fewer while the server refuses checks or does not answer them in time.
#[derive(Clone)]
pub(super) struct ChecksLimit(Arc<Mutex<State>>);

struct State {
    most: f64,
    limit: f64,
    sent: usize,
    /// Oldest first.
    waiting: VecDeque<oneshot::Sender<Place>>,
    last_cut: Option<Instant>,
}

/// The place of a check that is sent, until it is dropped.
pub(super) struct Place(Option<ChecksLimit>);

impl ChecksLimit {
    pub fn new(most: usize) -> Self {
        let most = (most as f64).max(1.0);
        let state = State { most, limit: most, sent: 0, waiting: VecDeque::new(), last_cut: None };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Waits for a place. Newest first.
    pub async fn enter(&self) -> Place {
        let (next, gone) = {
            let mut state = self.state();
            if (state.sent as f64) < state.limit {
                state.sent += 1;
                return self.place();
            }
            // Those that ran out of time. They all have about the same.
            let is_gone = oneshot::Sender::is_canceled;
            let count = state.waiting.iter().take_while(|waiting| is_gone(waiting)).count();
            let gone: Vec<_> = state.waiting.drain(..count).collect();
            let (sender, next) = oneshot::channel();
            state.waiting.push_back(sender);
            (next, gone)
        };
        // As in `leave`.
        drop(gone);
        // The limit has the sender until it sends: this client has the limit.
        next.await.unwrap_or(Place(None))
    }

    /// Learns from the outcome of a check that was sent.
    pub fn note<T>(&self, outcome: &Result<T>) {
        let mut state = self.state();
        match outcome {
            Err(error) if is_overload(error) => {
                let now = Instant::now();
                if state.last_cut.is_none_or(|last| now - last >= BETWEEN_CUTS) {
                    state.last_cut = Some(now);
                    state.limit = (state.limit * CUT).max(FEWEST.min(state.most));
                }
            }
            // One more after as many as are sent at a time.
            _ => state.limit = (state.limit + 1.0 / state.limit).min(state.most),
        }
    }

    fn place(&self) -> Place {
        Place(Some(self.clone()))
    }

    fn leave(&self) {
        while let Some(next) = self.next() {
            // Not under the lock: if the other side is dropped meanwhile, the channel drops the place on
            // this thread, which leaves it again.
            match next.send(self.place()) {
                Ok(()) => return,
                // It ran out of time. Dropped, the place would be left again.
                Err(mut place) => place.0 = None,
            }
        }
    }

    /// Who gets a place that is left. None if it is nobody's then.
    fn next(&self) -> Option<oneshot::Sender<Place>> {
        let mut state = self.state();
        let fits = (state.sent as f64) <= state.limit;
        let next = fits.then(|| state.waiting.pop_back()).flatten();
        if next.is_none() {
            state.sent -= 1;
        }
        next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the server has more to do than it can.
fn is_overload(error: &Error) -> bool {
    error.is_deadline_exceeded() || error.reason() == Some(reason::OVERLOADED)
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(limit) = self.0.take() {
            limit.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Wake, Waker};

    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use super::*;

    fn overloaded() -> Result<()> {
        Err(super::super::deadline_exceeded())
    }

    #[tokio::test]
    async fn the_newest_is_next_and_those_that_gave_up_are_passed_over() {
        let limit = ChecksLimit::new(1);
        let first = limit.enter().await;
        let mut oldest = Box::pin(limit.enter());
        let mut middle = Box::pin(limit.enter());
        let mut newest = Box::pin(limit.enter());
        for waiting in [&mut oldest, &mut middle, &mut newest] {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        drop(newest);
        drop(first);
        assert!(oldest.as_mut().now_or_never().is_none(), "not its turn");
        let second = middle.now_or_never().expect("its turn");
        drop(second);
        let third = oldest.now_or_never().expect("its turn");
        assert!(limit.enter().now_or_never().is_none());
        drop(third);
        assert!(limit.enter().now_or_never().is_some(), "all places came back");
    }

    #[tokio::test]
    async fn a_place_that_was_given_and_not_taken_comes_back() {
        let limit = ChecksLimit::new(1);
        let first = limit.enter().await;
        let mut waiting = Box::pin(limit.enter());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(first);
        drop(waiting);
        assert!(limit.enter().now_or_never().is_some());
    }

    /// Waits for a place, and gives up when it is woken: at the moment at which it gets one.
    #[derive(Default)]
    struct GivesUp(Mutex<Option<BoxFuture<'static, Place>>>);

    impl Wake for GivesUp {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().expect("no panic").take());
        }
    }

    #[test]
    fn whoever_gives_up_while_it_gets_a_place_stops_nobody() {
        let limit = ChecksLimit::new(1);
        let first = limit.enter().now_or_never().expect("a place");
        let waiter = Arc::new(GivesUp::default());
        let other = limit.clone();
        let mut waiting = async move { other.enter().await }.boxed();
        let waker = Waker::from(Arc::clone(&waiter));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        *waiter.0.lock().expect("no panic") = Some(waiting);

        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            drop(first);
            done.send(()).expect("the test waits");
        });
        is_done.recv_timeout(Duration::from_secs(30)).expect("it waits for its own lock");
        assert!(waiter.0.lock().expect("no panic").is_none(), "it was woken");
        assert!(limit.enter().now_or_never().is_some(), "the place came back");
    }

    #[tokio::test(start_paused = true)]
    async fn an_overloaded_server_gets_fewer_and_then_more_again() {
        let limit = ChecksLimit::new(100);
        limit.note(&overloaded());
        limit.note(&overloaded());
        assert_eq!(limit.state().limit, 70.0, "once for all that were under way");
        for _ in 0..20 {
            tokio::time::advance(BETWEEN_CUTS).await;
            limit.note(&overloaded());
        }
        assert_eq!(limit.state().limit, FEWEST);
        let mut places: Vec<_> = (0..8).filter_map(|_| limit.enter().now_or_never()).collect();
        assert_eq!(places.len(), 8);
        assert!(limit.enter().now_or_never().is_none());
        for _ in 0..10_000 {
            limit.note(&Ok(()));
        }
        assert_eq!(limit.state().limit, 100.0);
        places.extend((0..92).filter_map(|_| limit.enter().now_or_never()));
        assert_eq!(places.len(), 100);
        assert!(limit.enter().now_or_never().is_none());
        drop(places);
        assert_eq!(limit.state().sent, 0);
    }

    #[tokio::test]
    async fn those_who_ran_out_of_time_take_no_memory() {
        let limit = ChecksLimit::new(1);
        let _first = limit.enter().await;
        for _ in 0..100 {
            assert!(limit.enter().now_or_never().is_none());
        }
        assert!(limit.state().waiting.len() <= 1);
    }
}
