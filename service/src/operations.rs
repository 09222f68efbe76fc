//! What the service does, once for every database: each change is an
//! [`Operation`](crate::store::Operation) that runs in one transaction, each
//! read a function over a session. Handlers call these and nothing else.

pub mod attributes;
pub mod audit;
pub mod contact_scan;
pub mod contacts;
mod definition;
pub mod duplicates;
pub mod erasure;
pub mod export;
pub mod idempotency;
pub mod identity;
pub mod import;
pub mod ledger;
pub mod merge;
pub mod opt_in;
pub mod read;
pub mod retention;
pub mod suppression;
pub mod tag_edit;
pub mod tags;
pub mod token;
mod unit_of_work;
pub mod upgrade;
pub mod workspaces;

use crate::domain::error::{Error, Reason, Result};
use crate::domain::filter::Definitions;
use crate::domain::ids;
use crate::store::{Lock, Session, Workspace};

/// The workspace a request means when it names none.
pub const DEFAULT_WORKSPACE: &str = "default";

/// The workspace of a request, or NOT_FOUND.
pub async fn workspace(session: &mut dyn Session, id: &str, lock: Lock) -> Result<Workspace> {
    let id = named(id)?;
    session.workspace(id, lock).await?.ok_or_else(|| workspace_not_found(id))
}

/// The workspace that an id names. What cannot be an id names none.
pub fn named(id: &str) -> Result<&str> {
    match id {
        "" => Ok(DEFAULT_WORKSPACE),
        _ if ids::validate_workspace_id(id).is_err() => Err(workspace_not_found(id)),
        _ => Ok(id),
    }
}

/// The error for a workspace that does not exist.
pub fn workspace_not_found(id: &str) -> Error {
    let shown: String = id.chars().take(64).collect();
    let message = format!("no workspace {shown:?}; WorkspaceService.ListWorkspaces shows them");
    Error::new(Reason::WorkspaceNotFound, message)
        .with_resource("workspace", shown.clone())
        .with_metadata("workspace_id", shown)
}

/// The names filters and profiles may use in a workspace.
pub async fn definitions(session: &mut dyn Session, workspace: &Workspace) -> Result<Definitions> {
    let tags = session.tags(workspace).await?;
    let attributes = session.attributes(workspace).await?;
    Ok(Definitions {
        tags: tags.into_iter().map(|tag| tag.tag_id).collect(),
        attributes: attributes.into_iter().map(|a| (a.attribute_id.clone(), a)).collect(),
    })
}
