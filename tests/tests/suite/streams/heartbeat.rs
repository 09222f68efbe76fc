//! A sign of life while nothing is found yet.

use contacts_proto::v1::{StreamContactsRequest, StreamEndReason};
use contacts_tests::{Backend, TestApp, apply, on_each_store, phones};
use futures::StreamExt;
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

use super::{Message, make_people, open, phones_of, read};

/// How often a stream is opened until its reader got ahead of the database once.
const ATTEMPTS: usize = 50;

#[apply(on_each_store!)]
async fn heartbeats_come_while_the_database_works(app: TestApp) {
    let backend = app.backend();
    // Time can be stopped on a single thread only.
    let on_one_thread = spawn_blocking(move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(wait_for_a_heartbeat(backend));
    });
    on_one_thread.await.expect("a heartbeat");
}

/// Time stands still until everybody waits, and then jumps to what is waited for: a stream that
/// waits for the database seems to wait for long.
async fn wait_for_a_heartbeat(backend: Backend) {
    let app = TestApp::start(backend).await;
    make_people(&app, 1200).await;
    let request = StreamContactsRequest { max_batch_size: 300, ..Default::default() };
    // Connections are made before time stops: making one takes real time.
    read(&app, request.clone()).await;

    for _ in 0..ATTEMPTS {
        tokio::time::pause();
        let messages: Vec<_> = open(&app, request.clone()).await.map(Message::of).collect().await;
        tokio::time::resume();
        let end = messages.last().and_then(|last| last.end).expect("an end");
        assert_eq!((end.delivered_count, end.reason()), (1200, StreamEndReason::Complete));
        assert_eq!(phones_of(&messages), phones(0..1200));

        let Some(index) = messages.iter().position(|message| message.is_heartbeat) else {
            continue;
        };
        // Its token is as good as any.
        let resume_token = messages[index].token.clone();
        let rest = read(&app, StreamContactsRequest { resume_token, ..request.clone() }).await.0;
        let delivered = [&messages[..index], &rest].map(phones_of).concat();
        assert_eq!(delivered, phones(0..1200));
        app.finish().await;
        return;
    }
    panic!("no heartbeat in {ATTEMPTS} streams");
}
