//! ContactService: the calls about one contact, and the directory.

use contacts_proto::v1;
use contacts_proto::v1::contact_service_server::ContactService;
use futures::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::convert::{contact, contact_mask, identity, known, recipient};
use super::idempotency::{IdempotencyKey, answer, contact_answer};
use super::{Api, bulk, duplicates, export, import, pages, stream};
use crate::domain::error::{Error, Result};
use crate::operations::contacts::{CreateContact, DeleteContact};
use crate::operations::read::{self, Query};
use crate::operations::token::{self, Cursor};
use crate::store::{ContactRow, OrderBy, PageCursor, Receipt, timestamp};

/// A page ends here even when more was asked for: clients accept 4 MiB.
pub(super) const MAX_PAGE_BYTES: usize = 3 << 20;

#[tonic::async_trait]
impl ContactService for Api {
    type StreamContactsStream = BoxStream<'static, Result<v1::StreamContactsResponse, Status>>;
    type StreamDuplicateContactsStream =
        BoxStream<'static, Result<v1::StreamDuplicateContactsResponse, Status>>;
    type ImportContactsStream = BoxStream<'static, Result<v1::ImportContactsResponse, Status>>;

    async fn create_contact(
        &self,
        request: Request<v1::CreateContactRequest>,
    ) -> Result<Response<v1::CreateContactResponse>, Status> {
        let request = request.into_inner();
        let (workspace_id, id) = (&request.workspace_id, &request.request_id);
        let replay = IdempotencyKey::of("CreateContact", workspace_id, id, &request)?;
        let contact = request.contact.ok_or_else(|| Error::required("contact"))?;
        let create = CreateContact {
            workspace_id: request.workspace_id,
            profile: contact::decode_new(contact)?,
        };
        let response = self.change(replay, create, contact_answer(&self.store));
        Ok(Response::new(response.await?))
    }

    async fn get_contact(
        &self,
        request: Request<v1::GetContactRequest>,
    ) -> Result<Response<v1::GetContactResponse>, Status> {
        let request = request.into_inner();
        let view = contact::decode_view(request.view)?;
        let person = recipient::decode_recipient(request.recipient)?;
        let found = read::find(&self.store, &request.workspace_id, &[person]).await?;
        let row = found.into_iter().flatten().next().ok_or_else(Error::contact_not_found)?;
        let contact = Some(contact::encode(&row, view, self.store.now())?);
        Ok(Response::new(v1::GetContactResponse { contact }))
    }

    async fn batch_get_contacts(
        &self,
        request: Request<v1::BatchGetContactsRequest>,
    ) -> Result<Response<v1::BatchGetContactsResponse>, Status> {
        Ok(Response::new(bulk::get(self, request.into_inner()).await?))
    }

    async fn update_contact(
        &self,
        request: Request<v1::UpdateContactRequest>,
    ) -> Result<Response<v1::UpdateContactResponse>, Status> {
        let request = request.into_inner();
        let (workspace_id, id) = (&request.workspace_id, &request.request_id);
        let replay = IdempotencyKey::of("UpdateContact", workspace_id, id, &request)?;
        let update = contact_mask::decode(request)?;
        let response = self.change(replay, update, contact_answer(&self.store));
        Ok(Response::new(response.await?))
    }

    async fn delete_contact(
        &self,
        request: Request<v1::DeleteContactRequest>,
    ) -> Result<Response<v1::DeleteContactResponse>, Status> {
        let request = request.into_inner();
        let (workspace_id, id) = (&request.workspace_id, &request.request_id);
        let replay = IdempotencyKey::of("DeleteContact", workspace_id, id, &request)?;
        let reason = match known("reason", request.reason)? {
            v1::DeleteReason::Unspecified => v1::DeleteReason::Other,
            reason => reason,
        };
        let delete = DeleteContact {
            workspace_id: request.workspace_id,
            person: recipient::decode_recipient(request.recipient)?,
            etag: request.etag,
            reason: reason.into(),
        };
        let response = self.change(replay, delete, |receipt| {
            answer(&v1::DeleteContactResponse { receipt: Some(encode_receipt(receipt)) })
        });
        Ok(Response::new(response.await?))
    }

    async fn link_identity(
        &self,
        request: Request<v1::LinkIdentityRequest>,
    ) -> Result<Response<v1::LinkIdentityResponse>, Status> {
        let request = request.into_inner();
        let (workspace_id, id) = (&request.workspace_id, &request.request_id);
        let replay = IdempotencyKey::of("LinkIdentity", workspace_id, id, &request)?;
        let link = identity::decode_link(request)?;
        let response = self.change(replay, link, contact_answer(&self.store));
        Ok(Response::new(response.await?))
    }

    async fn merge_contacts(
        &self,
        request: Request<v1::MergeContactsRequest>,
    ) -> Result<Response<v1::MergeContactsResponse>, Status> {
        let request = request.into_inner();
        let (workspace_id, id) = (&request.workspace_id, &request.request_id);
        let replay = IdempotencyKey::of("MergeContacts", workspace_id, id, &request)?;
        let merge = identity::decode_merge(request)?;
        let response = self.change(replay, merge, contact_answer(&self.store));
        Ok(Response::new(response.await?))
    }

    async fn export_contact_data(
        &self,
        request: Request<v1::ExportContactDataRequest>,
    ) -> Result<Response<v1::ExportContactDataResponse>, Status> {
        Ok(Response::new(export::export(self, request.into_inner()).await?))
    }

    async fn list_contacts(
        &self,
        request: Request<v1::ListContactsRequest>,
    ) -> Result<Response<v1::ListContactsResponse>, Status> {
        Ok(Response::new(list(self, request.into_inner()).await?))
    }

    async fn count_contacts(
        &self,
        request: Request<v1::CountContactsRequest>,
    ) -> Result<Response<v1::CountContactsResponse>, Status> {
        let v1::CountContactsRequest { workspace_id, filter, query } = request.into_inner();
        let count = read::count(&self.store, &Query { workspace_id, filter, query }).await?;
        Ok(Response::new(v1::CountContactsResponse { count }))
    }

    async fn stream_contacts(
        &self,
        request: Request<v1::StreamContactsRequest>,
    ) -> Result<Response<Self::StreamContactsStream>, Status> {
        Ok(Response::new(stream::open(self, request.into_inner()).await?))
    }

    async fn stream_duplicate_contacts(
        &self,
        request: Request<v1::StreamDuplicateContactsRequest>,
    ) -> Result<Response<Self::StreamDuplicateContactsStream>, Status> {
        Ok(Response::new(duplicates::open(self, request.into_inner()).await?))
    }

    async fn import_contacts(
        &self,
        request: Request<Streaming<v1::ImportContactsRequest>>,
    ) -> Result<Response<Self::ImportContactsStream>, Status> {
        Ok(Response::new(import::open(self, request.into_inner())))
    }

    async fn batch_upsert_contacts(
        &self,
        request: Request<v1::BatchUpsertContactsRequest>,
    ) -> Result<Response<v1::BatchUpsertContactsResponse>, Status> {
        Ok(Response::new(bulk::upsert(self, request.into_inner()).await?))
    }

    async fn update_contact_tags(
        &self,
        request: Request<v1::UpdateContactTagsRequest>,
    ) -> Result<Response<v1::UpdateContactTagsResponse>, Status> {
        Ok(Response::new(bulk::edit_tags(self, request.into_inner()).await?))
    }
}

async fn list(api: &Api, request: v1::ListContactsRequest) -> Result<v1::ListContactsResponse> {
    let size = pages::size(request.page_size)?;
    let view = contact::decode_view(request.view)?;
    let order = read::parse_order(&request.order_by)?;
    let by = match order.by {
        OrderBy::CreateTime => "create_time",
        OrderBy::FirstName => "first_name",
        OrderBy::LastName => "last_name",
    };
    let direction = if order.descending { "desc" } else { "asc" };
    let v1::ListContactsRequest { workspace_id, filter, query, page_token, .. } = request;
    let query = Query { workspace_id, filter, query };

    let mut session = api.store.read().await?;
    let selected = read::select(&api.store, &mut *session, &query).await?;
    let (workspace, _) = &selected;
    let binding = [
        "ListContacts",
        workspace.workspace_id.as_str(),
        query.filter.as_str(),
        query.query.as_str(),
        by,
        direction,
    ];
    let place = token::open_page(&workspace.token_key, &binding, &page_token)?;
    let after = place.map(|Cursor { id, text, .. }| PageCursor { sort_key: text, contact_id: id });
    let mut rows = read::list(&mut *session, &selected, order, after.as_ref(), size + 1).await?;
    drop(session);
    let size = size.min(fitting(&rows));
    let next_page_token = pages::cut(&mut rows, size, &workspace.token_key, &binding, |last| {
        let PageCursor { sort_key, contact_id } = last.cursor();
        Cursor { id: contact_id, text: sort_key, count: 0 }
    });
    let now = api.store.now();
    let contacts = rows.iter().map(|row| contact::encode(row, view, now)).collect::<Result<_>>()?;
    Ok(v1::ListContactsResponse { contacts, next_page_token })
}

/// How many of these fit into one answer; one always does.
fn fitting(rows: &[ContactRow]) -> usize {
    let mut bytes = 0;
    let fits = |row: &&ContactRow| {
        bytes += row.record.len();
        bytes <= MAX_PAGE_BYTES
    };
    rows.iter().take_while(fits).count().max(1)
}

pub(super) fn encode_receipt(receipt: Receipt) -> v1::DeletionReceipt {
    v1::DeletionReceipt {
        receipt_id: receipt.receipt_id.to_string(),
        contact_id: receipt.contact_id.to_string(),
        reason: receipt.reason,
        delete_time: Some(timestamp(receipt.delete_time)),
    }
}
