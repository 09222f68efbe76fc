//! The consent ledger of a workspace: an append-only hash chain of every event in commit order.
//!
//! Each entry is sealed with a hash of itself and of the entry before it, so that a changed, removed
//! or moved entry is detected by [`Verifier`].
//!
//! The personal data of an event is in its [`Detail`]. The chain covers a salted hash of the detail.
//! A detail can therefore be erased without breaking the chain, and its content cannot be guessed
//! from the hash.

mod change;
mod past;
mod verify;

use std::fmt;
use std::str::FromStr;

pub use past::{Past, PastIdentity};
use sha2::{Digest, Sha256};
use uuid::Uuid;
pub use verify::{Damage, IntegrityError, Verifier};

use super::Time;
use super::consent::{ConsentEvent, EventChange, EventKind, Evidence, MessageCategory, Source};
use super::error::Result;
use super::phone::MatchKey;

/// A SHA-256 hash.
pub type Hash = [u8; 32];
/// Random bytes that are hashed with a detail, so that its content cannot be guessed from the hash.
pub type Salt = [u8; 16];

/// The kind of a fact that tells of an erasure.
pub const ERASURE: i64 = EventKind::Erased as i64;

/// The part of an event that is kept forever and contains no personal data.
///
/// The fields are as stored and not decoded, so that an entry with invalid values can still be read
/// and reported. Times are microseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// Id of the event.
    pub event_id: Uuid,
    /// Id of the contact. `None` if the person was not a contact.
    pub contact_id: Option<Uuid>,
    /// As in [`EventKind`].
    pub kind: i64,
    /// Bit set of categories: 1 marketing, 2 utility, 4 authentication.
    pub categories: i64,
    /// The categories whose status the event changed, as a bit set.
    pub changed_categories: i64,
    /// Code of a [`Source`]; 0 for an erasure.
    pub source: i64,
    /// Version of the wording that the person agreed to.
    pub wording_version: String,
    /// The sender that a platform preference is about. `None` for all senders.
    pub sender_phone_number_id: Option<String>,
    /// When the person made the statement.
    pub occurred_time: i64,
    /// When the event was recorded.
    pub record_time: i64,
    /// When an opt-in expires.
    pub expire_time: Option<i64>,
    /// Erasures only: positions of the events whose details were erased, ascending.
    pub erased_positions: Option<Positions>,
    /// Bits: 1 the time is the caller's, 2 others report the statement.
    pub flags: i64,
    /// The identities it is about, 16 bytes each: those that a statement names; of
    /// other kinds as `change.rs` lists them. Random, so they name nobody.
    pub identities: Vec<u8>,
}

impl Fact {
    /// What stays of an event.
    pub fn of(event: &ConsentEvent) -> Self {
        let mut fact = Self {
            event_id: event.event_id,
            contact_id: event.contact_id,
            categories: bits(&event.categories),
            changed_categories: bits(&event.changed_categories),
            source: event.source.map_or(0, |source| source as i64),
            wording_version: event.evidence.wording_version.clone(),
            occurred_time: event.occurred_time.timestamp_micros(),
            record_time: event.record_time.timestamp_micros(),
            ..Self::default()
        };
        fact.set_change(event.change.clone());
        fact
    }
}

/// A list of positions in the ledger, encoded as eight bytes each, big-endian.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(pub Vec<u8>);

impl Positions {
    /// Encodes positions in ascending order. The input may be unsorted.
    pub fn of(mut positions: Vec<i64>) -> Self {
        positions.sort_unstable();
        Self(positions.into_iter().flat_map(i64::to_be_bytes).collect())
    }

    /// Decodes the positions.
    pub fn iter(&self) -> impl Iterator<Item = i64> {
        let (positions, _) = self.0.as_chunks();
        positions.iter().map(|position| i64::from_be_bytes(*position))
    }
}

/// The personal data of an event. It is erased with the person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in ConsentEvent")]
pub struct Detail {
    pub salt: Salt,
    pub match_key: String,
    pub wording: String,
    pub business_name: String,
    pub url: String,
    pub message_id: String,
    pub actor: String,
    pub reason_text: String,
}

impl Detail {
    /// The salted hash of the detail, which the chain covers.
    pub fn hash(&self) -> Hash {
        let mut hasher = Hasher::new("contacts-ledger/detail/1");
        hasher.bytes(&self.salt);
        for text in [
            &self.match_key,
            &self.wording,
            &self.business_name,
            &self.url,
            &self.message_id,
            &self.actor,
            &self.reason_text,
        ] {
            hasher.bytes(text.as_bytes());
        }
        hasher.finish()
    }
}

/// A ledger entry as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Position in commit order, counted from 1.
    pub position: i64,
    /// The part that is kept forever.
    pub fact: Fact,
    /// The personal part. `None` for an erasure, and after the person was erased.
    pub detail: Option<Detail>,
    /// Hash of the detail. `None` for an erasure.
    pub detail_hash: Option<Hash>,
    /// Hash of this entry and of the one before. `None` until the entry is sealed.
    pub hash: Option<Hash>,
}

impl Entry {
    /// Creates an unsealed entry for an event.
    pub fn of(event: ConsentEvent, salt: Salt) -> Self {
        let fact = Fact::of(&event);
        let Evidence { wording, wording_version: _, business_name, url, message_id, actor } =
            event.evidence;
        let detail = Detail {
            salt,
            match_key: event.match_key.as_str().to_owned(),
            wording,
            business_name,
            url,
            message_id,
            actor,
            reason_text: event.reason_text,
        };
        let detail_hash = Some(detail.hash());
        Self { position: 0, fact, detail: Some(detail), detail_hash, hash: None }
    }

    /// The erasure of a person's details, not sealed yet. It has no detail itself.
    pub fn of_erasure(
        event_id: Uuid,
        contact_id: Uuid,
        change: EventChange,
        erased: Vec<i64>,
        (occurred_time, now): (Time, Time),
    ) -> Self {
        let mut fact = Fact {
            event_id,
            contact_id: Some(contact_id),
            occurred_time: occurred_time.timestamp_micros(),
            record_time: now.timestamp_micros(),
            erased_positions: Some(Positions::of(erased)),
            ..Fact::default()
        };
        fact.set_change(change);
        Self { fact, ..Self::default() }
    }

    /// An event of the service itself that has no detail, not sealed yet.
    pub fn without_detail(
        event_id: Uuid,
        contact_id: Option<Uuid>,
        change: EventChange,
        now: Time,
    ) -> Self {
        let (occurred_time, record_time) = (now.timestamp_micros(), now.timestamp_micros());
        let mut fact = Fact { event_id, contact_id, occurred_time, record_time, ..Fact::default() };
        fact.set_change(change);
        Self { fact, ..Self::default() }
    }

    /// The event it is of, without what was erased of it.
    pub fn event(self) -> Result<ConsentEvent> {
        let Self { fact, detail, .. } = self;
        let detail = detail.unwrap_or_default();
        let change = fact.change()?;
        Ok(ConsentEvent {
            event_id: fact.event_id,
            contact_id: fact.contact_id,
            match_key: MatchKey::from_stored(detail.match_key),
            change,
            categories: categories(fact.categories),
            source: Source::from_code(fact.source),
            evidence: Evidence {
                wording: detail.wording,
                wording_version: fact.wording_version,
                business_name: detail.business_name,
                url: detail.url,
                message_id: detail.message_id,
                actor: detail.actor,
            },
            reason_text: detail.reason_text,
            occurred_time: time(fact.occurred_time),
            record_time: time(fact.record_time),
            changed_categories: categories(fact.changed_categories),
        })
    }

    /// The hash of this entry at `position`, where `previous` is the hash of the entry before.
    fn link(&self, position: i64, previous: &Hash) -> Hash {
        let Fact {
            event_id,
            contact_id,
            kind,
            categories,
            changed_categories,
            source,
            wording_version,
            sender_phone_number_id,
            occurred_time,
            record_time,
            expire_time,
            erased_positions,
            flags,
            identities,
        } = &self.fact;
        let mut hasher = Hasher::new("contacts-ledger/event/1");
        hasher.bytes(previous);
        hasher.number(position);
        hasher.bytes(event_id.as_bytes());
        hasher.optional(contact_id.as_ref().map(Uuid::as_bytes));
        for number in
            [kind, categories, changed_categories, source, occurred_time, record_time, flags]
        {
            hasher.number(*number);
        }
        hasher.bytes(identities);
        hasher.optional(expire_time.map(i64::to_be_bytes));
        hasher.bytes(wording_version.as_bytes());
        hasher.optional(sender_phone_number_id.as_deref());
        hasher.optional(erased_positions.as_ref().map(|positions| &positions.0));
        hasher.optional(self.detail_hash);
        hasher.finish()
    }
}

/// The head of a ledger, which identifies everything in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of entries.
    pub length: i64,
    /// Hash of the last entry. For an empty ledger, a hash of the workspace id.
    pub hash: Hash,
}

impl Head {
    /// The head of an empty ledger.
    pub fn empty(workspace_id: &str) -> Self {
        let mut hasher = Hasher::new("contacts-ledger/workspace/1");
        hasher.bytes(workspace_id.as_bytes());
        Self { length: 0, hash: hasher.finish() }
    }

    /// Seals an entry as the next one, setting its position and hash.
    pub fn append(&mut self, entry: &mut Entry) {
        self.length += 1;
        self.hash = entry.link(self.length, &self.hash);
        entry.position = self.length;
        entry.hash = Some(self.hash);
    }
}

/// Formats the head as `LENGTH:HASH`, as printed and accepted by `audit verify`.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.length)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        const EXPECTED: &str = "send a head as `audit verify` prints it, such as 42: and 64 \
                                hexadecimal digits";
        let (length, digits) = text.split_once(':').ok_or(EXPECTED)?;
        let length = length.parse().ok().filter(|length| *length >= 0).ok_or(EXPECTED)?;
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(EXPECTED);
        }
        let mut hash = Hash::default();
        for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| EXPECTED)?;
        }
        Ok(Self { length, hash })
    }
}

/// Hashes a list of fields, each prefixed with its length, so that two different lists never produce
/// the same input.
struct Hasher(Sha256);

impl Hasher {
    fn new(label: &str) -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.bytes(label.as_bytes());
        hasher
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn number(&mut self, number: i64) {
        self.0.update(number.to_be_bytes());
    }

    fn optional(&mut self, bytes: Option<impl AsRef<[u8]>>) {
        match bytes {
            Some(bytes) => self.bytes(bytes.as_ref()),
            // No field has this length.
            None => self.0.update(u64::MAX.to_be_bytes()),
        }
    }

    fn finish(self) -> Hash {
        self.0.finalize().into()
    }
}

fn time(micros: i64) -> Time {
    Time::from_timestamp_micros(micros).unwrap_or_default()
}

fn bits(categories: &[MessageCategory]) -> i64 {
    categories.iter().fold(0, |bits, category| bits | 1 << *category as i64)
}

fn categories(bits: i64) -> Vec<MessageCategory> {
    let set = |category: &MessageCategory| bits & 1 << *category as i64 != 0;
    MessageCategory::ALL.into_iter().filter(set).collect()
}

#[cfg(test)]
mod tests;
