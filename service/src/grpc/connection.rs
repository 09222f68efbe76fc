//! Accepts connections, and closes those whose clients stall.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};

/// A client has to send the HTTP/2 preface within this time.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(10);
/// The length of the HTTP/2 preface in bytes.
const PREFACE_BYTES: usize = 24;
/// How long to wait after a connection could not be accepted, for example for
/// lack of file descriptors. An immediate retry would keep a core busy.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(250);

/// Accepts the next connection.
pub(super) async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Responses are written as a whole, so waiting to fill packets only
                // delays them. A failure to set the option does no harm.
                drop(stream.set_nodelay(true));
                return stream;
            }
            Err(error) => {
                tracing::warn!(error.kind = ?error.kind(), "no connection could be accepted");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}

/// The progress of all writes on a connection: how many frames wait for the
/// client, and when it last took one.
#[derive(Clone, Debug)]
pub(super) struct WriteProgress(Arc<Progress>);

#[derive(Debug)]
struct Progress {
    began: Instant,
    waiting: AtomicUsize,
    /// Milliseconds from `began`.
    last_progress_ms: AtomicU64,
}

impl Default for WriteProgress {
    fn default() -> Self {
        Self(Arc::new(Progress {
            began: Instant::now(),
            waiting: AtomicUsize::new(0),
            last_progress_ms: AtomicU64::new(0),
        }))
    }
}

impl WriteProgress {
    /// A frame waits for the client.
    pub(super) fn given(&self) {
        // One more frame is no progress while others wait already.
        if self.0.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            self.note_progress();
        }
    }

    /// The client took a frame, or its call ended.
    pub(super) fn taken(&self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.note_progress();
    }

    fn note_progress(&self) {
        self.0.last_progress_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    fn is_stalled(&self, idle_timeout: Duration) -> bool {
        let last = self.0.last_progress_ms.load(Ordering::Relaxed);
        let idle = Duration::from_millis(self.now_ms().saturating_sub(last));
        self.0.waiting.load(Ordering::Relaxed) > 0 && idle >= idle_timeout
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A connection that fails with `TimedOut` if its client sends no HTTP/2 preface,
/// or takes nothing of its responses for `idle_timeout`.
pub(super) struct Connection {
    stream: TcpStream,
    progress: WriteProgress,
    idle_timeout: Duration,
    /// Bytes of the preface still to come.
    preface_left: usize,
    /// Fires when the timeouts are to be checked next.
    timer: Pin<Box<Sleep>>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, idle_timeout: Duration) -> Self {
        Self {
            stream,
            progress: WriteProgress::default(),
            idle_timeout,
            preface_left: PREFACE_BYTES,
            timer: Box::pin(tokio::time::sleep(PREFACE_TIMEOUT)),
        }
    }

    /// For the bodies of the connection's responses, to report to.
    pub(super) fn write_progress(&self) -> WriteProgress {
        self.progress.clone()
    }

    /// Fails if a timeout has passed; otherwise the timer wakes the caller, so that
    /// a pending read or write comes here again.
    fn check_timeouts(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.preface_left > 0 || self.progress.is_stalled(self.idle_timeout) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.reset_timer();
        }
        Ok(())
    }

    fn reset_timer(&mut self) {
        let delay = (self.idle_timeout / 4).max(Duration::from_millis(10));
        self.timer.as_mut().reset(Instant::now() + delay);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_timeouts(cx)?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if self.preface_left > 0 {
            self.preface_left = self.preface_left.saturating_sub(buffer.filled().len() - before);
            if self.preface_left == 0 {
                self.reset_timer();
                self.check_timeouts(cx)?;
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
        self.check_timeouts(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_timeouts(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_timeouts(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_timeouts(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    async fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (client, server) = tokio::join!(TcpStream::connect(address), accept(&listener));
        (Connection::new(server, IDLE), client.expect("a connection"))
    }

    async fn after_preface() -> (Connection, TcpStream) {
        let (mut connection, mut client) = pair().await;
        client.write_all(&[b'x'; PREFACE_BYTES]).await.expect("sent");
        connection.read_exact(&mut [0; PREFACE_BYTES]).await.expect("a preface");
        (connection, client)
    }

    #[tokio::test(start_paused = true)]
    async fn closes_a_connection_without_preface() {
        let (mut connection, mut client) = pair().await;
        client.write_all(&[b'x'; PREFACE_BYTES - 1]).await.expect("sent");
        let began = Instant::now();
        let read = connection.read_exact(&mut [0; PREFACE_BYTES]).await;
        assert_eq!(read.expect_err("closed").kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), PREFACE_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn closes_a_connection_whose_client_takes_nothing() {
        let (mut connection, _client) = after_preface().await;
        connection.write_progress().given();
        let began = Instant::now();
        // One more frame is no progress.
        connection.write_progress().given();
        let read = connection.read(&mut [0]).await;
        assert_eq!(read.expect_err("closed").kind(), io::ErrorKind::TimedOut);
        let elapsed = began.elapsed();
        assert!(elapsed >= IDLE && elapsed <= IDLE + IDLE / 4, "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_a_connection_that_is_idle_or_slow() {
        let (mut connection, _client) = after_preface().await;
        let progress = connection.write_progress();
        let mut read = async |time| tokio::time::timeout(time, connection.read(&mut [0])).await;
        assert!(read(10 * IDLE).await.is_err(), "no frame waits");
        progress.given();
        for _ in 0..10 {
            assert!(read(IDLE * 3 / 4).await.is_err(), "there is progress");
            progress.given();
            progress.taken();
        }
    }
}
