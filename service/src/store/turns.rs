//! Taking turns: each workspace that has long work, and each client's connection whose changes wait for the
//! one that writes, has only so many at a time there. Whoever has more waits behind its own, and not before
//! others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::domain::error::{Error, Result};

/// Some turns at a time of each of those who take them, and so many in all.
pub(super) struct Turns<K> {
    /// Of one.
    each: usize,
    takers: Mutex<HashMap<K, Weak<Semaphore>>>,
    all: Arc<Semaphore>,
    longest_wait: Duration,
    /// Who takes turns here.
    what: &'static str,
}

/// The others took too long.
#[derive(Debug, thiserror::Error)]
#[error("other {0} took too long")]
struct NoTurn(&'static str);

/// A turn, until it is dropped.
pub(super) struct Turn {
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl<K: Hash + Eq> Turns<K> {
    pub(super) fn new(each: usize, all: usize, longest_wait: Duration, what: &'static str) -> Self {
        let [each, all] = [each, all].map(|turns| turns.clamp(1, Semaphore::MAX_PERMITS));
        let all = Arc::new(Semaphore::new(all));
        Self { each, takers: Mutex::default(), all, longest_wait, what }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// When there is none in time.
    pub(super) async fn enter(&self, taker: K) -> Result<Turn> {
        let wait = async {
            let own = self.of(taker).acquire_owned().await.map_err(Error::internal)?;
            let of_all = Arc::clone(&self.all).acquire_owned().await.map_err(Error::internal)?;
            Ok(Turn { _own: own, _of_all: of_all })
        };
        let none = |_| Err(Error::unavailable(NoTurn(self.what)));
        timeout(self.longest_wait, wait).await.unwrap_or_else(none)
    }

    fn of(&self, taker: K) -> Arc<Semaphore> {
        let mut takers = self.takers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = takers.get(&taker).and_then(Weak::upgrade) {
            return known;
        }
        // Only those are kept that somebody has or waits for.
        takers.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(self.each));
        takers.insert(taker, Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::domain::error::Reason;

    fn turns(each: usize, all: usize) -> Turns<&'static str> {
        Turns::new(each, all, Duration::from_secs(3), "work")
    }

    #[tokio::test]
    async fn each_has_some_and_all_have_so_many() {
        let turns = turns(2, 3);
        let first = turns.enter("a").await.expect("a turn");
        let second = turns.enter("a").await.expect("a turn");
        assert!(turns.enter("a").now_or_never().is_none(), "the third of one");
        let third = turns.enter("b").await.expect("a turn");
        assert!(turns.enter("c").now_or_never().is_none(), "the fourth in all");
        drop(first);
        drop(turns.enter("c").await.expect("a turn"));
        drop((second, third));
        drop(turns.enter("a").await.expect("a turn"));
        assert_eq!(turns.takers.lock().expect("a lock").len(), 1, "those nobody has are gone");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_many_waits_behind_its_own() {
        // One that writes.
        let turns = Arc::new(turns(1, 1));
        let writes = |taker: &'static str| {
            let turns = Arc::clone(&turns);
            tokio::spawn(async move {
                let _turn = turns.enter(taker).await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok::<_, Error>(tokio::time::Instant::now())
            })
        };
        let began = tokio::time::Instant::now();
        let many: Vec<_> = (0..1000).map(|_| writes("many")).collect();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let few = writes("few").await.expect("no panic").expect("a turn");
        let waited = few - began - Duration::from_millis(100);
        assert!(waited <= Duration::from_millis(15), "{waited:?}");
        let mut late = 0;
        for one in many {
            late += usize::from(
                one.await
                    .expect("no panic")
                    .is_err_and(|error| error.reason() == Reason::DatabaseUnavailable),
            );
        }
        assert!((300..500).contains(&late), "{late} of 1000 in three seconds");
    }
}
