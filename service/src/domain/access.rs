//! Who may do what: API tokens, their scopes and workspaces.

mod secret;

use std::fmt;
use std::sync::Arc;

use strum::VariantArray;
use uuid::Uuid;

use super::Time;
use super::error::{Error, Reason, Result};

pub use self::secret::{TokenHash, TokenSecret};

/// Most workspaces of a token.
pub const MAX_WORKSPACES: usize = 100;

/// What a token permits, named as in the documentation.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
pub enum Scope {
    /// Checks.
    #[strum(serialize = "opt_in.check")]
    OptInCheck,
    /// Recording consent.
    #[strum(serialize = "opt_in.write")]
    OptInWrite,
    /// Reading contacts and definitions.
    #[strum(serialize = "contacts.read")]
    ContactsRead,
    /// Changing contacts and definitions.
    #[strum(serialize = "contacts.write")]
    ContactsWrite,
    /// Everything.
    #[strum(serialize = "admin")]
    Admin,
}

impl Scope {
    /// Its name.
    pub fn name(self) -> &'static str {
        self.into()
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Whether they permit what needs `scope`. [`Scope::Admin`] permits everything.
    pub fn permit(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each scope in the set.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::VARIANTS.iter().copied().filter(move |scope| self.0 & scope.bit() != 0)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

/// The workspaces a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenWorkspaces {
    /// All, those made later included.
    All,
    /// Those with these ids: sorted, each once.
    Only(Vec<String>),
}

impl TokenWorkspaces {
    /// Those with these ids.
    pub fn only(mut ids: Vec<String>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self::Only(ids)
    }

    /// Whether this workspace is among them.
    pub fn contain(&self, workspace_id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.binary_search_by(|id| id.as_str().cmp(workspace_id)).is_ok(),
        }
    }

    /// Whether all the others are among them.
    pub fn contain_all(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(_), Self::Only(ids)) => ids.iter().all(|id| self.contain(id)),
        }
    }
}

/// A token as stored: without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Names the token, and is no secret.
    pub token_id: Uuid,
    /// Hash of the secret.
    pub hash: TokenHash,
    /// What it is for.
    pub name: String,
    /// What it permits.
    pub scopes: Scopes,
    /// Where.
    pub workspaces: TokenWorkspaces,
    /// When it was created.
    pub create_time: Time,
    /// When it expires.
    pub expire_time: Option<Time>,
    /// When it was revoked.
    pub revoke_time: Option<Time>,
    /// The token that created it. None if that was the command line.
    pub created_by: Option<Uuid>,
}

impl ApiToken {
    /// Fails unless it has this scope.
    ///
    /// # Errors
    /// SCOPE_MISSING.
    pub fn require_scope(&self, scope: Scope) -> Result<()> {
        if self.scopes.permit(scope) { Ok(()) } else { Err(scope_missing(scope)) }
    }

    /// Whether it was neither revoked nor has expired.
    pub fn is_valid(&self, now: Time) -> bool {
        self.revoke_time.is_none() && self.expire_time.is_none_or(|time| now < time)
    }
}

/// Whom a call is from.
#[derive(Clone)]
pub enum Caller {
    /// Anybody, on a server without authentication: may do everything.
    Anybody,
    /// The holder of a valid token.
    Token(Arc<ApiToken>),
}

impl Caller {
    /// Fails unless the caller has this scope.
    ///
    /// # Errors
    /// SCOPE_MISSING.
    pub fn require_scope(&self, scope: Scope) -> Result<()> {
        match self {
            Self::Token(token) => token.require_scope(scope),
            Self::Anybody => Ok(()),
        }
    }

    /// Fails unless the caller has a right to this workspace.
    ///
    /// # Errors
    /// WORKSPACE_DENIED, whether the workspace exists or not.
    pub fn require_workspace(&self, workspace_id: &str) -> Result<()> {
        match self {
            Self::Token(token) if !token.workspaces.contain(workspace_id) => {
                Err(workspace_denied(workspace_id))
            }
            Self::Anybody | Self::Token(_) => Ok(()),
        }
    }

    /// Fails unless the caller has a right to all these workspaces.
    ///
    /// # Errors
    /// WORKSPACE_DENIED with the first one that the caller has no right to.
    pub fn require_workspaces(&self, workspaces: &TokenWorkspaces) -> Result<()> {
        match workspaces {
            TokenWorkspaces::All if self.workspaces().is_some() => Err(all_denied()),
            // Of workspaces that are gone: nobody's of those there are.
            TokenWorkspaces::Only(ids) if ids.is_empty() && self.workspaces().is_some() => {
                Err(all_denied())
            }
            TokenWorkspaces::All => Ok(()),
            TokenWorkspaces::Only(ids) => ids.iter().try_for_each(|id| self.require_workspace(id)),
        }
    }

    /// The ids of the only workspaces that the caller may see, sorted. None: all.
    pub fn workspaces(&self) -> Option<&[String]> {
        match self {
            Self::Anybody => None,
            Self::Token(token) => match &token.workspaces {
                TokenWorkspaces::All => None,
                TokenWorkspaces::Only(ids) => Some(ids),
            },
        }
    }

    /// The id of the caller's token.
    pub fn token_id(&self) -> Option<Uuid> {
        match self {
            Self::Anybody => None,
            Self::Token(token) => Some(token.token_id),
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Caller").field(&self.token_id()).finish()
    }
}

fn scope_missing(scope: Scope) -> Error {
    let name = scope.name();
    let message = format!("the token lacks the scope {name}: use one that has it");
    Error::new(Reason::ScopeMissing, message).with_metadata("scope", name)
}

fn workspace_denied(workspace_id: &str) -> Error {
    let shown: String = workspace_id.chars().take(64).collect();
    let message = format!(
        "the token is not for the workspace {shown:?}: send the workspace_id of one that it is for"
    );
    Error::new(Reason::WorkspaceDenied, message).with_metadata("workspace_id", shown)
}

fn all_denied() -> Error {
    let message = "this needs a token for all workspaces";
    Error::new(Reason::WorkspaceDenied, message).with_metadata("workspace_id", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(scopes: &[Scope], workspaces: TokenWorkspaces) -> Caller {
        Caller::Token(Arc::new(ApiToken {
            token_id: Uuid::nil(),
            hash: TokenHash::of(TokenSecret::from_random([7; 32]).expose()).expect("a token"),
            name: String::new(),
            scopes: scopes.iter().copied().collect(),
            workspaces,
            create_time: Time::default(),
            expire_time: None,
            revoke_time: None,
            created_by: None,
        }))
    }

    #[test]
    fn each_scope_permits_itself_and_admin_permits_all() {
        for scope in Scope::VARIANTS {
            for needed in Scope::VARIANTS {
                let permitted = caller(&[*scope], TokenWorkspaces::All).require_scope(*needed);
                let expected = scope == needed || *scope == Scope::Admin;
                assert_eq!(permitted.is_ok(), expected, "{scope:?} for {needed:?}");
            }
            assert_eq!(scope.name().parse(), Ok(*scope));
            let scopes: Scopes = [*scope].into_iter().collect();
            assert_eq!(scopes.iter().collect::<Vec<_>>(), [*scope]);
        }
        let none = caller(&[], TokenWorkspaces::All);
        assert!(Scope::VARIANTS.iter().all(|scope| none.require_scope(*scope).is_err()));
    }

    #[test]
    fn workspaces_are_all_or_those_listed() {
        let own =
            |ids: &[&str]| TokenWorkspaces::only(ids.iter().map(|id| (*id).to_owned()).collect());
        let limited = caller(&[Scope::Admin], own(&["b", "a", "b"]));
        assert!(limited.require_workspace("a").is_ok() && limited.require_workspace("b").is_ok());
        for id in ["", "c", "aa", "A", "a "] {
            let error = limited.require_workspace(id).expect_err(id);
            assert_eq!(error.reason(), Reason::WorkspaceDenied, "{id:?}");
        }
        assert!(limited.require_workspaces(&own(&["a"])).is_ok());
        assert!(limited.require_workspaces(&own(&["a", "c"])).is_err());
        assert!(limited.require_workspaces(&TokenWorkspaces::All).is_err());
        assert!(!own(&["a"]).contain_all(&TokenWorkspaces::All));
        assert!(TokenWorkspaces::All.contain_all(&own(&["a"])));
        let unlimited = caller(&[Scope::Admin], TokenWorkspaces::All);
        assert!(unlimited.require_workspaces(&TokenWorkspaces::All).is_ok());
        assert!(Caller::Anybody.require_workspaces(&TokenWorkspaces::All).is_ok());
    }

    #[test]
    fn a_token_ends_when_it_expires_or_is_revoked() {
        let Caller::Token(token) = caller(&[], TokenWorkspaces::All) else { panic!("a token") };
        let at = |seconds| Time::from_timestamp(seconds, 0).expect("a time");
        assert!(token.is_valid(at(1)));
        let expiring = ApiToken { expire_time: Some(at(2)), ..(*token).clone() };
        assert!(expiring.is_valid(at(1)) && !expiring.is_valid(at(2)));
        let revoked = ApiToken { revoke_time: Some(at(9)), ..(*token).clone() };
        assert!(!revoked.is_valid(at(1)));
    }
}
