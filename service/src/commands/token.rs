//! `token create`, `token list`, `token revoke` and `token rotate`.

use std::io::Write;

use chrono::TimeDelta;
use contacts_service::config::{Kept, TokenCommand};
use contacts_service::domain::Time;
use contacts_service::domain::access::{ApiToken, Caller, Scope, TokenWorkspaces};
use contacts_service::operations::api_tokens::{
    self, CreateToken, NewToken, RevokeToken, RotateToken,
};
use contacts_service::store::sqlite::Access;
use contacts_service::store::{Operation, Store};
use uuid::Uuid;

use super::{Outcome, open};
use crate::say;

/// Runs one of them. Who can write the database may do everything.
pub async fn token(command: TokenCommand) -> Outcome {
    let by = Caller::Anybody;
    match command {
        TokenCommand::Create { database, name, scopes, workspaces, all_workspaces, expires_in } => {
            let store = open(&database.database, Access::Write).await?;
            let workspaces = match all_workspaces {
                true => TokenWorkspaces::All,
                false => TokenWorkspaces::only(workspaces),
            };
            let scopes = scopes.into_iter().collect();
            let expire_time = expiry(&store, expires_in);
            let create = CreateToken { by, name, scopes, workspaces, expire_time };
            show(&write(store, create).await?);
        }
        TokenCommand::List(arguments) => {
            let store = open(&arguments.database, Access::Read).await?;
            let listed = list(&store, &by).await;
            store.close().await;
            listed?;
        }
        TokenCommand::Revoke { database, token_id } => {
            let token_id = id(&token_id)?;
            let store = open(&database.database, Access::Write).await?;
            write(store, RevokeToken { by, token_id }).await?;
        }
        TokenCommand::Rotate { database, token_id, overlap, expires_in } => {
            let token_id = id(&token_id)?;
            let store = open(&database.database, Access::Write).await?;
            let expire_time = expiry(&store, expires_in);
            let overlap = TimeDelta::from_std(overlap)?;
            let (new, replaced) =
                write(store, RotateToken { by, token_id, overlap, expire_time }).await?;
            show(&new);
            let ends = replaced.expire_time.map(time).unwrap_or_default();
            note(format_args!("{} expires {ends}", replaced.token_id));
        }
    }
    Ok(())
}

/// The id of a token. The error does not repeat the text, which may be a secret by mistake.
fn id(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| {
        "TOKEN_ID is not the id of a token: `token list` shows the ids, which are no secrets"
            .to_owned()
    })
}

fn expiry(store: &Store, Kept(expires_in): Kept) -> Option<Time> {
    expires_in.map(|expires_in| store.now() + expires_in)
}

async fn write<O: Operation>(
    store: Store,
    operation: O,
) -> Result<O::Output, Box<dyn std::error::Error>> {
    let written = store.write(operation).await;
    store.close().await;
    Ok(written?)
}

/// Prints the secret of a new token. It is alone on standard output, for scripts.
fn show(NewToken { token, secret }: &NewToken) {
    say(format_args!("{}", secret.expose()));
    note(format_args!("created token {}: its secret is shown only now", token.token_id));
}

fn note(line: std::fmt::Arguments<'_>) {
    // There is nobody to tell when standard error is closed.
    drop(writeln!(std::io::stderr(), "{line}"));
}

async fn list(store: &Store, by: &Caller) -> Outcome {
    for token in api_tokens::list(store, by, Uuid::nil(), usize::MAX).await? {
        say(format_args!("{}", line(&token, store.now())));
    }
    Ok(())
}

/// A token in one line. Its name is escaped, which may contain anything.
fn line(token: &ApiToken, now: Time) -> String {
    let state = match token.revoke_time {
        Some(_) => "revoked",
        None if token.is_valid(now) => "valid",
        None => "expired",
    };
    let scopes = token.scopes.iter().map(Scope::name).collect::<Vec<_>>().join(",");
    let workspaces = match &token.workspaces {
        TokenWorkspaces::All => "*".to_owned(),
        TokenWorkspaces::Only(ids) => ids.join(","),
    };
    let expires = token.expire_time.map_or_else(|| "never".to_owned(), time);
    let (id, name) = (token.token_id, token.name.escape_debug());
    format!("{id}\t{state}\t{name}\t{scopes}\t{workspaces}\t{expires}")
}

fn time(time: Time) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
