//! Raw gRPC over HTTP/2, for requests that no gRPC library sends.

use std::io;
use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use h2::RecvStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request};
use prost::Message;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

/// An HTTP/2 connection, closed on drop.
pub struct Wire {
    requests: SendRequest<Bytes>,
    connection: JoinHandle<()>,
}

/// A call whose request is being sent.
pub struct Call {
    /// Sends the parts of the request.
    pub request: h2::SendStream<Bytes>,
    response: ResponseFuture,
}

/// The response to a call.
#[derive(Debug)]
pub struct RawResponse {
    /// The status in the trailers, or in the headers of a trailers-only response.
    pub status: Status,
    /// The encoded messages.
    pub messages: Bytes,
    /// The headers before them.
    pub headers: HeaderMap,
}

/// Frames a message with the gRPC length prefix.
pub fn message(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).expect("a small message"));
    framed.put_slice(message);
    framed.freeze()
}

impl Wire {
    /// Opens a connection.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address, h2::client::Builder::new()).await.expect("a connection")
    }

    /// Opens a connection with these flow-control windows for a stream and for all of them.
    pub async fn connect_with_windows(address: SocketAddr, stream: u32, connection: u32) -> Self {
        let mut settings = h2::client::Builder::new();
        settings.initial_window_size(stream).initial_connection_window_size(connection);
        Self::try_connect(address, settings).await.expect("a connection")
    }

    /// Opens a connection to a server that may refuse it.
    pub async fn try_connect(
        address: SocketAddr,
        settings: h2::client::Builder,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let (requests, connection) = settings.handshake(stream).await.map_err(io::Error::other)?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { requests, connection })
    }

    /// Calls a method such as `ContactService/GetContact` of this project.
    pub async fn call(&self, method: &str, request: &impl Message) -> RawResponse {
        self.send(method, &[], message(&request.encode_to_vec())).await
    }

    /// Calls a method with additional headers and an arbitrary request body.
    pub async fn send(&self, method: &str, headers: &[(&str, &str)], body: Bytes) -> RawResponse {
        let mut call = self.open(method, headers).await;
        // Fails if the server has already answered the headers.
        drop(call.request.send_data(body, true));
        call.response().await
    }

    /// Starts a call without sending a request.
    pub async fn open(&self, method: &str, headers: &[(&str, &str)]) -> Call {
        self.try_open(method, headers).await.expect("sent")
    }

    /// Starts a call on a connection that the server may have closed.
    pub async fn try_open(
        &self,
        method: &str,
        headers: &[(&str, &str)],
    ) -> Result<Call, h2::Error> {
        let path = match method.starts_with('/') {
            true => method.to_owned(),
            false => format!("/whatatalk.contacts.v1.{method}"),
        };
        let mut request = Request::post(format!("http://localhost{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut requests = self.requests.clone().ready().await?;
        let request = request.body(()).expect("a request");
        let (response, request) = requests.send_request(request, false)?;
        Ok(Call { request, response })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Call {
    /// Waits for the whole response.
    pub async fn response(self) -> RawResponse {
        self.try_response().await.expect("an answer")
    }

    /// Waits for the whole response, or the end of the stream or connection without one.
    pub async fn try_response(self) -> Result<RawResponse, h2::Error> {
        let (headers, mut body) = self.response.await?.into_parts();
        let messages = read(&mut body).await?;
        let (trailers, headers) = (body.trailers().await?, headers.headers);
        let status = status(trailers.as_ref().unwrap_or(&headers));
        Ok(RawResponse { status, messages, headers })
    }

    /// Reads the response without telling the server that there is room for more of it.
    pub async fn read_without_acknowledging(self) -> Result<(), h2::Error> {
        let mut body = self.response.await?.into_body();
        while let Some(part) = body.data().await {
            part?;
        }
        Ok(())
    }

    /// Waits for the first part of the response to a stream, whose request stays open. None if it was
    /// refused.
    pub async fn accepted(self) -> Option<(h2::SendStream<Bytes>, RecvStream)> {
        let mut body = self.response.await.ok()?.into_body();
        body.data().await?.ok()?;
        Some((self.request, body))
    }

    /// Waits for the headers and the first part of the response.
    pub async fn first_part(self) -> (RecvStream, Bytes) {
        let mut body = self.response.await.expect("an answer").into_body();
        let part = body.data().await.expect("a message").expect("a message");
        body.flow_control().release_capacity(part.len()).expect("released");
        (body, part)
    }
}

async fn read(body: &mut RecvStream) -> Result<Bytes, h2::Error> {
    let mut read = BytesMut::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        read.extend_from_slice(&part);
    }
    Ok(read.freeze())
}

fn status(headers: &HeaderMap) -> Status {
    Status::from_header_map(headers)
        .unwrap_or_else(|| Status::new(Code::Unknown, "no grpc-status in the answer"))
}

impl RawResponse {
    /// The status code.
    pub fn code(&self) -> Code {
        self.status.code()
    }
}
