//! What a webhook says, in terms of consent and identity.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::domain::Time;
use crate::domain::keyring::Keyring;
use crate::domain::phone::{MatchKey, PhoneNumber, WhatsAppUserId};

/// Longest message id that is kept.
const MAX_MESSAGE_ID: usize = 256;

/// One of the ids by which a webhook names a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// What Meta calls `wa_id`, `from` or `recipient_id`.
    Phone(PhoneNumber),
    /// A business-scoped user id, of the ordinary or the parent form.
    User(WhatsAppUserId),
}

impl Identity {
    /// The key under which the person is found.
    pub fn match_key(&self) -> MatchKey {
        match self {
            Self::Phone(number) => number.match_key(),
            Self::User(id) => id.match_key(),
        }
    }

    /// Whether it is a user id of the parent form.
    pub fn is_parent(&self) -> bool {
        matches!(self, Self::User(id) if id.as_str().get(3..7) == Some("ENT."))
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Phone(number) => number.as_str(),
            Self::User(id) => id.as_str(),
        }
    }
}

/// The id of a message, such as `wamid.HBgLMTY1…`. It encodes a phone number, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(String);

impl MessageId {
    /// Reads an id: 1 to 256 visible ASCII characters. None for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let is_one = (1..=MAX_MESSAGE_ID).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_one.then(|| Self(text.to_owned()))
    }

    /// The id as Meta sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageId(..)")
    }
}

/// One thing a webhook says. Lists of identities are sorted, have no duplicates and are not empty.
///
/// [`PlatformResume`](Self::PlatformResume), [`NumberChanged`](Self::NumberChanged),
/// [`UserIdChanged`](Self::UserIdChanged) and [`Pair`](Self::Pair) can widen what is allowed. They
/// are made only of what Meta documents, with every id and the time readable. The others are
/// objections, and are made of whatever can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The person stopped marketing on WhatsApp.
    PlatformStop {
        /// The business's number it is about, or
        /// [`ALL_SENDERS`](crate::domain::consent::ALL_SENDERS) if that is not known.
        sender_phone_number_id: String,
        /// All ids that name the person, those from `contacts` included.
        identities: Vec<Identity>,
        /// None: unknown, so after all that is known.
        occurred_time: Option<Time>,
        /// The message that failed with error 131050; None for a preference the person set.
        message_id: Option<MessageId>,
    },
    /// The person allowed marketing again on WhatsApp.
    PlatformResume {
        /// The business's number it is about; never all of them.
        sender_phone_number_id: String,
        /// The ids of the preference itself.
        identities: Vec<Identity>,
        /// When the person said so.
        occurred_time: Time,
    },
    /// The person has a new phone number.
    NumberChanged {
        /// The ids they had: the phone number, the user id, or both.
        old: Vec<Identity>,
        /// Their number now; no form of the old one.
        new_phone_number: PhoneNumber,
        /// Their user id now, which a change of number changes too.
        new_user_id: Option<WhatsAppUserId>,
        /// When Meta said so.
        occurred_time: Time,
        /// The system message.
        message_id: Option<MessageId>,
    },
    /// The person has a new user id. Of parent ids this is said apart.
    UserIdChanged {
        /// The id they had.
        previous: WhatsAppUserId,
        /// The id they have; another one.
        new: WhatsAppUserId,
        /// Their number, where Meta says it: to find the person by, not to be linked.
        phone_number: Option<PhoneNumber>,
        /// When Meta said so.
        occurred_time: Time,
        /// The system message.
        message_id: Option<MessageId>,
    },
    /// `contacts` names one person by both ids, and a message, a status or a preference of the same
    /// change is theirs.
    Pair {
        /// Their phone number.
        phone_number: PhoneNumber,
        /// Their user id, of the ordinary or the parent form.
        user_id: WhatsAppUserId,
        /// When that message, status or preference was.
        occurred_time: Time,
        /// That message.
        message_id: Option<MessageId>,
    },
    /// The person sent one of the workspace's stop words.
    OptOutWord {
        /// All ids that name the person, parent ids and those from `contacts` included.
        identities: Vec<Identity>,
        /// The stop word as the workspace lists it, not as the person wrote it.
        text: String,
        /// The message.
        message_id: Option<MessageId>,
        /// None: unknown, so after all that is known.
        occurred_time: Option<Time>,
    },
}

impl Action {
    /// Whether it can widen what is allowed.
    pub fn can_permit(&self) -> bool {
        match self {
            Self::PlatformStop { .. } | Self::OptOutWord { .. } => false,
            Self::PlatformResume { .. }
            | Self::NumberChanged { .. }
            | Self::UserIdChanged { .. }
            | Self::Pair { .. } => true,
        }
    }

    /// The same in parts with at most `max` identities each, so that one statement does not make a
    /// transaction of any size. Only objections name more than a few.
    pub fn split(self, max: usize) -> Vec<Self> {
        let parts = |identities: &[Identity], part: &dyn Fn(Vec<Identity>) -> Self| {
            identities.chunks(max).map(|some| part(some.to_vec())).collect()
        };
        match self {
            Self::PlatformStop {
                sender_phone_number_id: sender,
                identities,
                occurred_time,
                message_id,
            } => parts(&identities, &|identities| Self::PlatformStop {
                sender_phone_number_id: sender.clone(),
                identities,
                occurred_time,
                message_id: message_id.clone(),
            }),
            Self::OptOutWord { identities, text, message_id, occurred_time } => {
                parts(&identities, &|identities| Self::OptOutWord {
                    identities,
                    text: text.clone(),
                    message_id: message_id.clone(),
                    occurred_time,
                })
            }
            other => vec![other],
        }
    }

    /// The keys of all ids it names.
    pub fn match_keys(&self) -> Vec<MatchKey> {
        let keys = |identities: &[Identity]| identities.iter().map(Identity::match_key).collect();
        match self {
            Self::PlatformStop { identities, .. }
            | Self::PlatformResume { identities, .. }
            | Self::OptOutWord { identities, .. } => keys(identities),
            Self::NumberChanged { old, new_phone_number, new_user_id, .. } => {
                let mut keys: Vec<_> = keys(old);
                keys.push(new_phone_number.match_key());
                keys.extend(new_user_id.iter().map(WhatsAppUserId::match_key));
                keys
            }
            Self::UserIdChanged { previous, new, phone_number, .. } => {
                let mut keys = vec![previous.match_key(), new.match_key()];
                keys.extend(phone_number.iter().map(PhoneNumber::match_key));
                keys
            }
            Self::Pair { phone_number, user_id, .. } => {
                vec![phone_number.match_key(), user_id.match_key()]
            }
        }
    }

    /// When it was said, if that is known.
    pub fn occurred_time(&self) -> Option<Time> {
        match self {
            Self::PlatformStop { occurred_time, .. } | Self::OptOutWord { occurred_time, .. } => {
                *occurred_time
            }
            Self::PlatformResume { occurred_time, .. }
            | Self::NumberChanged { occurred_time, .. }
            | Self::UserIdChanged { occurred_time, .. }
            | Self::Pair { occurred_time, .. } => Some(*occurred_time),
        }
    }

    /// The id under which it is remembered, the same whenever and with whatever else it is
    /// delivered. None for an objection with neither time nor message: nothing tells it from an
    /// earlier one that was lifted since, so it counts each time.
    ///
    /// Made with the key, because a plain hash of a phone number is found by trying them all.
    pub fn id(&self, keyring: &Keyring) -> Option<Uuid> {
        self.fingerprint().map(|hash| to_uuid(keyring.seal(&hash)))
    }

    /// All ids under which it may have been remembered, one for each version of the key.
    pub fn ids(&self, keyring: &Keyring) -> Vec<Uuid> {
        let hash = self.fingerprint();
        hash.iter().flat_map(|hash| keyring.seals(hash)).map(to_uuid).collect()
    }

    /// A hash of all that the action says. Personal, see [`Action::id`].
    fn fingerprint(&self) -> Option<[u8; 32]> {
        let hash = Fingerprint::new();
        let hash = match self {
            Self::PlatformStop { occurred_time: None, message_id: None, .. }
            | Self::OptOutWord { occurred_time: None, message_id: None, .. } => return None,
            Self::PlatformStop {
                sender_phone_number_id,
                identities,
                occurred_time,
                message_id,
            } => hash
                .text("stop")
                .text(sender_phone_number_id)
                .identities(identities)
                .time(*occurred_time)
                .message(message_id),
            Self::PlatformResume { sender_phone_number_id, identities, occurred_time } => hash
                .text("resume")
                .text(sender_phone_number_id)
                .identities(identities)
                .time(Some(*occurred_time)),
            Self::NumberChanged {
                old,
                new_phone_number,
                new_user_id,
                occurred_time,
                message_id,
            } => hash
                .text("number changed")
                .identities(old)
                .text(new_phone_number.as_str())
                .text(new_user_id.as_ref().map_or("", WhatsAppUserId::as_str))
                .time(Some(*occurred_time))
                .message(message_id),
            Self::UserIdChanged { previous, new, phone_number, occurred_time, message_id } => hash
                .text("user id changed")
                .text(previous.as_str())
                .text(new.as_str())
                .text(phone_number.as_ref().map_or("", PhoneNumber::as_str))
                .time(Some(*occurred_time))
                .message(message_id),
            Self::Pair { phone_number, user_id, occurred_time, message_id } => hash
                .text("pair")
                .text(phone_number.as_str())
                .text(user_id.as_str())
                .time(Some(*occurred_time))
                .message(message_id),
            Self::OptOutWord { identities, text, message_id, occurred_time } => hash
                .text("opt-out word")
                .identities(identities)
                .text(text)
                .time(*occurred_time)
                .message(message_id),
        };
        Some(hash.0.finalize().into())
    }
}

/// The ids under which it may have been remembered that the person of an identity left it, one for
/// each version of the key, the latest last.
pub fn left_ids(key: &MatchKey, keyring: &Keyring) -> Vec<Uuid> {
    let hash: [u8; 32] = Fingerprint::new().text("left").text(key.as_str()).0.finalize().into();
    keyring.seals(&hash).map(to_uuid).collect()
}

/// Hashes texts with their lengths, so that no two lists of texts are the same bytes.
struct Fingerprint(Sha256);

impl Fingerprint {
    fn new() -> Self {
        Self(Sha256::new()).text("contacts-service webhook action 1")
    }

    fn text(self, text: &str) -> Self {
        Self(self.0.chain_update((text.len() as u64).to_be_bytes()).chain_update(text))
    }

    fn identities(self, identities: &[Identity]) -> Self {
        let start = self.text(&identities.len().to_string());
        // A phone number never looks like a user id.
        identities.iter().fold(start, |hash, identity| hash.text(identity.as_str()))
    }

    fn time(self, time: Option<Time>) -> Self {
        self.text(&time.map(|time| time.timestamp_micros().to_string()).unwrap_or_default())
    }

    fn message(self, id: &Option<MessageId>) -> Self {
        self.text(id.as_ref().map_or("", MessageId::as_str))
    }
}

/// UUID version 8: made by an own rule.
fn to_uuid(hash: [u8; 32]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}
