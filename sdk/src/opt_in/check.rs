use std::time::SystemTime;

use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{BatchRecipients, FromProto, IntoProto, batch_result};
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::model::{BatchCheckResult, CheckResult, MessageCategory, Recipient};

request! {
    /// Request builder, returned by [`OptIn::check`](crate::OptIn::check).
    CheckOptIn(CheckOptInRequest) -> CheckResult
}

impl CheckOptIn {
    pub(super) fn new(handle: &Handle, recipient: Recipient, category: MessageCategory) -> Self {
        Self(Prepared::check(
            handle,
            v1::CheckOptInRequest {
                workspace_id: handle.workspace_id(),
                category: category.into_proto(),
                recipient: Some(recipient.into_proto()),
                ..v1::CheckOptInRequest::default()
            },
        ))
    }

    /// Sets Meta's id of the business's phone number that will send the message. In WhatsApp, a person
    /// can stop marketing from a single number. If not set, a stop for any number denies.
    pub fn sender_phone_number_id(mut self, id: impl Into<String>) -> Self {
        self.0.message.sender_phone_number_id = id.into();
        self
    }

    /// Names another id of the person, such as the user id that a webhook carries beside the number. The
    /// check allows only what it allows for each. At most 10.
    ///
    /// The answer is that of the first that is denied, in the order in which they are named;
    /// [`recipient_index`](CheckResult::recipient_index) says which.
    pub fn also(mut self, recipient: impl Into<Recipient>) -> Self {
        self.0.message.also.push(recipient.into().into_proto());
        self
    }

    /// Asks what a check would have answered at this time, from what had been recorded by then. Not in
    /// the future. This reads the history of the person and has the
    /// [deadline](crate::ClientBuilder::deadline) of other calls.
    pub fn as_of(mut self, time: SystemTime) -> Self {
        self.0.message.as_of_time = Some(time.into());
        self.0.deadline = self.0.deadline.max(self.0.handle.config().deadline);
        self
    }

    /// Asks for a [receipt](CheckResult::receipt), which proves the answer later. A denial has one too.
    pub fn receipt(mut self) -> Self {
        self.0.message.receipt = true;
        self
    }

    /// Sends the request. Treat an error as a denial.
    ///
    /// Fails with [`InvalidResponse`](crate::ErrorKind::InvalidResponse) if a receipt was asked for and
    /// the server, which is older, sent none.
    pub async fn send(self) -> Result<CheckResult> {
        let asked = self.0.message.receipt;
        let result = CheckResult::from_proto(self.0.send().await?);
        if asked && result.receipt.is_none() {
            return Err(Error::invalid_response("a receipt was asked for, and there is none"));
        }
        Ok(result)
    }
}

request! {
    /// Request builder, returned by [`OptIn::check_batch`](crate::OptIn::check_batch).
    BatchCheckOptIn(BatchCheckOptInRequest) -> BatchCheckResult
}

impl BatchCheckOptIn {
    pub(super) fn new(
        handle: &Handle,
        recipients: BatchRecipients,
        category: MessageCategory,
    ) -> Self {
        let BatchRecipients { phones, phone_numbers, recipients } = recipients;
        Self(Prepared::check(
            handle,
            v1::BatchCheckOptInRequest {
                workspace_id: handle.workspace_id(),
                phones,
                phone_numbers,
                recipients,
                category: category.into_proto(),
                sender_phone_number_id: String::new(),
            },
        ))
    }

    /// Sets Meta's id of the business's phone number that will send the message. In WhatsApp, a person
    /// can stop marketing from a single number. If not set, a stop for any number denies.
    pub fn sender_phone_number_id(mut self, id: impl Into<String>) -> Self {
        self.0.message.sender_phone_number_id = id.into();
        self
    }

    /// Sends the request. Treat an error as a denial of all.
    ///
    /// Fails with [`InvalidResponse`](crate::ErrorKind::InvalidResponse) if the response does not have
    /// exactly one decision per recipient.
    pub async fn send(self) -> Result<BatchCheckResult> {
        let message = &self.0.message;
        let requested =
            message.phones.len() + message.phone_numbers.len() + message.recipients.len();
        let response = self.0.send().await?;
        batch_result(requested, &response.decisions, &response.reasons, response.check_time)
    }
}
