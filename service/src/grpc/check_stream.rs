//! OptInService.CheckOptInStream: batches of checks over one stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use contacts_proto::v1;
use futures::stream::{self, BoxStream, StreamExt};
use tonic::Status;

use super::access::Messages;
use super::api::{Api, shutting_down};
use super::convert::{consent, recipient};
use super::workspace_places::WorkspacePlace;
use crate::domain::error::{Error, Result};
use crate::operations::{named, workspaces};
use crate::opt_in::Checker;
use crate::runtime::off_worker;
use crate::store::timestamp;

/// Batches of one stream that are checked at the same time.
const IN_FLIGHT: usize = 4;

/// Checks of one batch that take so long to decode and sort that they would hold a
/// worker of the runtime.
const LARGE: usize = 1000;

/// Workspaces that one stream checks for.
const MAX_WORKSPACES: usize = 1000;

/// Responds to the requests in their order. An error, of a request or of the
/// service, ends the stream.
pub(super) fn open(
    api: &Api,
    requests: Messages<v1::CheckOptInStreamRequest>,
) -> BoxStream<'static, Result<v1::CheckOptInStreamResponse, Status>> {
    let (checker, began) = (api.checker.clone(), Began::default());
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
        .map(move |request| check(checker.clone(), began.clone(), request))
        .buffered(IN_FLIGHT)
        .chain(stream::iter(
            std::iter::from_fn(move || drained.is_cancelled().then(|| Err(shutting_down().into())))
                .take(1),
        ))
        .boxed()
}

/// What began in a workspace ends with it, also if one with the same id was made since: the workspaces that
/// a stream checks for.
#[derive(Clone, Default)]
struct Began(Arc<Mutex<HashMap<String, [u8; 32]>>>);

impl Began {
    fn ensure_same(&self, workspace_id: &str, incarnation: [u8; 32]) -> Result<()> {
        let workspace_id = named(workspace_id)?;
        let mut began = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = began.len();
        match began.get(workspace_id) {
            Some(known) if *known == incarnation => Ok(()),
            Some(_) => Err(workspaces::missing(workspace_id)),
            None if count == MAX_WORKSPACES => {
                Err(Error::limit("workspace_id", MAX_WORKSPACES, count + 1))
            }
            None => {
                began.insert(workspace_id.to_owned(), incarnation);
                Ok(())
            }
        }
    }
}

async fn check(
    checker: Checker,
    began: Began,
    request: Result<v1::CheckOptInStreamRequest, Status>,
) -> Result<v1::CheckOptInStreamResponse, Status> {
    let request = request?;
    match request.phone_numbers.len() + request.phones.len() + request.recipients.len() > LARGE {
        true => off_worker(respond(checker, began, request)).await,
        false => respond(checker, began, request).await,
    }
}

async fn respond(
    checker: Checker,
    began: Began,
    request: v1::CheckOptInStreamRequest,
) -> Result<v1::CheckOptInStreamResponse, Status> {
    let sending = consent::decode_sending(request.category, &request.sender_phone_number_id)?;
    let people =
        recipient::decode_batch(&request.phone_numbers, &request.phones, request.recipients)?;
    let outcome = checker.check_batch(&request.workspace_id, &people, &sending).await?;
    let incarnation = match outcome.incarnation {
        Some(incarnation) => incarnation,
        None => checker.incarnation(&request.workspace_id).await?,
    };
    began.ensure_same(&request.workspace_id, incarnation)?;
    let (decisions, reasons) = consent::encode_outcomes(&outcome.reasons);
    let check_time = Some(timestamp(outcome.check_time));
    Ok(v1::CheckOptInStreamResponse { decisions, reasons, check_time })
}
