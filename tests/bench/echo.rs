//! A raw tonic server that answers every check with the same message: the floor of a call.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use contacts_proto::v1;
use futures::FutureExt;
use http::{Request, Response};
use prost_types::Timestamp;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Status, codegen::Service};
use tonic_prost::ProstCodec;

use super::Result;

/// Serves until the process ends. Its address is printed as the server's own is.
#[expect(clippy::print_stdout, reason = "for the process that started this one")]
pub async fn serve() -> Result {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(Server::builder().add_service(Echo).serve_with_incoming(incoming).await?)
}

#[derive(Clone, Copy)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "whatatalk.contacts.v1.OptInService";
}

impl Service<Request<Body>> for Echo {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        async move {
            let codec = ProstCodec::<v1::CheckOptInResponse, v1::CheckOptInRequest>::default();
            Ok(Grpc::new(codec).unary(Answer, request).await)
        }
        .boxed()
    }
}

struct Answer;

impl UnaryService<v1::CheckOptInRequest> for Answer {
    type Response = v1::CheckOptInResponse;
    type Future = Ready<Result<tonic::Response<v1::CheckOptInResponse>, Status>>;

    /// A response as the service gives it, with all that a contact who opted in has.
    fn call(&mut self, _: tonic::Request<v1::CheckOptInRequest>) -> Self::Future {
        let time = Timestamp { seconds: 1_790_000_000, nanos: 123_456_000 };
        let mut response = v1::CheckOptInResponse {
            contact_id: "019a0000-0000-7000-8000-000000000001".to_owned(),
            event_id: "019a0000-0000-7000-8000-000000000002".to_owned(),
            consent_time: Some(time),
            check_time: Some(time),
            ..Default::default()
        };
        response.set_decision(v1::Decision::Allow);
        response.set_reason(v1::CheckReason::OptedIn);
        ready(Ok(tonic::Response::new(response)))
    }
}
