use std::time::SystemTime;

use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{IntoProto, present};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{
    Evidence, MessageCategory, OptInRecord, OptInSource, PlatformPreference, Recipient,
};

request! {
    /// From [`OptIn::record_opt_in`](crate::OptIn::record_opt_in).
    change RecordOptIn(RecordOptInRequest) -> OptInRecord
}

impl RecordOptIn {
    pub(super) fn new(handle: &Handle, recipient: Recipient, source: OptInSource) -> Self {
        Self(Prepared::new(
            handle,
            v1::RecordOptInRequest {
                workspace_id: handle.workspace_id(),
                recipient: Some(recipient.into_proto()),
                source: source.into_proto(),
                ..v1::RecordOptInRequest::default()
            },
        ))
    }

    /// Sets what the person agreed to. None means all categories.
    pub fn categories(mut self, categories: impl IntoIterator<Item = MessageCategory>) -> Self {
        let categories = categories.into_iter().map(IntoProto::into_proto);
        self.0.message.categories = categories.collect();
        self
    }

    /// Sets what shows it. Keep the wording at least.
    pub fn evidence(mut self, evidence: Evidence) -> Self {
        self.0.message.evidence = Some(evidence.into_proto());
        self
    }

    /// Sets when the person agreed; now if not set. At most 5 minutes in the future.
    pub fn occurred_time(mut self, time: SystemTime) -> Self {
        self.0.message.occurred_time = Some(time.into());
        self
    }

    /// Sets until when it holds; until withdrawn if not set.
    pub fn expire_time(mut self, time: SystemTime) -> Self {
        self.0.message.expire_time = Some(time.into());
        self
    }

    /// Records it.
    pub async fn send(self) -> Result<OptInRecord> {
        let answer = self.0.send().await?;
        Ok(OptInRecord { event: present(answer.event)?, opt_in: present(answer.opt_in)? })
    }
}

request! {
    /// From [`OptIn::record_opt_out`](crate::OptIn::record_opt_out).
    change RecordOptOut(RecordOptOutRequest) -> OptInRecord
}

impl RecordOptOut {
    pub(super) fn new(handle: &Handle, recipient: Recipient) -> Self {
        Self(Prepared::new(
            handle,
            v1::RecordOptOutRequest {
                workspace_id: handle.workspace_id(),
                recipient: Some(recipient.into_proto()),
                ..v1::RecordOptOutRequest::default()
            },
        ))
    }

    /// Sets what the person objected to. None means all categories.
    pub fn categories(mut self, categories: impl IntoIterator<Item = MessageCategory>) -> Self {
        let categories = categories.into_iter().map(IntoProto::into_proto);
        self.0.message.categories = categories.collect();
        self
    }

    /// Sets how it arrived; [`OptInSource::Api`] if not set.
    pub fn source(mut self, source: OptInSource) -> Self {
        self.0.message.source = source.into_proto();
        self
    }

    /// Sets what the person said: at most 1000 characters.
    pub fn reason_text(mut self, text: impl Into<String>) -> Self {
        self.0.message.reason_text = text.into();
        self
    }

    /// Sets when the person said it; now if not set. At most 5 minutes in the future.
    pub fn occurred_time(mut self, time: SystemTime) -> Self {
        self.0.message.occurred_time = Some(time.into());
        self
    }

    /// Records it.
    pub async fn send(self) -> Result<OptInRecord> {
        let answer = self.0.send().await?;
        Ok(OptInRecord { event: present(answer.event)?, opt_in: present(answer.opt_in)? })
    }
}

request! {
    /// From [`OptIn::record_platform_preference`](crate::OptIn::record_platform_preference).
    change RecordPlatformPreference(RecordPlatformPreferenceRequest) -> OptInRecord
}

impl RecordPlatformPreference {
    pub(super) fn new(
        handle: &Handle,
        recipient: Recipient,
        preference: PlatformPreference,
    ) -> Self {
        Self(Prepared::new(
            handle,
            v1::RecordPlatformPreferenceRequest {
                workspace_id: handle.workspace_id(),
                recipient: Some(recipient.into_proto()),
                preference: preference.into_proto(),
                ..v1::RecordPlatformPreferenceRequest::default()
            },
        ))
    }

    /// Sets of which of the business's numbers it was said, by the id Meta gave it:
    /// `metadata.phone_number_id` of the webhook. Of all if not set.
    pub fn sender_phone_number_id(mut self, id: impl Into<String>) -> Self {
        self.0.message.sender_phone_number_id = id.into();
        self
    }

    /// Sets when the person said it, the `timestamp` of the webhook; now if not set. At most 5
    /// minutes in the future.
    pub fn occurred_time(mut self, time: SystemTime) -> Self {
        self.0.message.occurred_time = Some(time.into());
        self
    }

    /// Sets what shows it, such as the message that was answered with error 131050.
    pub fn evidence(mut self, evidence: Evidence) -> Self {
        self.0.message.evidence = Some(evidence.into_proto());
        self
    }

    /// Records it.
    pub async fn send(self) -> Result<OptInRecord> {
        let answer = self.0.send().await?;
        Ok(OptInRecord { event: present(answer.event)?, opt_in: present(answer.opt_in)? })
    }
}
