//! Who may use the connections that write. Objections find one free, however much else is written: the
//! others leave some connections to them, and where there is only one, as on SQLite, wait here and
//! not in its queue, so that an objection is next.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::domain::error::{Error, Result};

/// The part of the connections that is kept for objections, if there are so many.
const KEPT: u32 = 4;

/// The places of writes that are no objections.
pub(super) struct WritePlaces {
    places: Arc<Semaphore>,
    longest_wait: Duration,
}

/// Other writes took too long.
#[derive(Debug, thiserror::Error)]
#[error("other writes took too long")]
struct NoPlace;

impl WritePlaces {
    /// Places for this many connections, each waited for as long as for a connection.
    pub(super) fn new(connections: u32, longest_wait: Duration) -> Self {
        let places = usize::try_from(connections - connections / KEPT).unwrap_or(usize::MAX);
        Self { places: Arc::new(Semaphore::new(places.max(1))), longest_wait }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// When there is none in time.
    pub(super) async fn enter(&self) -> Result<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).acquire_owned();
        let place = timeout(self.longest_wait, place).await;
        place.map_err(|_| Error::unavailable(NoPlace))?.map_err(Error::internal)
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
            let places = WritePlaces::new(connections, Duration::from_secs(3));
            let mut taken = Vec::new();
            while let Some(place) = places.enter().now_or_never() {
                taken.push(place.expect("a place"));
            }
            assert_eq!(taken.len(), others, "of {connections}");
            let error = places.enter().await.expect_err("none is left");
            assert_eq!(error.reason(), Reason::DatabaseUnavailable);
            taken.pop();
            assert!(places.enter().now_or_never().is_some());
        }
    }
}
