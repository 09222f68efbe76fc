use std::fmt;
use std::time::SystemTime;

/// An API token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiToken {
    /// Id of the token. It is no secret.
    pub token_id: String,
    /// What it is for.
    pub name: String,
    /// What it permits.
    pub scopes: Vec<TokenScope>,
    /// The workspaces it is for. Empty if it is for all.
    pub workspace_ids: Vec<String>,
    /// Whether it is for all workspaces.
    pub all_workspaces: bool,
    /// When it was created.
    pub create_time: Option<SystemTime>,
    /// When it expires. `None`: never.
    pub expire_time: Option<SystemTime>,
    /// When it was revoked.
    pub revoke_time: Option<SystemTime>,
    /// Id of the token that created it. `None` if it was created on the command line.
    pub created_by: Option<String>,
}

/// What a token permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenScope {
    /// Checks.
    OptInCheck,
    /// Recording consent, and webhooks.
    OptInWrite,
    /// Reading contacts, definitions, workspaces and consent events.
    ContactsRead,
    /// Changing contacts and definitions.
    ContactsWrite,
    /// Everything, workspaces and tokens included.
    Admin,
    /// A value that this version of the crate does not know, or 0 for none.
    Unknown(i32),
}

/// A new token and its secret, which the server does not show again. `Debug` does not show the secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewApiToken {
    /// The token.
    pub token: ApiToken,
    /// What callers send, see [`bearer_token`](crate::ClientBuilder::bearer_token).
    pub secret: String,
}

impl fmt::Debug for NewApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewApiToken").field("token", &self.token).finish_non_exhaustive()
    }
}
