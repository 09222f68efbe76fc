//! What the service does, once for every database: each change is an
//! [`Operation`](crate::store::Operation) that runs in one transaction, each
//! read a function over a db. Handlers call these and nothing else.

pub mod api_tokens;
pub mod as_of;
pub mod attributes;
pub mod audit;
pub mod audit_states;
pub mod contact_scan;
pub mod contacts;
mod definition;
pub(crate) mod duplicates;
pub(crate) mod erasure;
pub(crate) mod export;
pub mod idempotency;
pub mod identity;
pub mod import;
mod ledger;
pub(crate) mod merge;
pub mod opt_in;
pub mod read;
pub mod restore;
pub mod retention;
pub mod suppression;
pub mod tag_edit;
pub mod tags;
pub(crate) mod token;
mod unit_of_work;
pub mod webhook;
pub mod workspace_deletion;
pub mod workspaces;

use crate::domain::error::{Error, Reason, Result};
use crate::domain::filter::Definitions;
use crate::domain::ids;
use crate::domain::ids::SuggestionBudget;
use crate::store::{Lock, Reader, Transaction, Workspace};

/// The workspace of a request without a workspace_id.
pub(crate) const DEFAULT_WORKSPACE: &str = "default";

/// Returns the workspace of a request, or NOT_FOUND.
pub async fn workspace(db: &mut dyn Reader, id: &str) -> Result<Workspace> {
    let id = named(id)?;
    db.workspace(id).await?.ok_or_else(|| workspace_not_found(id))
}

/// Returns the workspace of a request, locked until the transaction ends, or
/// NOT_FOUND.
pub async fn lock_workspace(tx: &mut Transaction, id: &str, lock: Lock) -> Result<Workspace> {
    let id = named(id)?;
    tx.db.lock_workspace(id, lock).await?.ok_or_else(|| workspace_not_found(id))
}

/// What began in a workspace ends with it, with NOT_FOUND: also if a workspace of the same id was
/// made since.
fn ensure_same(began: &Workspace, now: Option<&Workspace>) -> Result<()> {
    match now {
        Some(now) if now.is_same(began) => Ok(()),
        _ => Err(workspace_not_found(&began.workspace_id)),
    }
}

/// The same for a page: read after it, since nothing says which workspace it is of.
async fn ensure_still_there(db: &mut dyn Reader, workspace: &Workspace) -> Result<()> {
    let now = db.workspace(&workspace.workspace_id).await?;
    ensure_same(workspace, now.as_ref())
}

/// Resolves the id of a request: empty stands for the default workspace. NOT_FOUND
/// if it cannot be the id of a workspace.
pub(crate) fn named(id: &str) -> Result<&str> {
    match id {
        "" => Ok(DEFAULT_WORKSPACE),
        _ if ids::validate_workspace_id(id).is_err() => Err(workspace_not_found(id)),
        _ => Ok(id),
    }
}

/// The error for a workspace that does not exist.
fn workspace_not_found(id: &str) -> Error {
    let shown: String = id.chars().take(64).collect();
    let message = format!("no workspace {shown:?}; WorkspaceService.ListWorkspaces shows them");
    Error::new(Reason::WorkspaceNotFound, message)
        .with_resource("workspace", shown.clone())
        .with_metadata("workspace_id", shown)
}

/// The tags and attributes that filters and profiles may use in a workspace.
async fn definitions(db: &mut dyn Reader, workspace: &Workspace) -> Result<Definitions> {
    let tags = db.tags(workspace).await?;
    let attributes = db.attributes(workspace).await?;
    Ok(Definitions {
        tags: tags.into_iter().map(|tag| tag.tag_id).collect(),
        attributes: attributes.into_iter().map(|a| (a.attribute_id.clone(), a)).collect(),
        suggestions: SuggestionBudget::default(),
    })
}
