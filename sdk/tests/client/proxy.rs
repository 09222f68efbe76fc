//! A proxy whose connections a test can close, and a server that never finishes its responses.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use contacts_proto::v1;
use futures::stream;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Status;
use tonic::body::Body;
use tonic::codec::{Codec, EncodeBody};
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic_prost::ProstCodec;

pub struct Proxy {
    pub address: String,
    cut: broadcast::Sender<()>,
}

impl Proxy {
    /// Starts a proxy to this address.
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (cut, _) = broadcast::channel(1);
        let cuts = cut.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (target, mut cut) = (target.clone(), cuts.subscribe());
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.expect("the server");
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.recv() => {}
                    }
                });
            }
        });
        Self { address, cut }
    }

    /// Closes all connections. New ones are accepted.
    pub fn cut(&self) {
        let _ = self.cut.send(());
    }
}

/// Sends the headers of every response, and nothing after them.
#[derive(Clone)]
struct HeadersOnly;

impl NamedService for HeadersOnly {
    const NAME: &'static str = "whatatalk.contacts.v1.ContactService";
}

impl Service<http::Request<Body>> for HeadersOnly {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        let encoder = ProstCodec::<v1::CountContactsResponse, ()>::default().encoder();
        let silence = stream::pending::<Result<_, Status>>();
        let body = EncodeBody::new_server(encoder, silence, None, Default::default(), None);
        let response = http::Response::builder().header("content-type", "application/grpc");
        ready(Ok(response.body(Body::new(body)).expect("a response")))
    }
}

/// Starts a server that sends only headers. Returns its address.
pub async fn headers_only() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = tonic::transport::Server::builder().add_service(HeadersOnly);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}
