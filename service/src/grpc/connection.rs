//! Accepting connections, and ending those that do not move.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// Within this time a client has to have sent the HTTP/2 preface.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
/// The length of the HTTP/2 preface.
const GREETING: usize = 24;
/// How long to wait when no connection can be accepted: out of file
/// descriptors, say. Trying again at once would keep a core busy.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// Connections as they come. They are cut at `stop`, and when nothing of what
/// their client asked for was taken for `idle_timeout`.
pub fn accept(
    listener: TcpListener,
    idle_timeout: Duration,
    stop: CancellationToken,
) -> impl Stream<Item = io::Result<Connection>> {
    stream::unfold((listener, stop), move |(listener, stop)| async move {
        let stream = next(&listener).await;
        let connection = Connection::new(stream, idle_timeout, stop.clone());
        Some((Ok(connection), (listener, stop)))
    })
}

async fn next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small and complete; a socket that cannot do
                // without a delay works all the same.
                drop(stream.set_nodelay(true));
                return stream;
            }
            Err(error) => {
                tracing::warn!(error.kind = ?error.kind(), "no connection could be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// What a connection's responses know of each other: how many wait for the
/// client, and when it last took something.
#[derive(Clone, Debug)]
pub struct Progress(Arc<Moves>);

#[derive(Debug)]
struct Moves {
    began: Instant,
    waiting: AtomicUsize,
    last_move_ms: AtomicU64,
}

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(Moves {
            began: Instant::now(),
            waiting: AtomicUsize::new(0),
            last_move_ms: AtomicU64::new(0),
        }))
    }
}

impl Progress {
    /// A piece of a response waits for the client.
    pub fn offered(&self) {
        // While others wait already, one more is no sign of life.
        if self.0.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            self.moved();
        }
    }

    /// The client took it, or went away.
    pub fn taken(&self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.moved();
    }

    fn moved(&self) {
        self.0.last_move_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    fn is_stalled(&self, idle_timeout: Duration) -> bool {
        let last = self.0.last_move_ms.load(Ordering::Relaxed);
        let still = Duration::from_millis(self.now_ms().saturating_sub(last));
        self.0.waiting.load(Ordering::Relaxed) > 0 && still >= idle_timeout
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A client's connection.
pub struct Connection {
    stream: TcpStream,
    progress: Progress,
    idle_timeout: Duration,
    /// How much of the preface is still to come.
    greeting: usize,
    /// When to look next.
    timer: Pin<Box<Sleep>>,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    fn new(stream: TcpStream, idle_timeout: Duration, stop: CancellationToken) -> Self {
        Self {
            stream,
            progress: Progress::default(),
            idle_timeout,
            greeting: GREETING,
            timer: Box::pin(tokio::time::sleep(GREETING_TIMEOUT)),
            stopped: Box::pin(stop.cancelled_owned()),
        }
    }

    /// An error here ends the connection. Whoever reads or writes has the timer
    /// wake them.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.stopped.as_mut().poll(cx).is_ready() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server stopped"));
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.greeting > 0 || self.progress.is_stalled(self.idle_timeout) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.look_later();
        }
        Ok(())
    }

    fn look_later(&mut self) {
        let pause = (self.idle_timeout / 4).max(Duration::from_millis(10));
        self.timer.as_mut().reset(Instant::now() + pause);
    }
}

impl Connected for Connection {
    type ConnectInfo = Progress;

    fn connect_info(&self) -> Progress {
        self.progress.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if self.greeting > 0 {
            self.greeting = self.greeting.saturating_sub(buffer.filled().len() - before);
            if self.greeting == 0 {
                self.look_later();
                self.check(cx)?;
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
