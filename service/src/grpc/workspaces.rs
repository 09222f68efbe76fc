//! WorkspaceService.

use contacts_proto::v1;
use contacts_proto::v1::workspace_service_server::WorkspaceService;
use tonic::{Request, Response, Status};

use super::convert::workspace;
use super::{Api, pages};
use crate::domain::error::{Error, Reason, Result};
use crate::operations::token::{self, Cursor};
use crate::operations::workspaces::{self, DeleteWorkspace};

#[tonic::async_trait]
impl WorkspaceService for Api {
    async fn create_workspace(
        &self,
        request: Request<v1::CreateWorkspaceRequest>,
    ) -> Result<Response<v1::CreateWorkspaceResponse>, Status> {
        let create = workspace::decode(request.into_inner().workspace)?;
        let made = self.store.write(create).await.map_err(|error| error.in_parent("workspace"))?;
        let workspace = Some(workspace::encode(made));
        Ok(Response::new(v1::CreateWorkspaceResponse { workspace }))
    }

    async fn get_workspace(
        &self,
        request: Request<v1::GetWorkspaceRequest>,
    ) -> Result<Response<v1::GetWorkspaceResponse>, Status> {
        let found = workspaces::get(&self.store, &request.get_ref().workspace_id).await?;
        let workspace = Some(workspace::encode(found));
        Ok(Response::new(v1::GetWorkspaceResponse { workspace }))
    }

    async fn list_workspaces(
        &self,
        request: Request<v1::ListWorkspacesRequest>,
    ) -> Result<Response<v1::ListWorkspacesResponse>, Status> {
        Ok(Response::new(list(self, request.get_ref()).await?))
    }

    async fn delete_workspace(
        &self,
        request: Request<v1::DeleteWorkspaceRequest>,
    ) -> Result<Response<v1::DeleteWorkspaceResponse>, Status> {
        let request = request.into_inner();
        let deleted_contact_count = self
            .store
            .write(DeleteWorkspace {
                workspace_id: request.workspace_id,
                confirmation: request.confirm_workspace_id,
            })
            .await?;
        Ok(Response::new(v1::DeleteWorkspaceResponse { deleted_contact_count }))
    }
}

const LIST: &str = "ListWorkspaces";

/// There is no key above the workspaces: a token is sealed with that of the
/// workspace it points behind, whose id stands before it.
async fn list(
    api: &Api,
    request: &v1::ListWorkspacesRequest,
) -> Result<v1::ListWorkspacesResponse> {
    let size = pages::size(request.page_size)?;
    let after = match request.page_token.split_once('.') {
        None if request.page_token.is_empty() => String::new(),
        None => return Err(token::invalid_page_token()),
        Some((id, sealed)) => {
            let key = workspaces::get(&api.store, id).await.map(|workspace| workspace.token_key);
            let key = key.map_err(|error| match is_missing(&error) {
                true => token::invalid_page_token(),
                false => error,
            })?;
            token::open_page(&key, &[LIST, id], sealed)?.ok_or_else(token::invalid_page_token)?;
            id.to_owned()
        }
    };
    let mut found = workspaces::list(&api.store, &after, size + 1).await?;
    let more = found.len() > size;
    found.truncate(size);
    let next_page_token = match found.last() {
        Some(last) if more => {
            let id = last.workspace_id.as_str();
            format!("{id}.{}", token::seal(&last.token_key, &[LIST, id], &Cursor::default()))
        }
        _ => String::new(),
    };
    let workspaces = found.into_iter().map(workspace::encode).collect();
    Ok(v1::ListWorkspacesResponse { workspaces, next_page_token })
}

fn is_missing(error: &Error) -> bool {
    error.reason() == Reason::WorkspaceNotFound
}
