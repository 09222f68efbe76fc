//! Creating, reading and changing workspaces.

use chrono::TimeDelta;

use crate::domain::Time;
use crate::domain::consent::{MAX_POLICIES, OptInPolicy, PolicyPeriod};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::ledger::Head;
use crate::domain::workspace::WorkspaceSettings;
use crate::domain::{ids, tag, text};
use crate::store::{KeyLock, Lock, Operation, Store, Transaction, Workspace, all_workspace_ids};

use super::{DEFAULT_WORKSPACE, lock_workspace, workspace, workspace_not_found};

/// Creates a workspace.
#[derive(Debug)]
pub struct CreateWorkspace {
    /// Derived from the display name if empty.
    pub workspace_id: String,
    /// The id if empty.
    pub display_name: String,
    /// What the business decided about consent.
    pub settings: WorkspaceSettings,
}

impl Operation for CreateWorkspace {
    type Output = Workspace;

    async fn run(&self, tx: &mut Transaction) -> Result<Workspace> {
        self.run_at(tx, tx.now).await
    }
}

impl CreateWorkspace {
    /// Creates it as of `create_time`.
    pub(super) async fn run_at(
        &self,
        tx: &mut Transaction,
        create_time: Time,
    ) -> Result<Workspace> {
        text::validate_field("display_name", &self.display_name, text::DISPLAY_NAME)?;
        let workspace_id = match self.workspace_id.as_str() {
            "" => tag::derive_id("workspace_id", &self.display_name)?,
            id => id.to_owned(),
        };
        ids::validate_workspace_id(&workspace_id)?;
        let display_name = match self.display_name.as_str() {
            "" => workspace_id.clone(),
            name => name.to_owned(),
        };
        let made = Workspace {
            ledger: Head::empty(&workspace_id),
            workspace_id,
            display_name,
            create_time,
            consent_revision: 0,
            settings: self.settings.clone(),
            token_key: tx.random()?,
            row_key: 0,
        };
        if !tx.db.insert_workspace(&made).await? {
            let id = made.workspace_id;
            let message = format!("workspace {id} exists; use it or choose another id");
            return Err(Error::invalid(Reason::WorkspaceAlreadyExists, "workspace_id", message)
                .with_resource("workspace", id.clone())
                .with_metadata("workspace_id", id));
        }
        // Registers the current key: from now on, the database cannot be opened with a
        // key file that lacks it.
        let stored = lock_workspace(tx, &made.workspace_id, Lock::Shared).await?;
        let policy = made.settings.opt_in_policy.clone();
        let period = PolicyPeriod { begin_time: made.create_time, policy };
        tx.db.add_opt_in_policy(&stored, &period, None).await?;
        tx.lock_suppression_keys(&stored, KeyLock::Shared).await?;
        Ok(made)
    }
}

/// Creates the `default` workspace unless it exists.
pub async fn ensure_default(store: &Store) -> Result<()> {
    // The node that has it may be down.
    if store.read().await?.is_listed(DEFAULT_WORKSPACE).await? {
        return Ok(());
    }
    let create = CreateWorkspace {
        workspace_id: DEFAULT_WORKSPACE.to_owned(),
        display_name: "Default".to_owned(),
        settings: WorkspaceSettings::default(),
    };
    match store.write(create).await {
        Err(error) if error.reason() != Reason::WorkspaceAlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// One field of an update mask with its new value.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the field it sets")]
pub enum WorkspaceChange {
    DisplayName(String),
    StopWords(Vec<String>),
    OptInPolicy(OptInPolicy),
}

/// Changes a workspace.
#[derive(Debug)]
pub struct UpdateWorkspace {
    /// The workspace to change. Empty stands for the default one.
    pub workspace_id: String,
    /// The changes, in order.
    pub changes: Vec<WorkspaceChange>,
}

impl Operation for UpdateWorkspace {
    type Output = Workspace;

    async fn run(&self, tx: &mut Transaction) -> Result<Workspace> {
        // Nothing is recorded meanwhile: what is recorded after the response had this policy.
        let before = lock_workspace(tx, &self.workspace_id, Lock::Exclusive).await?;
        let mut workspace = before.clone();
        for change in &self.changes {
            match change.clone() {
                WorkspaceChange::DisplayName(name) if name.is_empty() => {
                    workspace.display_name = workspace.workspace_id.clone();
                }
                WorkspaceChange::DisplayName(name) => workspace.display_name = name,
                WorkspaceChange::StopWords(words) => workspace.settings.stop_words = words,
                WorkspaceChange::OptInPolicy(policy) => workspace.settings.opt_in_policy = policy,
            }
        }
        text::validate_field("display_name", &workspace.display_name, text::DISPLAY_NAME)?;
        if workspace == before {
            return Ok(workspace);
        }
        tx.db.update_workspace(&workspace).await?;
        if workspace.settings.opt_in_policy != before.settings.opt_in_policy {
            begin_policy(tx, &workspace).await?;
        }
        Ok(workspace)
    }
}

/// Adds the policy of a workspace to its history. It begins now, and after the one before,
/// also where the clock went back.
async fn begin_policy(tx: &mut Transaction, workspace: &Workspace) -> Result<()> {
    let policies = tx.db.opt_in_policies(workspace).await?;
    let after = |last: &PolicyPeriod| last.begin_time + TimeDelta::microseconds(1);
    let begin_time = policies.first().map(after).map_or(tx.now, |after| after.max(tx.now));
    let period = PolicyPeriod { begin_time, policy: workspace.settings.opt_in_policy.clone() };
    let oldest_kept = policies.get(MAX_POLICIES - 2).filter(|_| policies.len() >= MAX_POLICIES);
    let keep_from = oldest_kept.map(|oldest| oldest.begin_time);
    tx.db.add_opt_in_policy(workspace, &period, keep_from).await
}

/// Returns one workspace.
pub async fn get(store: &Store, workspace_id: &str) -> Result<Workspace> {
    workspace(&mut *store.read().await?, workspace_id).await
}

/// Returns one workspace, and its policies, newest first.
pub async fn get_with_policies(
    store: &Store,
    workspace_id: &str,
) -> Result<(Workspace, Vec<PolicyPeriod>)> {
    let mut db = store.read_snapshot().await?;
    let found = workspace(&mut *db, workspace_id).await?;
    let policies = db.opt_in_policies(&found).await?;
    db.close().await;
    Ok((found, policies))
}

/// Returns workspaces with ids greater than `after`, ordered by id.
pub async fn list(store: &Store, after: &str, limit: usize) -> Result<Vec<Workspace>> {
    store.read().await?.workspaces(after, limit).await
}

/// Returns the ids of all workspaces. On Citus, no node that has any of them is needed for that.
pub async fn ids(store: &Store) -> Result<Vec<String>> {
    all_workspace_ids(&mut *store.read().await?).await
}

/// Works on all workspaces, one after the other. Those that cannot be worked on are passed to
/// `failed`; one that was deleted meanwhile is left out.
pub async fn for_each(
    store: &Store,
    mut work: impl AsyncFnMut(&str) -> Result<()>,
    mut failed: impl FnMut(&str, Error),
) -> Result<()> {
    for id in ids(store).await? {
        let done = match exists(store, &id).await {
            Ok(true) => work(&id).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        match done {
            Err(error) if error.reason() == Reason::WorkspaceNotFound => {}
            Err(error) => failed(&id, error),
            Ok(()) => {}
        }
    }
    Ok(())
}

/// Whether a workspace is still there. Fails within the time limit of a check where its node does not
/// answer, so that work on all workspaces asks this first, and goes on with the others.
pub async fn exists(store: &Store, workspace_id: &str) -> Result<bool> {
    Ok(store.validity(workspace_id).await?.is_some())
}

/// Returns those of these workspaces that exist, with ids greater than `after`, in their order.
pub async fn list_among(
    store: &Store,
    ids: &[String],
    after: &str,
    limit: usize,
) -> Result<Vec<Workspace>> {
    let mut db = store.read().await?;
    let mut found = Vec::new();
    for id in ids.iter().filter(|id| id.as_str() > after) {
        if found.len() == limit {
            break;
        }
        found.extend(db.workspace(id).await?);
    }
    Ok(found)
}

/// The error for a workspace that [`Store::check`] did not find.
pub fn missing(workspace_id: &str) -> Error {
    workspace_not_found(workspace_id)
}
