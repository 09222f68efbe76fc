//! A server that demands API tokens, and tokens for it.

use contacts_sdk::ContactsClient;
use contacts_service::config::Auth;
use contacts_service::domain::access::{ApiToken, Caller, Scope, TokenWorkspaces};
use contacts_service::operations::api_tokens::{CreateToken, RevokeToken};
use contacts_service::store::sqlite::Access;

use crate::TestApp;

impl TestApp {
    /// Restarts the server so that it demands tokens.
    pub async fn demand_tokens(&self) {
        self.restart_with(|config| config.access.auth = Auth::Tokens).await;
    }

    /// Creates a token as the command line does, beside the server. Without workspaces, it is for all.
    pub async fn make_token(&self, scopes: &[Scope], workspaces: &[&str]) -> (ApiToken, String) {
        let store = self.open_store(Access::Write).await;
        let workspaces = match workspaces {
            [] => TokenWorkspaces::All,
            ids => TokenWorkspaces::only(ids.iter().map(|id| (*id).to_owned()).collect()),
        };
        let create = CreateToken {
            by: Caller::Anybody,
            name: "a test".to_owned(),
            scopes: scopes.iter().copied().collect(),
            workspaces,
            expire_time: None,
        };
        let new = store.write(create).await.expect("a token");
        store.close().await;
        (new.token, new.secret.expose().to_owned())
    }

    /// Revokes a token beside the server, as another server does.
    pub async fn revoke_token(&self, token: &ApiToken) {
        let store = self.open_store(Access::Write).await;
        let revoke = RevokeToken { by: Caller::Anybody, token_id: token.token_id };
        store.write(revoke).await.expect("revoked");
        store.close().await;
    }

    /// A client with a token.
    pub fn client_with(&self, secret: &str) -> ContactsClient {
        self.builder().bearer_token(secret).connect_lazy().expect("a client")
    }
}

impl TestApp {
    /// Creates workspaces as this client.
    pub async fn workspaces_of(&self, admin: &ContactsClient, ids: &[&str]) {
        for id in ids {
            admin.workspaces().create(*id).await.expect("a workspace");
        }
    }
}
