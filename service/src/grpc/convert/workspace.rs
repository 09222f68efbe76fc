//! Workspaces.

use contacts_proto::v1;

use super::output_only;
use crate::domain::error::{Error, Result};
use crate::operations::workspaces::CreateWorkspace;
use crate::store::{Workspace, timestamp};

/// Decodes a workspace to create.
pub(crate) fn decode(workspace: Option<v1::Workspace>) -> Result<CreateWorkspace> {
    let workspace = workspace.ok_or_else(|| Error::required("workspace"))?;
    if workspace.create_time.is_some() {
        return Err(output_only("workspace.create_time", "leave it out"));
    }
    Ok(CreateWorkspace {
        workspace_id: workspace.workspace_id,
        display_name: workspace.display_name,
    })
}

/// Encodes a workspace.
pub(crate) fn encode(workspace: Workspace) -> v1::Workspace {
    v1::Workspace {
        workspace_id: workspace.workspace_id,
        display_name: workspace.display_name,
        create_time: Some(timestamp(workspace.create_time)),
    }
}
