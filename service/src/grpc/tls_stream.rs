//! A connection with or without TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::Accept;
use tokio_rustls::server::TlsStream;

use crate::tls::Tls;

/// An accepted connection. With TLS, its first read or write does the handshake, so that a slow
/// client delays nobody else, and so that the timeout of the preface covers the handshake too.
pub(super) enum Stream {
    Plain(TcpStream),
    Handshake(Box<Accept<TcpStream>>),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Makes a stream of an accepted connection.
pub(super) fn wrap(stream: TcpStream, tls: Option<&Tls>) -> Stream {
    match tls {
        Some(tls) => Stream::Handshake(Box::new(tls.acceptor().accept(stream))),
        None => Stream::Plain(stream),
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Plain(stream)
    }
}

impl Stream {
    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Handshake(accept) = self {
            let stream = ready!(Pin::new(accept).poll(cx))?;
            // Without ALPN, the client speaks some other protocol.
            if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            *self = Self::Tls(Box::new(stream));
        }
        Poll::Ready(Ok(()))
    }
}

/// Calls a method of the stream inside, after the handshake.
macro_rules! inside {
    ($this:ident, $cx:ident, $method:ident($($argument:expr),*)) => {{
        ready!($this.poll_handshake($cx))?;
        match &mut *$this {
            Stream::Plain(stream) => Pin::new(stream).$method($cx $(, $argument)*),
            Stream::Tls(stream) => Pin::new(stream).$method($cx $(, $argument)*),
            Stream::Handshake(_) => Poll::Pending,
        }
    }};
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        inside!(self, cx, poll_read(buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        inside!(self, cx, poll_write(buffer))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inside!(self, cx, poll_flush())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // There is nothing to say good-bye to before the handshake is done.
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Handshake(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        inside!(self, cx, poll_write_vectored(buffers))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
