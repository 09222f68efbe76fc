//! Accepts connections, closes those that send no HTTP/2 preface, and closes the others so that
//! their clients get everything.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;

use super::tls_stream::Stream;
use crate::config::Timeouts;

/// The length of the HTTP/2 preface in bytes.
const PREFACE_BYTES: usize = 24;
/// How long to wait after a connection could not be accepted, for example for
/// lack of file descriptors. An immediate retry would keep a core busy.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(250);

/// How long a client may take to close its side of a connection that was closed here. When it sends
/// something after that, it learns that nobody is there, and drops what it has not read yet: the end of
/// a stream, for example.
const LINGER: Duration = Duration::from_secs(1);

/// Accepts the next connection.
pub(super) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Responses are written as a whole, so waiting to fill packets only
                // delays them. A failure to set the option does no harm.
                drop(stream.set_nodelay(true));
                return (stream, peer);
            }
            Err(error) => {
                tracing::warn!(error.kind = ?error.kind(), "no connection could be accepted");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}

/// A connection that fails with `TimedOut` if its client does no TLS handshake and sends no HTTP/2
/// preface in time.
pub(super) struct Connection {
    stream: Stream,
    /// Bytes of the preface still to come.
    preface_left: usize,
    /// Fires when the preface has to be there. None once it is.
    timer: Option<Pin<Box<Sleep>>>,
    /// Fires when the client should have closed its side. None until this side is closed.
    linger: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    pub(super) fn new(stream: Stream, timeouts: &Timeouts) -> Self {
        let timer = Some(Box::pin(tokio::time::sleep(timeouts.preface_timeout)));
        Self { stream, preface_left: PREFACE_BYTES, timer, linger: None }
    }

    /// Reads until the client closes its side, but not for long.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer =
            self.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER))).as_mut();
        if timer.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut bytes = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }

    /// Fails if the preface is late; otherwise the timer wakes the caller, so that a
    /// pending read or write comes here again.
    fn check_timeout(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let is_late = self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
        if is_late { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_timeout(cx)?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if self.preface_left > 0 {
            self.preface_left = self.preface_left.saturating_sub(buffer.filled().len() - before);
            if self.preface_left == 0 {
                self.timer = None;
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
        self.check_timeout(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_timeout(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_timeout(cx)?;
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        self.poll_linger(cx).map(Ok)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_timeout(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;
    use crate::config::Config;

    const PREFACE_TIMEOUT: Duration = Duration::from_secs(10);

    async fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (client, (server, _)) = tokio::join!(TcpStream::connect(address), accept(&listener));
        let timeouts = Config::for_tests("unused.db").timeouts;
        assert_eq!(timeouts.preface_timeout, PREFACE_TIMEOUT);
        (Connection::new(server.into(), &timeouts), client.expect("a connection"))
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

    /// As a client's acknowledgements do, which come after the last frame was sent.
    #[tokio::test]
    async fn a_client_may_send_after_the_end_until_it_closes() {
        let (mut connection, mut client) = pair().await;
        client.write_all(&[b'x'; PREFACE_BYTES]).await.expect("sent");
        let server = tokio::spawn(async move {
            connection.read_exact(&mut [0; PREFACE_BYTES]).await.expect("a preface");
            connection.write_all(b"the end").await.expect("sent");
            connection.shutdown().await
        });
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.expect("all of it");
        assert_eq!(read, b"the end");
        for _ in 0..5 {
            client.write_all(b"thank you").await.expect("somebody is there");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(client);
        server.await.expect("no panic").expect("closed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_close_is_not_waited_for() {
        let (mut connection, mut client) = pair().await;
        client.write_all(&[b'x'; PREFACE_BYTES]).await.expect("sent");
        connection.read_exact(&mut [0; PREFACE_BYTES]).await.expect("a preface");
        let began = Instant::now();
        connection.shutdown().await.expect("closed");
        assert_eq!(began.elapsed().as_secs(), LINGER.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_a_connection_after_the_preface() {
        let (mut connection, mut client) = pair().await;
        client.write_all(&[b'x'; PREFACE_BYTES]).await.expect("sent");
        connection.read_exact(&mut [0; PREFACE_BYTES]).await.expect("a preface");
        let read = tokio::time::timeout(10 * PREFACE_TIMEOUT, connection.read(&mut [0])).await;
        assert!(read.is_err(), "closed");
    }
}
