//! Verifies the hash chain of a ledger, entry by entry, up to the first violation.

use std::fmt;

use uuid::Uuid;

use super::{ERASURE, Entry, Hash, Head};

/// The first position at which a ledger differs from what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegrityError {
    /// Position in the ledger, counted from 1.
    pub position: i64,
    /// Id of the event at this position. `None` if there is none or it was not read.
    pub event_id: Option<Uuid>,
    /// What is wrong at this position.
    pub damage: Damage,
}

impl std::error::Error for IntegrityError {}

/// What is wrong with a ledger entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The entry's facts or its position were changed.
    FactChanged,
    /// The entry was swapped with another one.
    Swapped {
        /// Position of the other entry.
        with: i64,
    },
    /// The entry's detail was changed.
    DetailChanged,
    /// The entry's detail is missing, and no erasure lists it.
    DetailMissing,
    /// The entry has a detail although an erasure lists it.
    DetailRestored,
    /// There is no entry at this position.
    Missing,
    /// All entries from this position on are missing.
    Truncated {
        /// Length that the ledger had.
        length: i64,
    },
    /// The entry lies past the head stored in the workspace.
    BeyondHead,
    /// The hash of the last entry differs from the head stored in the workspace.
    HeadMismatch,
    /// The hash at this position differs from the head given by the caller.
    Rewritten,
    /// The entry was never sealed.
    Unsealed,
}

impl fmt::Display for IntegrityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken at position {}", self.position)?;
        if let Some(event_id) = self.event_id {
            write!(f, ", event {event_id}")?;
        }
        f.write_str(": ")?;
        match self.damage {
            Damage::FactChanged => f.write_str("its facts are not those that were recorded"),
            Damage::Swapped { with } => write!(f, "swapped with the event at position {with}"),
            Damage::DetailChanged => f.write_str("its detail is not the one that was recorded"),
            Damage::DetailMissing => f.write_str("its detail is missing without an erasure"),
            Damage::DetailRestored => f.write_str("it has a detail again that was erased"),
            Damage::Missing => f.write_str("the event is missing"),
            Damage::Truncated { length } => {
                write!(f, "the events from here to {length} are missing: the tail was cut off")
            }
            Damage::BeyondHead => f.write_str("it is behind the end of the ledger"),
            Damage::HeadMismatch => {
                f.write_str("the workspace keeps another hash of the last event")
            }
            Damage::Rewritten => f.write_str(
                "not the head given: this event, or one before it, was rewritten with all behind it",
            ),
            Damage::Unsealed => f.write_str("it was never sealed"),
        }
    }
}

/// Recomputes the hash chain of one workspace. Memory use is one bit per entry.
pub struct Verifier {
    head: Head,
    expected: Option<Head>,
    /// Positions of missing details that no erasure has listed yet.
    missing_details: PositionSet,
}

impl Verifier {
    /// Starts at the beginning of the ledger. `expected` is a head that the ledger had earlier, kept
    /// outside the database. Without it, a ledger that was rewritten or truncated together with its
    /// head passes.
    pub fn new(workspace_id: &str, expected: Option<Head>) -> Self {
        let missing_details = PositionSet::default();
        Self { head: Head::empty(workspace_id), expected, missing_details }
    }

    /// The head of the entries verified so far.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Takes a detail that was there as erased by the next entry. False if it was missing already.
    pub fn erase_detail(&mut self, position: i64) -> bool {
        let was_there = !self.missing_details.remove(position);
        self.missing_details.insert(position);
        was_there
    }

    /// Verifies the next entry.
    pub fn next(&mut self, entry: &Entry) -> Result<(), IntegrityError> {
        let position = self.head.length + 1;
        let event_id = Some(entry.fact.event_id);
        let error = |damage| IntegrityError { position, event_id, damage };
        if entry.position != position {
            return Err(IntegrityError { position, event_id: None, damage: Damage::Missing });
        }
        let sealed = entry.hash.ok_or(error(Damage::Unsealed))?;
        if sealed != entry.link(position, &self.head.hash) {
            return Err(error(Damage::FactChanged));
        }
        match (&entry.detail, entry.detail_hash) {
            (Some(detail), Some(hash)) if detail.hash() != hash => {
                return Err(error(Damage::DetailChanged));
            }
            (None, Some(_)) => self.missing_details.insert(position),
            _ => {}
        }
        if entry.fact.kind == ERASURE {
            for erased in entry.fact.erased_positions.iter().flat_map(|erased| erased.iter()) {
                if !self.missing_details.remove(erased) {
                    let damage = Damage::DetailRestored;
                    return Err(IntegrityError { position: erased, event_id: None, damage });
                }
            }
        }
        self.head = Head { length: position, hash: sealed };
        match self.expected {
            Some(expected) if expected.length == position && expected.hash != sealed => {
                Err(error(Damage::Rewritten))
            }
            _ => Ok(()),
        }
    }

    /// Ends the verification after the last entry. `stored` is the head stored in the workspace.
    pub fn finish(&self, stored: Head) -> Result<Head, IntegrityError> {
        let Head { length, hash } = self.head;
        let longest = stored.length.max(self.expected.map_or(0, |expected| expected.length));
        if length < longest {
            let damage = Damage::Truncated { length: longest };
            return Err(IntegrityError { position: length + 1, event_id: None, damage });
        }
        let error = |position, damage| IntegrityError { position, event_id: None, damage };
        if length > stored.length {
            return Err(error(length, Damage::BeyondHead));
        }
        if hash != stored.hash {
            return Err(error(length, Damage::HeadMismatch));
        }
        match self.missing_details.first() {
            Some(position) => Err(error(position, Damage::DetailMissing)),
            None => Ok(self.head),
        }
    }

    /// Whether `found`, the entry at the next position, was swapped with the later entry `other`:
    /// either the whole rows, or everything but their hashes.
    pub fn are_swapped(&self, found: &Entry, other: &Entry) -> bool {
        let expected: Hash = other.link(self.head.length + 1, &self.head.hash);
        other.hash == Some(expected) || found.hash == Some(expected)
    }
}

/// A set of positions, one bit each.
#[derive(Default)]
struct PositionSet(Vec<u64>);

impl PositionSet {
    fn insert(&mut self, position: i64) {
        let Some((word, bit)) = Self::word_and_bit(position) else { return };
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= bit;
    }

    /// Returns false if the position was not in the set.
    fn remove(&mut self, position: i64) -> bool {
        let Some((word, bit)) = Self::word_and_bit(position) else { return false };
        match self.0.get_mut(word) {
            Some(bits) if *bits & bit != 0 => {
                *bits &= !bit;
                true
            }
            _ => false,
        }
    }

    fn first(&self) -> Option<i64> {
        let word = self.0.iter().position(|bits| *bits != 0)?;
        i64::try_from(word * 64 + self.0[word].trailing_zeros() as usize).ok()
    }

    fn word_and_bit(position: i64) -> Option<(usize, u64)> {
        let position = usize::try_from(position).ok()?;
        Some((position / 64, 1 << (position % 64)))
    }
}
