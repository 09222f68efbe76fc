//! Segments: complete and without duplicates, or an error.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use contacts_proto::v1::stream_contacts_response::Event;
use contacts_proto::{ContactBatch, v1};
use contacts_sdk::{ContactsClient, Error, ErrorKind, Filter, OptInStatus, ResumeToken, reason};
use futures::{StreamExt, TryStreamExt, stream};
use prost::Message;
use tonic::{Code, Request, Status};

use crate::fake::{Fake, Messages, builder, refusal, unavailable};
use crate::proxy::Proxy;

const BATCH: usize = 10;

/// What the server does on a connection after its batches.
#[derive(Clone, Copy)]
enum Then {
    Finish,
    Miscount,
    Drain,
    Stop,
    Fail,
    Hang,
}

/// A server of a segment with this many contacts. Each connection follows its entry of the script; later
/// ones finish the stream.
#[derive(Clone)]
struct Segment {
    contacts: usize,
    script: &'static [(usize, Then)],
    tokens: bool,
    requests: Arc<Mutex<Vec<v1::StreamContactsRequest>>>,
}

impl Segment {
    fn of(contacts: usize, script: &'static [(usize, Then)]) -> Self {
        Self { contacts, script, tokens: true, requests: Arc::default() }
    }

    fn connections(&self) -> usize {
        self.requests.lock().expect("requests").len()
    }

    fn fake(&self) -> Fake {
        let segment = self.clone();
        Fake::default().on(move |request: Request<v1::StreamContactsRequest>| {
            let request = request.into_inner();
            let mut requests = segment.requests.lock().expect("requests");
            let script = segment.script.get(requests.len());
            let (batches, then) = script.copied().unwrap_or((usize::MAX, Then::Finish));
            requests.push(request.clone());
            let messages = segment.messages(&request, batches, then);
            async move { Ok(messages) }
        })
    }

    async fn client(&self) -> ContactsClient {
        self.fake().client().await
    }

    fn messages(
        &self,
        request: &v1::StreamContactsRequest,
        batches: usize,
        then: Then,
    ) -> Messages<v1::StreamContactsResponse> {
        let begin: usize = request.resume_token.parse().unwrap_or_default();
        let token = |next: usize| if self.tokens { next.to_string() } else { String::new() };
        let message = |event, next| {
            Ok(v1::StreamContactsResponse { event: Some(event), resume_token: token(next) })
        };
        let mut messages = vec![message(Event::Heartbeat(v1::Heartbeat {}), begin)];
        let mut next = begin;
        for _ in 0..batches {
            let end = (next + BATCH).min(self.contacts);
            if next == end {
                break;
            }
            let contacts = (next..end).map(encoded).collect();
            messages.push(message(Event::Batch(ContactBatch { contacts }), end));
            next = end;
        }
        let end = |reason: v1::StreamEndReason, delivered: usize| {
            let delivered_count = i64::try_from(delivered).expect("a count");
            message(Event::End(v1::StreamEnd { delivered_count, reason: reason.into() }), next)
        };
        let mut hang = false;
        match then {
            Then::Finish => messages.push(end(v1::StreamEndReason::Complete, next)),
            Then::Miscount => messages.push(end(v1::StreamEndReason::Complete, next + 1)),
            Then::Drain => messages.push(end(v1::StreamEndReason::ServerDrain, next)),
            Then::Stop => {}
            Then::Fail => messages.push(Err(unavailable())),
            Then::Hang => hang = true,
        }
        let rest = if hang { stream::pending().boxed() } else { stream::empty().boxed() };
        stream::iter(messages).chain(rest).boxed()
    }
}

fn encoded(n: usize) -> Bytes {
    let contact = v1::Contact {
        contact_id: n.to_string(),
        opt_in: Some(v1::OptInSummary { marketing: 2, ..v1::OptInSummary::default() }),
        ..v1::Contact::default()
    };
    contact.encode_to_vec().into()
}

async fn ids(client: &ContactsClient) -> Result<Vec<usize>, Error> {
    let contacts = client.contacts().segment().filter(Filter::tag("vip")).stream();
    contacts
        .map_ok(|contact| contact.contact_id.parse::<usize>().expect("a number"))
        .try_collect()
        .await
}

#[tokio::test]
async fn a_segment_delivers_every_contact() {
    let segment = Segment::of(35, &[]);
    let client = segment.client().await;
    assert_eq!(ids(&client).await.expect("contacts"), (0..35).collect::<Vec<_>>());
    assert_eq!(segment.requests.lock().expect("requests")[0].filter, "tags:vip");

    let mut contacts = client.contacts().segment().stream();
    let first = contacts.next().await.expect("a contact").expect("a contact");
    assert_eq!(first.opt_in.marketing, OptInStatus::OptedIn);
}

#[tokio::test]
async fn a_batch_has_its_contacts_as_they_were_received() {
    let client = Segment::of(15, &[]).client().await;
    let mut batches = client.contacts().segment().batches();
    let mut received = Vec::new();
    while let Some(batch) = batches.next().await {
        received.extend_from_slice(batch.expect("a batch").encoded());
    }
    assert_eq!(received, (0..15).map(encoded).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_broken_stream_resumes_without_gaps_or_duplicates() {
    let script = &[
        (1, Then::Stop),
        (0, Then::Fail),
        (2, Then::Drain),
        (1, Then::Hang),
        (0, Then::Stop),
        (0, Then::Drain),
        (1, Then::Fail),
    ];
    let segment = Segment::of(100, script);
    let got = ids(&segment.client().await).await.expect("contacts");
    assert_eq!(got, (0..100).collect::<Vec<_>>());
    let requests = segment.requests.lock().expect("requests");
    let tokens: Vec<_> = requests.iter().map(|request| request.resume_token.as_str()).collect();
    assert_eq!(tokens, ["", "10", "10", "30", "40", "40", "40", "50"]);
    assert!(requests.iter().all(|request| request.filter == "tags:vip"));
}

#[tokio::test]
async fn a_stream_reconnects_after_its_connection_breaks() {
    let segment = Segment::of(50, &[(2, Then::Hang)]);
    let proxy = Proxy::to(segment.fake().start().await).await;
    let builder = builder(&proxy.address).stream_idle_timeout(Duration::from_secs(60));
    let client = builder.connect().await.expect("a connection");
    let mut batches = client.contacts().segment().batches();
    let mut got = 0;
    while let Some(batch) = batches.next().await {
        got += batch.expect("a batch").len();
        if got == 20 {
            proxy.cut();
        }
    }
    assert_eq!((got, segment.connections()), (50, 2));
}

#[tokio::test]
async fn a_stream_that_cannot_resume_is_incomplete() {
    for then in [Then::Stop, Then::Fail, Then::Drain, Then::Hang] {
        let script: &'static [(usize, Then)] =
            Box::leak(std::iter::once((2, then)).chain([(0, then); 20]).collect::<Vec<_>>().into());
        let segment = Segment::of(50, script);
        let client = segment.client().await;
        let idle = Duration::from_millis(200);
        let mut contacts = client.contacts().segment().idle_timeout(idle).stream();
        for _ in 0..20 {
            assert!(contacts.next().await.expect("a contact").is_ok());
        }
        let error = contacts.next().await.expect("an end").expect_err("cut off");
        assert!(error.is_incomplete() && error.is_unavailable(), "{error}");
        assert!(contacts.next().await.is_none());
        // The first connection made progress; four more attempts follow.
        assert_eq!(segment.connections(), 5);
    }
}

#[tokio::test]
async fn a_stream_with_a_wrong_count_is_incomplete() {
    let client = Segment::of(50, &[(2, Then::Stop), (9, Then::Miscount)]).client().await;
    let error = ids(&client).await.expect_err("one is missing");
    assert!(error.is_incomplete());
    assert_eq!(error.kind(), ErrorKind::Incomplete);
}

#[tokio::test]
async fn a_stream_without_tokens_does_not_resume() {
    let mut segment = Segment::of(50, &[(2, Then::Stop)]);
    segment.tokens = false;
    let error = ids(&segment.client().await).await.expect_err("nowhere to go on");
    assert!(error.is_incomplete());
    assert_eq!(segment.connections(), 1);
}

#[tokio::test]
async fn a_segment_resumes_after_the_stored_batch() {
    let segment = Segment::of(50, &[]);
    let client = segment.client().await;
    let mut batches = client.contacts().segment().batches();
    batches.next().await.expect("a batch").expect("a batch");
    let second = batches.next().await.expect("a batch").expect("a batch");
    assert_eq!(second.contacts().len(), 10);
    let stored = second.resume_token().to_string();
    drop(batches);

    let rest = client.contacts().segment().resume_from(ResumeToken::from(stored)).stream();
    let rest: Vec<_> = rest.try_collect().await.expect("contacts");
    assert_eq!(rest.len(), 30);
    assert_eq!(rest[0].contact_id, "20");
}

#[tokio::test]
async fn a_limit_of_zero_delivers_nothing() {
    let segment = Segment::of(50, &[]);
    let client = segment.client().await;
    assert!(client.contacts().segment().limit(0).stream().next().await.is_none());
    assert_eq!(segment.connections(), 0);
    client.contacts().segment().limit(7).batches().next().await.expect("a batch").expect("a batch");
    assert_eq!(segment.requests.lock().expect("requests")[0].limit, 7);
}

#[tokio::test]
async fn an_invalid_request_fails_without_retries() {
    let fake = Fake::default().on(|_: Request<v1::StreamContactsRequest>| async {
        let status = refusal(Code::InvalidArgument, reason::INVALID_FILTER, &[("column", "3")]);
        Err::<Messages<v1::StreamContactsResponse>, _>(status)
    });
    let error = ids(&fake.client().await).await.expect_err("refused");
    assert!(error.is_invalid_argument() && !error.is_incomplete());
    assert_eq!(error.metadata("column"), Some("3"));
}

#[tokio::test]
async fn a_contact_that_cannot_be_decoded_ends_the_stream() {
    let fake = Fake::default().on(|_: Request<v1::StreamContactsRequest>| async {
        let contacts = vec![encoded(0), Bytes::from_static(&[0xff; 3]), encoded(2)];
        let event = Some(Event::Batch(ContactBatch { contacts }));
        let message = v1::StreamContactsResponse { event, resume_token: "1".to_owned() };
        let messages: Messages<_> = stream::iter([Ok::<_, Status>(message)]).boxed();
        Ok(messages)
    });
    let mut contacts = fake.client().await.contacts().segment().stream();
    assert!(contacts.next().await.expect("a contact").is_ok());
    let error = contacts.next().await.expect("an error").expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert!(contacts.next().await.is_none());
}
