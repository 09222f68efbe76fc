use std::time::SystemTime;

/// WhatsApp's template categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageCategory {
    /// Offers, news, anything not covered by the other two. The strictest, hence the default.
    #[default]
    Marketing,
    /// About an order, an account, an appointment.
    Utility,
    /// One-time passwords.
    Authentication,
    /// One that this version of the crate does not know, or none (0).
    Unknown(i32),
}

/// Whether a person agreed to messages of one category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OptInStatus {
    /// Nothing is recorded. Sending is not allowed.
    #[default]
    NotAsked,
    /// The person agreed.
    OptedIn,
    /// The person objected.
    OptedOut,
    /// One that this version of the crate does not know, or none (0). Sending is not allowed.
    Unknown(i32),
}

/// What a contact agreed to, per category, when it was read.
///
/// For display and segments. Before sending, ask [`OptIn::check`](crate::OptIn::check).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptInSummary {
    /// Marketing templates.
    pub marketing: OptInStatus,
    /// Utility templates.
    pub utility: OptInStatus,
    /// Authentication templates.
    pub authentication: OptInStatus,
    /// When the latest change was recorded; none if the person was never asked.
    pub update_time: Option<SystemTime>,
}

/// How an opt-in or opt-out reached the business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OptInSource {
    /// A form on a web page or in an app.
    WebForm,
    /// A message the person sent. Writing in is not by itself an opt-in.
    InboundMessage,
    /// A phone menu.
    Ivr,
    /// A signed paper.
    Paper,
    /// The consent block of an import.
    Import,
    /// Somebody of the business entered it.
    Operator,
    /// Another system of the business.
    Api,
    /// WhatsApp itself.
    Platform,
    /// One that this version of the crate does not know, or none (0).
    Unknown(i32),
}

/// What an entry of the ledger says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OptInEventKind {
    /// The person agreed.
    OptIn,
    /// The person objected.
    OptOut,
    /// The person stopped marketing on WhatsApp.
    PlatformStop,
    /// The person resumed marketing on WhatsApp.
    PlatformResume,
    /// One that this version of the crate does not know, or none (0).
    Unknown(i32),
}

/// What a person told WhatsApp about marketing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlatformPreference {
    /// No more marketing.
    Stop,
    /// Marketing again, as far as the person agreed to it. Not an opt-in.
    Resume,
}

/// What shows that a person agreed or objected.
///
/// Each field is at most 1000 characters and may be empty; keep the wording at least.
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
    /// The exact words the person agreed to.
    pub wording: String,
    /// Your version of those words.
    pub wording_version: String,
    /// The business named in the request, as Meta demands.
    pub business_name: String,
    /// The page or form.
    pub url: String,
    /// The WhatsApp message, such as `wamid.HBgL…`.
    pub message_id: String,
    /// Who entered it.
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
    /// Begins evidence with every field empty.
    pub fn new() -> Self {
        Self::default()
    }

    setters! { wording wording_version business_name url message_id actor }
}

/// One entry of a person's consent ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptInEvent {
    /// The entry's own id.
    pub event_id: String,
    /// The contact; none if the person was not a contact.
    pub contact_id: Option<String>,
    /// What it says.
    pub kind: OptInEventKind,
    /// Opted in or opted out; `Unknown(0)` for what was said on the platform, which changes neither.
    pub status: OptInStatus,
    /// Of which of the business's numbers it was said, on the platform; none if of all.
    pub sender_phone_number_id: Option<String>,
    /// What it is about.
    pub categories: Vec<MessageCategory>,
    /// How it arrived.
    pub source: OptInSource,
    /// What shows it.
    pub evidence: Evidence,
    /// For an opt-out: what the person said, as far as it was given.
    pub reason_text: String,
    /// When the person said it.
    pub occurred_time: Option<SystemTime>,
    /// When the server recorded it.
    pub record_time: Option<SystemTime>,
    /// For an opt-in: until when it holds. None: until withdrawn.
    pub expire_time: Option<SystemTime>,
    /// The categories whose status it changed. Empty: history without effect, because something
    /// later was recorded already.
    pub changed_categories: Vec<MessageCategory>,
}

/// What a recorded opt-in or opt-out led to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptInRecord {
    /// The entry, as recorded.
    pub event: OptInEvent,
    /// The person's consent after it.
    pub opt_in: OptInSummary,
}
