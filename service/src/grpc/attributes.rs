//! AttributeService.

use std::sync::atomic::AtomicI64;

use contacts_proto::v1;
use contacts_proto::v1::attribute_service_server::AttributeService;
use tonic::{Request, Response, Status};

use super::access;
use super::api::Api;
use super::convert::attribute;
use super::pages;
use super::tokens::Tokens;
use crate::domain::error::Result;
use crate::operations::attributes::{self, CreateAttribute, DeleteAttribute};
use crate::operations::token::Cursor;
use crate::operations::workspaces;

#[tonic::async_trait]
impl AttributeService for Api {
    async fn create_attribute(
        &self,
        request: Request<v1::CreateAttributeRequest>,
    ) -> Result<Response<v1::CreateAttributeResponse>, Status> {
        let decode = |request: v1::CreateAttributeRequest| {
            let attribute = attribute::decode(request.attribute)?;
            Ok(CreateAttribute { workspace_id: request.workspace_id, attribute })
        };
        let encode =
            |created| v1::CreateAttributeResponse { attribute: Some(attribute::encode(created)) };
        self.change(request, decode, encode).await
    }

    async fn get_attribute(
        &self,
        request: Request<v1::GetAttributeRequest>,
    ) -> Result<Response<v1::GetAttributeResponse>, Status> {
        let request = access::message(request)?;
        let id = &request.attribute_id;
        let found = attributes::get(&self.store, &request.workspace_id, id).await?;
        let attribute = Some(attribute::encode(found));
        Ok(Response::new(v1::GetAttributeResponse { attribute }))
    }

    async fn list_attributes(
        &self,
        request: Request<v1::ListAttributesRequest>,
    ) -> Result<Response<v1::ListAttributesResponse>, Status> {
        Ok(Response::new(list(self, &access::message(request)?).await?))
    }

    async fn update_attribute(
        &self,
        request: Request<v1::UpdateAttributeRequest>,
    ) -> Result<Response<v1::UpdateAttributeResponse>, Status> {
        let encode =
            |updated| v1::UpdateAttributeResponse { attribute: Some(attribute::encode(updated)) };
        self.change(request, attribute::decode_update, encode).await
    }

    async fn delete_attribute(
        &self,
        request: Request<v1::DeleteAttributeRequest>,
    ) -> Result<Response<v1::DeleteAttributeResponse>, Status> {
        let _place = self.places.enter(&access::peek(&request)?.workspace_id)?;
        let decode = |request: v1::DeleteAttributeRequest| {
            let v1::DeleteAttributeRequest { workspace_id, attribute_id, force, .. } = request;
            Ok(DeleteAttribute { workspace_id, attribute_id, force, removed: AtomicI64::default() })
        };
        let encode = |updated_contact_count| v1::DeleteAttributeResponse { updated_contact_count };
        self.change(request, decode, encode).await
    }
}

async fn list(
    api: &Api,
    request: &v1::ListAttributesRequest,
) -> Result<v1::ListAttributesResponse> {
    let size = pages::size(request.page_size)?;
    let workspace = workspaces::get(&api.store, &request.workspace_id).await?;
    let tokens = Tokens::of::<v1::ListAttributesRequest>(&workspace, &[]);
    let after = tokens.open_page(&request.page_token)?.unwrap_or_default();
    let id = workspace.workspace_id.as_str();
    let mut found = attributes::list(&api.store, id, &after.text, size + 1).await?;
    let next_page_token = pages::cut(&mut found, size, true, &tokens, |last| Cursor {
        text: last.definition.attribute_id.clone(),
        ..Cursor::default()
    });
    let attributes = found.into_iter().map(attribute::encode).collect();
    Ok(v1::ListAttributesResponse { attributes, next_page_token })
}
