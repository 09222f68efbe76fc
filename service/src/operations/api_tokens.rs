//! Creating, listing, revoking and rotating API tokens.
//!
//! A caller manages the tokens whose workspaces are all among its own; others are NOT_FOUND.

use std::ops::RangeInclusive;

use chrono::TimeDelta;
use uuid::Uuid;

use super::lock_workspace;
use crate::domain::access::{
    ApiToken, Caller, MAX_WORKSPACES, Scopes, TokenHash, TokenSecret, TokenWorkspaces,
};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::{Time, text};
use crate::store::{Lock, Operation, Store, Transaction};

/// Most tokens, ended ones included that are still kept.
const MAX_TOKENS: usize = 10_000;
/// Tokens of one read.
const ROWS_PER_READ: usize = 1000;
/// How long tokens that have ended are kept.
const KEPT: TimeDelta = TimeDelta::days(90);
/// How long a rotated token may stay valid.
pub const OVERLAP: RangeInclusive<TimeDelta> = TimeDelta::zero()..=TimeDelta::days(30);
/// How long it does unless the request says otherwise.
pub const DEFAULT_OVERLAP: TimeDelta = TimeDelta::hours(24);

/// A new token, and its secret, which is not stored.
#[derive(Debug)]
pub struct NewToken {
    /// The token as stored.
    pub token: ApiToken,
    /// What callers send.
    pub secret: TokenSecret,
}

/// Creates a token.
#[derive(Debug)]
pub struct CreateToken {
    /// Who creates it.
    pub by: Caller,
    /// What it is for.
    pub name: String,
    /// What it permits.
    pub scopes: Scopes,
    /// Where.
    pub workspaces: TokenWorkspaces,
    /// When it expires.
    pub expire_time: Option<Time>,
}

impl Operation for CreateToken {
    type Output = NewToken;

    async fn run(&self, tx: &mut Transaction) -> Result<NewToken> {
        let Self { by, name, scopes, workspaces, expire_time } = self;
        text::validate_field("token.name", name, text::DISPLAY_NAME)?;
        if name.is_empty() {
            return Err(Error::required("token.name"));
        }
        if scopes.is_empty() {
            return Err(Error::required("token.scopes"));
        }
        if let TokenWorkspaces::Only(ids) = workspaces {
            match ids.len() {
                0 => {
                    let message = "token.workspace_ids: send the workspaces that the token is for, \
                                   or all_workspaces";
                    let reason = Reason::RequiredFieldMissing;
                    return Err(Error::invalid(reason, "token.workspace_ids", message));
                }
                many if many > MAX_WORKSPACES => {
                    return Err(Error::limit("token.workspace_ids", MAX_WORKSPACES, many));
                }
                _ => {}
            }
        }
        // Before it is told whether they exist.
        by.require_workspaces(workspaces)?;
        lock_workspaces(tx, workspaces).await?;
        require_future("token.expire_time", *expire_time, tx.now)?;
        add(tx, name.clone(), *scopes, workspaces.clone(), *expire_time, by).await
    }
}

/// Keeps workspaces from being deleted until the transaction ends: who deletes one takes it from
/// all tokens that it sees.
async fn lock_workspaces(tx: &mut Transaction, workspaces: &TokenWorkspaces) -> Result<()> {
    if let TokenWorkspaces::Only(ids) = workspaces {
        for id in ids {
            lock_workspace(tx, id, Lock::Shared).await?;
        }
    }
    Ok(())
}

fn require_future(field: &str, expire_time: Option<Time>, now: Time) -> Result<()> {
    match expire_time {
        Some(time) if time <= now => {
            let message = format!(
                "{field} has to be in the future, or absent for a token that does not expire"
            );
            Err(Error::invalid(Reason::InvalidTime, field, message))
        }
        _ => Ok(()),
    }
}

async fn add(
    tx: &mut Transaction,
    name: String,
    scopes: Scopes,
    workspaces: TokenWorkspaces,
    expire_time: Option<Time>,
    by: &Caller,
) -> Result<NewToken> {
    tx.db.delete_api_tokens(tx.kept_since(KEPT)).await?;
    let count = usize::try_from(tx.db.count_api_tokens().await?).unwrap_or(usize::MAX);
    if count >= MAX_TOKENS {
        return Err(Error::limit("token", MAX_TOKENS, count + 1));
    }
    let secret = TokenSecret::from_random(tx.random()?);
    let hash = TokenHash::of(secret.expose());
    let token = ApiToken {
        token_id: tx.new_id(),
        hash: hash.ok_or_else(|| Error::internal("a new token has not the form of one"))?,
        name,
        scopes,
        workspaces,
        create_time: tx.now,
        expire_time,
        revoke_time: None,
        created_by: by.token_id(),
    };
    tx.db.insert_api_token(&token).await?;
    Ok(NewToken { token, secret })
}

/// Revokes a token. Returns it. Revoked again, it keeps the time of the first.
#[derive(Debug)]
pub struct RevokeToken {
    /// Who revokes it.
    pub by: Caller,
    /// The token.
    pub token_id: Uuid,
}

impl Operation for RevokeToken {
    type Output = ApiToken;

    async fn run(&self, tx: &mut Transaction) -> Result<ApiToken> {
        let found = tx.db.lock_api_token(self.token_id).await?;
        let mut token = managed(&self.by, found)?;
        if token.revoke_time.is_none() {
            token.revoke_time = Some(tx.now);
            tx.db.update_api_token(&token).await?;
        }
        Ok(token)
    }
}

/// Creates a token like another, which stays valid for the overlap.
#[derive(Debug)]
pub struct RotateToken {
    /// Who rotates it.
    pub by: Caller,
    /// The token to replace.
    pub token_id: Uuid,
    /// How long that stays valid, at most.
    pub overlap: TimeDelta,
    /// When the new one expires.
    pub expire_time: Option<Time>,
}

impl Operation for RotateToken {
    /// The new token, and the replaced one.
    type Output = (NewToken, ApiToken);

    async fn run(&self, tx: &mut Transaction) -> Result<(NewToken, ApiToken)> {
        if !OVERLAP.contains(&self.overlap) {
            let message = "overlap has to be between 0 and 30 days, such as 86400s";
            return Err(Error::invalid(Reason::InvalidArgument, "overlap", message));
        }
        // Workspaces are locked before tokens, here and where one is deleted.
        let seen = managed(&self.by, tx.db.api_token(self.token_id).await?)?;
        lock_workspaces(tx, &seen.workspaces).await?;
        let mut replaced = managed(&self.by, tx.db.lock_api_token(self.token_id).await?)?;
        if replaced.workspaces != seen.workspaces {
            return Err(Error::write_conflict());
        }
        if !replaced.is_valid(tx.now) {
            return Err(not_found("the token was revoked or has expired; create a new one"));
        }
        require_future("expire_time", self.expire_time, tx.now)?;
        let ends = tx.now + self.overlap;
        replaced.expire_time = Some(replaced.expire_time.map_or(ends, |time| time.min(ends)));
        tx.db.update_api_token(&replaced).await?;
        let ApiToken { name, scopes, workspaces, .. } = replaced.clone();
        let new = add(tx, name, scopes, workspaces, self.expire_time, &self.by).await?;
        Ok((new, replaced))
    }
}

fn managed(by: &Caller, found: Option<ApiToken>) -> Result<ApiToken> {
    let is_managed = |token: &ApiToken| by.require_workspaces(&token.workspaces).is_ok();
    found.filter(is_managed).ok_or_else(|| not_found("no such token; ListTokens shows them"))
}

fn not_found(message: &str) -> Error {
    Error::new(Reason::TokenNotFound, message).with_resource("token", "")
}

/// Returns tokens that this caller manages, with ids greater than `after`, ordered by id. Nothing
/// tells that there are others.
pub async fn list(
    store: &Store,
    by: &Caller,
    mut after: Uuid,
    limit: usize,
) -> Result<Vec<ApiToken>> {
    let mut db = store.read().await?;
    let mut managed = Vec::new();
    loop {
        let read = db.api_tokens(after, ROWS_PER_READ).await?;
        let Some(last) = read.last() else { return Ok(managed) };
        after = last.token_id;
        for token in read {
            if managed.len() == limit {
                return Ok(managed);
            }
            if by.require_workspaces(&token.workspaces).is_ok() {
                managed.push(token);
            }
        }
    }
}

/// Whether a token is valid now.
pub async fn any_valid(store: &Store) -> Result<bool> {
    let tokens = store.read().await?.api_tokens(Uuid::nil(), MAX_TOKENS).await?;
    Ok(tokens.iter().any(|token| token.is_valid(store.now_for_expiry())))
}

/// Takes a workspace that is being deleted from all tokens, so that none has a right to another one
/// with its id. The workspace is locked.
pub(super) async fn forget_workspace(tx: &mut Transaction, workspace_id: &str) -> Result<()> {
    for listed in tx.db.api_tokens(Uuid::nil(), usize::MAX >> 1).await? {
        if !is_listed(&listed, workspace_id) {
            continue;
        }
        let Some(mut token) = tx.db.lock_api_token(listed.token_id).await? else { continue };
        if let TokenWorkspaces::Only(ids) = &mut token.workspaces {
            ids.retain(|id| id != workspace_id);
            if ids.is_empty() && token.revoke_time.is_none() {
                token.revoke_time = Some(tx.now);
            }
            tx.db.update_api_token(&token).await?;
        }
    }
    Ok(())
}

fn is_listed(token: &ApiToken, workspace_id: &str) -> bool {
    matches!(token.workspaces, TokenWorkspaces::Only(_)) && token.workspaces.contain(workspace_id)
}
