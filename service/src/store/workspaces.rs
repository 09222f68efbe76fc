//! Workspaces.

use async_trait::async_trait;

use crate::domain::Time;
use crate::domain::consent::PolicyPeriod;
use crate::domain::error::Result;
use crate::domain::ledger::Head;
use crate::domain::workspace::WorkspaceSettings;

use super::Reader;

/// A workspace as stored. Every access to its data takes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Workspace {
    /// `[a-z][a-z0-9_-]{0,62}`.
    pub workspace_id: String,
    /// Free text.
    pub display_name: String,
    /// When it was created.
    pub create_time: Time,
    /// Incremented by every change of consent in the workspace.
    pub consent_revision: i64,
    /// What the business decided about consent.
    pub settings: WorkspaceSettings,
    /// The end of its ledger.
    pub ledger: Head,
    /// Authenticates the workspace's page and resume tokens.
    pub token_key: [u8; 32],
    /// SQLite's short key for the workspace. 0 on Postgres, and until stored.
    pub row_key: i64,
}

impl Workspace {
    /// Whether the other is this workspace, and not one that was made with its id after it was
    /// deleted: each has a key of its own.
    pub fn is_same(&self, other: &Self) -> bool {
        self.workspace_id == other.workspace_id && self.token_key == other.token_key
    }
}

/// How a transaction locks the workspace it writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Allows other writers, but nobody deletes the workspace or its definitions:
    /// for writing contacts, which use definitions.
    Shared,
    /// Excludes all other writers: for deleting definitions or the workspace.
    Exclusive,
}

/// What was deleted of a deleted workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// How many contacts.
    pub contacts: i64,
    /// Whether nothing is left.
    pub is_done: bool,
}

/// Reads workspaces.
#[async_trait]
pub trait WorkspaceReader {
    /// Returns the workspace with this id.
    async fn workspace(&mut self, workspace_id: &str) -> Result<Option<Workspace>>;
    /// Limits what this session reaches to a workspace, where the database does that. So does every
    /// method that finds a workspace by its id.
    async fn enter(&mut self, workspace: &Workspace) -> Result<()>;
    /// Returns ids of workspaces greater than `after`, in order. Unlike [`workspaces`](Self::workspaces),
    /// it needs no node that has any of them.
    async fn workspace_ids(&mut self, after: &str, limit: usize) -> Result<Vec<String>>;
    /// Whether there is a workspace with this id, in the same way.
    async fn is_listed(&mut self, workspace_id: &str) -> Result<bool>;
    /// Returns workspaces with ids greater than `after`, ordered by id.
    async fn workspaces(&mut self, after: &str, limit: usize) -> Result<Vec<Workspace>>;
    /// The row keys of deleted workspaces of which something is left. None on Postgres, where nobody else
    /// waits for the one transaction.
    async fn deleted_workspaces(&mut self) -> Result<Vec<i64>>;
    /// Returns the policies of a workspace, newest first. The last one began with the
    /// workspace, unless there were more than
    /// [`MAX_POLICIES`](crate::domain::consent::MAX_POLICIES).
    async fn opt_in_policies(&mut self, workspace: &Workspace) -> Result<Vec<PolicyPeriod>>;
}

/// Writes workspaces.
#[async_trait]
pub trait WorkspaceWriter {
    /// Returns the workspace with this id and locks it until the transaction
    /// ends.
    async fn lock_workspace(&mut self, workspace_id: &str, lock: Lock)
    -> Result<Option<Workspace>>;
    /// Adds a workspace. Returns false if the id is taken.
    async fn insert_workspace(&mut self, workspace: &Workspace) -> Result<bool>;
    /// Replaces the display name and the settings. The workspace is locked.
    async fn update_workspace(&mut self, workspace: &Workspace) -> Result<()>;
    /// Adds a policy to the history, and removes those before `keep_from`.
    async fn add_opt_in_policy(
        &mut self,
        workspace: &Workspace,
        period: &PolicyPeriod,
        keep_from: Option<Time>,
    ) -> Result<()>;
    /// Deletes a workspace: nobody finds it from now on. What is in it may be left to
    /// [`purge_workspace`](Self::purge_workspace), but for as much as takes as long as `rows` contacts.
    async fn delete_workspace(&mut self, workspace: &Workspace, rows: usize) -> Result<Purged>;
    /// Deletes more of what is in a deleted workspace, as much as takes as long as `rows` contacts.
    async fn purge_workspace(&mut self, row_key: i64, rows: usize) -> Result<Purged>;
    /// Increments the consent revision. Returns it together with the end of the
    /// ledger. Until the transaction ends, no other one changes either.
    async fn next_consent_revision(&mut self, workspace: &Workspace) -> Result<(i64, Head)>;
}

/// The ids of all workspaces.
pub(crate) async fn all_workspace_ids(db: &mut dyn Reader) -> Result<Vec<String>> {
    /// How many are read at a time.
    const PAGE: usize = 1000;
    let mut ids = Vec::new();
    loop {
        let after = ids.last().map_or("", String::as_str);
        let page = db.workspace_ids(after, PAGE).await?;
        if page.is_empty() {
            return Ok(ids);
        }
        ids.extend(page);
    }
}
