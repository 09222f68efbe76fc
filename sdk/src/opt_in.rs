mod check;
mod check_stream;
mod checker;
mod events;
#[cfg(feature = "receipts")]
mod receipt_keys;
mod record;

pub use check::{BatchCheckOptIn, CheckOptIn};
pub use check_stream::{CheckOptInStream, CheckStream, CheckedBatch};
pub use checker::{OptInChecker, OptInFuture};
pub use events::ListOptInEvents;
#[cfg(feature = "receipts")]
pub use receipt_keys::ListReceiptKeys;
pub use record::{RecordOptIn, RecordOptOut, RecordPlatformPreference};

use crate::handle::Handle;
use crate::model::{MessageCategory, OptInSource, PlatformPreference, Recipient};

/// Checks whether people may be messaged, and records consent. Returned by
/// [`ContactsClient::opt_in`](crate::ContactsClient::opt_in).
///
/// A check reads the committed state of the database, never a cache: once an opt-out has been
/// acknowledged, every later check denies. Do not store results; check right before sending.
#[derive(Clone, Debug)]
pub struct OptIn {
    handle: Handle,
}

impl OptIn {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Returns whether a message of a category may be sent to a person now. **False for every error**,
    /// such as a passed deadline or an unreachable server.
    ///
    /// To get the reason, use [`check`](Self::check).
    ///
    /// ```no_run
    /// # async fn example(client: contacts_sdk::ContactsClient) {
    /// use contacts_sdk::MessageCategory;
    ///
    /// if client.opt_in().may_send("15551234567", MessageCategory::Marketing).await {
    ///     // send the template
    /// }
    /// # }
    /// ```
    pub async fn may_send(
        &self,
        recipient: impl Into<Recipient>,
        category: MessageCategory,
    ) -> bool {
        match self.check(recipient, category).await {
            Ok(result) => result.is_allowed(),
            Err(error) => {
                tracing::debug!(%error, "contacts.check.failed_closed");
                false
            }
        }
    }

    /// Checks whether a message of a category may be sent to a person now, and why.
    ///
    /// An unknown person is denied; that is not an error. Treat an error as a denial too, and send only
    /// if [`is_allowed`](crate::CheckResult::is_allowed). The deadline is
    /// [`check_deadline`](crate::ClientBuilder::check_deadline), 1 s by default, retries included.
    pub fn check(&self, recipient: impl Into<Recipient>, category: MessageCategory) -> CheckOptIn {
        CheckOptIn::new(&self.handle, recipient.into(), category)
    }

    /// Checks up to 10 000 people in one call. There is one result for each, in the order of the request.
    /// A malformed number or id is denied and does not affect the others.
    ///
    /// ```no_run
    /// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
    /// use contacts_sdk::MessageCategory;
    ///
    /// let numbers = ["15551234567", "15557654321"];
    /// let results = client.opt_in().check_batch(numbers, MessageCategory::Marketing).await?;
    /// for index in results.allowed_indexes() {
    ///     println!("send to {}", numbers[index]);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn check_batch(
        &self,
        recipients: impl IntoIterator<Item = impl Into<Recipient>>,
        category: MessageCategory,
    ) -> BatchCheckOptIn {
        let recipients = recipients.into_iter().map(Into::into).collect();
        BatchCheckOptIn::new(&self.handle, recipients, category)
    }

    /// Checks any number of batches over one stream. See [`CheckOptInStream`].
    pub fn check_stream(&self, category: MessageCategory) -> CheckOptInStream {
        CheckOptInStream::new(&self.handle, category)
    }

    /// Records that a contact opted in.
    ///
    /// An opt-in that occurred before the latest opt-out is recorded without effect.
    ///
    /// # Errors
    ///
    /// - [`is_not_found`](crate::Error::is_not_found): the contact does not exist. Create it first.
    /// - [`CONSENT_CONFLICT`](crate::reason::CONSENT_CONFLICT): the person has opted out, and `source`
    ///   is not their own action: a web form, an inbound message, a phone menu or a signed paper.
    ///
    /// ```no_run
    /// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
    /// use contacts_sdk::{Evidence, MessageCategory, OptInSource};
    ///
    /// client
    ///     .opt_in()
    ///     .record_opt_in("15551234567", OptInSource::WebForm)
    ///     .categories([MessageCategory::Marketing])
    ///     .evidence(Evidence::new().wording("Send me offers on WhatsApp"))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn record_opt_in(
        &self,
        recipient: impl Into<Recipient>,
        source: OptInSource,
    ) -> RecordOptIn {
        RecordOptIn::new(&self.handle, recipient.into(), source)
    }

    /// Records that a person opted out. The person need not be a contact; the opt-out applies if they
    /// become one later.
    pub fn record_opt_out(&self, recipient: impl Into<Recipient>) -> RecordOptOut {
        RecordOptOut::new(&self.handle, recipient.into())
    }

    /// Records that a person stopped or resumed marketing messages in WhatsApp itself, as reported by
    /// Meta's `user_preferences` webhook or by error 131050 of a sent message.
    ///
    /// A stop overrides every opt-in, and only a resume lifts it. A resume is not an opt-in. The person
    /// need not be a contact.
    ///
    /// ```no_run
    /// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
    /// use contacts_sdk::{Evidence, PlatformPreference};
    ///
    /// client
    ///     .opt_in()
    ///     .record_platform_preference("15551234567", PlatformPreference::Stop)
    ///     .sender_phone_number_id("106540352242922")
    ///     .evidence(Evidence::new().message_id("wamid.HBgL"))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn record_platform_preference(
        &self,
        recipient: impl Into<Recipient>,
        preference: PlatformPreference,
    ) -> RecordPlatformPreference {
        RecordPlatformPreference::new(&self.handle, recipient.into(), preference)
    }

    /// Lists the consent events of a person, newest first.
    pub fn events(&self, recipient: impl Into<Recipient>) -> ListOptInEvents {
        ListOptInEvents::new(&self.handle, recipient.into())
    }

    /// Lists the public keys that verify the server's [receipts](crate::receipt), oldest first. Store
    /// them apart from the receipts: keys that came with a receipt prove nothing.
    #[cfg(feature = "receipts")]
    pub fn receipt_keys(&self) -> ListReceiptKeys {
        ListReceiptKeys::new(&self.handle)
    }
}
