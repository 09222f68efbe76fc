//! Who may use the connections of a pool that some have to find one of free. Objections find one that
//! writes, however much else is written, and single checks one that reads, however many are checked in
//! batches: the others leave some connections to them. Where only one writes, as on SQLite, other
//! writes wait here and not in its queue, so that an objection is next.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::domain::error::{Error, Result};

/// The part of the connections that is kept, if there are so many.
const KEPT: u32 = 4;

/// The places of those to whom the kept connections are closed.
pub(crate) struct ConnectionPlaces {
    places: Arc<Semaphore>,
    longest_wait: Duration,
    /// Who waits here.
    others: &'static str,
}

/// The others took too long.
#[derive(Debug, thiserror::Error)]
#[error("other {0} took too long")]
struct NoPlace(&'static str);

impl ConnectionPlaces {
    /// Of writes that are no objections. Each is waited for as long as for a connection.
    pub(super) fn of_writes(connections: u32, longest_wait: Duration) -> Self {
        Self::new(connections, connections / KEPT, longest_wait, "writes")
    }

    /// Of batches of checks. They leave a connection to single checks, if there are several.
    pub(super) fn of_batches(connections: u32, longest_wait: Duration) -> Self {
        Self::new(connections, (connections / KEPT).max(1), longest_wait, "batches of checks")
    }

    fn new(connections: u32, kept: u32, longest_wait: Duration, others: &'static str) -> Self {
        let places = usize::try_from(connections.saturating_sub(kept)).unwrap_or(usize::MAX);
        Self { places: Arc::new(Semaphore::new(places.max(1))), longest_wait, others }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// When there is none in time.
    pub(crate) async fn enter(&self) -> Result<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).acquire_owned();
        let place = timeout(self.longest_wait, place).await;
        place.map_err(|_| Error::unavailable(NoPlace(self.others)))?.map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::domain::error::Reason;

    #[tokio::test(start_paused = true)]
    async fn some_connections_are_left_to_objections() {
        for (connections, others) in [(1, 1), (2, 2), (4, 3), (8, 6)] {
            let places = ConnectionPlaces::of_writes(connections, Duration::from_secs(3));
            assert_has_places(&places, others).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_left_to_single_checks() {
        for (connections, others) in [(1, 1), (2, 1), (4, 3), (8, 6)] {
            let places = ConnectionPlaces::of_batches(connections, Duration::from_secs(3));
            assert_has_places(&places, others).await;
        }
    }

    async fn assert_has_places(places: &ConnectionPlaces, count: usize) {
        let mut taken = Vec::new();
        while let Some(place) = places.enter().now_or_never() {
            taken.push(place.expect("a place"));
        }
        assert_eq!(taken.len(), count);
        let error = places.enter().await.expect_err("none is left");
        assert_eq!(error.reason(), Reason::DatabaseUnavailable);
        taken.pop();
        assert!(places.enter().now_or_never().is_some());
    }
}
