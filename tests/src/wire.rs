//! gRPC by hand, for what no library sends.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use h2::RecvStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request};
use prost::Message;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

/// An HTTP/2 connection. It is cut when this is dropped.
pub struct Wire {
    requests: SendRequest<Bytes>,
    connection: JoinHandle<()>,
}

/// A call whose request is being sent.
pub struct Call {
    /// Takes the parts of the request.
    pub request: h2::SendStream<Bytes>,
    response: ResponseFuture,
}

/// What the server made of a call.
#[derive(Debug)]
pub struct Answer {
    /// As sent in the trailers, or in the headers of an answer that has nothing else.
    pub status: Status,
    /// The messages before it, as sent.
    pub messages: Bytes,
}

/// A message with the prefix that gRPC puts before it.
pub fn message(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).expect("a small message"));
    framed.put_slice(message);
    framed.freeze()
}

impl Wire {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (requests, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        let connection = tokio::spawn(async move { drop(connection.await) });
        Self { requests, connection }
    }

    /// Calls a method such as `ContactService/GetContact` of this project.
    pub async fn call(&self, method: &str, request: &impl Message) -> Answer {
        self.send(method, &[], message(&request.encode_to_vec())).await
    }

    /// The same with these headers, and whatever bytes for a request.
    pub async fn send(&self, method: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let mut call = self.open(method, headers).await;
        // A server that answers the headers alone does not take it.
        drop(call.request.send_data(body, true));
        call.answer().await
    }

    /// Begins a call.
    pub async fn open(&self, method: &str, headers: &[(&str, &str)]) -> Call {
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
        let mut requests = self.requests.clone().ready().await.expect("a connection");
        let request = request.body(()).expect("a request");
        let (response, request) = requests.send_request(request, false).expect("sent");
        Call { request, response }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Call {
    /// Waits for all of the answer.
    pub async fn answer(self) -> Answer {
        let (headers, mut body) = self.response.await.expect("an answer").into_parts();
        let messages = read(&mut body).await;
        let trailers = body.trailers().await.expect("an end").unwrap_or(headers.headers);
        Answer { status: status(&trailers), messages }
    }

    /// Waits until the server sent the headers of the answer, and a first message if it wants.
    pub async fn first_part(self) -> (RecvStream, Bytes) {
        let mut body = self.response.await.expect("an answer").into_body();
        let part = body.data().await.expect("a message").expect("a message");
        body.flow_control().release_capacity(part.len()).expect("released");
        (body, part)
    }
}

async fn read(body: &mut RecvStream) -> Bytes {
    let mut read = BytesMut::new();
    while let Some(part) = body.data().await {
        let part = part.expect("a part of the answer");
        body.flow_control().release_capacity(part.len()).expect("released");
        read.extend_from_slice(&part);
    }
    read.freeze()
}

fn status(headers: &HeaderMap) -> Status {
    Status::from_header_map(headers)
        .unwrap_or_else(|| Status::new(Code::Unknown, "no grpc-status in the answer"))
}

impl Answer {
    /// How the call ended.
    pub fn code(&self) -> Code {
        self.status.code()
    }
}
