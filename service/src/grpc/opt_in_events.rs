//! OptInService.ListOptInEvents: a person's consent events, newest first.

use contacts_proto::v1;
use prost::Message;

use super::api::Api;
use super::convert::{consent, recipient};
use super::pages;
use super::tokens::Tokens;
use crate::domain::contact::Recipient;
use crate::domain::error::Result;
use crate::operations::token::Cursor;
use crate::operations::{opt_in, workspaces};
use crate::store::Workspace;
use crate::telemetry::call;

/// Returns a page of events.
pub(super) async fn list(
    api: &Api,
    request: v1::ListOptInEventsRequest,
) -> Result<v1::ListOptInEventsResponse> {
    let size = pages::size(request.page_size)?;
    let recipient = recipient::decode(request.recipient)?;
    let workspace = workspaces::get(&api.store, &request.workspace_id).await?;
    let tokens = tokens(&workspace, &recipient);
    let before = tokens.open_page(&request.page_token)?.map(|cursor| cursor.count);
    let id = workspace.workspace_id.as_str();
    let events = opt_in::events(&api.store, id, &recipient, before, size + 1).await?;
    call::about(events.iter().find_map(|(_, event)| event.contact_id));
    let encode = |(position, event)| (position, consent::encode_event(event));
    let mut events: Vec<(i64, v1::OptInEvent)> = events.into_iter().map(encode).collect();
    let size = size.min(pages::fitting(events.iter().map(|(_, event)| event.encoded_len())));
    let next_page_token =
        pages::cut(&mut events, size, true, &tokens, |(position, _)| cursor(*position));
    let events = events.into_iter().map(|(_, event)| event).collect();
    Ok(v1::ListOptInEventsResponse { events, next_page_token })
}

/// The token of the page of older events, for an export that ends at `position`.
pub(super) fn page_token(workspace: &Workspace, recipient: &Recipient, position: i64) -> String {
    tokens(workspace, recipient).seal(&cursor(position))
}

fn tokens(workspace: &Workspace, recipient: &Recipient) -> Tokens {
    let recipient = match recipient {
        Recipient::Id(id) => id.to_string(),
        Recipient::Key(key) => key.as_str().to_owned(),
        Recipient::ExternalId(id) => format!("x{id}"),
    };
    Tokens::of::<v1::ListOptInEventsRequest>(workspace, &[&recipient])
}

/// Events have no id that is in their order: the cursor is their position.
fn cursor(position: i64) -> Cursor {
    Cursor { count: position, ..Cursor::default() }
}
