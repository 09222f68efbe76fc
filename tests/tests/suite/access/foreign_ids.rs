//! Row 18: ids and tokens of another workspace, in every field of every method that takes one.

use contacts_sdk::{MessageCategory, NewContact, OptInSource};
use contacts_service::domain::access::Scope;
use contacts_tests::{TestApp, apply, contains, on_each_store, phone};
use tonic::Code;

use super::requests::{Methods, put};
use super::send_with;

/// Nothing of them may be in a response.
const NAME: &str = "Zanzibarina";
const NUMBER: usize = 7_654_321;

#[apply(on_each_store!)]
async fn row_18_foreign_ids_reveal_and_change_nothing(app: TestApp) {
    foreign_ids_reveal_and_change_nothing(app).await;
}

pub(super) async fn foreign_ids_reveal_and_change_nothing(app: TestApp) {
    for id in ["ours", "theirs"] {
        app.workspaces().create(id).await.expect("a workspace");
    }
    let theirs = app.client().with_workspace("theirs");
    for name in ["secret_one", "secret_two"] {
        theirs.tags().create(name).tag_id(name).await.expect("a tag");
    }
    let person = |n| NewContact::new().phone(phone(n)).first_name(NAME).tag("secret_one");
    let contact = theirs.contacts().create(person(NUMBER)).await.expect("a contact");
    theirs.contacts().create(person(NUMBER + 1)).await.expect("a contact");
    let opted_in = theirs.opt_in().record_opt_in(&contact, OptInSource::WebForm);
    opted_in.await.expect("an opt-in");
    let page = theirs.contacts().list().page_size(1).await.expect("a page");
    let page_token = page.next_page_token.expect("a token");
    let mut stream = theirs.contacts().segment().batch_size(1).batches();
    let batch = stream.next().await.expect("a batch").expect("a batch");
    let (their_token, _) = app.make_token(&[Scope::OptInCheck], &["theirs"]).await;
    let (_, secret) = app.make_token(&[Scope::Admin], &["ours"]).await;
    app.demand_tokens().await;

    let foreign = [
        ("contact_id", contact.contact_id.clone()),
        ("tag_id", "secret_one".to_owned()),
        ("page_token", page_token),
        ("resume_token", batch.resume_token().to_string()),
        ("token_id", their_token.token_id.to_string()),
    ];
    let methods = Methods::read();
    let mut tried = 0;
    for method in &methods.all {
        for (name, id) in &foreign {
            for way in methods.ways(&method.request, name) {
                let mut body = Vec::new();
                if let Some(way) = methods.way_to_workspace(method) {
                    put(&mut body, &way, "ours");
                }
                put(&mut body, &way, id);
                let response = send_with(&app, &method.path, &secret, &body).await;
                let at = format!("{} {name} {way:?}: {response:?}", method.path);
                let failed = [
                    Code::Unauthenticated,
                    Code::PermissionDenied,
                    Code::Internal,
                    Code::Unavailable,
                    Code::Unknown,
                ];
                assert!(!failed.contains(&response.code()), "{at}");
                for secret in [NAME, &*phone(NUMBER), &*phone(NUMBER + 1), "a test"] {
                    assert!(!contains(&response.messages, secret), "{at}");
                    assert!(!contains(response.status.details(), secret), "{at}");
                    assert!(!response.status.message().contains(secret), "{at}");
                }
                tried += 1;
            }
        }
    }
    assert!(tried >= 30, "{tried}");

    app.restart().await;
    let read = theirs.contacts().get(&contact).await.expect("a contact");
    assert_eq!((read.first_name.as_deref(), &read.etag), (Some(NAME), &contact.etag));
    assert_eq!(theirs.contacts().count().await.expect("a count"), 2);
    assert_eq!(theirs.tags().list().await.expect("tags").items.len(), 2);
    assert!(theirs.opt_in().may_send(&contact, MessageCategory::Marketing).await);
    let tokens = app.client().api_tokens().list().await.expect("tokens").items;
    let theirs = tokens.iter().find(|token| token.token_id == their_token.token_id.to_string());
    let theirs = theirs.expect("the token");
    assert!(theirs.revoke_time.is_none() && theirs.expire_time.is_none());
}
