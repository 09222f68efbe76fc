//! What one identity allowed again on the platform.

use super::said::is_after;
use super::{Clock, MAX_SENDERS};
use crate::domain::Time;
use crate::domain::consent::ALL_SENDERS;

/// The latest resume of each sender (or of all: [`ALL_SENDERS`]), by clock. A stop
/// that arrives late is compared with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resumes(Vec<Resume>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resume {
    pub(super) sender: String,
    pub(super) clock: Clock,
    pub(super) time: Time,
}

impl Resumes {
    /// Adds one. One of a further sender than [`MAX_SENDERS`] is not kept: then
    /// stops that arrive late stand.
    pub(super) fn add(&mut self, sender: &str, clock: Clock, time: Time) {
        let place = self
            .0
            .binary_search_by(|known| (known.sender.as_str(), known.clock).cmp(&(sender, clock)));
        match place {
            Ok(at) => self.0[at].time = self.0[at].time.max(time),
            Err(at) if self.has_room_for(sender) => {
                self.0.insert(at, Resume { sender: sender.to_owned(), clock, time });
            }
            Err(_) => {}
        }
    }

    /// Adds all of another identity's.
    pub(super) fn add_all(&mut self, other: &Self) {
        for resume in &other.0 {
            self.add(&resume.sender, resume.clock, resume.time);
        }
    }

    /// Whether a resume of exactly this sender, or exactly of all, is after a
    /// stop that arrives now.
    pub(super) fn lifts_arriving(&self, sender: &str, time: Time, clock: Clock) -> bool {
        let mut of_sender = self.0.iter().filter(|resume| resume.sender == sender);
        of_sender.any(|resume| is_after((resume.time, resume.clock), (time, clock)))
    }

    /// The senders, without [`ALL_SENDERS`], each once.
    pub(super) fn senders(&self) -> Vec<&str> {
        let mut senders: Vec<_> = self.0.iter().map(|resume| resume.sender.as_str()).collect();
        senders.retain(|sender| *sender != ALL_SENDERS);
        senders.dedup();
        senders
    }

    /// The latest time of any.
    pub(super) fn latest(&self) -> Option<Time> {
        self.0.iter().map(|resume| resume.time).max()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Resume> {
        self.0.iter()
    }

    /// Whether nothing was ever resumed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has_room_for(&self, sender: &str) -> bool {
        let senders = self.senders();
        sender == ALL_SENDERS || senders.len() < MAX_SENDERS || senders.contains(&sender)
    }
}
