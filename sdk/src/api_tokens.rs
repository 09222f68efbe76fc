use std::time::{Duration, SystemTime};

use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{FromProto, IntoProto, present};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{ApiToken, NewApiToken, TokenScope};
use crate::paging::{Page, page, paged};

/// Manages API tokens. Returned by [`ContactsClient::api_tokens`](crate::ContactsClient::api_tokens).
///
/// These calls need a token with [`TokenScope::Admin`]; the first one is made with
/// `contacts-service token create` on the server's machine. The SDK does not retry the creation and
/// the rotation of tokens.
///
/// ```no_run
/// use contacts_sdk::TokenScope;
///
/// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
/// let scopes = [TokenScope::ContactsRead, TokenScope::OptInCheck];
/// let new = client.api_tokens().create("campaigns", scopes).workspaces(["acme"]).await?;
/// println!("{}", new.secret);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ApiTokens {
    handle: Handle,
}

impl ApiTokens {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Creates a token with a name for people and these scopes. Set
    /// [`workspaces`](CreateToken::workspaces) or [`all_workspaces`](CreateToken::all_workspaces).
    pub fn create(
        &self,
        name: impl Into<String>,
        scopes: impl IntoIterator<Item = TokenScope>,
    ) -> CreateToken {
        let token = v1::Token {
            name: name.into(),
            scopes: scopes.into_iter().map(TokenScope::into_proto).collect(),
            ..v1::Token::default()
        };
        let message = v1::CreateTokenRequest { token: Some(token) };
        CreateToken(Prepared::new(&self.handle, message))
    }

    /// Lists tokens, oldest first. Those that were revoked or expired are listed for another 90 days.
    pub fn list(&self) -> ListTokens {
        ListTokens(Prepared::new(&self.handle, v1::ListTokensRequest::default()))
    }

    /// Revokes a token: within a second, every server refuses it and ends its streams.
    pub fn revoke(&self, token_id: impl Into<String>) -> RevokeToken {
        let message = v1::RevokeTokenRequest { token_id: token_id.into() };
        RevokeToken(Prepared::new(&self.handle, message))
    }

    /// Creates a token like another, which stays valid for 24 hours, or for another
    /// [`overlap`](RotateToken::overlap).
    pub fn rotate(&self, token_id: impl Into<String>) -> RotateToken {
        let message = v1::RotateTokenRequest {
            token_id: token_id.into(),
            ..v1::RotateTokenRequest::default()
        };
        RotateToken(Prepared::new(&self.handle, message))
    }
}

request! {
    /// Request builder, returned by [`ApiTokens::create`].
    CreateToken(CreateTokenRequest) -> NewApiToken
}

impl CreateToken {
    fn token(&mut self) -> &mut v1::Token {
        self.0.message.token.get_or_insert_default()
    }

    /// Sets the workspaces that the token is for: at most 100, which have to exist.
    pub fn workspaces<W: Into<String>>(mut self, ids: impl IntoIterator<Item = W>) -> Self {
        self.token().workspace_ids = ids.into_iter().map(Into::into).collect();
        self
    }

    /// The token is for all workspaces, those made later included.
    pub fn all_workspaces(mut self) -> Self {
        self.token().all_workspaces = true;
        self
    }

    /// Sets when the token expires. Default: never.
    pub fn expire_time(mut self, time: SystemTime) -> Self {
        self.token().expire_time = Some(time.into());
        self
    }

    /// Sends the request.
    pub async fn send(self) -> Result<NewApiToken> {
        let response = self.0.send().await?;
        Ok(NewApiToken { token: present(response.token)?, secret: response.secret })
    }
}

request! {
    /// Request builder, returned by [`ApiTokens::list`].
    ListTokens(ListTokensRequest) -> Page<ApiToken>
}

impl ListTokens {
    /// Sends the request. Returns one page.
    pub async fn send(self) -> Result<Page<ApiToken>> {
        let response = self.0.send().await?;
        Ok(page(response.tokens, response.next_page_token, ApiToken::from_proto))
    }
}

paged! { ListTokens -> ApiToken }

request! {
    /// Request builder, returned by [`ApiTokens::revoke`].
    RevokeToken(RevokeTokenRequest) -> ApiToken
}

impl RevokeToken {
    /// Sends the request. Returns the token as stored.
    pub async fn send(self) -> Result<ApiToken> {
        present(self.0.send().await?.token)
    }
}

request! {
    /// Request builder, returned by [`ApiTokens::rotate`].
    RotateToken(RotateTokenRequest) -> NewApiToken
}

impl RotateToken {
    /// Sets how long the replaced token stays valid: at most 30 days.
    pub fn overlap(mut self, overlap: Duration) -> Self {
        self.0.message.overlap = Some(contacts_proto::Duration {
            seconds: i64::try_from(overlap.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(overlap.subsec_nanos()).unwrap_or_default(),
        });
        self
    }

    /// Sets when the new token expires. Default: never.
    pub fn expire_time(mut self, time: SystemTime) -> Self {
        self.0.message.expire_time = Some(time.into());
        self
    }

    /// Sends the request. Returns the new token.
    pub async fn send(self) -> Result<NewApiToken> {
        let response = self.0.send().await?;
        Ok(NewApiToken { token: present(response.token)?, secret: response.secret })
    }
}
