//! What is decided by a message, and not by its method: each message of a stream, and consent.

use contacts_proto::v1::import_contacts_request::Message;
use contacts_proto::v1::{
    CheckOptInStreamRequest, ImportChunk, ImportConsent, ImportContactsRequest, ImportOptions,
    ImportRow, OptInStatus,
};
use contacts_sdk::{ContactsClient, reason};
use contacts_service::domain::access::Scope;
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, raw_contact, rpc_error};
use futures::StreamExt;

async fn limited(app: &TestApp, scopes: &[Scope]) -> ContactsClient {
    for id in ["ours", "theirs"] {
        app.workspaces().create(id).await.expect("a workspace");
    }
    let (_, secret) = app.make_token(scopes, &["ours"]).await;
    app.demand_tokens().await;
    app.client_with(&secret).with_workspace("ours")
}

#[apply(on_each_store!)]
async fn each_message_of_a_check_stream_needs_a_right_to_its_workspace(app: TestApp) {
    let client = limited(&app, &[Scope::OptInCheck]).await;
    let check = |workspace_id: &str| CheckOptInStreamRequest {
        workspace_id: workspace_id.to_owned(),
        phone_numbers: vec![phone(1)],
        ..Default::default()
    };
    let requests = futures::stream::iter([check("ours"), check("theirs"), check("ours")]);
    let answers = client.raw_opt_in().check_opt_in_stream(requests).await.expect("a stream");
    let answers: Vec<_> = answers.into_inner().collect().await;
    assert_eq!(answers.len(), 2);
    assert!(answers[0].is_ok());
    let error = answers.into_iter().nth(1).expect("two").refused();
    assert_eq!(error.reason(), Some(reason::WORKSPACE_DENIED));
}

fn import(workspace_id: &str, message: Message) -> ImportContactsRequest {
    ImportContactsRequest { workspace_id: workspace_id.to_owned(), message: Some(message) }
}

fn options(consent: Option<ImportConsent>) -> Message {
    Message::Options(ImportOptions { consent, ..Default::default() })
}

fn chunk(consent: Option<ImportConsent>) -> Message {
    let rows = vec![ImportRow { contact: Some(raw_contact(phone(1))), consent }];
    Message::Chunk(ImportChunk { chunk_id: "1".to_owned(), rows })
}

fn opted_out() -> Option<ImportConsent> {
    Some(ImportConsent { status: OptInStatus::OptedOut.into(), ..Default::default() })
}

/// Runs an import: the reason of its failure, or none.
async fn run(client: &ContactsClient, messages: Vec<ImportContactsRequest>) -> Option<String> {
    let requests = futures::stream::iter(messages);
    let answers = client.raw_contacts().import_contacts(requests).await.expect("an import");
    let answers: Vec<_> = answers.into_inner().collect().await;
    let failed = answers.into_iter().find_map(Result::err)?;
    rpc_error(&failed).reason().map(str::to_owned)
}

#[apply(on_each_store!)]
async fn an_import_with_consent_needs_the_scope_for_it(app: TestApp) {
    let client = limited(&app, &[Scope::ContactsWrite]).await;
    let missing = Some(reason::SCOPE_MISSING.to_owned());
    let denied = Some(reason::WORKSPACE_DENIED.to_owned());
    let ours = |message| import("ours", message);
    let rest = |message| import("", message);
    assert_eq!(run(&client, vec![ours(options(None)), rest(chunk(opted_out()))]).await, missing);
    assert_eq!(run(&client, vec![ours(options(opted_out())), rest(chunk(None))]).await, missing);
    let theirs = vec![import("theirs", options(None)), rest(chunk(None))];
    assert_eq!(run(&client, theirs).await, denied);
    let default = vec![rest(options(None)), rest(chunk(None))];
    assert_eq!(run(&client, default).await, denied);
    let mixed = vec![ours(options(None)), import("theirs", chunk(None))];
    assert_eq!(run(&client, mixed).await, denied);
    assert_eq!(run(&client, vec![ours(options(None)), rest(chunk(None))]).await, None);

    let row = ImportRow { contact: Some(raw_contact(phone(2))), consent: opted_out() };
    let request = contacts_proto::v1::BatchUpsertContactsRequest {
        workspace_id: "ours".to_owned(),
        rows: vec![row],
        ..Default::default()
    };
    let upsert = client.raw_contacts().batch_upsert_contacts(request).await;
    upsert.refused_for(reason::SCOPE_MISSING);
    let (_, secret) = app.make_token(&[Scope::ContactsWrite, Scope::OptInWrite], &["ours"]).await;
    let both = app.client_with(&secret);
    assert_eq!(run(&both, vec![ours(options(None)), rest(chunk(opted_out()))]).await, None);
}

/// It permits, as an opt-in does.
#[apply(on_each_store!)]
async fn a_link_that_carries_needs_the_scope_for_consent(app: TestApp) {
    let client = limited(&app, &[Scope::ContactsWrite]).await;
    let request = |carry_opt_in: bool| contacts_proto::v1::LinkIdentityRequest {
        workspace_id: "ours".to_owned(),
        recipient: Some(contacts_proto::v1::link_identity_request::Recipient::PhoneNumber(phone(
            1,
        ))),
        new_phone_number: phone(2),
        carry_opt_in,
        source: i32::from(carry_opt_in) * contacts_proto::v1::OptInSource::WebForm as i32,
        ..Default::default()
    };
    client.raw_contacts().link_identity(request(true)).await.refused_for(reason::SCOPE_MISSING);
    let without = client.raw_contacts().link_identity(request(false)).await;
    without.refused_for(reason::CONTACT_NOT_FOUND);
    let (_, secret) = app.make_token(&[Scope::ContactsWrite, Scope::OptInWrite], &["ours"]).await;
    let both = app.client_with(&secret).raw_contacts().link_identity(request(true)).await;
    both.refused_for(reason::CONTACT_NOT_FOUND);
}
