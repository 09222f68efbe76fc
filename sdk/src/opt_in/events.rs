use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{FromProto, IntoProto};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{OptInEvent, Recipient};
use crate::paging::{Page, page, paged};

request! {
    /// Request builder, returned by [`OptIn::events`](crate::OptIn::events).
    ListOptInEvents(ListOptInEventsRequest) -> Page<OptInEvent>
}

impl ListOptInEvents {
    pub(super) fn new(handle: &Handle, recipient: Recipient) -> Self {
        Self(Prepared::new(
            handle,
            v1::ListOptInEventsRequest {
                workspace_id: handle.workspace_id(),
                recipient: Some(recipient.into_proto()),
                ..v1::ListOptInEventsRequest::default()
            },
        ))
    }

    /// Sends the request. Returns one page.
    pub async fn send(self) -> Result<Page<OptInEvent>> {
        let response = self.0.send().await?;
        Ok(page(response.events, response.next_page_token, OptInEvent::from_proto))
    }
}

paged! { ListOptInEvents -> OptInEvent }
