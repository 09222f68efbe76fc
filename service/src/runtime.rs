//! The async runtimes: one that receives calls and answers those about one person, one for the
//! others, one for changes; work that would hold up others on their threads, and a watchdog that
//! notices if something does.

mod side;
mod watchdog;

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::runtime::{Handle, RuntimeFlavor};

pub(crate) use self::side::{SideRuntime, give_way};
pub(crate) use self::watchdog::Watchdog;
use crate::domain::error::{Error, Result};

/// Runs a future whose polls take long, because they decode, sort or hash much. Each
/// poll first hands the worker's other tasks to another thread. That costs some
/// microseconds, so it is not for short calls.
pub(crate) fn off_worker<F: Future>(future: F) -> impl Future<Output = F::Output> {
    OffWorker { future }
}

/// Runs what takes long. The worker's other tasks go on in another thread meanwhile.
pub(crate) fn beside_others<T>(run: impl FnOnce() -> T) -> T {
    // A runtime of one thread, as in unit tests, has no other.
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(run),
        _ => run(),
    }
}

/// Begins what takes long on a thread of its own, beside whatever the caller does until it awaits
/// the result.
pub(crate) fn begin<T: Send + 'static>(
    run: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T>> {
    let begun = tokio::task::spawn_blocking(run);
    async move { begun.await.map_err(Error::internal) }
}

pin_project! {
    struct OffWorker<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for OffWorker<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let future = self.project().future;
        beside_others(|| future.poll(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn other_tasks_go_on_beside_long_polls() {
        let (reply, replied) = std::sync::mpsc::channel();
        // On the one worker, a task behind this one could only reply after it.
        let long = tokio::spawn(off_worker(async move {
            tokio::spawn(async move { reply.send(()) });
            replied.recv_timeout(Duration::from_secs(30))
        }));
        assert!(long.await.expect("no panic").is_ok(), "the other task waited");
    }
}
