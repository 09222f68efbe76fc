//! The platform stops that stand against a person.

use super::{IdentityId, Objection};
use crate::domain::Time;
use crate::domain::consent::ALL_SENDERS;

/// How many senders are told apart. A stop of a further one is taken for a stop
/// of all, which is stricter.
pub const MAX_SENDERS: usize = 64;

/// A stop of one sender or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The id of the business's number, or [`ALL_SENDERS`].
    pub sender: String,
    /// Under which identity, when, and the event.
    pub objection: Objection,
    /// Of a stop of all: the senders that were resumed since, sorted.
    pub except: Vec<String>,
}

impl Stop {
    fn key(&self) -> (&str, IdentityId) {
        (&self.sender, self.objection.identity)
    }

    fn is_of_all(&self) -> bool {
        self.sender == ALL_SENDERS
    }

    fn forbids(&self, sender: &str) -> bool {
        match self.is_of_all() {
            true => !self.except.iter().any(|resumed| resumed == sender),
            false => self.sender == sender,
        }
    }
}

/// At most one stop for each sender (or all) and identity, ordered by these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stops(Vec<Stop>);

impl Stops {
    /// The latest stop that forbids this sender. Without a sender ([`ALL_SENDERS`])
    /// any: the message may be about to go out from that one.
    pub fn standing(&self, sender: &str) -> Option<&Objection> {
        let forbid = self.0.iter().filter(|stop| sender == ALL_SENDERS || stop.forbids(sender));
        forbid.map(|stop| &stop.objection).max_by_key(|objection| objection.rank())
    }

    /// The latest stop of all senders, whatever was resumed since.
    pub fn of_all(&self) -> Option<&Objection> {
        let of_all = self.0.iter().filter(|stop| stop.is_of_all());
        of_all.map(|stop| &stop.objection).max_by_key(|objection| objection.rank())
    }

    /// As stored.
    pub fn iter(&self) -> impl Iterator<Item = &Stop> {
        self.0.iter()
    }

    /// Adds a stop. Of one sender and identity the latest is kept.
    pub(super) fn add(&mut self, mut stop: Stop) {
        if !stop.is_of_all() && !self.has_room_for(&stop.sender) {
            self.widen(stop.objection);
            return;
        }
        let Some(at) = self.0.iter().position(|known| known.key() == stop.key()) else {
            let at = self.0.partition_point(|known| known.key() < stop.key());
            self.0.insert(at, stop);
            return;
        };
        let known = &mut self.0[at];
        if stop.objection.rank() > known.objection.rank() {
            std::mem::swap(known, &mut stop);
        }
        // What the earlier one forbids and the later one does not, it forbids as before.
        let also = known.except.iter().filter(|sender| stop.is_of_all() && stop.forbids(sender));
        let also: Vec<_> = also.cloned().collect();
        for sender in also {
            self.add(Stop { sender, objection: stop.objection, except: Vec::new() });
        }
    }

    /// Lifts what a resume of this sender, or of all, is after. Whether it lifted anything.
    pub(super) fn lift(&mut self, scope: &[IdentityId], sender: &str, time: Time) -> bool {
        let before = self.0.len();
        let mut excepted = false;
        self.0.retain_mut(|stop| {
            if !stop.objection.is_lifted_by(scope, time) {
                return true;
            }
            if sender == ALL_SENDERS || stop.sender == sender {
                return false;
            }
            if stop.is_of_all()
                && stop.except.len() < MAX_SENDERS
                && let Err(at) = stop.except.binary_search_by(|known| known.as_str().cmp(sender))
            {
                stop.except.insert(at, sender.to_owned());
                excepted = true;
            }
            true
        });
        excepted || self.0.len() < before
    }

    /// Adds all of another row or person.
    pub(super) fn add_all(&mut self, other: &Self) {
        for stop in &other.0 {
            self.add(stop.clone());
        }
    }

    /// The same, with each stop said under other identities: [`Objection::under`].
    pub(super) fn moved(&self, moved: impl Fn(&Objection) -> Vec<Objection>) -> Self {
        let mut result = Self::default();
        for stop in &self.0 {
            for objection in moved(&stop.objection) {
                result.add(Stop { objection, ..stop.clone() });
            }
        }
        result
    }

    /// Whether nothing is stopped.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has_room_for(&self, sender: &str) -> bool {
        let mut senders: Vec<_> = self.0.iter().map(|stop| stop.sender.as_str()).collect();
        senders.retain(|known| *known != ALL_SENDERS);
        senders.dedup();
        senders.len() < MAX_SENDERS || senders.contains(&sender)
    }

    /// Takes a stop for one of all senders, none excepted.
    fn widen(&mut self, objection: Objection) {
        let key = (ALL_SENDERS, objection.identity);
        match self.0.iter_mut().find(|known| known.key() == key) {
            Some(known) => {
                known.except.clear();
                known.objection = known.objection.later(objection);
            }
            None => {
                self.add(Stop { sender: ALL_SENDERS.to_owned(), objection, except: Vec::new() })
            }
        }
    }
}
