//! API tokens.

use chrono::TimeDelta;
use contacts_proto::v1;
use uuid::Uuid;

use super::{decode_enum, output_only, time};
use crate::domain::access::{ApiToken, Caller, Scope, TokenWorkspaces};
use crate::domain::error::{Error, Reason, Result};
use crate::operations::api_tokens::{CreateToken, DEFAULT_OVERLAP, RotateToken};
use crate::store::timestamp;

/// Decodes a token to create.
pub(crate) fn decode_new(by: Caller, token: Option<v1::Token>) -> Result<CreateToken> {
    let token = token.ok_or_else(|| Error::required("token"))?;
    let set = [
        (!token.token_id.is_empty(), "token.token_id"),
        (token.create_time.is_some(), "token.create_time"),
        (token.revoke_time.is_some(), "token.revoke_time"),
        (!token.created_by.is_empty(), "token.created_by"),
    ];
    if let Some((_, field)) = set.into_iter().find(|(is_set, _)| *is_set) {
        return Err(output_only(field, "leave it out"));
    }
    let workspaces = match token.all_workspaces {
        true if !token.workspace_ids.is_empty() => {
            let message = "send workspace_ids or all_workspaces, not both";
            return Err(Error::invalid(Reason::InvalidArgument, "token.workspace_ids", message));
        }
        true => TokenWorkspaces::All,
        false => TokenWorkspaces::only(token.workspace_ids),
    };
    Ok(CreateToken {
        by,
        name: token.name,
        scopes: token.scopes.into_iter().map(decode_scope).collect::<Result<_>>()?,
        workspaces,
        expire_time: time::decode_optional("token.expire_time", token.expire_time)?,
    })
}

fn decode_scope(number: i32) -> Result<Scope> {
    match decode_enum("token.scopes", number)? {
        v1::TokenScope::Unspecified => Err(Error::required("token.scopes")),
        v1::TokenScope::OptInCheck => Ok(Scope::OptInCheck),
        v1::TokenScope::OptInWrite => Ok(Scope::OptInWrite),
        v1::TokenScope::ContactsRead => Ok(Scope::ContactsRead),
        v1::TokenScope::ContactsWrite => Ok(Scope::ContactsWrite),
        v1::TokenScope::Admin => Ok(Scope::Admin),
    }
}

fn encode_scope(scope: Scope) -> i32 {
    let scope = match scope {
        Scope::OptInCheck => v1::TokenScope::OptInCheck,
        Scope::OptInWrite => v1::TokenScope::OptInWrite,
        Scope::ContactsRead => v1::TokenScope::ContactsRead,
        Scope::ContactsWrite => v1::TokenScope::ContactsWrite,
        Scope::Admin => v1::TokenScope::Admin,
    };
    scope.into()
}

/// Decodes a rotation.
pub(crate) fn decode_rotation(by: Caller, request: v1::RotateTokenRequest) -> Result<RotateToken> {
    let overlap = match request.overlap {
        None => DEFAULT_OVERLAP,
        Some(overlap) => {
            let nanos = u32::try_from(overlap.nanos).ok();
            let overlap = nanos.and_then(|nanos| TimeDelta::new(overlap.seconds, nanos));
            overlap.ok_or_else(|| {
                let message = "overlap has to be between 0 and 30 days, such as 86400s";
                Error::invalid(Reason::InvalidArgument, "overlap", message)
            })?
        }
    };
    Ok(RotateToken {
        by,
        token_id: decode_id(&request.token_id)?,
        overlap,
        expire_time: time::decode_optional("expire_time", request.expire_time)?,
    })
}

/// Decodes the id of a token.
pub(crate) fn decode_id(id: &str) -> Result<Uuid> {
    if id.is_empty() {
        return Err(Error::required("token_id"));
    }
    Uuid::try_parse(id).map_err(|_| {
        let message = "token_id has to be the id of a token, as ListTokens shows it; it is not the \
                       secret";
        Error::invalid(Reason::InvalidId, "token_id", message)
    })
}

/// Encodes a token.
pub(crate) fn encode(token: ApiToken) -> v1::Token {
    let (all_workspaces, workspace_ids) = match token.workspaces {
        TokenWorkspaces::All => (true, Vec::new()),
        TokenWorkspaces::Only(ids) => (false, ids),
    };
    v1::Token {
        token_id: token.token_id.to_string(),
        name: token.name,
        scopes: token.scopes.iter().map(encode_scope).collect(),
        workspace_ids,
        all_workspaces,
        create_time: Some(timestamp(token.create_time)),
        expire_time: token.expire_time.map(timestamp),
        revoke_time: token.revoke_time.map(timestamp),
        created_by: token.created_by.map(|id| id.to_string()).unwrap_or_default(),
    }
}
