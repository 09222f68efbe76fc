//! API tokens: who may call what, where and for how long.

mod every_method;
mod foreign_ids;
mod lives;
mod messages;
mod requests;
mod row_security;
mod streams;

use contacts_tests::{RawResponse, TestApp, message, rpc_error};
use tonic::Code;

/// Sends one message, with these `authorization` headers.
async fn send(app: &TestApp, method: &str, authorization: &[&str], body: &[u8]) -> RawResponse {
    let headers: Vec<_> = authorization.iter().map(|value| ("authorization", *value)).collect();
    app.wire().await.send(method, &headers, message(body)).await
}

/// Sends one message with a token.
async fn send_with(app: &TestApp, method: &str, secret: &str, body: &[u8]) -> RawResponse {
    send(app, method, &[&format!("Bearer {secret}")], body).await
}

/// The code and the reason of a refusal. It has no message beside them.
#[track_caller]
fn refusal(response: &RawResponse) -> (Code, String) {
    assert!(response.messages.is_empty(), "{response:?}");
    let error = rpc_error(&response.status);
    (response.code(), error.reason().unwrap_or_default().to_owned())
}
