//! Streams end with the token that opened them.

use std::time::Duration;

use contacts_proto::v1::import_contacts_request::Message;
use contacts_proto::v1::{
    CheckOptInStreamRequest, ImportContactsRequest, ImportOptions, StreamContactsRequest,
};
use contacts_sdk::reason;
use contacts_service::domain::access::Scope;
use contacts_tests::{TestApp, apply, on_each_store, rpc_error};
use futures::StreamExt;
use futures::channel::mpsc;
use tonic::Status;

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(30);

async fn ends<T>(stream: &mut (impl futures::Stream<Item = Result<T, Status>> + Unpin)) {
    let end = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Err(status) = stream.next().await.expect("an error, not an end") {
                return status;
            }
        }
    });
    let status = end.await.expect("an end in time");
    assert_eq!(rpc_error(&status).reason(), Some(reason::UNAUTHENTICATED));
}

#[apply(on_each_store!)]
async fn open_streams_end_when_their_token_is_revoked(app: TestApp) {
    let scopes = [Scope::OptInCheck, Scope::ContactsWrite, Scope::ContactsRead];
    let (token, secret) = app.make_token(&scopes, &[]).await;
    app.demand_tokens().await;
    let client = app.client_with(&secret);
    let (checks, outgoing) = mpsc::unbounded();
    checks.unbounded_send(CheckOptInStreamRequest::default()).expect("sent");
    let mut answers =
        client.raw_opt_in().check_opt_in_stream(outgoing).await.expect("a stream").into_inner();
    answers.next().await.expect("an answer").expect("an answer");
    let (rows, outgoing) = mpsc::unbounded();
    let options = Message::Options(ImportOptions::default());
    let options = ImportContactsRequest { message: Some(options), ..Default::default() };
    rows.unbounded_send(options).expect("sent");
    let mut import =
        client.raw_contacts().import_contacts(outgoing).await.expect("an import").into_inner();

    app.revoke_token(&token).await;
    ends(&mut answers).await;
    ends(&mut import).await;
    let refused = client.raw_contacts().stream_contacts(StreamContactsRequest::default()).await;
    let status = refused.expect_err("refused");
    assert_eq!(rpc_error(&status).reason(), Some(reason::UNAUTHENTICATED));
    drop((checks, rows));
}
