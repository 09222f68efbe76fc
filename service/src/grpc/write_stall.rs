//! Ends a call whose client takes nothing of the response.
//!
//! hyper asks a body for its next frame when the client took the one before. While
//! it does not ask, nothing of the body runs. So the task of the call watches, in
//! which hyper drives the body: [`StreamExecutor`] runs it. When it ends, h2 resets
//! the stream; the other calls of the connection go on.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tonic::Status;

use super::body::{BodyHook, HookedBody, PolledFrame};

/// Larger frames are split: hyper takes a frame as a whole, as soon as the client
/// has room for one byte of it.
const MAX_FRAME_BYTES: usize = 128 << 10;

tokio::task_local! {
    static PROGRESS: Progress;
}

/// How many frames hyper was given, and the client took, of one response.
#[derive(Clone, Default)]
struct Progress(Arc<AtomicU64>);

impl Progress {
    fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that changes with each frame. It is odd while a frame waits.
    fn state(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A response body that reports to the task of its call.
pub(super) fn report<B>(body: B) -> HookedBody<B, WriteStall> {
    let progress = PROGRESS.try_with(Progress::clone).unwrap_or_default();
    HookedBody::new(body, WriteStall { progress, rest: Bytes::new(), is_pending: false })
}

/// Splits frames, and reports each that hyper was given or that the client took.
pub(super) struct WriteStall {
    progress: Progress,
    /// What is left of a frame.
    rest: Bytes,
    /// Whether hyper has a frame that the client has not taken yet.
    is_pending: bool,
}

impl WriteStall {
    fn give(&mut self) -> Frame<Bytes> {
        let frame = self.rest.split_to(self.rest.len().min(MAX_FRAME_BYTES));
        self.is_pending = true;
        self.progress.note();
        Frame::data(frame)
    }

    fn taken(&mut self) {
        if std::mem::take(&mut self.is_pending) {
            self.progress.note();
        }
    }
}

impl BodyHook for WriteStall {
    fn poll_frame<B>(&mut self, body: Pin<&mut B>, cx: &mut Context<'_>) -> PolledFrame
    where
        B: Body<Data = Bytes, Error = Status>,
    {
        self.taken();
        if self.rest.is_empty() {
            match body.poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return other,
            }
        }
        Poll::Ready(Some(Ok(self.give())))
    }

    fn has_frames(&self) -> bool {
        !self.rest.is_empty()
    }
}

/// Runs the calls of a connection, each until its end or until its client takes no
/// frame for the idle timeout.
#[derive(Clone)]
pub(super) struct StreamExecutor {
    pub(super) idle_timeout: Duration,
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        let progress = Progress::default();
        let call = PROGRESS.scope(progress.clone(), call);
        let watched_state = progress.state();
        tokio::spawn(Watched {
            call,
            progress,
            idle_timeout: self.idle_timeout,
            watched_state,
            timer: None,
        });
    }
}

pin_project! {
    /// A call, with a timer only while a frame waits for its client.
    struct Watched<F> {
        #[pin]
        call: F,
        progress: Progress,
        idle_timeout: Duration,
        // The state of the progress when the timer was set.
        watched_state: u64,
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.call.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let state = this.progress.state();
        if state.is_multiple_of(2) {
            return Poll::Pending;
        }
        let end = || Instant::now() + *this.idle_timeout;
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end())));
        if *this.watched_state != state {
            *this.watched_state = state;
            timer.as_mut().reset(end());
        }
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        tracing::debug!("a call ended: its client took nothing of the response");
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use http_body_util::{BodyExt, Full};
    use tokio::sync::mpsc;
    use tokio::time::sleep;

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_large_frame_is_split() {
        let body = Full::new(Bytes::from(vec![0; 1 << 20])).map_err(|never| match never {});
        let mut body = report(body);
        let mut sizes = Vec::new();
        while let Some(frame) = body.frame().await {
            sizes.push(frame.expect("a frame").into_data().expect("data").len());
        }
        assert_eq!(sizes, [128 << 10; 8]);
    }

    /// Runs a call whose client takes frames after these pauses, and then none. Returns
    /// how long it ran.
    async fn run(pauses: &'static [Duration]) -> Duration {
        let (alive, mut ended) = mpsc::channel::<()>(1);
        let began = Instant::now();
        StreamExecutor { idle_timeout: IDLE }.execute(async move {
            let body = Full::new(Bytes::from(vec![0; 1 << 20])).map_err(|never| match never {});
            let mut body = report(body);
            for pause in pauses {
                body.frame().await.expect("a frame").expect("a frame");
                sleep(*pause).await;
            }
            drop(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await);
            let _alive = alive;
            pending::<()>().await;
        });
        assert!(ended.recv().await.is_none());
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_call_ends_and_a_slow_one_goes_on() {
        assert_eq!(run(&[]).await.as_secs(), 60);
        const SLOW: Duration = Duration::from_secs(50);
        assert_eq!(run(&[SLOW, SLOW, SLOW]).await.as_secs(), 210);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_works_is_not_stalled() {
        let (alive, mut ended) = mpsc::channel::<()>(1);
        let executor = StreamExecutor { idle_timeout: IDLE };
        executor.execute(async move {
            let _alive = alive;
            sleep(10 * IDLE).await;
        });
        let began = Instant::now();
        assert!(ended.recv().await.is_none());
        assert_eq!(began.elapsed(), 10 * IDLE);
    }
}
