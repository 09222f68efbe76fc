//! TokenService.

use contacts_proto::v1;
use contacts_proto::v1::token_service_server::TokenService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::access;
use super::api::Api;
use super::convert::api_token;
use super::pages;
use super::tokens::Tokens;
use crate::domain::access::{ApiToken, Caller};
use crate::domain::error::Result;
use crate::operations::api_tokens::{self, NewToken, RevokeToken};
use crate::operations::token::{self, Cursor};

/// Most tokens of a page: with 100 workspaces each, they fit into a response.
const MAX_TOKENS: usize = 400;

#[tonic::async_trait]
impl TokenService for Api {
    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::CreateTokenResponse>, Status> {
        let (by, request) = access::caller_and_message(request)?;
        let NewToken { token, secret } =
            self.store.write(api_token::decode_new(by, request.token)?).await?;
        let secret = secret.expose().to_owned();
        let token = Some(api_token::encode(token));
        Ok(Response::new(v1::CreateTokenResponse { token, secret }))
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        let (by, request) = access::caller_and_message(request)?;
        Ok(Response::new(list(self, &by, &request).await?))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Result<Response<v1::RevokeTokenResponse>, Status> {
        let (by, request) = access::caller_and_message(request)?;
        let token_id = api_token::decode_id(&request.token_id)?;
        let revoked = self.store.write(RevokeToken { by, token_id }).await?;
        let token = Some(api_token::encode(revoked));
        Ok(Response::new(v1::RevokeTokenResponse { token }))
    }

    async fn rotate_token(
        &self,
        request: Request<v1::RotateTokenRequest>,
    ) -> Result<Response<v1::RotateTokenResponse>, Status> {
        let (by, request) = access::caller_and_message(request)?;
        let (NewToken { token, secret }, replaced) =
            self.store.write(api_token::decode_rotation(by, request)?).await?;
        Ok(Response::new(v1::RotateTokenResponse {
            token: Some(api_token::encode(token)),
            secret: secret.expose().to_owned(),
            replaced: Some(api_token::encode(replaced)),
        }))
    }
}

async fn list(
    api: &Api,
    by: &Caller,
    request: &v1::ListTokensRequest,
) -> Result<v1::ListTokensResponse> {
    let size = pages::size(request.page_size)?.min(MAX_TOKENS);
    let after = open_page(api, &request.page_token).await?;
    let mut found = api_tokens::list(&api.store, by, after, size + 1).await?;
    let more = found.len() > size;
    found.truncate(size);
    let next_page_token = match found.last() {
        Some(last) if more => {
            format!("{}.{}", last.token_id, tokens(last).seal(&Cursor::default()))
        }
        _ => String::new(),
    };
    let tokens = found.into_iter().map(api_token::encode).collect();
    Ok(v1::ListTokensResponse { tokens, next_page_token })
}

/// As for the list of workspaces: sealed with a key of the last item on the page.
fn tokens(last: &ApiToken) -> Tokens {
    Tokens::new(last.hash.0, ["ListTokens"])
}

/// The id behind which the page begins; nil for the first page.
async fn open_page(api: &Api, page_token: &str) -> Result<Uuid> {
    if page_token.is_empty() {
        return Ok(Uuid::nil());
    }
    let invalid = token::invalid_page_token;
    let (id, sealed) = page_token.split_once('.').ok_or_else(invalid)?;
    let id = Uuid::try_parse(id).map_err(|_| invalid())?;
    let last = api.store.read().await?.api_token(id).await?.ok_or_else(invalid)?;
    tokens(&last).open_page(sealed)?.ok_or_else(invalid)?;
    Ok(id)
}
