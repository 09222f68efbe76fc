use std::pin::Pin;

use super::OptIn;
use crate::error::Result;
use crate::model::{CheckResult, MessageCategory, Recipient};

/// The future that the methods of [`OptInChecker`] return.
pub type OptInFuture<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;

/// Checks consent. Code that sends messages can depend on this trait and be tested with a fake.
///
/// [`OptIn`] implements it. A fake only needs to implement `check`; the provided `may_send` returns
/// false for every error.
///
/// ```
/// use contacts_sdk::{CheckReason, CheckResult, Error, MessageCategory};
/// use contacts_sdk::{OptInChecker, OptInFuture, Recipient};
///
/// struct OnlyAna;
///
/// impl OptInChecker for OnlyAna {
///     fn check(
///         &self,
///         recipient: Recipient,
///         _: MessageCategory,
///     ) -> OptInFuture<'_, Result<CheckResult, Error>> {
///         let ana = recipient == Recipient::phone("15551234567");
///         Box::pin(async move {
///             Ok(if ana { CheckResult::allow() } else { CheckResult::deny(CheckReason::OptedOut) })
///         })
///     }
/// }
///
/// async fn send_offer(checker: &dyn OptInChecker, phone: &str) -> bool {
///     checker.may_send(Recipient::phone(phone), MessageCategory::Marketing).await
/// }
///
/// # futures::executor::block_on(async {
/// assert!(send_offer(&OnlyAna, "15551234567").await);
/// assert!(!send_offer(&OnlyAna, "15557654321").await);
/// # });
/// ```
pub trait OptInChecker: Send + Sync {
    /// See [`OptIn::check`].
    fn check(
        &self,
        recipient: Recipient,
        category: MessageCategory,
    ) -> OptInFuture<'_, Result<CheckResult>>;

    /// See [`OptIn::may_send`]: false for every error.
    fn may_send(&self, recipient: Recipient, category: MessageCategory) -> OptInFuture<'_, bool> {
        let check = self.check(recipient, category);
        Box::pin(async move { check.await.is_ok_and(|result| result.is_allowed()) })
    }
}

impl OptInChecker for OptIn {
    fn check(
        &self,
        recipient: Recipient,
        category: MessageCategory,
    ) -> OptInFuture<'_, Result<CheckResult>> {
        Box::pin(Self::check(self, recipient, category).send())
    }
}
