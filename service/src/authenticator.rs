//! Finds the token of a call by its hash, without a database read per call.
//!
//! What is known of a token is used for [`MAX_AGE`], counted from before the read that told it, so
//! that a revocation is in effect on every server after that time. A token in use is read again
//! before its time is over, beside the calls. Hashes that have to be read share one read at a time:
//! made-up tokens cost one connection at most. Nothing is known of a hash without a token, and a
//! read that fails is an error for all who wait for it: there is no call without a valid token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::domain::access::{ApiToken, TokenHash};
use crate::domain::error::{Error, Reason, Result};
use crate::store::{Store, loggable};

/// How long what a read told is used.
pub(crate) const MAX_AGE: Duration = Duration::from_millis(500);
/// After how long it is read again while it is used.
const FRESH: Duration = Duration::from_millis(250);
/// Most hashes of one read.
const MAX_READ: usize = 500;
/// Above this number, what is too old is dropped.
const MAX_KNOWN: usize = 4096;

/// Finds tokens. Clones share what is known.
#[derive(Clone)]
pub(crate) struct Authenticator(Arc<Shared>);

struct Shared {
    store: Store,
    timeout: Duration,
    known: RwLock<HashMap<TokenHash, Known>>,
    /// The hashes to read next, with those who wait. None: no task reads.
    waiting: Mutex<Option<Waiting>>,
}

type Waiting = HashMap<TokenHash, Vec<oneshot::Sender<Found>>>;
type Found = Result<Option<Arc<ApiToken>>>;

#[derive(Clone)]
struct Known {
    token: Arc<ApiToken>,
    /// When the read began.
    read: Instant,
}

impl Authenticator {
    /// Reads from a store. A read that takes longer than `timeout` fails with UNAVAILABLE.
    pub(crate) fn new(store: Store, timeout: Duration) -> Self {
        let (known, waiting) = Default::default();
        Self(Arc::new(Shared { store, timeout, known, waiting }))
    }

    /// Returns the valid token with this hash.
    ///
    /// # Errors
    /// UNAUTHENTICATED if there is none, and UNAVAILABLE if that cannot be read.
    pub(crate) async fn find(&self, hash: TokenHash) -> Result<Arc<ApiToken>> {
        let token = match self.known(hash) {
            Some(token) => token,
            None => self.read(hash).await?.ok_or_else(unknown)?,
        };
        let is_valid = token.is_valid(self.0.store.now_for_expiry());
        if is_valid { Ok(token) } else { Err(ended(&token)) }
    }

    /// What is known and not too old.
    fn known(&self, hash: TokenHash) -> Option<Arc<ApiToken>> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        let Known { token, read } = known.get(&hash)?;
        let age = read.elapsed();
        if age >= MAX_AGE {
            return None;
        }
        let token = Arc::clone(token);
        drop(known);
        if age >= FRESH {
            self.enter(hash, None);
        }
        Some(token)
    }

    async fn read(&self, hash: TokenHash) -> Found {
        let (reply, replied) = oneshot::channel();
        self.enter(hash, Some(reply));
        let gone = |_| Error::internal("the task that reads tokens ended without a reply");
        replied.await.map_err(gone)?
    }

    /// Joins the next read, and begins it if none is under way.
    fn enter(&self, hash: TokenHash, reply: Option<oneshot::Sender<Found>>) {
        let mut waiting = self.waiting();
        let begins = waiting.is_none();
        waiting.get_or_insert_default().entry(hash).or_default().extend(reply);
        drop(waiting);
        if begins {
            // In a task, because the caller may go away.
            tokio::spawn(self.clone().serve());
        }
    }

    async fn serve(self) {
        while let Some(batch) = self.next_batch() {
            let hashes: Vec<_> = batch.keys().copied().collect();
            let began = Instant::now();
            let reading = self.0.store.api_tokens_by_hash(&hashes);
            let read = match tokio::time::timeout(self.0.timeout, reading).await {
                Ok(read) => read,
                Err(elapsed) => Err(Error::unavailable(elapsed)),
            };
            match read {
                Ok(tokens) => self.learn(batch, tokens, began),
                Err(error) => fail(batch, &error),
            }
        }
    }

    /// None if nobody waits: then the next to come begins a task.
    fn next_batch(&self) -> Option<Waiting> {
        let mut waiting = self.waiting();
        let all = waiting.as_mut()?;
        if all.is_empty() {
            *waiting = None;
            return None;
        }
        if all.len() <= MAX_READ {
            return Some(std::mem::take(all));
        }
        let some: Vec<_> = all.keys().take(MAX_READ).copied().collect();
        Some(some.into_iter().filter_map(|hash| all.remove_entry(&hash)).collect())
    }

    fn learn(&self, batch: Waiting, tokens: Vec<ApiToken>, began: Instant) {
        let mut found: HashMap<_, _> =
            tokens.into_iter().map(|token| (token.hash, Arc::new(token))).collect();
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        for (hash, replies) in batch {
            let token = found.remove(&hash);
            match &token {
                Some(token) => {
                    known.insert(hash, Known { token: Arc::clone(token), read: began });
                }
                None => {
                    known.remove(&hash);
                }
            }
            for reply in replies {
                // The send fails if the caller went away.
                drop(reply.send(Ok(token.clone())));
            }
        }
        if known.len() > MAX_KNOWN {
            known.retain(|_, known| known.read.elapsed() < MAX_AGE);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fail(batch: Waiting, error: &Error) {
    let cause = std::error::Error::source(error).map(loggable);
    tracing::error!(error.cause = cause, "API tokens could not be read; calls failed");
    for reply in batch.into_values().flatten() {
        drop(reply.send(Err(error.for_another_caller())));
    }
}

/// The error for a call without a valid token.
pub(crate) fn unauthenticated(message: &str) -> Error {
    Error::new(Reason::Unauthenticated, message)
}

fn unknown() -> Error {
    unauthenticated("the API token is not one of this server's")
}

/// Only who has the secret is told that.
fn ended(token: &ApiToken) -> Error {
    unauthenticated(match token.revoke_time {
        Some(_) => "the API token was revoked; ask an admin for a new one",
        None => "the API token has expired; ask an admin for a new one",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::database::open_and_upgrade;
    use crate::domain::access::{Caller, Scope, TokenSecret, TokenWorkspaces};
    use crate::operations::api_tokens::{CreateToken, RevokeToken};

    /// A stream looks once in that time whether its token has ended, and may be told what was read
    /// that long before. A second is promised.
    const _: () = assert!(MAX_AGE.as_millis() * 2 <= 1000);

    struct Fixture {
        authenticator: Authenticator,
        store: Store,
        token: ApiToken,
        _directory: tempfile::TempDir,
    }

    async fn fixture() -> Fixture {
        let directory = tempfile::tempdir().expect("a directory");
        let config = Config::for_tests(directory.path().join("contacts.db"));
        let (store, _lock) = open_and_upgrade(&config).await.expect("a database");
        let create = CreateToken {
            by: Caller::Anybody,
            name: "x".to_owned(),
            scopes: [Scope::Admin].into_iter().collect(),
            workspaces: TokenWorkspaces::All,
            expire_time: None,
        };
        let token = store.write(create).await.expect("a token").token;
        let authenticator = Authenticator::new(store.clone(), Duration::from_secs(30));
        Fixture { authenticator, store, token, _directory: directory }
    }

    fn made_up(number: u8) -> TokenHash {
        TokenHash::of(TokenSecret::from_random([number; 32]).expose()).expect("a token")
    }

    #[tokio::test]
    async fn concurrent_calls_find_their_tokens() {
        let Fixture { authenticator, token, .. } = &fixture().await;
        let calls = (0..2000_usize).map(async |n| {
            let hash = if n % 2 == 0 { token.hash } else { made_up((n % 251) as u8) };
            (n % 2 == 0, authenticator.find(hash).await)
        });
        for (is_real, found) in futures::future::join_all(calls).await {
            match found {
                Ok(found) => assert!(is_real && found.token_id == token.token_id),
                Err(error) => {
                    assert!(!is_real, "{error:?}");
                    assert_eq!(error.reason(), Reason::Unauthenticated);
                }
            }
        }
        let known = authenticator.0.known.read().expect("known").len();
        assert_eq!(known, 1, "made-up tokens are not remembered");
        assert!(authenticator.waiting().is_none(), "nobody waits");
    }

    #[tokio::test]
    async fn a_token_that_cannot_be_read_is_not_valid() {
        let Fixture { authenticator, store, token, .. } = &fixture().await;
        authenticator.find(token.hash).await.expect("a token");
        store.close().await;
        let error = authenticator.find(made_up(1)).await.expect_err("closed");
        assert_eq!(error.reason(), Reason::DatabaseUnavailable);
        let age = |known: &mut HashMap<TokenHash, Known>| {
            for known in known.values_mut() {
                known.read = known.read.checked_sub(MAX_AGE).expect("a time before");
            }
        };
        age(&mut authenticator.0.known.write().expect("known"));
        let error = authenticator.find(token.hash).await.expect_err("too old");
        assert_eq!(error.reason(), Reason::DatabaseUnavailable);
    }

    #[tokio::test]
    async fn a_revoked_token_is_known_as_such() {
        let Fixture { authenticator, store, token, .. } = &fixture().await;
        let revoke = RevokeToken { by: Caller::Anybody, token_id: token.token_id };
        store.write(revoke).await.expect("revoked");
        let error = authenticator.find(token.hash).await.expect_err("revoked");
        assert_eq!(error.reason(), Reason::Unauthenticated);
        assert!(error.message().contains("revoked"), "{error}");
        assert_eq!(authenticator.0.known.read().expect("known").len(), 1);
    }
}
