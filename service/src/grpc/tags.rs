//! TagService.

use contacts_proto::v1;
use contacts_proto::v1::tag_service_server::TagService;
use tonic::{Request, Response, Status};

use super::convert::tag;
use super::idempotency::{IdempotencyKey, answer};
use super::{Api, pages};
use crate::domain::error::Result;
use crate::operations::tags::{self, CreateTag, DeleteTag, UpdateTag};
use crate::operations::token::{self, Cursor};
use crate::operations::workspaces;

#[tonic::async_trait]
impl TagService for Api {
    async fn create_tag(
        &self,
        request: Request<v1::CreateTagRequest>,
    ) -> Result<Response<v1::CreateTagResponse>, Status> {
        let request = request.into_inner();
        let replay =
            IdempotencyKey::of("CreateTag", &request.workspace_id, &request.request_id, &request)?;
        let create =
            CreateTag { workspace_id: request.workspace_id, tag: tag::decode(request.tag)? };
        let response = self.change(replay, create, |made| {
            answer(&v1::CreateTagResponse { tag: Some(tag::encode(made)) })
        });
        Ok(Response::new(response.await?))
    }

    async fn get_tag(
        &self,
        request: Request<v1::GetTagRequest>,
    ) -> Result<Response<v1::GetTagResponse>, Status> {
        let request = request.get_ref();
        let found = tags::get(&self.store, &request.workspace_id, &request.tag_id).await?;
        Ok(Response::new(v1::GetTagResponse { tag: Some(tag::encode(found)) }))
    }

    async fn list_tags(
        &self,
        request: Request<v1::ListTagsRequest>,
    ) -> Result<Response<v1::ListTagsResponse>, Status> {
        Ok(Response::new(list(self, request.get_ref()).await?))
    }

    async fn update_tag(
        &self,
        request: Request<v1::UpdateTagRequest>,
    ) -> Result<Response<v1::UpdateTagResponse>, Status> {
        let request = request.into_inner();
        let replay =
            IdempotencyKey::of("UpdateTag", &request.workspace_id, &request.request_id, &request)?;
        let (tag_id, changes) = tag::decode_changes(request.tag, request.update_mask)?;
        let update = UpdateTag { workspace_id: request.workspace_id, tag_id, changes };
        let response = self.change(replay, update, |changed| {
            answer(&v1::UpdateTagResponse { tag: Some(tag::encode(changed)) })
        });
        Ok(Response::new(response.await?))
    }

    async fn delete_tag(
        &self,
        request: Request<v1::DeleteTagRequest>,
    ) -> Result<Response<v1::DeleteTagResponse>, Status> {
        let request = request.into_inner();
        let replay =
            IdempotencyKey::of("DeleteTag", &request.workspace_id, &request.request_id, &request)?;
        let delete = DeleteTag {
            workspace_id: request.workspace_id,
            tag_id: request.tag_id,
            force: request.force,
        };
        let response = self.change(replay, delete, |updated_contact_count| {
            answer(&v1::DeleteTagResponse { updated_contact_count })
        });
        Ok(Response::new(response.await?))
    }
}

async fn list(api: &Api, request: &v1::ListTagsRequest) -> Result<v1::ListTagsResponse> {
    let size = pages::size(request.page_size)?;
    let workspace = workspaces::get(&api.store, &request.workspace_id).await?;
    let id = workspace.workspace_id.as_str();
    let (key, binding) = (&workspace.token_key, ["ListTags", id]);
    let after = token::open_page(key, &binding, &request.page_token)?.unwrap_or_default();
    let mut found = tags::list(&api.store, id, &after.text, size + 1).await?;
    let next_page_token = pages::cut(&mut found, size, key, &binding, |last| Cursor {
        text: last.definition.tag_id.clone(),
        ..Cursor::default()
    });
    let tags = found.into_iter().map(tag::encode).collect();
    Ok(v1::ListTagsResponse { tags, next_page_token })
}
