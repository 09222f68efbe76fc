use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{FromProto, IntoProto};
use crate::error::Result;
use crate::model::{Recipient, TagUpdate};

request! {
    /// Request builder, returned by [`Contacts::update_tags`](crate::Contacts::update_tags).
    ///
    /// Select the contacts with either [`recipients`](Self::recipients) or
    /// [`filter`](Self::filter):
    ///
    /// ```no_run
    /// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
    /// use contacts_sdk::Filter;
    ///
    /// let contacts = client.contacts();
    /// contacts.update_tags().recipients(["15551234567", "15557654321"]).add("vip").await?;
    ///
    /// let lapsed = Filter::attribute("orders").lt(1);
    /// let count = contacts.count().filter(&lapsed).await?;
    /// contacts.update_tags().filter(lapsed, count).remove("vip").await?;
    /// # Ok(())
    /// # }
    /// ```
    change UpdateContactTags(UpdateContactTagsRequest) -> TagUpdate
}

impl UpdateContactTags {
    pub(super) fn new(prepared: Prepared<v1::UpdateContactTagsRequest>) -> Self {
        Self(prepared)
    }

    /// Adds contacts to change, at most 1000 in total.
    pub fn recipients(mut self, recipients: impl IntoIterator<Item: Into<Recipient>>) -> Self {
        let recipients = recipients.into_iter().map(|recipient| recipient.into().into_proto());
        self.0.message.recipients.extend(recipients);
        self
    }

    /// Selects the contacts that match a filter. Empty text matches all contacts.
    ///
    /// If the filter does not match exactly `expected_count` contacts, the call changes nothing and fails
    /// with [`COUNT_MISMATCH`](crate::reason::COUNT_MISMATCH).
    pub fn filter(mut self, filter: impl Into<String>, expected_count: u64) -> Self {
        self.0.message.filter = Some(filter.into());
        self.0.message.expected_count = Some(i64::try_from(expected_count).unwrap_or(i64::MAX));
        self
    }

    /// Adds a tag to the contacts. It must exist. At most 100 tags.
    #[expect(clippy::should_implement_trait, reason = "adds a tag and not a number")]
    pub fn add(mut self, tag_id: impl Into<String>) -> Self {
        self.0.message.add_tags.push(tag_id.into());
        self
    }

    /// Removes a tag from the contacts. At most 100 tags.
    pub fn remove(mut self, tag_id: impl Into<String>) -> Self {
        self.0.message.remove_tags.push(tag_id.into());
        self
    }

    /// Sets whether to return the result without changing anything. Default: false.
    pub fn validate_only(mut self, validate_only: bool) -> Self {
        self.0.message.validate_only = validate_only;
        self
    }

    /// Sends the request.
    pub async fn send(self) -> Result<TagUpdate> {
        Ok(TagUpdate::from_proto(self.0.send().await?))
    }
}
