//! Heartbeats while a search has not found a contact yet.

use std::time::Duration;

use contacts_proto::v1::{StreamContactsRequest, StreamContactsResponse, StreamEndReason};
use contacts_sdk::NewContact;
use contacts_tests::{Backend, TestApp, apply, on_each_store, phone, phones};
use futures::TryStreamExt;
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;
use tokio::time;
use tonic::Status;

use super::{Message, phones_of, read};

const PEOPLE: usize = 4000;
/// The only contact that matches, after all others.
const FOUND: std::ops::Range<usize> = PEOPLE - 3..PEOPLE;
/// Number of attempts until the clock jumps while the server is searching.
const ATTEMPTS: u64 = 160;
/// Longer than the server's heartbeat interval.
const JUMP: Duration = Duration::from_secs(6);

#[apply(on_each_store!)]
async fn heartbeats_are_sent_during_a_slow_search(app: TestApp) {
    let backend = app.backend();
    // tokio can advance its clock only in a single-threaded runtime.
    let on_one_thread = spawn_blocking(move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(wait_for_a_heartbeat(backend));
    });
    on_one_thread.await.expect("a heartbeat");
}

/// A filter of many comparisons, of which all but the last fail for everybody.
fn slow_search() -> StreamContactsRequest {
    let failing = (0..60).map(|n| format!("attributes.city = \"nowhere {n}*\" OR "));
    let filter = failing.collect::<String>() + "first_name = Found";
    StreamContactsRequest { filter, ..Default::default() }
}

async fn wait_for_a_heartbeat(backend: Backend) {
    let app = TestApp::start(backend).await;
    app.make_attributes().await;
    let person = |n| {
        let name = if FOUND.contains(&n) { "Found" } else { "Ana" };
        NewContact::new().phone(phone(n)).first_name(name).attribute("city", "Lisboa")
    };
    app.make_many((0..PEOPLE).map(person)).await;
    let (found, _) = read(&app, slow_search()).await;
    assert_eq!(phones_of(&found), phones(FOUND));

    for attempt in 0..ATTEMPTS {
        // The duration and the start of a search differ between machines.
        let after = Duration::from_micros(500 + 700 * (attempt % 40));
        // The jump may have timed out other waits.
        let Ok(received) = receive(&app, after).await else {
            continue;
        };
        let messages: Vec<_> = received.into_iter().map(Ok).map(Message::of).collect();
        let end = messages.last().and_then(|last| last.end).expect("an end");
        assert_eq!((end.delivered_count, end.reason()), (3, StreamEndReason::Complete));
        assert_eq!(phones_of(&messages), phones(FOUND));

        let heartbeat = messages.iter().position(|message| message.is_heartbeat);
        let Some(index) = heartbeat else { continue };
        // The token of a heartbeat can be resumed.
        let resume_token = messages[index].token.clone();
        let rest = read(&app, StreamContactsRequest { resume_token, ..slow_search() }).await.0;
        let delivered = [&messages[..index], &rest].map(phones_of).concat();
        assert_eq!(delivered, phones(FOUND));
        app.finish().await;
        return;
    }
    panic!("no heartbeat in {ATTEMPTS} streams");
}

/// Reads a stream and advances the clock some time after opening it.
async fn receive(app: &TestApp, after: Duration) -> Result<Vec<StreamContactsResponse>, Status> {
    let stream = app.client().raw_contacts().stream_contacts(slow_search()).await?;
    time::sleep(after).await;
    time::pause();
    time::advance(JUMP).await;
    time::resume();
    stream.into_inner().try_collect().await
}
