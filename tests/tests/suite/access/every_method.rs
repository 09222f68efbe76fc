//! Rows 16 and 17, for every method that the descriptors know.

use contacts_proto::v1::ListWorkspacesResponse;
use contacts_service::domain::access::Scope;
use contacts_tests::{TestApp, apply, on_each_store};
use prost::Message;
use tonic::Code;

use super::requests::{Methods, put};
use super::{refusal, send, send_with};

const SCOPES: [Scope; 5] =
    [Scope::OptInCheck, Scope::OptInWrite, Scope::ContactsRead, Scope::ContactsWrite, Scope::Admin];

#[apply(on_each_store!)]
async fn row_16_every_method_needs_a_valid_token(app: TestApp) {
    let (revoked, revoked_secret) = app.make_token(&[Scope::Admin], &[]).await;
    app.revoke_token(&revoked).await;
    let (_, valid) = app.make_token(&[Scope::Admin], &[]).await;
    app.demand_tokens().await;
    let made_up = format!("Bearer contacts_{}", "A".repeat(43));
    let (revoked, valid) = (format!("Bearer {revoked_secret}"), format!("Bearer {valid}"));
    let bad: [&[&str]; 8] = [
        &[],
        &[""],
        &["Bearer contacts_"],
        &["Basic Zm9vOmJhcg=="],
        &[&made_up],
        &[&revoked],
        &[&valid, &valid],
        &[&valid, &made_up],
    ];
    for method in &Methods::read().all {
        for headers in bad {
            let refused = refusal(&send(&app, &method.path, headers, b"").await);
            let expected = (Code::Unauthenticated, "UNAUTHENTICATED".to_owned());
            assert_eq!(refused, expected, "{} with {headers:?}", method.path);
        }
    }
    let health = "/grpc.health.v1.Health/Check";
    assert_eq!(send(&app, health, &[], b"").await.code(), Code::Ok, "health is open");
    for version in ["v1", "v1alpha"] {
        let method = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let list = [0x3a, 0x00];
        assert_eq!(send(&app, &method, &[], &list).await.code(), Code::Unauthenticated);
        assert_eq!(send(&app, &method, &[&valid], &list).await.code(), Code::Ok);
    }
    let guess = "ContactService/Guess";
    assert_eq!(send(&app, guess, &[], b"").await.code(), Code::Unauthenticated);
    assert_eq!(send(&app, guess, &[&valid], b"").await.code(), Code::Unimplemented);
}

#[apply(on_each_store!)]
async fn row_17_every_method_needs_its_scope(app: TestApp) {
    every_method_needs_its_scope(app).await;
}

pub(super) async fn every_method_needs_its_scope(app: TestApp) {
    let mut secrets = Vec::new();
    for scope in SCOPES {
        secrets.push((scope, app.make_token(&[scope], &[]).await.1));
    }
    app.demand_tokens().await;
    for method in &Methods::read().all {
        for (scope, secret) in &secrets {
            let response = send_with(&app, &method.path, secret, b"").await;
            let path = &method.path;
            if *scope == method.scope() || *scope == Scope::Admin {
                let denied = [Code::Unauthenticated, Code::PermissionDenied, Code::Internal];
                assert!(!denied.contains(&response.code()), "{path} {scope:?}: {response:?}");
            } else {
                let expected = (Code::PermissionDenied, "SCOPE_MISSING".to_owned());
                assert_eq!(refusal(&response), expected, "{path} {scope:?}");
            }
        }
    }
}

#[apply(on_each_store!)]
async fn row_17_every_method_needs_a_right_to_its_workspace(app: TestApp) {
    every_method_needs_a_right_to_its_workspace(app).await;
}

pub(super) async fn every_method_needs_a_right_to_its_workspace(app: TestApp) {
    for id in ["ours", "theirs"] {
        app.workspaces().create(id).await.expect("a workspace");
    }
    let (_, secret) = app.make_token(&SCOPES, &["ours"]).await;
    app.demand_tokens().await;
    let methods = Methods::read();
    let denied = (Code::PermissionDenied, "WORKSPACE_DENIED".to_owned());
    let mut without = Vec::new();
    for method in &methods.all {
        let path = method.path.as_str();
        let Some(way) = methods.way_to_workspace(method) else {
            without.push(path);
            continue;
        };
        // It is not told which of them exist. An empty id is that of the default workspace.
        for id in ["theirs", "nowhere", "", "not an id", "ours ", "OURS"] {
            let mut body = Vec::new();
            if !id.is_empty() {
                put(&mut body, &way, id);
            }
            let response = send_with(&app, path, &secret, &body).await;
            assert_eq!(refusal(&response), denied, "{path} of {id:?}");
        }
        let mut body = Vec::new();
        put(&mut body, &way, "ours");
        let response = send_with(&app, path, &secret, &body).await;
        let codes = [Code::Unauthenticated, Code::PermissionDenied, Code::Internal];
        assert!(!codes.contains(&response.code()), "{path}: {response:?}");
    }
    // These are tested one by one, here and in `lives`.
    assert_eq!(
        without,
        [
            "OptInService/ListReceiptKeys",
            "TokenService/CreateToken",
            "TokenService/ListTokens",
            "TokenService/RevokeToken",
            "TokenService/RotateToken",
            "WorkspaceService/CreateWorkspace",
            "WorkspaceService/ListWorkspaces",
        ]
    );
    let create = send_with(&app, "WorkspaceService/CreateWorkspace", &secret, b"").await;
    assert_eq!(refusal(&create), denied);
    let list = send_with(&app, "WorkspaceService/ListWorkspaces", &secret, b"").await;
    let listed = ListWorkspacesResponse::decode(&list.messages[5..]).expect("workspaces");
    let ids: Vec<_> = listed.workspaces.iter().map(|found| found.workspace_id.as_str()).collect();
    assert_eq!(ids, ["ours"]);
    assert_eq!(listed.next_page_token, "");
}
