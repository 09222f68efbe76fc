//! Runtimes beside the one that receives calls: one for calls about many people, whose threads get a
//! small part of the processors while those of checks and opt-outs want them, and all of them
//! otherwise; and one for changes, which have locks that others wait for.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio_util::task::AbortOnDropHandle;

use crate::domain::error::Result;

/// How nice its threads are, of 19. The scheduler gives a thread that is not nice at all about ten
/// times as much, and lets it run at once when it wakes. More would keep whoever waits for a lock that a
/// nice thread holds waiting for long.
const NICENESS: i32 = 10;

/// Makes the calling thread give way to others from now on. Where that is not possible, nothing else
/// changes.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    // Of a thread, in spite of its name: POSIX means the process, Linux does not.
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

/// A runtime. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct SideRuntime(Option<Arc<Running>>);

struct Running(Option<Runtime>);

impl SideRuntime {
    /// Starts the one for calls about many people.
    ///
    /// # Errors
    /// When there are no threads for it.
    pub(crate) fn background() -> std::io::Result<Self> {
        Self::start("background", give_way)
    }

    /// Starts the one for changes. A change takes many steps, each of which would wait in the queue of
    /// the runtime that receives calls: for seconds, when a client sends as many as it can.
    ///
    /// # Errors
    /// When there are no threads for it.
    pub(crate) fn changes() -> std::io::Result<Self> {
        Self::start("changes", || ())
    }

    /// Starts threads, one per core. None beside a runtime of one thread, as in tests that set its
    /// clock.
    fn start(name: &str, on_thread_start: fn()) -> std::io::Result<Self> {
        if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            return Ok(Self::default());
        }
        let mut builder = Builder::new_multi_thread();
        let runtime =
            builder.thread_name(name).on_thread_start(on_thread_start).enable_all().build()?;
        Ok(Self(Some(Arc::new(Running(Some(runtime))))))
    }

    /// What runs tasks there.
    pub(crate) fn handle(&self) -> Handle {
        let runtime = self.0.as_ref().and_then(|running| running.0.as_ref());
        // None: the runtime of the caller.
        runtime.map_or_else(Handle::current, |runtime| runtime.handle().clone())
    }

    /// The same as [`begin`](super::begin) there.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T>> {
        let handle = self.handle();
        let _there = handle.enter();
        super::begin(run)
    }

    /// Runs a task there, until its end or until the handle is dropped.
    pub(crate) fn spawn<F>(&self, task: F) -> AbortOnDropHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        AbortOnDropHandle::new(self.handle().spawn(task))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Without waiting, which a thread of a runtime may not do.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    fn niceness() -> i32 {
        rustix::process::getpriority_process(None).expect("a niceness")
    }

    #[cfg(target_os = "linux")]
    #[tokio::test(flavor = "multi_thread")]
    async fn only_its_threads_give_way() {
        let own = niceness();
        let background = SideRuntime::background().expect("threads");
        let task = background.spawn(async { (niceness(), tokio::task::block_in_place(niceness)) });
        assert_eq!(task.await.expect("no panic"), (NICENESS, NICENESS));
        let here = tokio::spawn(async { niceness() }).await;
        assert_eq!(here.expect("no panic"), own);
        assert_eq!(niceness(), own);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_task_ends_with_its_handle_and_the_runtime_with_its_last_clone() {
        let background = SideRuntime::background().expect("threads");
        let (held, ended) = tokio::sync::oneshot::channel::<()>();
        let task = background.clone().spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(task);
        assert!(ended.await.is_err());
        let (held, ended) = tokio::sync::oneshot::channel::<()>();
        let task = background.spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(background);
        assert!(ended.await.is_err());
        assert!(task.await.expect_err("cancelled").is_cancelled());
    }
}
