//! Single calls: what they send, which of them are retried, and how they fail.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contacts_proto::v1;
use contacts_sdk::{
    ContactsClient, ErrorKind, NewContact, Recipient, WebhookOutcome, WebhookStatementKind, reason,
};
use tokio::net::TcpListener;
use tonic::{Code, Request, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::fake::{Fake, builder, refusal, unavailable};
use crate::proxy::{Proxy, headers_only};

fn ana() -> v1::Contact {
    v1::Contact {
        contact_id: "c-1".to_owned(),
        phone_number: "15551234567".to_owned(),
        first_name: "Ana".to_owned(),
        ..v1::Contact::default()
    }
}

/// Fails one CreateContact after the other with these statuses, then succeeds. Returns the requests.
fn creates(failures: Vec<Status>) -> (Fake, Arc<Mutex<Vec<v1::CreateContactRequest>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = seen.clone();
    let fake = Fake::default().on(move |request: Request<v1::CreateContactRequest>| {
        let mut requests = requests.lock().expect("requests");
        let failure = failures.get(requests.len()).cloned();
        requests.push(request.into_inner());
        async move {
            match failure {
                Some(status) => Err(status),
                None => Ok(v1::CreateContactResponse { contact: Some(ana()) }),
            }
        }
    });
    (fake, seen)
}

#[tokio::test]
async fn a_change_is_retried_with_the_same_request_id() {
    let in_flight = refusal(Code::Aborted, reason::REQUEST_IN_FLIGHT, &[]);
    let conflict = refusal(Code::Aborted, reason::WRITE_CONFLICT, &[]);
    let (fake, seen) = creates(vec![unavailable(), in_flight, conflict]);
    let client = fake.client().await;

    let contact = NewContact::new()
        .phone("+1 555 123 4567")
        .first_name("Ana")
        .tag("vip")
        .attribute("city", "São Paulo");
    let made = client.contacts().create(contact).await.expect("a contact");
    assert_eq!(made.contact_id, "c-1");
    assert_eq!(made.first_name.as_deref(), Some("Ana"));
    assert_eq!(made.email, None);

    let seen = seen.lock().expect("requests");
    assert_eq!(seen.len(), 4);
    assert_eq!(seen[0].request_id.len(), 36, "a UUID");
    assert!(seen.iter().all(|request| *request == seen[0]));
}

#[tokio::test]
async fn errors_that_are_not_retryable_are_not_retried() {
    for status in [
        refusal(Code::Aborted, reason::ETAG_MISMATCH, &[]),
        refusal(Code::DeadlineExceeded, reason::DEADLINE_EXCEEDED, &[]),
        refusal(Code::Internal, reason::INTERNAL, &[]),
        refusal(Code::ResourceExhausted, reason::OVERLOADED, &[]),
        Status::cancelled("by the server"),
    ] {
        let (fake, seen) = creates(vec![status.clone()]);
        let client = fake.client().await;
        let call = client.contacts().create(NewContact::new()).request_id("mine");
        let error = call.await.expect_err("refused");
        assert_eq!(error.request_id(), Some("mine"));
        assert_eq!(seen.lock().expect("requests").len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_change_without_request_id_is_not_retried() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let fake = Fake::default().on(move |_: Request<v1::CreateWorkspaceRequest>| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Err::<v1::CreateWorkspaceResponse, _>(unavailable()) }
    });
    let error = fake.client().await.workspaces().create("acme").await.expect_err("refused");
    assert!(error.is_unavailable());
    assert_eq!(error.request_id(), None);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_webhook_is_sent_again_as_it_is() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = seen.clone();
    let fake = Fake::default().on(move |request: Request<v1::IngestWhatsAppWebhookRequest>| {
        let mut requests = requests.lock().expect("requests");
        requests.push(request.into_inner());
        let failed = requests.len() == 1;
        let result = v1::WebhookResult {
            change: 2,
            kind: v1::WebhookStatementKind::Stop.into(),
            outcome: 99,
            contact_id: "c-1".to_owned(),
            ..v1::WebhookResult::default()
        };
        let response = v1::IngestWhatsAppWebhookResponse {
            results: vec![result],
            counts: Some(v1::WebhookCounts { recorded: 7, ..v1::WebhookCounts::default() }),
            ignored: [("status".to_owned(), 3)].into(),
            signature_verified: true,
        };
        async move { if failed { Err(unavailable()) } else { Ok(response) } }
    });
    let webhooks = fake.client().await.with_workspace("acme").webhooks();
    let report = webhooks.ingest([0xFF, b'{']).signature("sha256=1").await.expect("a report");
    assert!(report.signature_verified);
    assert_eq!((report.counts.recorded, report.ignored["status"]), (7, 3));
    let [result] = &report.results[..] else { panic!("one") };
    assert_eq!((result.change, result.kind), (2, WebhookStatementKind::Stop));
    assert_eq!(result.outcome, WebhookOutcome::Unknown(99));
    assert_eq!((result.contact_id.as_deref(), &result.event_id), (Some("c-1"), &None));
    let seen = seen.lock().expect("requests");
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0], seen[1]);
    assert_eq!((&*seen[0].workspace_id, &*seen[0].payload), ("acme", &[0xFF, b'{'][..]));
    assert_eq!(seen[0].signature, "sha256=1");
}

#[tokio::test]
async fn errors_expose_all_details_from_the_server() {
    let mut details = ErrorDetails::new();
    let metadata = [("field", "contact.phone_number"), ("contact_id", "c-9")]
        .map(|(k, v)| (k.into(), v.into()));
    details
        .set_error_info(reason::CONTACT_ALREADY_EXISTS, "contacts.whatatalk", metadata)
        .add_bad_request_violation("contact.phone_number", "a contact has this number")
        .set_resource_info("contact", "c-9", "", "")
        .set_retry_info(Some(Duration::from_secs(2)));
    let status = Status::with_error_details(Code::AlreadyExists, "there is one", details);
    let client = creates(vec![status]).0.client().await;

    let error = client.contacts().create(NewContact::new()).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.is_already_exists() && !error.is_retryable() && !error.is_incomplete());
    assert_eq!(error.reason(), Some(reason::CONTACT_ALREADY_EXISTS));
    assert_eq!(error.existing_contact_id(), Some("c-9"));
    assert_eq!(error.field_violations()[0].field, "contact.phone_number");
    assert_eq!(error.resource().map(|it| it.resource_name.as_str()), Some("c-9"));
    assert_eq!(error.retry_delay(), Some(Duration::from_secs(2)));
    assert_eq!(
        error.to_string(),
        "already exists: there is one; contact.phone_number: a contact has this number \
         [CONTACT_ALREADY_EXISTS]",
    );
}

#[tokio::test]
async fn the_deadline_is_sent_and_enforced_in_the_client() {
    let timeout = Arc::new(Mutex::new(None));
    let seen = timeout.clone();
    let fake = Fake::default().on(move |request: Request<v1::GetContactRequest>| {
        *seen.lock().expect("timeout") = request.metadata().get("grpc-timeout").cloned();
        futures::future::pending::<Result<v1::GetContactResponse, Status>>()
    });
    let client = fake.client().await;
    let began = Instant::now();
    let call = client.contacts().get("15551234567").deadline(Duration::from_millis(200));
    let error = call.await.expect_err("too late");
    assert!(error.is_deadline_exceeded(), "{error}");
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(timeout.lock().expect("timeout").is_some());
}

#[tokio::test]
async fn a_dead_peer_cannot_block_a_call() {
    // The connection stays open, and the server never reads from it.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = silent.local_addr().map(|address| (silent, address.to_string()));
    let (_open, silent) = silent.expect("an address");
    for address in [silent, headers_only().await] {
        let client = builder(&address).connect_lazy().expect("a client");
        let call = client.contacts().count().deadline(Duration::from_millis(200)).into_future();
        let answer = tokio::time::timeout(Duration::from_secs(2), call).await;
        let error = answer.expect("an end").expect_err("silence");
        assert!(error.is_deadline_exceeded(), "{error}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_unavailable_with_its_cause() {
    let error = builder("127.0.0.1:1").connect().await.expect_err("nobody");
    assert!(error.is_unavailable());
    assert!(error.message().contains("refused"), "{error}");

    let client = builder("127.0.0.1:1").connect_lazy().expect("a client");
    let error = client.tags().get("vip").await.expect_err("nobody");
    assert!(error.is_unavailable() && error.is_retryable());
    assert!(error.message().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_call_reconnects_after_its_connection_breaks() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let fake = Fake::default().on(move |_: Request<v1::GetContactRequest>| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if first {
                futures::future::pending::<()>().await;
            }
            Ok(v1::GetContactResponse { contact: Some(ana()) })
        }
    });
    let proxy = Proxy::to(fake.start().await).await;
    let client = builder(&proxy.address).connect().await.expect("a connection");
    let call = tokio::spawn(client.contacts().get("15551234567").into_future());
    while calls.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.cut();
    assert!(call.await.expect("no panic").is_ok());
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn credentials_are_sent_and_never_printed() {
    let fake = Fake::default().on(|request: Request<v1::CountContactsRequest>| async move {
        let metadata = request.metadata();
        assert_eq!(metadata.get("authorization").expect("a token"), "Bearer s3cret");
        let agent = metadata.get("user-agent").expect("an agent").to_str().expect("text");
        assert!(agent.starts_with("campaigns/1.2 contacts-sdk/"), "{agent}");
        let count = if request.get_ref().workspace_id == "acme" { 7 } else { 0 };
        Ok(v1::CountContactsResponse { count })
    });
    let builder = builder(&fake.start().await).bearer_token("s3cret").user_agent("campaigns/1.2");
    assert!(!format!("{builder:?}").contains("s3cret"));
    let client = builder.connect().await.expect("a connection");
    assert!(!format!("{client:?}").contains("s3cret"));
    assert_eq!(client.contacts().count().await.expect("a count"), 0);
    let acme = client.with_workspace("acme");
    assert_eq!(acme.workspace(), "acme");
    let patient = acme.contacts().count().deadline(Duration::MAX);
    assert_eq!(patient.await.expect("a count"), 7);
}

#[tokio::test]
async fn invalid_settings_fail_before_anything_is_sent() {
    for endpoint in ["", "127.0.0.1:50051", "ftp://example.com", "http://"] {
        let error = ContactsClient::builder(endpoint).connect_lazy().expect_err(endpoint);
        assert!(error.is_invalid_argument(), "{endpoint}: {error}");
    }
    let token = ContactsClient::builder("http://127.0.0.1:1").bearer_token("a\nb");
    assert!(token.connect_lazy().expect_err("not a header").is_invalid_argument());
    #[cfg(not(feature = "tls"))]
    {
        let secure = ContactsClient::builder("https://127.0.0.1:1").connect_lazy();
        assert!(secure.expect_err("no tls").message().contains("`tls`"));
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_server_without_tls_is_unavailable_over_https() {
    let address = Fake::default().start().await;
    let client = ContactsClient::builder(format!("https://{address}"));
    let error = client.clone().connect().await.expect_err("no handshake");
    assert!(error.is_unavailable(), "{error}");
    let authority = client.tls_authority("not a certificate").connect().await;
    assert!(authority.expect_err("no certificate").is_invalid_argument());
}

#[tokio::test]
async fn an_update_mask_has_exactly_the_fields_that_are_set() {
    let seen = Arc::new(Mutex::new(None));
    let last = seen.clone();
    let fake = Fake::default().on(move |request: Request<v1::UpdateContactRequest>| {
        *last.lock().expect("a request") = Some(request.into_inner());
        async { Ok(v1::UpdateContactResponse { contact: Some(ana()) }) }
    });
    let contacts = fake.client().await.contacts();
    let update = || contacts.update("15551234567");
    let sent = || seen.lock().expect("a request").take().expect("a request");

    update()
        .first_name("Ana")
        .first_name("Anna")
        .clear_email()
        .attribute("orders", 4)
        .clear_attribute("city")
        .etag("e1")
        .allow_missing(true)
        .await
        .expect("updated");
    let request = sent();
    let contact = request.contact.expect("a contact");
    assert_eq!(contact.phone_number, "15551234567");
    assert_eq!((contact.first_name.as_str(), contact.email.as_str()), ("Anna", ""));
    assert_eq!(contact.attributes.len(), 1);
    assert_eq!(contact.etag, "e1");
    assert!(request.allow_missing);
    assert_eq!(
        request.update_mask.expect("a mask").paths,
        ["first_name", "email", "attributes.orders", "attributes.city"],
    );

    update()
        .attribute("city", "Rio")
        .replace_attributes([("tier", "Gold")])
        .attribute("orders", 1)
        .await
        .expect("updated");
    let request = sent();
    assert_eq!(request.update_mask.expect("a mask").paths, ["attributes"]);
    let attributes = request.contact.expect("a contact").attributes;
    assert_eq!(attributes.keys().collect::<Vec<_>>(), ["orders", "tier"]);

    let by_user_id = contacts.update(Recipient::whatsapp_user_id("US.1"));
    let error = by_user_id.clone().whatsapp_user_ids(["US.2"]).await.expect_err("ambiguous");
    assert!(error.is_invalid_argument());
    by_user_id.last_name("Lima").await.expect("updated");
    assert_eq!(sent().contact.expect("a contact").whatsapp_user_ids, ["US.1"]);
}

#[tokio::test]
async fn a_batch_get_has_one_result_per_recipient_or_fails() {
    let fake = Fake::default().on(|request: Request<v1::BatchGetContactsRequest>| async move {
        use v1::batch_get_contacts_result::Result as Found;
        let missing = contacts_proto::rpc::Status { code: 5, ..Default::default() };
        let results = [Found::Contact(ana()), Found::Error(missing)];
        let results = results.map(|result| v1::BatchGetContactsResult { result: Some(result) });
        let workspace = request.get_ref().workspace_id.as_str();
        let results = results.into_iter().take(if workspace == "short" { 1 } else { 2 });
        Ok(v1::BatchGetContactsResponse { results: results.collect() })
    });
    let client = fake.client().await;
    let people = [Recipient::phone("15551234567"), Recipient::contact_id("c-2")];
    let found = client.contacts().batch_get(people.clone()).await.expect("results");
    assert_eq!(found[0].as_ref().map(|it| it.contact_id.as_str()).ok(), Some("c-1"));
    assert!(found[1].as_ref().is_err_and(contacts_sdk::Error::is_not_found));

    let short = client.with_workspace("short").contacts().batch_get(people).await;
    assert_eq!(short.expect_err("one too few").kind(), ErrorKind::InvalidResponse);
}
