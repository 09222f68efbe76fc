//! gRPC reflection, in both versions of the protocol.

use std::collections::BTreeSet;

use contacts_tests::{Backend, TestApp};
use futures::StreamExt;
use prost::Message;
use prost_types::FileDescriptorProto;
use tonic::Code;

const SERVICES: [&str; 8] = [
    "grpc.health.v1.Health",
    "whatatalk.contacts.v1.AttributeService",
    "whatatalk.contacts.v1.ContactService",
    "whatatalk.contacts.v1.OptInService",
    "whatatalk.contacts.v1.TagService",
    "whatatalk.contacts.v1.TokenService",
    "whatatalk.contacts.v1.WebhookService",
    "whatatalk.contacts.v1.WorkspaceService",
];

/// Symbols that tools look up to show an error, and some of the API.
const SYMBOLS: [&str; 11] = [
    "google.rpc.Status",
    "google.rpc.ErrorInfo",
    "google.rpc.BadRequest",
    "google.rpc.BadRequest.FieldViolation",
    "google.rpc.ResourceInfo",
    "google.rpc.RetryInfo",
    "google.protobuf.Duration",
    "whatatalk.contacts.v1.ErrorReason",
    "whatatalk.contacts.v1.ContactBatch",
    "whatatalk.contacts.v1.ContactService.ImportContacts",
    "whatatalk.contacts.v1.Contact",
];

/// Checks one version of the protocol.
macro_rules! reflect {
    ($version:ident, $app:expr) => {{
        use tonic_reflection::pb::$version::ServerReflectionRequest;
        use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;

        let mut client = ServerReflectionClient::new($app.narrow_channel().await);
        let mut questions = vec![MessageRequest::ListServices(String::new())];
        questions.extend(SYMBOLS.map(|name| MessageRequest::FileContainingSymbol(name.to_owned())));
        questions.push(MessageRequest::FileContainingSymbol("whatatalk.Nobody".to_owned()));
        let requests = questions.into_iter().map(|question| ServerReflectionRequest {
            host: String::new(),
            message_request: Some(question),
        });
        let answers = client.server_reflection_info(futures::stream::iter(requests)).await;
        let mut answers = answers.expect("reflection").into_inner();
        let mut seen = Seen::default();
        while let Some(answer) = answers.next().await {
            let Ok(answer) = answer else {
                seen.unknown = Some(answer.expect_err("refused").code());
                break;
            };
            match answer.message_response.expect("an answer") {
                MessageResponse::ListServicesResponse(list) => {
                    seen.services = list.service.into_iter().map(|service| service.name).collect();
                }
                MessageResponse::FileDescriptorResponse(files) => {
                    seen.files.extend(
                        files.file_descriptor_proto.iter().map(|file| {
                            FileDescriptorProto::decode(&**file).expect("a descriptor")
                        }),
                    );
                }
                MessageResponse::ErrorResponse(error) => {
                    seen.unknown = Some(Code::from_i32(error.error_code));
                }
                other => panic!("{other:?}"),
            }
        }
        seen
    }};
}

#[derive(Default)]
struct Seen {
    services: BTreeSet<String>,
    files: Vec<FileDescriptorProto>,
    unknown: Option<Code>,
}

impl Seen {
    fn check(&self, version: &str) {
        let mut expected = BTreeSet::from(SERVICES.map(str::to_owned));
        assert!(self.services.is_superset(&expected), "{version}: {:?}", self.services);
        expected.extend(["v1", "v1alpha"].map(|v| format!("grpc.reflection.{v}.ServerReflection")));
        assert!(self.services.is_subset(&expected), "{version}: {:?}", self.services);

        // Every symbol's file is returned, and the files together include all imports.
        let packages: BTreeSet<_> = self.files.iter().map(|file| file.package()).collect();
        for symbol in SYMBOLS {
            assert!(
                packages.iter().any(|package| symbol.starts_with(package)),
                "{version}: {symbol}"
            );
        }
        assert!(self.files.len() >= SYMBOLS.len(), "{version}: {}", self.files.len());
        assert_eq!(self.unknown, Some(Code::NotFound), "{version}");
    }
}

#[tokio::test]
async fn both_reflection_versions_describe_every_service() {
    let app = TestApp::start(Backend::Sqlite).await;
    reflect!(v1, app).check("v1");
    reflect!(v1alpha, app).check("v1alpha");
    app.assert_alive().await;
    app.stop().await;
}
