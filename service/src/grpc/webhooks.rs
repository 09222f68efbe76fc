//! WebhookService.

use contacts_proto::v1;
use contacts_proto::v1::webhook_service_server::WebhookService;
use futures::FutureExt;
use tonic::{Request, Response, Status};

use super::access;
use super::api::Api;
use super::convert::webhook;
use crate::domain::error::{Error, Result};
use crate::domain::webhook::MAX_PAYLOAD;
use crate::operations::webhook::ingest;

#[tonic::async_trait]
impl WebhookService for Api {
    async fn ingest_whats_app_webhook(
        &self,
        request: Request<v1::IngestWhatsAppWebhookRequest>,
    ) -> Result<Response<v1::IngestWhatsAppWebhookResponse>, Status> {
        let v1::IngestWhatsAppWebhookRequest { workspace_id, payload, signature } =
            access::message(request)?;
        // Before its bytes are hashed.
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::limit("payload", MAX_PAYLOAD, payload.len()).into());
        }
        let verified = self.webhook_secrets.verify(&payload, &signature)?;
        // Boxed: large, and tonic moves the futures of its handlers.
        let report = ingest(&self.store, &workspace_id, payload).boxed().await?;
        Ok(Response::new(webhook::encode_report(report, verified)))
    }
}
