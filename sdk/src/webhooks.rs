use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::FromProto;
use crate::error::Result;
use crate::handle::Handle;
use crate::model::WebhookReport;

/// Takes Meta's WhatsApp webhooks as they come. Returned by
/// [`ContactsClient::webhooks`](crate::ContactsClient::webhooks).
///
/// The service records what a webhook says of consent, and links new numbers and user ids to the
/// contacts that have the old ones.
#[derive(Clone, Debug)]
pub struct Webhooks {
    handle: Handle,
}

impl Webhooks {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Applies a webhook: the body of the HTTP request, byte for byte, at most 3 MiB. Any kind of
    /// webhook may be sent.
    ///
    /// Answer Meta with 200 if this returns `Ok`, or an error with
    /// [`is_invalid_argument`](crate::Error::is_invalid_argument), which a repetition does not change;
    /// otherwise with 500, so that Meta sends the webhook again. The same webhook again changes nothing.
    ///
    /// # Errors
    ///
    /// - [`INVALID_SIGNATURE`](crate::reason::INVALID_SIGNATURE): the server has an app secret, and
    ///   [`signature`](IngestWebhook::signature) does not fit it.
    /// - [`is_invalid_argument`](crate::Error::is_invalid_argument): the payload is no webhook.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     client: contacts_sdk::ContactsClient,
    /// #     body: Vec<u8>,
    /// #     header: String,
    /// # ) -> Result<(), contacts_sdk::Error> {
    /// let report = client.webhooks().ingest(body).signature(header).await?;
    /// println!("{} recorded, {} linked", report.counts.recorded, report.counts.linked);
    /// # Ok(())
    /// # }
    /// ```
    pub fn ingest(&self, payload: impl Into<Vec<u8>>) -> IngestWebhook {
        let message = v1::IngestWhatsAppWebhookRequest {
            workspace_id: self.handle.workspace_id(),
            payload: payload.into(),
            signature: String::new(),
        };
        IngestWebhook(Prepared::new(&self.handle, message))
    }
}

request! {
    /// Request builder, returned by [`Webhooks::ingest`].
    IngestWebhook(IngestWhatsAppWebhookRequest) -> WebhookReport
}

impl IngestWebhook {
    /// Sets the value of the `X-Hub-Signature-256` header of the HTTP request.
    pub fn signature(mut self, signature: impl Into<String>) -> Self {
        self.0.message.signature = signature.into();
        self
    }

    /// Sends the request.
    pub async fn send(self) -> Result<WebhookReport> {
        Ok(WebhookReport::from_proto(self.0.send().await?))
    }
}
