use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{FromProto, count, present};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::Workspace;
use crate::paging::{Page, page, paged};

/// The calls about workspaces. Returned by [`ContactsClient::workspaces`](crate::ContactsClient::workspaces).
///
/// Making and deleting a workspace are never repeated by themselves: they carry no id by which the
/// server could recognise a repetition.
#[derive(Clone, Debug)]
pub struct Workspaces {
    handle: Handle,
}

impl Workspaces {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Makes a workspace of this id: `[a-z][a-z0-9_-]{0,62}`. An empty one is derived from the
    /// display name. Fails with [`is_already_exists`](crate::Error::is_already_exists) if the id is
    /// taken.
    pub fn create(&self, workspace_id: impl Into<String>) -> CreateWorkspace {
        let workspace =
            v1::Workspace { workspace_id: workspace_id.into(), ..v1::Workspace::default() };
        let message = v1::CreateWorkspaceRequest { workspace: Some(workspace) };
        CreateWorkspace(Prepared::new(&self.handle, message))
    }

    /// Reads one workspace. Fails with [`is_not_found`](crate::Error::is_not_found) if there is
    /// none of this id.
    pub fn get(&self, workspace_id: impl Into<String>) -> GetWorkspace {
        let message = v1::GetWorkspaceRequest { workspace_id: workspace_id.into() };
        GetWorkspace(Prepared::new(&self.handle, message))
    }

    /// Lists workspaces by id.
    pub fn list(&self) -> ListWorkspaces {
        ListWorkspaces(Prepared::new(&self.handle, v1::ListWorkspacesRequest::default()))
    }

    /// Erases a workspace and everything in it: contacts, tags, attributes and the consent ledger.
    /// This cannot be undone, and is refused unless [`confirm`](DeleteWorkspace::confirm) repeats
    /// the id.
    pub fn delete(&self, workspace_id: impl Into<String>) -> DeleteWorkspace {
        let message = v1::DeleteWorkspaceRequest {
            workspace_id: workspace_id.into(),
            confirm_workspace_id: String::new(),
        };
        DeleteWorkspace(Prepared::new(&self.handle, message))
    }
}

request! {
    /// From [`Workspaces::create`].
    CreateWorkspace(CreateWorkspaceRequest) -> Workspace
}

impl CreateWorkspace {
    /// Sets the name people see: at most 100 characters.
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.0.message.workspace.get_or_insert_default().display_name = name.into();
        self
    }

    /// Makes it.
    pub async fn send(self) -> Result<Workspace> {
        present(self.0.send().await?.workspace)
    }
}

request! {
    /// From [`Workspaces::get`].
    GetWorkspace(GetWorkspaceRequest) -> Workspace
}

impl GetWorkspace {
    /// Reads it.
    pub async fn send(self) -> Result<Workspace> {
        present(self.0.send().await?.workspace)
    }
}

request! {
    /// From [`Workspaces::list`].
    ListWorkspaces(ListWorkspacesRequest) -> Page<Workspace>
}

impl ListWorkspaces {
    /// Reads one page.
    pub async fn send(self) -> Result<Page<Workspace>> {
        let answer = self.0.send().await?;
        Ok(page(answer.workspaces, answer.next_page_token, Workspace::from_proto))
    }
}

paged! { ListWorkspaces -> Workspace }

request! {
    /// From [`Workspaces::delete`].
    DeleteWorkspace(DeleteWorkspaceRequest) -> u64
}

impl DeleteWorkspace {
    /// Repeats the id, as confirmation.
    pub fn confirm(mut self, workspace_id: impl Into<String>) -> Self {
        self.0.message.confirm_workspace_id = workspace_id.into();
        self
    }

    /// Erases it, and returns how many contacts were erased.
    pub async fn send(self) -> Result<u64> {
        Ok(count(self.0.send().await?.deleted_contact_count))
    }
}
