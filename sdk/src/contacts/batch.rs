use contacts_proto::v1::{self, batch_get_contacts_result::Result as Found};

use crate::call::{Prepared, request};
use crate::convert::{FromProto, IntoProto};
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::model::{ChunkResult, Contact, ContactView, ImportOptions};

request! {
    /// Request builder, returned by [`Contacts::batch_get`](crate::Contacts::batch_get).
    BatchGetContacts(BatchGetContactsRequest) -> Vec<Result<Contact>>
}

impl BatchGetContacts {
    pub(super) fn new(handle: &Handle, recipients: Vec<v1::Recipient>) -> Self {
        Self(Prepared::new(
            handle,
            v1::BatchGetContactsRequest {
                workspace_id: handle.workspace_id(),
                recipients,
                view: ContactView::default().into_proto(),
            },
        ))
    }

    /// Sets which fields to return. Default: all.
    pub fn view(mut self, view: ContactView) -> Self {
        self.0.message.view = view.into_proto();
        self
    }

    /// Sends the request. Returns one result per recipient, in the order of the request.
    pub async fn send(self) -> Result<Vec<Result<Contact>>> {
        let requested = self.0.message.recipients.len();
        let results = self.0.send().await?.results;
        if results.len() != requested {
            return Err(Error::invalid_response(format!(
                "{requested} contacts were requested, but the response has {} results",
                results.len(),
            )));
        }
        Ok(results.into_iter().map(found).collect())
    }
}

fn found(result: v1::BatchGetContactsResult) -> Result<Contact> {
    match result.result {
        Some(Found::Contact(contact)) => Ok(Contact::from_proto(contact)),
        Some(Found::Error(status)) => Err(Error::from_proto(status)),
        None => Err(Error::invalid_response("a result is neither a contact nor an error")),
    }
}

request! {
    /// Request builder, returned by [`Contacts::batch_upsert`](crate::Contacts::batch_upsert).
    change BatchUpsertContacts(BatchUpsertContactsRequest) -> ChunkResult
}

impl BatchUpsertContacts {
    pub(super) fn new(handle: &Handle, rows: Vec<v1::ImportRow>) -> Self {
        let message = v1::BatchUpsertContactsRequest {
            workspace_id: handle.workspace_id(),
            rows,
            ..v1::BatchUpsertContactsRequest::default()
        };
        Self(Prepared::new(handle, message)).options(ImportOptions::new())
    }

    /// Sets how existing contacts, missing tags and consent are handled. Default:
    /// [`ImportOptions::new`].
    pub fn options(mut self, options: ImportOptions) -> Self {
        let options: v1::ImportOptions = options.into_proto();
        let message = &mut self.0.message;
        message.on_conflict = options.on_conflict;
        message.create_missing_tags = options.create_missing_tags;
        message.add_tags = options.add_tags;
        message.consent = options.consent;
        self
    }

    /// Sends the request. Returns the result of the rows.
    pub async fn send(self) -> Result<ChunkResult> {
        let rows = self.0.message.rows.len() as u64;
        Ok(ChunkResult::from_proto(self.0.send().await?).of_rows(0, rows))
    }
}
