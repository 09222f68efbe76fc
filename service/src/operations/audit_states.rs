//! Recomputing from the ledger what every identity is permitted and what stands against
//! it, and comparing that with the rows that checks read, and with what leads to them.

mod contacts;
mod ledger;
mod listed;
mod mismatch;
mod rows;

use self::mismatch::Mismatches;
pub use self::mismatch::{Difference, StateMismatch};
use super::workspace;
use crate::domain::consent::{MAX_POLICIES, PolicyPeriod};
use crate::domain::error::{Reason, Result};
use crate::domain::keyring::Keyring;
use crate::store::{Reader, Store, Workspace, require_keys};

/// How many entries or rows are read at a time.
const PAGE: usize = 1000;

/// Compares all rows of a workspace with its ledger, in a snapshot of the database. Holds
/// every identity that the ledger names in memory.
pub async fn verify_states(store: &Store, workspace_id: &str) -> Result<Vec<StateMismatch>> {
    let mut db = store.read_snapshot().await?;
    let found = compare(&mut *db, store.keyring(), workspace_id).await;
    db.close().await;
    found
}

async fn compare(
    db: &mut dyn Reader,
    keyring: &Keyring,
    workspace_id: &str,
) -> Result<Vec<StateMismatch>> {
    let workspace = workspace(db, workspace_id).await?;
    require_keys(keyring, &db.suppression_keys(&workspace.workspace_id).await?)?;
    let mut audit = Audit { db, keyring, workspace: &workspace, found: Mismatches::default() };
    let told = audit.read_ledger().await?;
    let malformed = audit.compare_rows(&told).await?;
    audit.compare_contacts(&told, &malformed).await?;
    audit.compare_policies().await?;
    Ok(audit.found.into_vec())
}

/// An audit of one workspace.
struct Audit<'a> {
    db: &'a mut dyn Reader,
    keyring: &'a Keyring,
    workspace: &'a Workspace,
    found: Mismatches,
}

impl Audit<'_> {
    /// The policies are not in the ledger, so that only what they repeat can be compared.
    async fn compare_policies(&mut self) -> Result<()> {
        let is_as_written = match self.db.opt_in_policies(self.workspace).await {
            Ok(policies) => self.is_history(&policies),
            Err(error) if error.reason() == Reason::Internal => false,
            Err(error) => return Err(error),
        };
        if !is_as_written {
            self.found.add(StateMismatch::of(Difference::Policy));
        }
        Ok(())
    }

    /// Whether these, newest first, lead from the workspace's beginning to its policy, each
    /// with a change.
    fn is_history(&self, policies: &[PolicyPeriod]) -> bool {
        let made = self.workspace.create_time;
        let is_current = policies
            .first()
            .is_some_and(|period| period.policy == self.workspace.settings.opt_in_policy);
        let begins_with_workspace = policies.last().is_some_and(|first| {
            first.begin_time == made || policies.len() >= MAX_POLICIES && first.begin_time > made
        });
        is_current
            && begins_with_workspace
            && policies.len() <= MAX_POLICIES
            && policies.windows(2).all(|pair| pair[0].policy != pair[1].policy)
    }
}
