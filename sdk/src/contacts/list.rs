use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{FromProto, IntoProto, count};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{Contact, ContactView};
use crate::paging::{Page, page, paged};

request! {
    /// Request builder, returned by [`Contacts::list`](crate::Contacts::list).
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

    /// Sets the filter: a [`Filter`](crate::Filter), or text in the filter language. Default: all
    /// contacts.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.0.message.filter = filter.into();
        self
    }

    /// Sets a name search: each word must be a prefix of a word of the first or last name, ignoring case
    /// and accents. At most 8 words.
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.0.message.query = query.into();
        self
    }

    /// Sets the order: an [`OrderBy`](crate::OrderBy), or text such as `last_name desc`. Default: by time
    /// of creation.
    pub fn order_by(mut self, order: impl Into<String>) -> Self {
        self.0.message.order_by = order.into();
        self
    }

    /// Sets which fields to return. Default: all.
    pub fn view(mut self, view: ContactView) -> Self {
        self.0.message.view = view.into_proto();
        self
    }

    /// Sends the request. Returns one page.
    pub async fn send(self) -> Result<Page<Contact>> {
        let response = self.0.send().await?;
        Ok(page(response.contacts, response.next_page_token, Contact::from_proto))
    }
}

paged! { ListContacts -> Contact }

request! {
    /// Request builder, returned by [`Contacts::count`](crate::Contacts::count).
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

    /// Sets the filter, as in [`ListContacts::filter`].
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.0.message.filter = filter.into();
        self
    }

    /// Sets a name search, as in [`ListContacts::query`].
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.0.message.query = query.into();
        self
    }

    /// Sends the request. Returns the number of contacts.
    pub async fn send(self) -> Result<u64> {
        Ok(count(self.0.send().await?.count))
    }
}
