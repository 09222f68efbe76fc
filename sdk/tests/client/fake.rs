//! A server with a handler per request type, set by the test.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contacts_proto::v1::attribute_service_server::{AttributeService, AttributeServiceServer};
use contacts_proto::v1::contact_service_server::{ContactService, ContactServiceServer};
use contacts_proto::v1::opt_in_service_server::{OptInService, OptInServiceServer};
use contacts_proto::v1::tag_service_server::{TagService, TagServiceServer};
use contacts_proto::v1::webhook_service_server::{WebhookService, WebhookServiceServer};
use contacts_proto::v1::workspace_service_server::{WorkspaceService, WorkspaceServiceServer};
use contacts_proto::v1::*;
use contacts_sdk::{ClientBuilder, ContactsClient, RetryPolicy};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

pub type Messages<A> = BoxStream<'static, Result<A, Status>>;
type Handler<Q, A> = Arc<dyn Fn(Request<Q>) -> BoxFuture<'static, Result<A, Status>> + Send + Sync>;

/// Selects the handler by the type of the request. A request without one is UNIMPLEMENTED.
#[derive(Default)]
pub struct Fake {
    handlers: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
}

impl Fake {
    pub fn on<Q, A, F>(self, handler: impl Fn(Request<Q>) -> F + Send + Sync + 'static) -> Self
    where
        Q: 'static,
        A: 'static,
        F: Future<Output = Result<A, Status>> + Send + 'static,
    {
        let handler: Handler<Q, A> = Arc::new(move |request| Box::pin(handler(request)));
        self.handlers.lock().expect("handlers").insert(TypeId::of::<Q>(), Box::new(handler));
        self
    }

    async fn answer<Q: 'static, A: 'static>(
        &self,
        request: Request<Q>,
    ) -> Result<Response<A>, Status> {
        let handler = {
            let handlers = self.handlers.lock().expect("handlers");
            let handler = handlers.get(&TypeId::of::<Q>());
            handler.map(|any| any.downcast_ref::<Handler<Q, A>>().expect("the response").clone())
        };
        match handler {
            Some(handler) => handler(request).await.map(Response::new),
            None => Err(Status::unimplemented("no handler")),
        }
    }

    /// Starts the server, which runs until the test ends. Returns its address.
    pub async fn start(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let fake = Arc::new(self);
        let server = tonic::transport::Server::builder()
            .add_service(AttributeServiceServer::from_arc(fake.clone()))
            .add_service(ContactServiceServer::from_arc(fake.clone()))
            .add_service(OptInServiceServer::from_arc(fake.clone()))
            .add_service(TagServiceServer::from_arc(fake.clone()))
            .add_service(WebhookServiceServer::from_arc(fake.clone()))
            .add_service(WorkspaceServiceServer::from_arc(fake))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        address
    }

    /// Starts the server, and connects a client that retries with short delays.
    pub async fn client(self) -> ContactsClient {
        let address = self.start().await;
        builder(&address).connect().await.expect("a connection")
    }
}

pub fn builder(address: &str) -> ClientBuilder {
    let fast = |policy: RetryPolicy| {
        policy.initial_delay(Duration::from_millis(2)).max_delay(Duration::from_millis(10))
    };
    ContactsClient::builder(format!("http://{address}"))
        .retry_policy(fast(RetryPolicy::new()))
        .stream_retry_policy(fast(RetryPolicy::for_streams()).max_attempts(5))
        .stream_idle_timeout(Duration::from_secs(1))
}

/// An error with the details that the real server sends.
pub fn refusal(code: Code, reason: &str, metadata: &[(&str, &str)]) -> Status {
    let metadata: HashMap<_, _> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, "contacts.whatatalk", metadata);
    Status::with_error_details(code, "in words", details)
}

pub fn unavailable() -> Status {
    refusal(Code::Unavailable, "DATABASE_UNAVAILABLE", &[])
}

macro_rules! service {
    ($service:ident {
        $($method:ident $request:ident -> $response:ident;)*
        $(=> $stream:ident: $smethod:ident $srequest:ty => $sresponse:ident;)*
    }) => {
        #[tonic::async_trait]
        impl $service for Fake {
            $(async fn $method(
                &self,
                request: Request<$request>,
            ) -> Result<Response<$response>, Status> {
                self.answer(request).await
            })*
            $(type $stream = Messages<$sresponse>;
            async fn $smethod(
                &self,
                request: Request<$srequest>,
            ) -> Result<Response<Self::$stream>, Status> {
                self.answer(request).await
            })*
        }
    };
}

service! { WorkspaceService {
    create_workspace CreateWorkspaceRequest -> CreateWorkspaceResponse;
    get_workspace GetWorkspaceRequest -> GetWorkspaceResponse;
    list_workspaces ListWorkspacesRequest -> ListWorkspacesResponse;
    update_workspace UpdateWorkspaceRequest -> UpdateWorkspaceResponse;
    delete_workspace DeleteWorkspaceRequest -> DeleteWorkspaceResponse;
}}

service! { ContactService {
    create_contact CreateContactRequest -> CreateContactResponse;
    get_contact GetContactRequest -> GetContactResponse;
    batch_get_contacts BatchGetContactsRequest -> BatchGetContactsResponse;
    update_contact UpdateContactRequest -> UpdateContactResponse;
    delete_contact DeleteContactRequest -> DeleteContactResponse;
    link_identity LinkIdentityRequest -> LinkIdentityResponse;
    merge_contacts MergeContactsRequest -> MergeContactsResponse;
    export_contact_data ExportContactDataRequest -> ExportContactDataResponse;
    list_contacts ListContactsRequest -> ListContactsResponse;
    count_contacts CountContactsRequest -> CountContactsResponse;
    batch_upsert_contacts BatchUpsertContactsRequest -> BatchUpsertContactsResponse;
    update_contact_tags UpdateContactTagsRequest -> UpdateContactTagsResponse;
    => StreamContactsStream:
        stream_contacts StreamContactsRequest => StreamContactsResponse;
    => StreamDuplicateContactsStream:
        stream_duplicate_contacts StreamDuplicateContactsRequest
            => StreamDuplicateContactsResponse;
    => ImportContactsStream:
        import_contacts Streaming<ImportContactsRequest> => ImportContactsResponse;
}}

service! { WebhookService {
    ingest_whats_app_webhook IngestWhatsAppWebhookRequest -> IngestWhatsAppWebhookResponse;
}}

service! { TagService {
    create_tag CreateTagRequest -> CreateTagResponse;
    get_tag GetTagRequest -> GetTagResponse;
    list_tags ListTagsRequest -> ListTagsResponse;
    update_tag UpdateTagRequest -> UpdateTagResponse;
    delete_tag DeleteTagRequest -> DeleteTagResponse;
}}

service! { AttributeService {
    create_attribute CreateAttributeRequest -> CreateAttributeResponse;
    get_attribute GetAttributeRequest -> GetAttributeResponse;
    list_attributes ListAttributesRequest -> ListAttributesResponse;
    update_attribute UpdateAttributeRequest -> UpdateAttributeResponse;
    delete_attribute DeleteAttributeRequest -> DeleteAttributeResponse;
}}

service! { OptInService {
    check_opt_in CheckOptInRequest -> CheckOptInResponse;
    batch_check_opt_in BatchCheckOptInRequest -> BatchCheckOptInResponse;
    record_opt_in RecordOptInRequest -> RecordOptInResponse;
    record_opt_out RecordOptOutRequest -> RecordOptOutResponse;
    record_platform_preference
        RecordPlatformPreferenceRequest -> RecordPlatformPreferenceResponse;
    list_opt_in_events ListOptInEventsRequest -> ListOptInEventsResponse;
    list_receipt_keys ListReceiptKeysRequest -> ListReceiptKeysResponse;
    => CheckOptInStreamStream:
        check_opt_in_stream Streaming<CheckOptInStreamRequest> => CheckOptInStreamResponse;
}}
