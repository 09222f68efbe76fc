//! The platform stops that stand against a person.

use super::{IdentityId, Objection};
use crate::domain::Time;
use crate::domain::consent::ALL_SENDERS;

/// How many senders are told apart. A stop of a further one is taken for a stop
/// of all, which is stricter.
pub const MAX_SENDERS: usize = 64;
/// How many stops and exceptions of them a person has. All of them are on the row of each identity. One more
/// stop is taken for a stop of all, too, and one more exception is not made.
pub const MAX_STOPS: usize = 512;

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
        if !stop.except.is_empty() && stop.except.len() > self.room() {
            stop.except.clear();
        }
        let at = match self.find(&stop.key()) {
            Ok(at) => at,
            Err(_) if !stop.is_of_all() && !self.has_room_for(&stop.sender) => {
                return self.widen(stop.objection);
            }
            Err(at) => return self.0.insert(at, stop),
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
        let mut room = self.room();
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
                && room > 0
                && let Err(at) = stop.except.binary_search_by(|known| known.as_str().cmp(sender))
            {
                stop.except.insert(at, sender.to_owned());
                excepted = true;
                room -= 1;
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

    /// The same as [`Objections::kept_by`](super::Objections::kept_by), of identities in order.
    pub(super) fn kept_by(&self, here: &[IdentityId], first: IdentityId, parted: Time) -> Self {
        let is_here = |stop: &&Stop| here.binary_search(&stop.objection.identity).is_ok();
        let (kept, gone): (Vec<_>, Vec<_>) = self.0.iter().partition(is_here);
        let mut kept = Self(kept.into_iter().cloned().collect());
        // The same of them decide under each.
        let mut moved = Self::default();
        for stop in gone {
            let objection = stop.objection.under(first, parted);
            moved.add(Stop { objection, ..stop.clone() });
        }
        for &identity in here {
            for stop in &moved.0 {
                let objection = Objection { identity, ..stop.objection };
                kept.add(Stop { objection, ..stop.clone() });
            }
        }
        kept
    }

    /// Whether nothing is stopped.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a stop that was stored after those that are there.
    pub(super) fn add_stored(&mut self, stop: Stop) {
        match self.0.last().is_some_and(|last| last.key() >= stop.key()) {
            true => self.add(stop),
            false => self.0.push(stop),
        }
    }

    fn find(&self, key: &(&str, IdentityId)) -> Result<usize, usize> {
        self.0.binary_search_by(|known| known.key().cmp(key))
    }

    fn has_room_for(&self, sender: &str) -> bool {
        let at = self.0.partition_point(|stop| stop.sender.as_str() < sender);
        let is_known = self.0.get(at).is_some_and(|stop| stop.sender == sender);
        self.room() > 0 && (is_known || self.sender_count() < MAX_SENDERS)
    }

    fn room(&self) -> usize {
        let taken: usize = self.0.iter().map(|stop| 1 + stop.except.len()).sum();
        MAX_STOPS.saturating_sub(taken)
    }

    fn sender_count(&self) -> usize {
        let of_all = self.0.partition_point(Stop::is_of_all);
        let (mut rest, mut count) = (&self.0[of_all..], 0);
        while let Some(first) = rest.first() {
            rest = &rest[rest.partition_point(|stop| stop.sender == first.sender)..];
            count += 1;
        }
        count
    }

    /// Takes a stop for one of all senders, none excepted.
    fn widen(&mut self, objection: Objection) {
        match self.find(&(ALL_SENDERS, objection.identity)) {
            Ok(at) => {
                let known = &mut self.0[at];
                known.except.clear();
                known.objection = known.objection.later(objection);
            }
            Err(at) => {
                let sender = ALL_SENDERS.to_owned();
                self.0.insert(at, Stop { sender, objection, except: Vec::new() });
            }
        }
    }
}
