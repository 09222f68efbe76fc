//! What Meta's WhatsApp webhooks say about consent and identity.
//!
//! Pure: [`verify_signature`] checks who sent a payload, [`parse`] reduces it to [`Action`]s.
//! Nothing here knows a person, a clock or a database.
//!
//! **An objection is read wherever it stands, with whatever can be read of it. A permission is read
//! only where Meta documents it, and only whole.** A stop without a readable time has none, one
//! without a readable sender is about all senders, and of a repeated JSON key all values count. A
//! resume or a change of ids with a doubtful part is [`Unreadable`], never guessed.

mod action;
mod contacts;
mod fields;
mod json;
mod permissions;
mod place;
mod read;
mod signature;
mod stop_words;

use std::collections::BTreeMap;

pub use action::{Action, Identity, MessageId, left_ids};
use json::{Json, Object};
use place::Place;
use read::{LISTS, Trust, read_value};
pub use signature::{SignatureError, verify_signature};
pub use stop_words::{MAX_STOP_WORD_CHARS, MAX_STOP_WORDS, StopWords, StopWordsError};
use thiserror::Error;

/// Largest payload, in bytes. Meta's documentation names 3 MB.
pub const MAX_PAYLOAD: usize = 3 * 1024 * 1024;
/// Most JSON values of a payload: each takes memory when it is read, an empty list in two bytes of
/// the payload as much as a text. 1000 updates have about 50 each.
pub const MAX_VALUES: usize = 200_000;
/// How deep lists and objects may be nested. Meta nests about ten deep.
pub const MAX_DEPTH: usize = 32;
/// Most entries of a webhook. Meta batches at most 1000 updates.
pub const MAX_ENTRIES: usize = 1000;
/// Most changes of a webhook, over all entries.
pub const MAX_CHANGES: usize = 1000;
/// Most preferences, statuses, messages and contacts of a webhook, over all changes.
pub const MAX_ITEMS: usize = 4000;

/// What a webhook says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhook {
    /// One for each `entry[i].changes[j]` that is an object, in their order.
    pub changes: Vec<Change>,
    /// Entries and changes that cannot be read at all.
    pub unreadable: Vec<Unreadable>,
}

impl Webhook {
    /// All actions, in their order.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.changes.iter().flat_map(|change| &change.actions)
    }
}

/// What `entry[i].changes[j]` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Index of the entry.
    pub entry: usize,
    /// Index of the change in the entry.
    pub change: usize,
    /// To be applied in this order.
    pub actions: Vec<Action>,
    /// Statements that were not taken, and ids of objections that were left out.
    pub unreadable: Vec<Unreadable>,
    /// How many statements were passed over, and why.
    pub ignored: BTreeMap<Ignored, usize>,
}

/// A part of a webhook that should say something and cannot be read. Holds nothing personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Index of the entry.
    pub entry: usize,
    /// Index of the change in the entry; 0 if the entry itself cannot be read.
    pub change: usize,
    /// Where, such as `entry[0].changes[0].value.user_preferences[1].wa_id`.
    pub path: String,
    /// Why.
    pub fault: Fault,
}

/// Why something cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// It has to be there.
    #[error("is missing")]
    Missing,
    /// Of the wrong type or form: a phone number or user id that is none, a time in milliseconds.
    #[error("is malformed")]
    Malformed,
    /// A JSON object on the way to it repeats a name.
    #[error("has a repeated name, so it has two meanings")]
    Repeated,
    /// Two fields that should agree do not, or two that should differ are the same.
    #[error("contradicts another field")]
    Contradictory,
    /// A resume does not say of which of the business's numbers it is.
    #[error("does not tell which of the business's numbers it is about")]
    UnknownSender,
}

/// What was passed over, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ignored {
    /// A change with none of the lists that are read, such as `message_template_status_update`.
    OtherField,
    /// A message that is no stop word.
    Message,
    /// A status without error 131050.
    Status,
    /// A system message of another type, such as `customer_identity_changed`.
    SystemMessage,
    /// A preference that is neither stop nor resume.
    UnknownPreference,
    /// A resume of something else than marketing.
    OtherCategory,
    /// A resume in the form of the On-Premises API, which ended in 2025.
    RetiredForm,
    /// A resume, a change of ids or a contact in a field or object where Meta documents none.
    Elsewhere,
    /// A contact with another phone number or user id than the message or another contact says.
    ContradictoryContact,
    /// A contact whose message has an unreadable id or time.
    UnreadableContact,
}

impl Ignored {
    /// A name for counters and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherField => "other_field",
            Self::Message => "message",
            Self::Status => "status",
            Self::SystemMessage => "system_message",
            Self::UnknownPreference => "unknown_preference",
            Self::OtherCategory => "other_category",
            Self::RetiredForm => "retired_form",
            Self::Elsewhere => "elsewhere",
            Self::ContradictoryContact => "contradictory_contact",
            Self::UnreadableContact => "unreadable_contact",
        }
    }
}

/// Why a payload is refused as a whole. The message never repeats the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WebhookError {
    /// More than [`MAX_PAYLOAD`].
    #[error("the payload has {bytes} bytes and may have {MAX_PAYLOAD}")]
    TooLarge {
        /// How many it has.
        bytes: usize,
    },
    /// More than [`MAX_DEPTH`].
    #[error("the payload is nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// No JSON.
    #[error(
        "the payload is no JSON at line {line}, column {column}: send the webhook's body as it is"
    )]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// JSON, but no object with a list named `entry`.
    #[error("the payload has no list named entry: send the webhook's body as it is")]
    NotAWebhook,
    /// More entries, changes or items than allowed.
    #[error("the payload has {count} {what} and may have {max}")]
    TooMany {
        /// `entries`, `changes` or `items`.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
}

/// Reads a webhook's body.
///
/// Bytes that are no UTF-8, and escapes of half a character, become U+FFFD, which no id has: a broken
/// profile name does not cost an objection beside it. A byte order mark is passed over.
///
/// # Errors
/// A payload that is too large, is nested too deep, has too many parts or is no webhook. What is
/// wrong with a part of it is in the result.
pub fn parse(payload: &[u8], stop_words: &StopWords) -> Result<Webhook, WebhookError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(WebhookError::TooLarge { bytes: payload.len() });
    }
    let text = String::from_utf8_lossy(payload);
    let text = json::without_half_characters(text.strip_prefix('\u{feff}').unwrap_or(&text));
    json::measure(&text)?;
    let root: Json = serde_json::from_str(&text)
        .or_else(|error| serde_json::from_str(&json::with_finite_numbers(&text)).map_err(|_| error))
        .map_err(|error| WebhookError::NotJson { line: error.line(), column: error.column() })?;
    let root = root.as_object().ok_or(WebhookError::NotAWebhook)?;
    if !root.all("entry").any(|entry| matches!(entry, Json::List(_))) {
        return Err(WebhookError::NotAWebhook);
    }
    limit(root)?;

    let mut webhook = Webhook::default();
    for (index, entry) in root.elements("entry").enumerate() {
        match entry.as_object() {
            Some(entry) => webhook.read_entry(root, entry, index, stop_words),
            None => webhook.report(Place::entry(index), Fault::Malformed),
        }
    }
    Ok(webhook)
}

/// Refuses too many parts before any of them is read.
fn limit(root: &Object) -> Result<(), WebhookError> {
    let entries = || root.elements("entry").filter_map(Json::as_object);
    let changes = || entries().flat_map(|entry| entry.elements("changes"));
    let values = changes().filter_map(Json::as_object).flat_map(|change| change.objects("value"));
    let lists = || LISTS.into_iter().chain(["contacts"]);
    let items = values.map(|value| lists().map(|list| value.elements(list).count()).sum::<usize>());
    for (what, count, max) in [
        ("entries", root.elements("entry").count(), MAX_ENTRIES),
        ("changes", changes().count(), MAX_CHANGES),
        ("items", items.sum(), MAX_ITEMS),
    ] {
        if count > max {
            return Err(WebhookError::TooMany { what, count, max });
        }
    }
    Ok(())
}

impl Webhook {
    fn read_entry(&mut self, root: &Object, entry: &Object, index: usize, stop_words: &StopWords) {
        let place = Place::entry(index);
        if !entry.all("changes").any(|changes| matches!(changes, Json::List(_))) {
            let is_absent = entry.all("changes").all(Json::is_absent);
            let fault = if is_absent { Fault::Missing } else { Fault::Malformed };
            return self.report(place.field("changes"), fault);
        }
        for (number, change) in entry.elements("changes").enumerate() {
            let place = place.change(number);
            let Some(change) = change.as_object() else {
                self.report(place, Fault::Malformed);
                continue;
            };
            let mut read = Change { entry: index, change: number, ..Change::default() };
            let mut has_value = false;
            for value in change.objects("value") {
                has_value = true;
                let trust = |list| trust(&[root, entry, change, value], root, change, list);
                read_value(value, trust, place, stop_words, &mut read);
            }
            if !has_value && change.all("value").all(Json::is_absent) {
                read.ignored.insert(Ignored::OtherField, 1);
            } else if !has_value {
                self.report(place.field("value"), Fault::Malformed);
            }
            self.changes.push(read);
        }
    }

    fn report(&mut self, place: Place, fault: Fault) {
        self.unreadable.push(place.unreadable(fault));
    }
}

/// How far a list of a change can be believed.
fn trust(path: &[&Object], root: &Object, change: &Object, list: &str) -> Trust {
    let field = if list == "user_preferences" { list } else { "messages" };
    if path.iter().any(|object| object.repeats()) {
        Trust::Repeated
    } else if root.get("object").as_text() == Some("whatsapp_business_account")
        && change.get("field").as_text() == Some(field)
    {
        Trust::Documented
    } else {
        Trust::Elsewhere
    }
}

#[cfg(test)]
mod tests;
