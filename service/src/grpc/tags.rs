//! TagService.

use std::sync::atomic::AtomicI64;

use contacts_proto::v1;
use contacts_proto::v1::tag_service_server::TagService;
use tonic::{Request, Response, Status};

use super::access;
use super::api::Api;
use super::convert::tag;
use super::pages;
use super::tokens::Tokens;
use crate::domain::error::Result;
use crate::operations::tags::{self, CreateTag, DeleteTag};
use crate::operations::token::Cursor;
use crate::operations::workspaces;

#[tonic::async_trait]
impl TagService for Api {
    async fn create_tag(
        &self,
        request: Request<v1::CreateTagRequest>,
    ) -> Result<Response<v1::CreateTagResponse>, Status> {
        let decode = |request: v1::CreateTagRequest| {
            let tag = tag::decode(request.tag)?;
            Ok(CreateTag { workspace_id: request.workspace_id, tag })
        };
        let encode = |created| v1::CreateTagResponse { tag: Some(tag::encode(created)) };
        self.change(request, decode, encode).await
    }

    async fn get_tag(
        &self,
        request: Request<v1::GetTagRequest>,
    ) -> Result<Response<v1::GetTagResponse>, Status> {
        let request = access::message(request)?;
        let found = tags::get(&self.store, &request.workspace_id, &request.tag_id).await?;
        Ok(Response::new(v1::GetTagResponse { tag: Some(tag::encode(found)) }))
    }

    async fn list_tags(
        &self,
        request: Request<v1::ListTagsRequest>,
    ) -> Result<Response<v1::ListTagsResponse>, Status> {
        Ok(Response::new(list(self, &access::message(request)?).await?))
    }

    async fn update_tag(
        &self,
        request: Request<v1::UpdateTagRequest>,
    ) -> Result<Response<v1::UpdateTagResponse>, Status> {
        let encode = |updated| v1::UpdateTagResponse { tag: Some(tag::encode(updated)) };
        self.change(request, tag::decode_update, encode).await
    }

    async fn delete_tag(
        &self,
        request: Request<v1::DeleteTagRequest>,
    ) -> Result<Response<v1::DeleteTagResponse>, Status> {
        let _place = self.places.enter(&access::peek(&request)?.workspace_id)?;
        let decode = |request: v1::DeleteTagRequest| {
            let v1::DeleteTagRequest { workspace_id, tag_id, force, .. } = request;
            Ok(DeleteTag { workspace_id, tag_id, force, removed: AtomicI64::default() })
        };
        let encode = |updated_contact_count| v1::DeleteTagResponse { updated_contact_count };
        self.change(request, decode, encode).await
    }
}

async fn list(api: &Api, request: &v1::ListTagsRequest) -> Result<v1::ListTagsResponse> {
    let size = pages::size(request.page_size)?;
    let workspace = workspaces::get(&api.store, &request.workspace_id).await?;
    let tokens = Tokens::of::<v1::ListTagsRequest>(&workspace, &[]);
    let after = tokens.open_page(&request.page_token)?.unwrap_or_default();
    let mut found = tags::list(&api.store, &workspace.workspace_id, &after.text, size + 1).await?;
    let next_page_token = pages::cut(&mut found, size, true, &tokens, |last| Cursor {
        text: last.definition.tag_id.clone(),
        ..Cursor::default()
    });
    let tags = found.into_iter().map(tag::encode).collect();
    Ok(v1::ListTagsResponse { tags, next_page_token })
}
