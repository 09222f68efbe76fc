//! OptInService.

use contacts_proto::v1;
use contacts_proto::v1::opt_in_service_server::OptInService;
use futures::stream::BoxStream;
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::convert::{consent, recipient};
use super::idempotency::IdempotencyKey;
use super::{Api, check_stream, pages};
use crate::domain::consent::{ConsentEvent, ConsentSummary};
use crate::domain::contact::Recipient;
use crate::domain::error::Result;
use crate::operations::idempotency::EncodedResponse;
use crate::operations::opt_in::{self, RecordConsent, RecordPlatformPreference};
use crate::operations::token::{self, Cursor};
use crate::operations::workspaces;
use crate::store::{Store, Workspace, timestamp, wire_summary};

#[tonic::async_trait]
impl OptInService for Api {
    type CheckOptInStreamStream = BoxStream<'static, Result<v1::CheckOptInStreamResponse, Status>>;

    async fn check_opt_in(
        &self,
        request: Request<v1::CheckOptInRequest>,
    ) -> Result<Response<v1::CheckOptInResponse>, Status> {
        let request = request.into_inner();
        let sending = consent::decode_sending(request.category, &request.sender_phone_number_id)?;
        let person = recipient::decode_recipient(request.recipient)?;
        let answer = self.checker.check(&request.workspace_id, &person, &sending).await?;
        Ok(Response::new(consent::encode_answer(answer)))
    }

    async fn batch_check_opt_in(
        &self,
        request: Request<v1::BatchCheckOptInRequest>,
    ) -> Result<Response<v1::BatchCheckOptInResponse>, Status> {
        let request = request.get_ref();
        let sending = consent::decode_sending(request.category, &request.sender_phone_number_id)?;
        let numbers = &request.phone_numbers;
        let (reasons, now) =
            self.checker.check_batch(&request.workspace_id, numbers, &sending).await?;
        let (decisions, reasons) = consent::encode_answers(&reasons);
        let check_time = Some(timestamp(now));
        Ok(Response::new(v1::BatchCheckOptInResponse { decisions, reasons, check_time }))
    }

    async fn check_opt_in_stream(
        &self,
        request: Request<Streaming<v1::CheckOptInStreamRequest>>,
    ) -> Result<Response<Self::CheckOptInStreamStream>, Status> {
        Ok(Response::new(check_stream::open(self, request.into_inner())))
    }

    async fn record_opt_in(
        &self,
        request: Request<v1::RecordOptInRequest>,
    ) -> Result<Response<v1::RecordOptInResponse>, Status> {
        let request = request.into_inner();
        let (workspace_id, id) = (&request.workspace_id, &request.request_id);
        let replay = IdempotencyKey::of("RecordOptIn", workspace_id, id, &request)?;
        let record = RecordConsent {
            statement: consent::decode_opt_in(&request)?,
            workspace_id: request.workspace_id,
            person: recipient::decode_recipient(request.recipient)?,
        };
        let response = self.change(
            replay,
            record,
            recorded(&self.store, |event, opt_in| v1::RecordOptInResponse {
                event: Some(event),
                opt_in: Some(opt_in),
            }),
        );
        Ok(Response::new(response.await?))
    }

    async fn record_opt_out(
        &self,
        request: Request<v1::RecordOptOutRequest>,
    ) -> Result<Response<v1::RecordOptOutResponse>, Status> {
        let request = request.into_inner();
        let (workspace_id, id) = (&request.workspace_id, &request.request_id);
        let replay = IdempotencyKey::of("RecordOptOut", workspace_id, id, &request)?;
        let record = RecordConsent {
            statement: consent::decode_opt_out(&request)?,
            workspace_id: request.workspace_id,
            person: recipient::decode_recipient(request.recipient)?,
        };
        let response = self.change(
            replay,
            record,
            recorded(&self.store, |event, opt_in| v1::RecordOptOutResponse {
                event: Some(event),
                opt_in: Some(opt_in),
            }),
        );
        Ok(Response::new(response.await?))
    }

    async fn record_platform_preference(
        &self,
        request: Request<v1::RecordPlatformPreferenceRequest>,
    ) -> Result<Response<v1::RecordPlatformPreferenceResponse>, Status> {
        let request = request.into_inner();
        let (workspace_id, id) = (&request.workspace_id, &request.request_id);
        let replay = IdempotencyKey::of("RecordPlatformPreference", workspace_id, id, &request)?;
        let record = RecordPlatformPreference {
            statement: consent::decode_platform(&request)?,
            workspace_id: request.workspace_id,
            person: recipient::decode_recipient(request.recipient)?,
        };
        let response = self.change(
            replay,
            record,
            recorded(&self.store, |event, opt_in| v1::RecordPlatformPreferenceResponse {
                event: Some(event),
                opt_in: Some(opt_in),
            }),
        );
        Ok(Response::new(response.await?))
    }

    async fn list_opt_in_events(
        &self,
        request: Request<v1::ListOptInEventsRequest>,
    ) -> Result<Response<v1::ListOptInEventsResponse>, Status> {
        Ok(Response::new(list_events(self, request.into_inner()).await?))
    }
}

/// The answer to a statement: the event, and where the person stands after it.
fn recorded<R: Message>(
    store: &Store,
    response: impl Fn(v1::OptInEvent, v1::OptInSummary) -> R + Send + Sync + 'static,
) -> impl Fn((ConsentEvent, ConsentSummary)) -> EncodedResponse + Send + Sync + 'static {
    let store = store.clone();
    move |(event, summary)| {
        let contact_id = event.contact_id;
        let match_key = contact_id.is_none().then(|| event.match_key.clone());
        let summary = wire_summary(&summary, store.now());
        let response = response(consent::encode_event(event), summary);
        EncodedResponse { response: response.encode_to_vec().into(), contact_id, match_key }
    }
}

/// What the pages of a person's events belong to.
fn whom(person: &Recipient) -> String {
    match person {
        Recipient::Id(id) => id.to_string(),
        Recipient::Key(key) => key.as_str().to_owned(),
    }
}

/// The token of the page of events behind this one.
pub(super) fn next_events(workspace: &Workspace, person: &Recipient, last: i64) -> String {
    let binding = ["ListOptInEvents", &workspace.workspace_id, &whom(person)];
    token::seal(&workspace.token_key, &binding, &Cursor { count: last, ..Cursor::default() })
}

async fn list_events(
    api: &Api,
    request: v1::ListOptInEventsRequest,
) -> Result<v1::ListOptInEventsResponse> {
    let size = pages::size(request.page_size)?;
    let person = recipient::decode_recipient(request.recipient)?;
    let whom = whom(&person);
    let workspace = workspaces::get(&api.store, &request.workspace_id).await?;
    let id = workspace.workspace_id.as_str();
    let (key, binding) = (&workspace.token_key, ["ListOptInEvents", id, &whom]);
    let place = token::open_page(key, &binding, &request.page_token)?;
    let before = place.map(|place| place.count);
    let mut events = opt_in::events(&api.store, id, &person, before, size + 1).await?;
    let next_page_token = pages::cut(&mut events, size, key, &binding, |(position, _)| Cursor {
        count: *position,
        ..Cursor::default()
    });
    let events = events.into_iter().map(|(_, event)| consent::encode_event(event)).collect();
    Ok(v1::ListOptInEventsResponse { events, next_page_token })
}
