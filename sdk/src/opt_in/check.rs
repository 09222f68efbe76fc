use contacts_proto::v1;

use crate::call::{Prepared, request};
use crate::convert::{FromProto, IntoProto, batch_result};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{BatchCheckResult, CheckResult, MessageCategory, Recipient};

request! {
    /// From [`OptIn::check`](crate::OptIn::check).
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
                sender_phone_number_id: String::new(),
            },
        ))
    }

    /// Sets which of the business's numbers is to send, by the id Meta gave it: people can stop
    /// marketing from one number on WhatsApp. If not set, who stopped any is denied.
    pub fn sender_phone_number_id(mut self, id: impl Into<String>) -> Self {
        self.0.message.sender_phone_number_id = id.into();
        self
    }

    /// Asks. An error is a denial.
    pub async fn send(self) -> Result<CheckResult> {
        Ok(CheckResult::from_proto(self.0.send().await?))
    }
}

request! {
    /// From [`OptIn::check_batch`](crate::OptIn::check_batch).
    BatchCheckOptIn(BatchCheckOptInRequest) -> BatchCheckResult
}

impl BatchCheckOptIn {
    pub(super) fn new(
        handle: &Handle,
        phone_numbers: Vec<String>,
        category: MessageCategory,
    ) -> Self {
        Self(Prepared::check(
            handle,
            v1::BatchCheckOptInRequest {
                workspace_id: handle.workspace_id(),
                phone_numbers,
                category: category.into_proto(),
                sender_phone_number_id: String::new(),
            },
        ))
    }

    /// Sets which of the business's numbers is to send, by the id Meta gave it: people can stop
    /// marketing from one number on WhatsApp. If not set, who stopped any is denied.
    pub fn sender_phone_number_id(mut self, id: impl Into<String>) -> Self {
        self.0.message.sender_phone_number_id = id.into();
        self
    }

    /// Asks. An error denies all of them; so does an answer that has not exactly one decision for
    /// each number.
    pub async fn send(self) -> Result<BatchCheckResult> {
        let requested = self.0.message.phone_numbers.len();
        let response = self.0.send().await?;
        batch_result(requested, &response.decisions, &response.reasons, response.check_time)
    }
}
