//! WorkspaceService.

use contacts_proto::v1;
use contacts_proto::v1::workspace_service_server::WorkspaceService;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::access;
use super::api::Api;
use super::convert::workspace;
use super::pages;
use super::tokens::Tokens;
use crate::domain::access::Caller;
use crate::domain::error::{Error, Reason, Result};
use crate::operations::token::{self, Cursor};
use crate::operations::{workspace_deletion, workspaces};
use crate::store::Workspace;
use crate::telemetry::call;

#[tonic::async_trait]
impl WorkspaceService for Api {
    async fn create_workspace(
        &self,
        request: Request<v1::CreateWorkspaceRequest>,
    ) -> Result<Response<v1::CreateWorkspaceResponse>, Status> {
        let create = workspace::decode(access::message(request)?.workspace)?;
        let created =
            self.store.write(create).await.map_err(|error| error.in_parent("workspace"))?;
        call::in_workspace(&created.workspace_id);
        let workspace = Some(workspace::encode(created));
        Ok(Response::new(v1::CreateWorkspaceResponse { workspace }))
    }

    async fn get_workspace(
        &self,
        request: Request<v1::GetWorkspaceRequest>,
    ) -> Result<Response<v1::GetWorkspaceResponse>, Status> {
        let id = access::message(request)?.workspace_id;
        let (found, policies) = workspaces::get_with_policies(&self.store, &id).await?;
        let workspace = Some(workspace::encode(found));
        let opt_in_policies = policies.iter().map(workspace::encode_period).collect();
        Ok(Response::new(v1::GetWorkspaceResponse { workspace, opt_in_policies }))
    }

    async fn list_workspaces(
        &self,
        request: Request<v1::ListWorkspacesRequest>,
    ) -> Result<Response<v1::ListWorkspacesResponse>, Status> {
        let (caller, request) = access::caller_and_message(request)?;
        Ok(Response::new(list(self, &caller, &request).await?))
    }

    async fn update_workspace(
        &self,
        request: Request<v1::UpdateWorkspaceRequest>,
    ) -> Result<Response<v1::UpdateWorkspaceResponse>, Status> {
        let update = workspace::decode_update(access::message(request)?)?;
        call::in_workspace(&update.workspace_id);
        let updated =
            self.store.write(update).await.map_err(|error| error.in_parent("workspace"))?;
        let workspace = Some(workspace::encode(updated));
        Ok(Response::new(v1::UpdateWorkspaceResponse { workspace }))
    }

    async fn delete_workspace(
        &self,
        request: Request<v1::DeleteWorkspaceRequest>,
    ) -> Result<Response<v1::DeleteWorkspaceResponse>, Status> {
        let request = access::message(request)?;
        let _place = self.places.enter(&request.workspace_id)?;
        let store = self.store.clone();
        let delete = async move {
            workspace_deletion::delete(&store, request.workspace_id, request.confirm_workspace_id)
                .await
        };
        // In a task: it goes on to the end when its caller is gone.
        let deleted = tokio::spawn(call::outliving(delete).in_current_span()).await;
        let deleted_contact_count = deleted.unwrap_or_else(|error| Err(Error::internal(error)))?;
        Ok(Response::new(v1::DeleteWorkspaceResponse { deleted_contact_count }))
    }
}

async fn list(
    api: &Api,
    caller: &Caller,
    request: &v1::ListWorkspacesRequest,
) -> Result<v1::ListWorkspacesResponse> {
    let size = pages::size(request.page_size)?;
    let after = open_page(api, &request.page_token).await?;
    let mut found = match caller.workspaces() {
        None => workspaces::list(&api.store, &after, size + 1).await?,
        Some(ids) => workspaces::list_among(&api.store, ids, &after, size + 1).await?,
    };
    let more = found.len() > size;
    found.truncate(size);
    let next_page_token = match found.last() {
        Some(last) if more => {
            format!("{}.{}", last.workspace_id, tokens(last).seal(&Cursor::default()))
        }
        _ => String::new(),
    };
    let workspaces = found.into_iter().map(workspace::encode).collect();
    Ok(v1::ListWorkspacesResponse { workspaces, next_page_token })
}

/// A list of workspaces belongs to none, so there is no key of its own. Its token
/// is the id of the last workspace on the page, sealed with that one's key.
fn tokens(last: &Workspace) -> Tokens {
    Tokens::of::<v1::ListWorkspacesRequest>(last, &[])
}

/// The id behind which the page begins; empty for the first page.
async fn open_page(api: &Api, page_token: &str) -> Result<String> {
    if page_token.is_empty() {
        return Ok(String::new());
    }
    let (id, sealed) = page_token.split_once('.').ok_or_else(token::invalid_page_token)?;
    let last = workspaces::get(&api.store, id).await.map_err(|error| match error.reason() {
        Reason::WorkspaceNotFound => token::invalid_page_token(),
        _ => error,
    })?;
    tokens(&last).open_page(sealed)?.ok_or_else(token::invalid_page_token)?;
    Ok(id.to_owned())
}
