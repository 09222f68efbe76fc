use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{FromProto, IntoProto, count};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{Contact, ContactView};
use crate::paging::{Page, page, paged};

request! {
    /// From [`Contacts::list`](crate::Contacts::list).
    ListContacts(ListContactsRequest) -> Page<Contact>
}

impl ListContacts {
    pub(super) fn new(handle: &Handle) -> Self {
        Self(Prepared::new(
            handle,
            v1::ListContactsRequest {
                workspace_id: handle.workspace_id(),
                view: ContactView::default().into_proto(),
                ..v1::ListContactsRequest::default()
            },
        ))
    }

    /// Selects contacts: a [`Filter`](crate::Filter) or text in the filter language.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.0.message.filter = filter.into();
        self
    }

    /// Searches by name: every word has to be the beginning of a word of the name. Case and accents
    /// do not matter; at most 8 words.
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.0.message.query = query.into();
        self
    }

    /// Sets the order: `create_time` (the default), `first_name` or `last_name`, each optionally
    /// followed by ` desc`.
    pub fn order_by(mut self, order: impl Into<String>) -> Self {
        self.0.message.order_by = order.into();
        self
    }

    /// Sets how much of each contact to read; everything by default.
    pub fn view(mut self, view: ContactView) -> Self {
        self.0.message.view = view.into_proto();
        self
    }

    /// Reads one page.
    pub async fn send(self) -> Result<Page<Contact>> {
        let answer = self.0.send().await?;
        Ok(page(answer.contacts, answer.next_page_token, Contact::from_proto))
    }
}

paged! { ListContacts -> Contact }

request! {
    /// From [`Contacts::count`](crate::Contacts::count).
    CountContacts(CountContactsRequest) -> u64
}

impl CountContacts {
    pub(super) fn new(handle: &Handle) -> Self {
        Self(Prepared::new(
            handle,
            v1::CountContactsRequest {
                workspace_id: handle.workspace_id(),
                ..v1::CountContactsRequest::default()
            },
        ))
    }

    /// Selects contacts, as in [`ListContacts::filter`].
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.0.message.filter = filter.into();
        self
    }

    /// Searches by name, as in [`ListContacts::query`].
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.0.message.query = query.into();
        self
    }

    /// Counts them.
    pub async fn send(self) -> Result<u64> {
        Ok(count(self.0.send().await?.count))
    }
}
