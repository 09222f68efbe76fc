use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{FromProto, IntoProto};
use crate::error::Result;
use crate::model::{Recipient, TagUpdate};

request! {
    /// Adds and removes tags on many contacts, in one transaction. From
    /// [`Contacts::update_tags`](crate::Contacts::update_tags).
    ///
    /// Either name [`recipients`](Self::recipients) or select with a [`filter`](Self::filter):
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

    /// Names people, at most 1000 in all.
    pub fn recipients(mut self, recipients: impl IntoIterator<Item: Into<Recipient>>) -> Self {
        let recipients = recipients.into_iter().map(|recipient| recipient.into().into_proto());
        self.0.message.recipients.extend(recipients);
        self
    }

    /// Selects contacts; an empty filter selects all. `expected_count` is how many you expect: with
    /// any other number nothing changes, and the call fails with
    /// [`COUNT_MISMATCH`](crate::reason::COUNT_MISMATCH) and the real count.
    pub fn filter(mut self, filter: impl Into<String>, expected_count: u64) -> Self {
        self.0.message.filter = Some(filter.into());
        self.0.message.expected_count = Some(i64::try_from(expected_count).unwrap_or(i64::MAX));
        self
    }

    /// Puts a tag on. It has to exist; at most 100.
    #[expect(clippy::should_implement_trait, reason = "adds a tag and not a number")]
    pub fn add(mut self, tag_id: impl Into<String>) -> Self {
        self.0.message.add_tags.push(tag_id.into());
        self
    }

    /// Takes a tag off; at most 100.
    pub fn remove(mut self, tag_id: impl Into<String>) -> Self {
        self.0.message.remove_tags.push(tag_id.into());
        self
    }

    /// Only says what would happen.
    pub fn validate_only(mut self, validate_only: bool) -> Self {
        self.0.message.validate_only = validate_only;
        self
    }

    /// Changes them.
    pub async fn send(self) -> Result<TagUpdate> {
        Ok(TagUpdate::from_proto(self.0.send().await?))
    }
}
