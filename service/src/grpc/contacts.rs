//! ContactService: its handlers, and ListContacts.

use contacts_proto::v1;
use contacts_proto::v1::contact_service_server::ContactService;
use futures::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::access;
use super::api::Api;
use super::convert::{contact, contact_mask, decode_enum, identity, recipient};
use super::mutation::contact_response;
use super::tokens::Tokens;
use super::{bulk, duplicates, export, import, pages, stream};
use crate::domain::contact::{Recipient, View};
use crate::domain::error::{Error, Result};
use crate::operations::contacts::{CreateContact, DeleteContact};
use crate::operations::read::{self, Query};
use crate::operations::token::Cursor;
use crate::operations::workspace;
use crate::store::{ContactPage, ContactRow, OrderBy, PageCursor, Receipt, Store};
use crate::telemetry::call;

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
        let decode = |request: v1::CreateContactRequest| {
            let contact = request.contact.ok_or_else(|| Error::required("contact"))?;
            let profile = contact::decode_new(contact)?;
            Ok(CreateContact { workspace_id: request.workspace_id, profile })
        };
        self.change(request, decode, contact_response(&self.store)).await
    }

    async fn get_contact(
        &self,
        request: Request<v1::GetContactRequest>,
    ) -> Result<Response<v1::GetContactResponse>, Status> {
        let request = access::message(request)?;
        let view = contact::decode_view(request.view)?;
        let recipient = recipient::decode(request.recipient)?;
        let found = find(&self.store, &request.workspace_id, &[recipient], view).await?;
        let row = found.into_iter().flatten().next().ok_or_else(Error::contact_not_found)?;
        call::about(Some(row.contact_id));
        let contact = Some(contact::encode(&row, view, self.store.now_for_expiry())?);
        Ok(Response::new(v1::GetContactResponse { contact }))
    }

    async fn batch_get_contacts(
        &self,
        request: Request<v1::BatchGetContactsRequest>,
    ) -> Result<Response<v1::BatchGetContactsResponse>, Status> {
        Ok(Response::new(bulk::get(self, access::message(request)?).await?))
    }

    async fn update_contact(
        &self,
        request: Request<v1::UpdateContactRequest>,
    ) -> Result<Response<v1::UpdateContactResponse>, Status> {
        self.change(request, contact_mask::decode, contact_response(&self.store)).await
    }

    async fn delete_contact(
        &self,
        request: Request<v1::DeleteContactRequest>,
    ) -> Result<Response<v1::DeleteContactResponse>, Status> {
        let decode = |request: v1::DeleteContactRequest| {
            let reason = match decode_enum("reason", request.reason)? {
                v1::DeleteReason::Unspecified => v1::DeleteReason::Other,
                reason => reason,
            };
            Ok(DeleteContact {
                workspace_id: request.workspace_id,
                person: recipient::decode(request.recipient)?,
                etag: request.etag,
                reason: reason.into(),
            })
        };
        let encode = |receipt: Receipt| {
            call::about(Some(receipt.contact_id));
            v1::DeleteContactResponse { receipt: Some(contact::encode_receipt(receipt)) }
        };
        self.change(request, decode, encode).await
    }

    async fn link_identity(
        &self,
        request: Request<v1::LinkIdentityRequest>,
    ) -> Result<Response<v1::LinkIdentityResponse>, Status> {
        self.change(request, identity::decode_link, contact_response(&self.store)).await
    }

    async fn merge_contacts(
        &self,
        request: Request<v1::MergeContactsRequest>,
    ) -> Result<Response<v1::MergeContactsResponse>, Status> {
        self.change(request, identity::decode_merge, contact_response(&self.store)).await
    }

    async fn export_contact_data(
        &self,
        request: Request<v1::ExportContactDataRequest>,
    ) -> Result<Response<v1::ExportContactDataResponse>, Status> {
        Ok(Response::new(export::export(self, access::message(request)?).await?))
    }

    async fn list_contacts(
        &self,
        request: Request<v1::ListContactsRequest>,
    ) -> Result<Response<v1::ListContactsResponse>, Status> {
        Ok(Response::new(list(self, access::message(request)?).await?))
    }

    async fn count_contacts(
        &self,
        request: Request<v1::CountContactsRequest>,
    ) -> Result<Response<v1::CountContactsResponse>, Status> {
        let v1::CountContactsRequest { workspace_id, filter, query } = access::message(request)?;
        let _place = self.places.enter(&workspace_id)?;
        let count = read::count(&self.store, &Query { workspace_id, filter, query }).await?;
        Ok(Response::new(v1::CountContactsResponse { count }))
    }

    async fn stream_contacts(
        &self,
        request: Request<v1::StreamContactsRequest>,
    ) -> Result<Response<Self::StreamContactsStream>, Status> {
        Ok(Response::new(stream::open(self, access::message(request)?).await?))
    }

    async fn stream_duplicate_contacts(
        &self,
        request: Request<v1::StreamDuplicateContactsRequest>,
    ) -> Result<Response<Self::StreamDuplicateContactsStream>, Status> {
        Ok(Response::new(duplicates::open(self, access::message(request)?).await?))
    }

    async fn import_contacts(
        &self,
        request: Request<Streaming<v1::ImportContactsRequest>>,
    ) -> Result<Response<Self::ImportContactsStream>, Status> {
        Ok(Response::new(import::open(self, access::messages(request)?)))
    }

    async fn batch_upsert_contacts(
        &self,
        request: Request<v1::BatchUpsertContactsRequest>,
    ) -> Result<Response<v1::BatchUpsertContactsResponse>, Status> {
        Ok(Response::new(bulk::upsert(self, access::message(request)?).await?))
    }

    async fn update_contact_tags(
        &self,
        request: Request<v1::UpdateContactTagsRequest>,
    ) -> Result<Response<v1::UpdateContactTagsResponse>, Status> {
        Ok(Response::new(bulk::edit_tags(self, access::message(request)?).await?))
    }
}

/// Finds contacts, with their identities if the view shows them.
pub(super) async fn find(
    store: &Store,
    workspace_id: &str,
    recipients: &[Recipient],
    view: View,
) -> Result<Vec<Option<ContactRow>>> {
    match view {
        View::Full => read::find_with_identities(store, workspace_id, recipients).await,
        View::Basic => read::find(store, workspace_id, recipients).await,
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

    let mut session = api.store.read_scan().await?;
    let workspace = workspace(&mut *session, &query.workspace_id).await?;
    let parts = [query.filter.as_str(), query.query.as_str(), by, direction];
    let tokens = Tokens::of::<v1::ListContactsRequest>(&workspace, &parts);
    let cursor = tokens.open_page(&page_token)?;
    let asked_at = cursor.as_ref().map_or_else(|| api.store.now(), |cursor| cursor.asked_at);
    let selection = read::select(&api.store, &mut *session, &workspace, &query, asked_at).await?;
    let after = cursor.map(|Cursor { id, text, .. }| PageCursor { sort_key: text, contact_id: id });
    let after = after.as_ref();
    let ContactPage { mut rows, is_last } =
        session.list_contacts(&workspace, &selection, order, after, size + 1).await?;
    let size = size.min(pages::fitting(rows.iter().map(|row| row.record.len())));
    let next_page_token = pages::cut(&mut rows, size, is_last, &tokens, |last| {
        let PageCursor { sort_key, contact_id } = last.cursor();
        Cursor { id: contact_id, text: sort_key, count: 0, asked_at }
    });
    if view == View::Full {
        read::add_identities(&mut *session, &workspace, rows.iter_mut()).await?;
    }
    drop(session);
    let now = api.store.now_for_expiry();
    let contacts = rows.iter().map(|row| contact::encode(row, view, now)).collect::<Result<_>>()?;
    Ok(v1::ListContactsResponse { contacts, next_page_token })
}
