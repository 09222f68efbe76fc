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
    /// Request builder, returned by [`OptIn::record_opt_in`](crate::OptIn::record_opt_in).
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

    /// Sets the categories that the person agreed to. Default and empty: all.
    pub fn categories(mut self, categories: impl IntoIterator<Item = MessageCategory>) -> Self {
        let categories = categories.into_iter().map(IntoProto::into_proto);
        self.0.message.categories = categories.collect();
        self
    }

    /// Sets the evidence. Record at least the wording.
    pub fn evidence(mut self, evidence: Evidence) -> Self {
        self.0.message.evidence = Some(evidence.into_proto());
        self
    }

    /// Sets when the person agreed, at most 5 minutes in the future. Default: now.
    pub fn occurred_time(mut self, time: SystemTime) -> Self {
        self.0.message.occurred_time = Some(time.into());
        self
    }

    /// Sets when the opt-in expires. Default: it is valid until withdrawn.
    pub fn expire_time(mut self, time: SystemTime) -> Self {
        self.0.message.expire_time = Some(time.into());
        self
    }

    /// Sends the request.
    pub async fn send(self) -> Result<OptInRecord> {
        let response = self.0.send().await?;
        Ok(OptInRecord { event: present(response.event)?, opt_in: present(response.opt_in)? })
    }
}

request! {
    /// Request builder, returned by [`OptIn::record_opt_out`](crate::OptIn::record_opt_out).
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

    /// Sets the categories that the person opted out of. Default and empty: all.
    pub fn categories(mut self, categories: impl IntoIterator<Item = MessageCategory>) -> Self {
        let categories = categories.into_iter().map(IntoProto::into_proto);
        self.0.message.categories = categories.collect();
        self
    }

    /// Sets how the person opted out. Default: [`OptInSource::Api`].
    pub fn source(mut self, source: OptInSource) -> Self {
        self.0.message.source = source.into_proto();
        self
    }

    /// Sets the words of the person: at most 1000 characters.
    pub fn reason_text(mut self, text: impl Into<String>) -> Self {
        self.0.message.reason_text = text.into();
        self
    }

    /// Sets when the person opted out, at most 5 minutes in the future. Default: now.
    pub fn occurred_time(mut self, time: SystemTime) -> Self {
        self.0.message.occurred_time = Some(time.into());
        self
    }

    /// Sends the request.
    pub async fn send(self) -> Result<OptInRecord> {
        let response = self.0.send().await?;
        Ok(OptInRecord { event: present(response.event)?, opt_in: present(response.opt_in)? })
    }
}

request! {
    /// Request builder, returned by [`OptIn::record_platform_preference`](crate::OptIn::record_platform_preference).
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

    /// Sets Meta's id of the business's phone number that the preference applies to:
    /// `metadata.phone_number_id` of the webhook. Default: all numbers.
    pub fn sender_phone_number_id(mut self, id: impl Into<String>) -> Self {
        self.0.message.sender_phone_number_id = id.into();
        self
    }

    /// Sets when the person set the preference: the `timestamp` of the webhook, at most 5 minutes in the
    /// future. Default: now.
    pub fn occurred_time(mut self, time: SystemTime) -> Self {
        self.0.message.occurred_time = Some(time.into());
        self
    }

    /// Sets the evidence, such as the id of the message that failed with error 131050.
    pub fn evidence(mut self, evidence: Evidence) -> Self {
        self.0.message.evidence = Some(evidence.into_proto());
        self
    }

    /// Sends the request.
    pub async fn send(self) -> Result<OptInRecord> {
        let response = self.0.send().await?;
        Ok(OptInRecord { event: present(response.event)?, opt_in: present(response.opt_in)? })
    }
}
