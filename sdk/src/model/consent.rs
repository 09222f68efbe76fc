use std::time::SystemTime;

/// Category of a WhatsApp message template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageCategory {
    /// Offers, news, and everything that is neither of the others. The strictest category, and thus the
    /// default.
    #[default]
    Marketing,
    /// Messages about an order, an account or an appointment.
    Utility,
    /// One-time passwords.
    Authentication,
    /// A value that this version of the crate does not know, or 0 for none.
    Unknown(i32),
}

/// Whether a person agreed to messages of a category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OptInStatus {
    /// No consent is recorded. Messages are not allowed.
    #[default]
    NotAsked,
    /// The person opted in.
    OptedIn,
    /// The person opted out.
    OptedOut,
    /// A value that this version of the crate does not know, or 0 for none. Messages are not allowed.
    Unknown(i32),
}

/// The consent of a contact, per category, at the time of the response.
///
/// Use it for display and filters. Before sending, call [`OptIn::check`](crate::OptIn::check).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptInSummary {
    /// Marketing templates.
    pub marketing: OptInStatus,
    /// Utility templates.
    pub utility: OptInStatus,
    /// Authentication templates.
    pub authentication: OptInStatus,
    /// When consent last changed. `None` if it never did.
    pub update_time: Option<SystemTime>,
}

/// How a person gave or withdrew consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OptInSource {
    /// A form on a web page or in an app.
    WebForm,
    /// A WhatsApp message from the person. A message alone is not an opt-in; it must state the consent.
    InboundMessage,
    /// A telephone menu.
    Ivr,
    /// A signed paper form.
    Paper,
    /// The consent block of an import.
    Import,
    /// An employee of the business entered it.
    Operator,
    /// Another system of the business reported it.
    Api,
    /// WhatsApp reported it.
    Platform,
    /// A value that this version of the crate does not know, or 0 for none.
    Unknown(i32),
}

/// The kind of a consent event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OptInEventKind {
    /// The person opted in.
    OptIn,
    /// The person opted out.
    OptOut,
    /// The person stopped marketing messages in WhatsApp.
    PlatformStop,
    /// The person resumed marketing messages in WhatsApp.
    PlatformResume,
    /// A value that this version of the crate does not know, or 0 for none.
    Unknown(i32),
}

/// A marketing preference that a person sets in WhatsApp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlatformPreference {
    /// The person stopped marketing messages.
    Stop,
    /// The person resumed marketing messages. This lifts a stop but is not an opt-in.
    Resume,
}

/// Evidence of an opt-in or opt-out.
///
/// Every field is optional and has at most 1000 characters. Record at least the wording.
///
/// ```
/// use contacts_sdk::Evidence;
///
/// let evidence = Evidence::new()
///     .wording("Send me offers on WhatsApp")
///     .wording_version("signup-2026-03")
///     .url("https://example.com/signup");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// The exact text that the person agreed to.
    pub wording: String,
    /// Your version of that text.
    pub wording_version: String,
    /// Name of the business in that text. Meta requires that it is stated.
    pub business_name: String,
    /// URL of the page or form.
    pub url: String,
    /// Id of the WhatsApp message, such as `wamid.HBgL…`.
    pub message_id: String,
    /// Who recorded the event, such as the name of an employee or a system.
    pub actor: String,
}

macro_rules! setters {
    ($($field:ident)*) => {$(
        #[doc = concat!("Sets [`", stringify!($field), "`](Self#structfield.", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, value: impl Into<String>) -> Self {
            self.$field = value.into();
            self
        }
    )*};
}

impl Evidence {
    /// Creates evidence with every field empty.
    pub fn new() -> Self {
        Self::default()
    }

    setters! { wording wording_version business_name url message_id actor }
}

/// A consent event: one entry of a person's append-only consent history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptInEvent {
    /// Unique id of the event.
    pub event_id: String,
    /// The contact's id. `None` if the person was not a contact.
    pub contact_id: Option<String>,
    /// The kind of the event.
    pub kind: OptInEventKind,
    /// Opted in or opted out. `Unknown(0)` for preferences set in WhatsApp, which do not change the
    /// status.
    pub status: OptInStatus,
    /// For a preference set in WhatsApp: Meta's id of the business's phone number that it applies to.
    /// `None` means all of them.
    pub sender_phone_number_id: Option<String>,
    /// Categories that the event applies to.
    pub categories: Vec<MessageCategory>,
    /// How the person gave or withdrew consent.
    pub source: OptInSource,
    /// Evidence of the event.
    pub evidence: Evidence,
    /// For an opt-out: the words of the person. May be empty.
    pub reason_text: String,
    /// When the person made the statement.
    pub occurred_time: Option<SystemTime>,
    /// When the server recorded the event.
    pub record_time: Option<SystemTime>,
    /// For an opt-in: when it expires. `None` if it is valid until withdrawn.
    pub expire_time: Option<SystemTime>,
    /// Categories whose status the event changed. Empty if it had no effect, because a later statement
    /// was already recorded.
    pub changed_categories: Vec<MessageCategory>,
}

/// A recorded event, and the consent after it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptInRecord {
    /// The event as recorded.
    pub event: OptInEvent,
    /// Consent of the person after the event.
    pub opt_in: OptInSummary,
}
