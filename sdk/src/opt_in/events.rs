use contacts_proto::v1;

use crate::client::ContactsClient;
use crate::convert::{FromProto, IntoProto};
use crate::error::Result;
use crate::model::{OptInEvent, Person};
use crate::paging::{Page, page, paged};
use crate::request::{Prepared, request};

request! {
    /// From [`OptIn::events`](crate::OptIn::events).
    ListOptInEvents(ListOptInEventsRequest) -> Page<OptInEvent>
}

impl ListOptInEvents {
    pub(super) fn new(client: &ContactsClient, person: Person) -> Self {
        Self(Prepared::new(
            client,
            v1::ListOptInEventsRequest {
                workspace_id: client.workspace().to_owned(),
                recipient: Some(person.into_proto()),
                ..v1::ListOptInEventsRequest::default()
            },
        ))
    }

    /// Reads one page.
    pub async fn send(self) -> Result<Page<OptInEvent>> {
        let answer = self.0.send().await?;
        Ok(page(answer.events, answer.next_page_token, OptInEvent::from_proto))
    }
}

paged! { ListOptInEvents -> OptInEvent }
