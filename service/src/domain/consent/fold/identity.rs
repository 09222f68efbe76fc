//! What one row of the `consent` table holds.

use uuid::Uuid;

use super::{Effective, Objections, Permission, Permissions, Resumes};
use crate::domain::Time;
use crate::domain::consent::MessageCategory;

/// The random id of an identity of a workspace: a phone number in all its forms, or
/// a WhatsApp user id. It names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityId(pub Uuid);

/// Most [`Carry`] of an identity. When there are more, the oldest goes: what was said before it and is
/// recorded only now is not carried any more.
const MAX_CARRIES: usize = 16;

/// A link that carried what was permitted under one identity over to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carry {
    /// The one whose permissions it took over; or one whose permissions that one had taken over before.
    pub from: IdentityId,
    /// When that was. What is said later is not carried.
    pub at: Time,
    /// Since when that one was there, with the holder of then; None if it was always.
    pub place: Option<Time>,
    /// What was permitted under that one before this had ended when it was carried, or has here since.
    pub ended: Option<Time>,
}

/// What one identity has for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Since when it is the current holder's: no permission said before counts.
    pub since: Option<Time>,
    /// When it came to its contact; None if the contact was created with it.
    pub joined: Option<Time>,
    /// What links carried to it, in the order in which it came.
    pub(super) carries: Vec<Carry>,
    /// When it first became a former identity of its contact.
    pub left: Option<Time>,
    /// When it was last linked again. From [`left`](Self::left) until then it may have been somebody else's.
    pub returned: Option<Time>,
    /// When that last was by a link that did not carry: what was permitted before has ended.
    pub ended: Option<Time>,
    pub(super) permissions: [Permissions; 3],
    pub(super) resumes: Resumes,
}

impl Own {
    /// The permissions of one category.
    pub fn permissions(&self, category: MessageCategory) -> &Permissions {
        &self.permissions[category as usize]
    }

    /// What was allowed again on the platform.
    pub fn resumes(&self) -> &Resumes {
        &self.resumes
    }

    /// Since when it is certainly its current holder's, without a break.
    pub fn held_since(&self) -> Option<Time> {
        self.since.max(self.returned)
    }

    /// Whether words said under it at a time are its current holder's. Of those from before it came they may
    /// be; of those from while it was a former identity nobody knows.
    pub(super) fn is_holders_at(&self, time: Time) -> bool {
        let was_away =
            self.has_left_by(time) && self.returned.is_some_and(|returned| time < returned);
        self.since.is_none_or(|since| since <= time) && !was_away
    }

    /// Whether it had become a former identity by a time, at least once.
    pub(super) fn has_left_by(&self, time: Time) -> bool {
        self.left.is_some_and(|left| left <= time)
    }

    /// Whether it was there at a time, as a current or a former identity, with its current contact and holder.
    pub(super) fn is_there_at(&self, time: Time) -> bool {
        self.since.max(self.joined).is_none_or(|from| from <= time)
    }

    /// Since when the contact has it, or one that it took over from by links that carried; None if it was
    /// created with that one.
    pub fn place(&self) -> Option<Time> {
        let places = self.carries.iter().map(|carry| carry.place.max(carry.ended));
        places.fold(self.joined, Option::min)
    }

    /// A next holder's: nothing said before is theirs.
    pub(super) fn next_holder(since: Time) -> Self {
        Self { since: Some(since), ..Self::default() }
    }

    /// Of a former identity that is the person's again. It may have been somebody else's in between: what was
    /// permitted has ended, unless the link carries, also if it is recorded later. It goes on lifting what
    /// was said before it, which no link changes.
    pub(super) fn come_back(&mut self, time: Time, carries: bool) {
        self.returned = Some(time);
        if !carries {
            self.ended = Some(time);
            self.carries.iter_mut().for_each(|carry| carry.ended = Some(time));
            self.permissions.iter_mut().for_each(|it| it.end_at(time));
        }
    }

    /// Until when a permission holds for it that was said at a time until `expire`.
    pub(super) fn end_of(&self, time: Time, expire: Option<Time>) -> Option<Time> {
        let ended = self.ended.filter(|ended| time < *ended);
        [expire, ended].into_iter().flatten().min()
    }

    /// Until when a permission holds that is carried to it though it is recorded only now, after the link: as if
    /// it had been recorded before. None if no link carries it.
    pub(super) fn carried_end(
        &self,
        said: &Permission,
        is_personal: bool,
        is_of: impl Fn(&Carry) -> bool,
    ) -> Option<Option<Time>> {
        let carries = self.carries.iter().filter(|carry| said.time < carry.at && is_of(carry));
        let mut ends = carries.map(|carry| {
            let ended = carry.ended.filter(|ended| said.time < *ended);
            [said.expire, ended].into_iter().flatten().min()
        });
        match is_personal {
            // What came first is its own for what came later.
            true => ends.next(),
            false => ends.min_by_key(|end| end.unwrap_or(Time::MAX_UTC)),
        }
    }

    /// Takes over what another identity was permitted, also what is recorded after the link: a change of number
    /// that is heard of late is older than neither. But it is not there before it came: what is recorded
    /// later, of a time before that, lifts nothing and permits nobody else by it. Resumes stay: all they do
    /// later is to lift what was said before them, and a link lifts nothing.
    pub(super) fn carry(&mut self, id: IdentityId, from: (IdentityId, &Self), at: Time) {
        let (from, theirs) = from;
        let place = theirs.since.max(theirs.joined);
        let last = Carry { from, at, place, ended: theirs.ended };
        let before = theirs.carries.iter().filter(|carry| carry.from != id);
        for carry in [&last].into_iter().chain(before) {
            // The same again carries nothing else.
            match self.carries.iter_mut().find(|known| Carry { at: carry.at, ..**known } == *carry)
            {
                Some(known) => known.at = known.at.max(carry.at),
                None => self.carries.push(*carry),
            }
        }
        self.carries.drain(..self.carries.len().saturating_sub(MAX_CARRIES));
        for (mine, theirs) in self.permissions.iter_mut().zip(&theirs.permissions) {
            mine.carry(theirs);
        }
    }

    /// Whether nothing was permitted or resumed.
    pub fn permits_nothing(&self) -> bool {
        self.permissions.iter().all(Permissions::is_empty) && self.resumes.is_empty()
    }

    /// The time of the latest permission or resume.
    pub fn latest_permission(&self) -> Option<Time> {
        let permissions = self.permissions.iter().filter_map(Permissions::latest);
        permissions.chain(self.resumes.latest()).max()
    }

    /// The latest time of anything known.
    pub(super) fn latest(&self) -> Option<Time> {
        [self.held_since(), self.joined, self.latest_permission()].into_iter().flatten().max()
    }
}

/// What is stored of one identity: enough to decide a check with one read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityConsent {
    /// Its own.
    pub own: Own,
    /// What stands against its person.
    pub objections: Objections,
}

impl IdentityConsent {
    /// The permission that counts in a category, whatever stands against it.
    pub fn permission(&self, category: MessageCategory) -> Option<Effective> {
        self.own.permissions(category).effective()
    }

    /// Adds all of another row of the same identity. Rotating the suppression key may
    /// leave two: what stands in either stands.
    pub fn add_all_of(&mut self, other: &Self) {
        self.own.since = self.own.since.max(other.own.since);
        self.own.resumes.add_all(&other.own.resumes);
        self.objections.add_all(&other.objections);
    }

    /// Whether the row says nothing and need not be stored.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether anybody was ever asked under this identity, or said anything, or
    /// held it before.
    pub fn was_ever_asked(&self) -> bool {
        !self.own.permits_nothing()
            || self.own.held_since().is_some()
            || !self.objections.is_empty()
    }
}
