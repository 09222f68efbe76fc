//! OptInService.CheckOptInStream: batches of checks over one stream.

use contacts_proto::v1;
use futures::stream::{self, BoxStream, StreamExt};
use tonic::Status;

use super::access::Messages;
use super::api::{Api, shutting_down};
use super::convert::{consent, recipient};
use super::workspace_places::WorkspacePlace;
use crate::domain::error::Result;
use crate::opt_in::Checker;
use crate::runtime::off_worker;
use crate::store::timestamp;

/// Batches of one stream that are checked at the same time.
const IN_FLIGHT: usize = 4;

/// Checks of one batch that take so long to decode and sort that they would hold a
/// worker of the runtime.
const LARGE: usize = 1000;

/// Responds to the requests in their order. An error, of a request or of the
/// service, ends the stream.
pub(super) fn open(
    api: &Api,
    requests: Messages<v1::CheckOptInStreamRequest>,
) -> BoxStream<'static, Result<v1::CheckOptInStreamResponse, Status>> {
    let checker = api.checker.clone();
    let places = api.places.clone();
    let mut place: Option<WorkspacePlace> = None;
    let drain = api.drain.clone();
    let drained = drain.clone();
    requests
        .take_until(drain.cancelled_owned())
        .map(move |request| {
            // The stream takes a place of the workspace that it checks for, until it ends.
            if let Ok(request) = &request
                && !place.as_ref().is_some_and(|place| place.is_of(&request.workspace_id))
            {
                place = Some(places.enter(&request.workspace_id)?);
            }
            request
        })
        .map(move |request| check(checker.clone(), request))
        .buffered(IN_FLIGHT)
        .chain(stream::iter(
            std::iter::from_fn(move || drained.is_cancelled().then(|| Err(shutting_down().into())))
                .take(1),
        ))
        .boxed()
}

async fn check(
    checker: Checker,
    request: Result<v1::CheckOptInStreamRequest, Status>,
) -> Result<v1::CheckOptInStreamResponse, Status> {
    let request = request?;
    match request.phone_numbers.len() + request.phones.len() + request.recipients.len() > LARGE {
        true => off_worker(respond(checker, request)).await,
        false => respond(checker, request).await,
    }
}

async fn respond(
    checker: Checker,
    request: v1::CheckOptInStreamRequest,
) -> Result<v1::CheckOptInStreamResponse, Status> {
    let sending = consent::decode_sending(request.category, &request.sender_phone_number_id)?;
    let people =
        recipient::decode_batch(&request.phone_numbers, &request.phones, request.recipients)?;
    let (reasons, now) = checker.check_batch(&request.workspace_id, &people, &sending).await?;
    let (decisions, reasons) = consent::encode_outcomes(&reasons);
    Ok(v1::CheckOptInStreamResponse { decisions, reasons, check_time: Some(timestamp(now)) })
}
