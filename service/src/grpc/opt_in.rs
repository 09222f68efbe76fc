//! OptInService.

use contacts_proto::v1;
use contacts_proto::v1::opt_in_service_server::OptInService;
use futures::stream::BoxStream;
use prost::Message;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument;

use super::access;
use super::api::Api;
use super::convert::{consent, receipt, recipient, time};
use super::mutation::{Mutation, MutationResponse};
use super::{check_stream, opt_in_events};
use crate::domain::consent::{ConsentEvent, ShownConsent};
use crate::domain::error::{Error, Result};
use crate::operations::idempotency::EncodedResponse;
use crate::operations::opt_in::{RecordConsent, RecordPlatformPreference};
use crate::opt_in::CheckQuery;
use crate::store::{Store, timestamp, wire_summary};
use crate::telemetry::call;

impl Api {
    async fn answer_check(
        &self,
        request: v1::CheckOptInRequest,
    ) -> Result<Response<v1::CheckOptInResponse>, Status> {
        let sending = consent::decode_sending(request.category, &request.sender_phone_number_id)?;
        let recipient = recipient::decode(request.recipient)?;
        let also = recipient::decode_also(request.also)?;
        let workspace_id = request.workspace_id.as_str();
        let as_of_time = time::decode_optional("as_of_time", request.as_of_time)?;
        let query =
            CheckQuery { workspace_id, recipient: &recipient, also: &also, sending, as_of_time };
        let outcome = self.checker.check(&query).await?;
        let mut response = consent::encode_outcome(&outcome);
        if request.receipt {
            response.receipt = receipt::sign(self.store.keyring(), &query, &outcome)?;
        }
        Ok(Response::new(response))
    }
}

#[tonic::async_trait]
impl OptInService for Api {
    type CheckOptInStreamStream = BoxStream<'static, Result<v1::CheckOptInStreamResponse, Status>>;

    async fn check_opt_in(
        &self,
        request: Request<v1::CheckOptInRequest>,
    ) -> Result<Response<v1::CheckOptInResponse>, Status> {
        let request = access::message(request)?;
        if request.as_of_time.is_none() {
            return self.answer_check(request).await;
        }
        // It reads and folds thousands of events, for somebody who looks into the past: among the bulk
        // calls, so that checks of now do not wait for it.
        let place = self.places.enter(&request.workspace_id)?;
        let api = self.clone();
        let answer = async move {
            let _place = place;
            api.answer_check(request).await
        };
        let answer = self.background.spawn(call::carried(answer).in_current_span());
        answer.await.map_err(Error::internal)?
    }

    async fn batch_check_opt_in(
        &self,
        request: Request<v1::BatchCheckOptInRequest>,
    ) -> Result<Response<v1::BatchCheckOptInResponse>, Status> {
        let request = access::message(request)?;
        let _place = self.places.enter(&request.workspace_id)?;
        let sending = consent::decode_sending(request.category, &request.sender_phone_number_id)?;
        let people =
            recipient::decode_batch(&request.phone_numbers, &request.phones, request.recipients)?;
        let outcome = self.checker.check_batch(&request.workspace_id, &people, &sending).await?;
        let (decisions, reasons) = consent::encode_outcomes(&outcome.reasons);
        let check_time = Some(timestamp(outcome.check_time));
        Ok(Response::new(v1::BatchCheckOptInResponse { decisions, reasons, check_time }))
    }

    async fn check_opt_in_stream(
        &self,
        request: Request<Streaming<v1::CheckOptInStreamRequest>>,
    ) -> Result<Response<Self::CheckOptInStreamStream>, Status> {
        Ok(Response::new(check_stream::open(self, access::messages(request)?)))
    }

    async fn record_opt_in(
        &self,
        request: Request<v1::RecordOptInRequest>,
    ) -> Result<Response<v1::RecordOptInResponse>, Status> {
        let decode = |request: v1::RecordOptInRequest| {
            Ok(RecordConsent {
                statement: consent::decode_opt_in(&request)?,
                workspace_id: request.workspace_id,
                recipients: vec![recipient::decode(request.recipient)?],
            })
        };
        let response = |event, opt_in| v1::RecordOptInResponse { event, opt_in };
        self.change(request, decode, consent_response(&self.store, response)).await
    }

    async fn record_opt_out(
        &self,
        request: Request<v1::RecordOptOutRequest>,
    ) -> Result<Response<v1::RecordOptOutResponse>, Status> {
        let decode = |request: v1::RecordOptOutRequest| {
            Ok(RecordConsent {
                statement: consent::decode_opt_out(&request)?,
                workspace_id: request.workspace_id,
                recipients: recipient::decode_all(request.recipient, request.also)?,
            })
        };
        let response = |event, opt_in| v1::RecordOptOutResponse { event, opt_in };
        self.change(request, decode, consent_response(&self.store, response)).await
    }

    async fn record_platform_preference(
        &self,
        request: Request<v1::RecordPlatformPreferenceRequest>,
    ) -> Result<Response<v1::RecordPlatformPreferenceResponse>, Status> {
        let decode = |request: v1::RecordPlatformPreferenceRequest| {
            Ok(RecordPlatformPreference {
                statement: consent::decode_platform(&request)?,
                workspace_id: request.workspace_id,
                recipients: recipient::decode_all(request.recipient, request.also)?,
            })
        };
        let response = |event, opt_in| v1::RecordPlatformPreferenceResponse { event, opt_in };
        self.change(request, decode, consent_response(&self.store, response)).await
    }

    async fn list_opt_in_events(
        &self,
        request: Request<v1::ListOptInEventsRequest>,
    ) -> Result<Response<v1::ListOptInEventsResponse>, Status> {
        Ok(Response::new(opt_in_events::list(self, access::message(request)?).await?))
    }

    async fn list_receipt_keys(
        &self,
        request: Request<v1::ListReceiptKeysRequest>,
    ) -> Result<Response<v1::ListReceiptKeysResponse>, Status> {
        access::message(request)?;
        let keys = receipt::encode_keys(self.store.keyring());
        Ok(Response::new(v1::ListReceiptKeysResponse { keys }))
    }
}

/// Encodes a recorded statement: its event, and the consent that results from it.
fn consent_response<M, F>(
    store: &Store,
    response: F,
) -> impl Fn((ConsentEvent, ShownConsent)) -> MutationResponse<M> + Send + Sync + 'static
where
    M: Mutation,
    F: Fn(Option<v1::OptInEvent>, Option<v1::OptInSummary>) -> M::Response + Send + Sync + 'static,
{
    let store = store.clone();
    move |(event, summary)| {
        let contact_id = event.contact_id;
        let match_key = contact_id.is_none().then(|| event.match_key.clone());
        let summary = wire_summary(&summary, store.now_for_expiry());
        let response = response(Some(consent::encode_event(event)), Some(summary));
        let response = response.encode_to_vec().into();
        MutationResponse::new(EncodedResponse { response, contact_id, match_key })
    }
}
