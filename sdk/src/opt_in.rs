mod check;
mod check_stream;
mod checker;
mod events;
mod record;

pub use check::{BatchCheckOptIn, CheckOptIn};
pub use check_stream::{CheckOptInStream, CheckStream, CheckedBatch};
pub use checker::{OptInChecker, OptInFuture};
pub use events::ListOptInEvents;
pub use record::{RecordOptIn, RecordOptOut, RecordPlatformPreference};

use crate::handle::Handle;
use crate::model::{MessageCategory, OptInSource, PlatformPreference, Recipient};

/// Whether people may be messaged, and the proof of it. Returned by [`ContactsClient::opt_in`](crate::ContactsClient::opt_in).
///
/// Every doubt is a no. A check is answered from the database's committed state as of the call: an
/// opt-out that was acknowledged is seen by every check begun later. Answers are not for keeping:
/// check right before sending.
#[derive(Clone, Debug)]
pub struct OptIn {
    handle: Handle,
}

impl OptIn {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// May this person be sent a message of this category now? **False for every error**, a passed
    /// deadline and an unreachable service included.
    ///
    /// The one call a sender needs. Use [`check`](Self::check) to know why.
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

    /// May this person be sent a message of this category now, and why?
    ///
    /// An unknown person is a denial and not an error. An error is a denial too: send only if
    /// [`is_allowed`](crate::CheckResult::is_allowed). Retried within its deadline of 1 s unless the
    /// client has another [`check_deadline`](crate::ClientBuilder::check_deadline).
    pub fn check(&self, recipient: impl Into<Recipient>, category: MessageCategory) -> CheckOptIn {
        CheckOptIn::new(&self.handle, recipient.into(), category)
    }

    /// The same for up to 10 000 phone numbers in one call, answered index for index. A malformed
    /// number is denied by itself.
    ///
    /// ```no_run
    /// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
    /// use contacts_sdk::MessageCategory;
    ///
    /// let numbers = ["15551234567", "15557654321"];
    /// let answers = client.opt_in().check_batch(&numbers, MessageCategory::Marketing).await?;
    /// for index in answers.allowed_indexes() {
    ///     println!("send to {}", numbers[index]);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn check_batch(
        &self,
        phone_numbers: &[impl AsRef<str>],
        category: MessageCategory,
    ) -> BatchCheckOptIn {
        let numbers = phone_numbers.iter().map(|number| number.as_ref().to_owned()).collect();
        BatchCheckOptIn::new(&self.handle, numbers, category)
    }

    /// The same for any number of batches over one stream. See [`CheckOptInStream`].
    pub fn check_stream(&self, category: MessageCategory) -> CheckOptInStream {
        CheckOptInStream::new(&self.handle, category)
    }

    /// Records that a contact agreed. The contact has to exist: make it first, or this fails with
    /// [`is_not_found`](crate::Error::is_not_found).
    ///
    /// An opt-in dated before the latest opt-out is kept as history without effect.
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

    /// Records that a person objected. Accepted for people who are not contacts too: should they
    /// become one, the opt-out is there already.
    pub fn record_opt_out(&self, recipient: impl Into<Recipient>) -> RecordOptOut {
        RecordOptOut::new(&self.handle, recipient.into())
    }

    /// Records that a person told WhatsApp itself to stop or resume marketing: Meta's
    /// `user_preferences` webhook, or error 131050 of a message sent.
    ///
    /// A stop beats every opt-in, and only a resume lifts it; a resume is not an opt-in. Accepted for
    /// people who are not contacts too.
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

    /// Lists the append-only ledger of one person, newest first.
    pub fn events(&self, recipient: impl Into<Recipient>) -> ListOptInEvents {
        ListOptInEvents::new(&self.handle, recipient.into())
    }
}
