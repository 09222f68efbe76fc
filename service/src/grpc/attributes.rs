//! AttributeService.

use contacts_proto::v1;
use contacts_proto::v1::attribute_service_server::AttributeService;
use tonic::{Request, Response, Status};

use super::convert::attribute;
use super::idempotency::{IdempotencyKey, answer};
use super::{Api, pages};
use crate::domain::error::Result;
use crate::operations::attributes::{self, CreateAttribute, DeleteAttribute};
use crate::operations::token::{self, Cursor};
use crate::operations::workspaces;

#[tonic::async_trait]
impl AttributeService for Api {
    async fn create_attribute(
        &self,
        request: Request<v1::CreateAttributeRequest>,
    ) -> Result<Response<v1::CreateAttributeResponse>, Status> {
        let request = request.into_inner();
        let (workspace_id, id) = (&request.workspace_id, &request.request_id);
        let replay = IdempotencyKey::of("CreateAttribute", workspace_id, id, &request)?;
        let create = CreateAttribute {
            workspace_id: request.workspace_id,
            attribute: attribute::decode(request.attribute)?,
        };
        let response = self.change(replay, create, |made| {
            answer(&v1::CreateAttributeResponse { attribute: Some(attribute::encode(made)) })
        });
        Ok(Response::new(response.await?))
    }

    async fn get_attribute(
        &self,
        request: Request<v1::GetAttributeRequest>,
    ) -> Result<Response<v1::GetAttributeResponse>, Status> {
        let request = request.get_ref();
        let id = &request.attribute_id;
        let found = attributes::get(&self.store, &request.workspace_id, id).await?;
        let attribute = Some(attribute::encode(found));
        Ok(Response::new(v1::GetAttributeResponse { attribute }))
    }

    async fn list_attributes(
        &self,
        request: Request<v1::ListAttributesRequest>,
    ) -> Result<Response<v1::ListAttributesResponse>, Status> {
        Ok(Response::new(list(self, request.get_ref()).await?))
    }

    async fn update_attribute(
        &self,
        request: Request<v1::UpdateAttributeRequest>,
    ) -> Result<Response<v1::UpdateAttributeResponse>, Status> {
        let request = request.into_inner();
        let (workspace_id, id) = (&request.workspace_id, &request.request_id);
        let replay = IdempotencyKey::of("UpdateAttribute", workspace_id, id, &request)?;
        let update = attribute::decode_changes(
            request.workspace_id,
            request.attribute,
            request.update_mask,
        )?;
        let response = self.change(replay, update, |changed| {
            answer(&v1::UpdateAttributeResponse { attribute: Some(attribute::encode(changed)) })
        });
        Ok(Response::new(response.await?))
    }

    async fn delete_attribute(
        &self,
        request: Request<v1::DeleteAttributeRequest>,
    ) -> Result<Response<v1::DeleteAttributeResponse>, Status> {
        let request = request.into_inner();
        let (workspace_id, id) = (&request.workspace_id, &request.request_id);
        let replay = IdempotencyKey::of("DeleteAttribute", workspace_id, id, &request)?;
        let delete = DeleteAttribute {
            workspace_id: request.workspace_id,
            attribute_id: request.attribute_id,
            force: request.force,
        };
        let response = self.change(replay, delete, |updated_contact_count| {
            answer(&v1::DeleteAttributeResponse { updated_contact_count })
        });
        Ok(Response::new(response.await?))
    }
}

async fn list(
    api: &Api,
    request: &v1::ListAttributesRequest,
) -> Result<v1::ListAttributesResponse> {
    let size = pages::size(request.page_size)?;
    let workspace = workspaces::get(&api.store, &request.workspace_id).await?;
    let id = workspace.workspace_id.as_str();
    let (key, binding) = (&workspace.token_key, ["ListAttributes", id]);
    let after = token::open_page(key, &binding, &request.page_token)?.unwrap_or_default();
    let mut found = attributes::list(&api.store, id, &after.text, size + 1).await?;
    let next_page_token = pages::cut(&mut found, size, key, &binding, |last| Cursor {
        text: last.definition.attribute_id.clone(),
        ..Cursor::default()
    });
    let attributes = found.into_iter().map(attribute::encode).collect();
    Ok(v1::ListAttributesResponse { attributes, next_page_token })
}
