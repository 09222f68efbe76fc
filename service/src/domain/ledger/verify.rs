//! Going through a ledger, entry by entry, and finding the first that is not as
//! it was sealed.

use std::fmt;

use uuid::Uuid;

use super::{ERASURE, Entry, Hash, Head};

/// The first place where a ledger is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Where.
    pub position: i64,
    /// The event found there, as far as it is known.
    pub event_id: Option<Uuid>,
    /// What is wrong.
    pub damage: Damage,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Its facts, or its place.
    Fact,
    /// It stands where another one stood, and that one here.
    Swapped {
        /// Where it belongs.
        with: i64,
    },
    /// Its detail is another.
    Detail,
    /// Its detail is gone, and no erasure tells of it.
    DetailMissing,
    /// It has the detail that an erasure removed.
    DetailBack,
    /// It is gone.
    Missing,
    /// It and all behind it are gone.
    Truncated {
        /// How long the ledger was.
        length: i64,
    },
    /// It is behind the end of the ledger.
    Beyond,
    /// The ledger ends with another hash than the workspace keeps.
    Head,
    /// The ledger had another hash here when somebody wrote it down.
    Rewritten,
    /// It was never sealed.
    Unsealed,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken at position {}", self.position)?;
        if let Some(event_id) = self.event_id {
            write!(f, ", event {event_id}")?;
        }
        f.write_str(": ")?;
        match self.damage {
            Damage::Fact => f.write_str("its facts are not those that were recorded"),
            Damage::Swapped { with } => write!(f, "swapped with the event at position {with}"),
            Damage::Detail => f.write_str("its detail is not the one that was recorded"),
            Damage::DetailMissing => f.write_str("its detail is missing without an erasure"),
            Damage::DetailBack => f.write_str("it has a detail again that was erased"),
            Damage::Missing => f.write_str("the event is missing"),
            Damage::Truncated { length } => {
                write!(f, "the events from here to {length} are missing: the tail was cut off")
            }
            Damage::Beyond => f.write_str("it is behind the end of the ledger"),
            Damage::Head => f.write_str("the workspace keeps another hash of the last event"),
            Damage::Rewritten => f.write_str(
                "not the head given: this event, or one before it, was rewritten with all behind it",
            ),
            Damage::Unsealed => f.write_str("it was never sealed"),
        }
    }
}

/// Recomputes the chain of one workspace. Of what it went through it keeps one
/// bit an event.
pub struct Verifier {
    head: Head,
    kept: Option<Head>,
    /// Where details are missing that no erasure told of yet.
    missing: Bits,
}

impl Verifier {
    /// Begins. `kept` is a head that the ledger once had.
    pub fn new(workspace_id: &str, kept: Option<Head>) -> Self {
        Self { head: Head::empty(workspace_id), kept, missing: Bits::default() }
    }

    /// What was gone through so far.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Takes the next entry.
    pub fn next(&mut self, entry: &Entry) -> Result<(), Broken> {
        let position = self.head.length + 1;
        let event_id = Some(entry.fact.event_id);
        let broken = |damage| Broken { position, event_id, damage };
        if entry.position != position {
            return Err(Broken { position, event_id: None, damage: Damage::Missing });
        }
        let sealed = entry.hash.ok_or(broken(Damage::Unsealed))?;
        if sealed != entry.link(position, &self.head.hash) {
            return Err(broken(Damage::Fact));
        }
        match (&entry.detail, entry.detail_hash) {
            (Some(detail), Some(hash)) if detail.hash() != hash => {
                return Err(broken(Damage::Detail));
            }
            (None, Some(_)) => self.missing.insert(position),
            _ => {}
        }
        if entry.fact.kind == ERASURE {
            for erased in entry.fact.erased_positions.iter().flat_map(|erased| erased.iter()) {
                if !self.missing.remove(erased) {
                    let damage = Damage::DetailBack;
                    return Err(Broken { position: erased, event_id: None, damage });
                }
            }
        }
        self.head = Head { length: position, hash: sealed };
        match self.kept {
            Some(kept) if kept.length == position && kept.hash != sealed => {
                Err(broken(Damage::Rewritten))
            }
            _ => Ok(()),
        }
    }

    /// Ends, where the workspace says that its ledger ends with `stored`.
    pub fn finish(&self, stored: Head) -> Result<Head, Broken> {
        let Head { length, hash } = self.head;
        let longest = stored.length.max(self.kept.map_or(0, |kept| kept.length));
        if length < longest {
            let damage = Damage::Truncated { length: longest };
            return Err(Broken { position: length + 1, event_id: None, damage });
        }
        let broken = |damage| Broken { position: length, event_id: None, damage };
        if length > stored.length {
            return Err(broken(Damage::Beyond));
        }
        if hash != stored.hash {
            return Err(broken(Damage::Head));
        }
        match self.missing.first() {
            Some(position) => {
                Err(Broken { position, event_id: None, damage: Damage::DetailMissing })
            }
            None => Ok(self.head),
        }
    }

    /// Whether the entry found at the next place, which does not belong there,
    /// and this one from further back were swapped: as whole rows, or all but
    /// their hashes.
    pub fn are_swapped(&self, found: &Entry, other: &Entry) -> bool {
        let belongs: Hash = other.link(self.head.length + 1, &self.head.hash);
        other.hash == Some(belongs) || found.hash == Some(belongs)
    }
}

/// A set of positions.
#[derive(Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn insert(&mut self, position: i64) {
        let Some((word, bit)) = Self::place(position) else { return };
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= bit;
    }

    /// False if it was not there.
    fn remove(&mut self, position: i64) -> bool {
        let Some((word, bit)) = Self::place(position) else { return false };
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

    fn place(position: i64) -> Option<(usize, u64)> {
        let position = usize::try_from(position).ok()?;
        Some((position / 64, 1 << (position % 64)))
    }
}
