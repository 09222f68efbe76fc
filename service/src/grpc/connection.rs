//! Accepting connections, and ending those that do not move.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};

use crate::config::Timeouts;

/// The length of the HTTP/2 preface.
const GREETING: usize = 24;
/// How long to wait when no connection can be accepted: out of file
/// descriptors, say. Trying again at once would keep a core busy.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// The next client.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small and complete; a socket that does not know
                // the option works all the same.
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
}

impl Connection {
    /// A new connection. It ends when its client does not greet, and when nothing
    /// of what the client asked for was taken for `idle_timeout`.
    pub fn new(stream: TcpStream, timeouts: &Timeouts) -> Self {
        Self {
            stream,
            progress: Progress::default(),
            idle_timeout: timeouts.idle_timeout,
            greeting: GREETING,
            timer: Box::pin(tokio::time::sleep(timeouts.preface_timeout)),
        }
    }

    /// What its responses tell of their progress.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// An error here ends the connection. Whoever reads or writes has the timer
    /// wake them.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::config::Config;

    const IDLE: Duration = Duration::from_secs(60);
    const PREFACE_TIMEOUT: Duration = Duration::from_secs(10);

    async fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (client, server) = tokio::join!(TcpStream::connect(address), accept(&listener));
        let timeouts = Config::for_tests("unused.db").timeouts;
        assert_eq!(timeouts.idle_timeout, IDLE);
        (Connection::new(server, &timeouts), client.expect("a connection"))
    }

    async fn greeted() -> (Connection, TcpStream) {
        let (mut connection, mut client) = pair().await;
        client.write_all(&[b'x'; GREETING]).await.expect("sent");
        connection.read_exact(&mut [0; GREETING]).await.expect("a greeting");
        (connection, client)
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_greet_is_cut() {
        let (mut connection, mut client) = pair().await;
        client.write_all(&[b'x'; GREETING - 1]).await.expect("sent");
        let began = Instant::now();
        let read = connection.read_exact(&mut [0; GREETING]).await;
        assert_eq!(read.expect_err("cut").kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), PREFACE_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_cut() {
        let (mut connection, _client) = greeted().await;
        connection.progress().offered();
        let began = Instant::now();
        // Whatever is asked for besides.
        connection.progress().offered();
        let read = connection.read(&mut [0]).await;
        assert_eq!(read.expect_err("cut").kind(), io::ErrorKind::TimedOut);
        let elapsed = began.elapsed();
        assert!(elapsed >= IDLE && elapsed <= IDLE + IDLE / 4, "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_or_takes_slowly_is_not() {
        let (mut connection, _client) = greeted().await;
        let progress = connection.progress();
        let mut read = async |time| tokio::time::timeout(time, connection.read(&mut [0])).await;
        assert!(read(10 * IDLE).await.is_err(), "nothing was offered");
        progress.offered();
        for _ in 0..10 {
            assert!(read(IDLE * 3 / 4).await.is_err(), "it moves");
            progress.offered();
            progress.taken();
        }
    }
}
