//! From the creation of a token to its end.

use std::time::{Duration, SystemTime};

use contacts_sdk::{ContactsClient, ErrorKind, NewContact, TokenScope, reason};
use contacts_service::domain::access::Scope;
use contacts_tests::{Refused, TestApp, apply, contains, on_each_store, phone};

/// Longer than any server needs to notice; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

async fn admin(app: &TestApp) -> ContactsClient {
    let (_, secret) = app.make_token(&[Scope::Admin], &[]).await;
    app.demand_tokens().await;
    app.client_with(&secret)
}

/// Waits until the server refuses a client.
async fn refused_soon(client: &ContactsClient) -> contacts_sdk::Error {
    let began = std::time::Instant::now();
    loop {
        match client.contacts().count().await {
            Err(error) => return error,
            Ok(_) => assert!(began.elapsed() < PATIENCE, "still permitted"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[apply(on_each_store!)]
async fn a_token_is_used_and_revoked(app: TestApp) {
    let admin = admin(&app).await;
    let create = admin.api_tokens().create("reports", [TokenScope::ContactsRead]);
    let new = create.all_workspaces().await.expect("a token");
    assert!(new.secret.starts_with("contacts_") && !format!("{new:?}").contains(&new.secret));
    assert_eq!((&*new.token.name, new.token.all_workspaces), ("reports", true));
    assert!(new.token.created_by.is_some());
    let reports = app.client_with(&new.secret);
    assert_eq!(reports.contacts().count().await.expect("a count"), 0);
    let write = reports.contacts().create(NewContact::new().phone(phone(1))).await;
    let denied = write.refused_for(reason::SCOPE_MISSING);
    assert_eq!(denied.metadata("scope"), Some("contacts.write"));
    assert_eq!(denied.kind(), ErrorKind::PermissionDenied);

    let revoked = admin.api_tokens().revoke(&new.token.token_id).await.expect("revoked");
    assert!(revoked.revoke_time.is_some());
    assert_eq!(refused_soon(&reports).await.reason(), Some(reason::UNAUTHENTICATED));
    let again = admin.api_tokens().revoke(&new.token.token_id).await.expect("revoked");
    assert_eq!(again.revoke_time, revoked.revoke_time);

    let listed = admin.api_tokens().list().page_size(1).stream();
    let listed: Vec<_> = futures::StreamExt::collect(listed).await;
    let ids: Vec<_> = listed.into_iter().map(|token| token.expect("a token").token_id).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[1], new.token.token_id);
    let dump = app.database().dump().await;
    let found = dump.iter().find(|column| contains(&column.bytes, &new.secret));
    assert!(found.is_none(), "{:?} has the secret", found.map(|column| &column.name));
}

#[apply(on_each_store!)]
async fn a_token_that_another_server_revoked_is_refused(app: TestApp) {
    let (token, secret) = app.make_token(&[Scope::ContactsRead], &[]).await;
    app.demand_tokens().await;
    let client = app.client_with(&secret);
    client.contacts().count().await.expect("a count");
    app.revoke_token(&token).await;
    assert_eq!(refused_soon(&client).await.reason(), Some(reason::UNAUTHENTICATED));
}

#[apply(on_each_store!)]
async fn a_rotated_token_is_valid_until_the_overlap_ends(app: TestApp) {
    let admin = admin(&app).await;
    app.workspaces_of(&admin, &["acme"]).await;
    let create = admin.api_tokens().create("checks", [TokenScope::ContactsRead]);
    let old = create.workspaces(["acme"]).await.expect("a token");
    let client = |secret: &str| app.client_with(secret).with_workspace("acme");
    let first = client(&old.secret);
    let new = admin.api_tokens().rotate(&old.token.token_id).await.expect("a token");
    assert_eq!((&new.token.name, &new.token.scopes), (&old.token.name, &old.token.scopes));
    assert_eq!(new.token.workspace_ids, ["acme"]);
    first.contacts().count().await.expect("still valid");
    client(&new.secret).contacts().count().await.expect("valid");

    let last = admin.api_tokens().rotate(&old.token.token_id).overlap(Duration::ZERO);
    let last = last.await.expect("a token");
    assert_eq!(refused_soon(&first).await.reason(), Some(reason::UNAUTHENTICATED));
    client(&last.secret).contacts().count().await.expect("valid");
    let ended = admin.api_tokens().rotate(&old.token.token_id).await;
    ended.refused_for(reason::TOKEN_NOT_FOUND);
    let long = Duration::from_secs(31 * 24 * 3600);
    let past = admin.api_tokens().rotate(&new.token.token_id).expire_time(SystemTime::UNIX_EPOCH);
    past.await.refused_at(reason::INVALID_TIME, "expire_time");
    let refused = admin.api_tokens().rotate(&new.token.token_id).overlap(long).await;
    refused.refused_at(reason::INVALID_ARGUMENT, "overlap");
}

#[apply(on_each_store!)]
async fn a_token_expires(app: TestApp) {
    let admin = admin(&app).await;
    let create = || admin.api_tokens().create("brief", [TokenScope::ContactsRead]).all_workspaces();
    let past = create().expire_time(SystemTime::UNIX_EPOCH).await;
    past.refused_at(reason::INVALID_TIME, "token.expire_time");
    #[expect(clippy::disallowed_methods, reason = "the server's clock is that of this machine")]
    let soon = SystemTime::now() + Duration::from_secs(2);
    let new = create().expire_time(soon).await.expect("a token");
    let error = refused_soon(&app.client_with(&new.secret)).await;
    assert_eq!(error.reason(), Some(reason::UNAUTHENTICATED));
    assert!(error.message().contains("expired"), "{error}");
}

#[apply(on_each_store!)]
async fn an_admin_of_one_workspace_manages_only_its_tokens(app: TestApp) {
    let admin = admin(&app).await;
    app.workspaces_of(&admin, &["ours", "theirs"]).await;
    let create = |ids: &[&str]| {
        let ids: Vec<_> = ids.iter().map(|id| (*id).to_owned()).collect();
        admin.api_tokens().create("an admin", [TokenScope::Admin]).workspaces(ids)
    };
    let theirs = create(&["theirs"]).await.expect("a token");
    let both = create(&["ours", "theirs"]).await.expect("a token");
    let ours = create(&["ours"]).await.expect("a token");
    let client = app.client_with(&ours.secret).with_workspace("ours");
    let tokens = client.api_tokens();
    let listed = tokens.list().await.expect("tokens").items;
    assert_eq!(listed, std::slice::from_ref(&ours.token));
    for token in [&theirs.token, &both.token] {
        tokens.revoke(&token.token_id).await.refused_for(reason::TOKEN_NOT_FOUND);
        tokens.rotate(&token.token_id).await.refused_for(reason::TOKEN_NOT_FOUND);
    }
    for ids in [vec!["theirs"], vec!["ours", "theirs"], vec!["nowhere"], vec!["default"]] {
        let created = tokens.create("more", [TokenScope::OptInCheck]).workspaces(ids).await;
        created.refused_for(reason::WORKSPACE_DENIED);
    }
    let created = tokens.create("more", [TokenScope::OptInCheck]).all_workspaces().await;
    created.refused_for(reason::WORKSPACE_DENIED);
    tokens.create("more", [TokenScope::OptInCheck]).workspaces(["ours"]).await.expect("a token");
    client.workspaces().update("ours").display_name("Ours").await.expect("a workspace");
    let update = client.workspaces().update("theirs").display_name("Ours").await;
    update.refused_for(reason::WORKSPACE_DENIED);
}

#[apply(on_each_store!)]
async fn a_deleted_workspace_is_taken_from_all_tokens(app: TestApp) {
    let admin = admin(&app).await;
    app.workspaces_of(&admin, &["acme", "other"]).await;
    let create = |ids: Vec<&'static str>| {
        admin.api_tokens().create("reads", [TokenScope::ContactsRead]).workspaces(ids)
    };
    let one = create(vec!["acme"]).await.expect("a token");
    let both = create(vec!["acme", "other"]).await.expect("a token");
    admin.workspaces().delete("acme").confirm("acme").await.expect("deleted");
    admin.workspaces().create("acme").await.expect("a workspace");
    let tokens = admin.api_tokens().list().await.expect("tokens").items;
    let find = |id: &str| tokens.iter().find(|token| token.token_id == id).expect("a token");
    assert!(find(&one.token.token_id).revoke_time.is_some());
    let both_now = find(&both.token.token_id);
    assert_eq!((both_now.revoke_time, &*both_now.workspace_ids), (None, &["other".to_owned()][..]));
    let error = refused_soon(&app.client_with(&one.secret).with_workspace("acme")).await;
    assert_eq!(error.reason(), Some(reason::UNAUTHENTICATED));
    let client = app.client_with(&both.secret);
    let error = refused_soon(&client.with_workspace("acme")).await;
    assert_eq!(error.reason(), Some(reason::WORKSPACE_DENIED));
    client.with_workspace("other").contacts().count().await.expect("a count");
    // A token without any is nobody's of another workspace.
    let create = admin.api_tokens().create("an admin", [TokenScope::Admin]);
    let other = create.workspaces(["other"]).await.expect("a token");
    let other = app.client_with(&other.secret).with_workspace("other").api_tokens();
    let seen = other.list().await.expect("tokens").items;
    assert!(seen.iter().all(|token| token.token_id != one.token.token_id));
    other.revoke(&one.token.token_id).await.refused_for(reason::TOKEN_NOT_FOUND);
}

#[apply(on_each_store!)]
async fn requests_for_tokens_are_validated(app: TestApp) {
    let tokens = app.client().api_tokens();
    let create = |name: &str, scopes: &[TokenScope]| tokens.create(name, scopes.to_vec());
    let check = [TokenScope::OptInCheck];
    let refused = create("", &check).all_workspaces().await;
    refused.refused_at(reason::REQUIRED_FIELD_MISSING, "token.name");
    let refused = create(&"x".repeat(101), &check).all_workspaces().await;
    refused.refused_at(reason::LIMIT_EXCEEDED, "token.name");
    let refused = create("x", &[]).all_workspaces().await;
    refused.refused_at(reason::REQUIRED_FIELD_MISSING, "token.scopes");
    let refused = create("x", &[TokenScope::Unknown(0)]).all_workspaces().await;
    refused.refused_at(reason::REQUIRED_FIELD_MISSING, "token.scopes");
    let refused = create("x", &[TokenScope::Unknown(99)]).all_workspaces().await;
    refused.refused_at(reason::INVALID_ARGUMENT, "token.scopes");
    let refused = create("x", &check).await;
    refused.refused_at(reason::REQUIRED_FIELD_MISSING, "token.workspace_ids");
    let refused = create("x", &check).workspaces(["default"]).all_workspaces().await;
    refused.refused_at(reason::INVALID_ARGUMENT, "token.workspace_ids");
    let refused = create("x", &check).workspaces((0..101).map(|n| format!("w{n}"))).await;
    refused.refused_at(reason::LIMIT_EXCEEDED, "token.workspace_ids");
    let refused = create("x", &check).workspaces(["nowhere"]).await;
    refused.refused_for(reason::WORKSPACE_NOT_FOUND);
    tokens.revoke("").await.refused_at(reason::REQUIRED_FIELD_MISSING, "token_id");
    tokens.revoke("contacts_x").await.refused_at(reason::INVALID_ID, "token_id");
    tokens.list().page_token("x").await.refused_at(reason::INVALID_PAGE_TOKEN, "page_token");
    assert!(tokens.list().await.expect("tokens").items.is_empty());
}
