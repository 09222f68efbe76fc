//! What people told WhatsApp itself: stop or resume marketing, from one of the
//! business's numbers or from all. A layer of its own over what they told the
//! business: a stop beats every opt-in, and only a resume lifts it.

use uuid::Uuid;

use crate::domain::Time;

/// Stands for all of the business's numbers.
pub const ALL_SENDERS: &str = "";

/// What was last said of one sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformEntry {
    /// The id of the business's number, or [`ALL_SENDERS`].
    pub sender_phone_number_id: String,
    /// Stopped or resumed.
    pub stopped: bool,
    /// When it was said.
    pub occurred_time: Time,
    /// The event that said it.
    pub event_id: Uuid,
}

impl PlatformEntry {
    /// The latest counts; of two at the same time the stop.
    fn rank(&self) -> (Time, bool) {
        (self.occurred_time, self.stopped)
    }
}

/// A person's preferences on the platform, by sender. Empty for nearly
/// everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformPreferences(Vec<PlatformEntry>);

impl PlatformPreferences {
    /// As stored.
    pub fn new(entries: Vec<PlatformEntry>) -> Self {
        Self(entries)
    }

    /// At most one for each sender, ordered by sender.
    pub fn entries(&self) -> &[PlatformEntry] {
        &self.0
    }

    /// Applies what was said. False if something later, or as late and
    /// stricter, was said of this sender before.
    pub fn apply(&mut self, said: PlatformEntry) -> bool {
        let sender = said.sender_phone_number_id.as_str();
        match self.0.binary_search_by(|known| known.sender_phone_number_id.as_str().cmp(sender)) {
            Ok(at) if said.rank() < self.0[at].rank() => false,
            Ok(at) => {
                self.0[at] = said;
                true
            }
            Err(at) => {
                self.0.insert(at, said);
                true
            }
        }
    }

    /// The stop that forbids this sender to write, if one does: of what was said
    /// of it and of all senders the latest counts.
    ///
    /// Without a sender ([`ALL_SENDERS`]) it is any that forbids one of them:
    /// the caller may be about to send from that one.
    pub fn stop(&self, sender_phone_number_id: &str) -> Option<&PlatformEntry> {
        if sender_phone_number_id == ALL_SENDERS {
            let stops = self.0.iter().map(|entry| self.deciding(&entry.sender_phone_number_id));
            return stops.flatten().filter(|entry| entry.stopped).max_by_key(|e| e.occurred_time);
        }
        self.deciding(sender_phone_number_id).filter(|entry| entry.stopped)
    }

    /// The stop that holds for all senders alike, if there is one.
    pub fn stop_of_all(&self) -> Option<&PlatformEntry> {
        self.deciding(ALL_SENDERS).filter(|entry| entry.stopped)
    }

    fn deciding(&self, sender: &str) -> Option<&PlatformEntry> {
        let about = |entry: &&PlatformEntry| {
            entry.sender_phone_number_id == sender || entry.sender_phone_number_id == ALL_SENDERS
        };
        self.0.iter().filter(about).max_by_key(|entry| entry.rank())
    }

    /// Of one person known under two names: for each sender a stop wins, then
    /// what was said later.
    #[must_use]
    pub fn stricter(mut self, other: Self) -> Self {
        let rank = |entry: &PlatformEntry| (entry.stopped, entry.occurred_time);
        for theirs in other.0 {
            let sender = &theirs.sender_phone_number_id;
            match self.0.binary_search_by(|mine| mine.sender_phone_number_id.cmp(sender)) {
                Ok(at) if rank(&theirs) > rank(&self.0[at]) => self.0[at] = theirs,
                Ok(_) => {}
                Err(at) => self.0.insert(at, theirs),
            }
        }
        self
    }
}
