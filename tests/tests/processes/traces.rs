//! Traces, as a collector of them gets them.

use std::sync::{Arc, Mutex};

use contacts_proto::v1;
use contacts_proto::v1::contact_service_client::ContactServiceClient;
use contacts_tests::ServiceProcess;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().expect("a lock").push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    Some(format!("{:?}", found.value.as_ref()?.value))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_is_a_span_of_its_callers_trace_without_personal_data() {
    let collector = Collector::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let service = TraceServiceServer::new(collector.clone());
    let collecting = Server::builder().add_service(service);
    tokio::spawn(collecting.serve_with_incoming(TcpIncoming::from(listener)));

    let folder = tempfile::tempdir().expect("a folder");
    let database = format!("sqlite://{}", folder.path().join("contacts.db").display());
    let arguments = ["--database-url", &database, "--otlp-endpoint", &endpoint];
    let mut server = ServiceProcess::launch_with(&arguments);
    server.wait_until_ready();
    let mut client = ContactServiceClient::connect(server.url()).await.expect("connected");
    let contact = v1::Contact {
        phone_number: "+15550001234".to_owned(),
        first_name: "Ximena".to_owned(),
        email: "ximena@example.com".to_owned(),
        ..Default::default()
    };
    let create = v1::CreateContactRequest { contact: Some(contact), ..Default::default() };
    let mut request = Request::new(create.clone());
    let trace = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
    request.metadata_mut().insert("traceparent", trace.parse().expect("a header"));
    client.create_contact(request).await.expect("created");
    client.create_contact(create).await.expect_err("there already");
    // Sends what is left.
    server.stop();

    let requests = collector.0.lock().expect("a lock").clone();
    let text = format!("{requests:?}");
    for secret in ["5550001234", "Ximena", "ximena@example.com"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains("contacts-service"), "{text}");
    let scopes = requests.into_iter().flat_map(|request| request.resource_spans);
    let scopes = scopes.flat_map(|resource| resource.scope_spans);
    let spans: Vec<_> = scopes.flat_map(|scope| scope.spans).collect();
    let path = "/whatatalk.contacts.v1.ContactService/CreateContact";
    assert!(spans.iter().all(|span| span.name == path), "{spans:#?}");
    let [first, second] = &spans[..] else { panic!("two calls: {spans:#?}") };
    assert_eq!(first.kind(), SpanKind::Server);
    assert_eq!(first.trace_id, 0x0123456789abcdef0123456789abcdef_u128.to_be_bytes());
    assert_eq!(first.parent_span_id, 0x0123456789abcdef_u64.to_be_bytes());
    assert!(attribute(first, "rpc.code").is_some_and(|code| code.contains("\"OK\"")));
    assert!(attribute(second, "rpc.code").is_some_and(|code| code.contains("ALREADY_EXISTS")));
    assert_eq!(second.status.as_ref().map(|status| status.code()), Some(StatusCode::Error));
    assert_ne!(second.trace_id, first.trace_id);
}
