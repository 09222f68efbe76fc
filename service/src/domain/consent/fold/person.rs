//! A person: the identities of one contact, and what stands against them.

use chrono::TimeDelta;
use uuid::Uuid;

use super::said::stored;
use super::{IdentityConsent, IdentityId, Objection, Objections, Own};
use crate::domain::Time;
use crate::domain::consent::MessageCategory;

/// Whether an identity may be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is the person's.
    Current,
    /// It was, and may be somebody else's by now.
    Former,
}

/// An identity of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: IdentityId,
    /// Whether it may be written to.
    pub role: Role,
    /// What it has for itself.
    pub own: Own,
}

impl Member {
    /// Whether it was certainly a current identity of its contact at a time, if it was there.
    pub(super) fn was_current_at(&self, time: Time) -> bool {
        let is_back = self.role == Role::Current && self.own.returned.is_none_or(|it| it <= time);
        is_back || !self.own.has_left_by(time)
    }
}

/// The identities of one contact, or one that is no contact's. Loaded from rows,
/// altered in memory, written back as [`rows`](Self::rows).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    pub(super) members: Vec<Member>,
    pub(super) objections: Objections,
}

impl Person {
    /// A person as stored. If rows disagree about what stands, everything does.
    pub fn load(rows: impl IntoIterator<Item = (IdentityId, Role, IdentityConsent)>) -> Self {
        let mut person = Self::default();
        for (id, role, row) in rows {
            // Mostly all rows have the same.
            if person.members.is_empty() {
                person.objections = row.objections;
            } else if person.objections != row.objections {
                person.objections.add_all(&row.objections);
            }
            person.members.push(Member { id, role, own: row.own });
        }
        person
    }

    /// A new contact of identities that were nobody's. It claims what stands
    /// against them; they count as always there.
    pub fn create(rows: impl IntoIterator<Item = (IdentityId, IdentityConsent)>) -> Self {
        let current = |(id, row): (IdentityId, IdentityConsent)| {
            let own = Own { joined: None, ..row.own };
            (id, Role::Current, IdentityConsent { own, ..row })
        };
        Self::load(rows.into_iter().map(current))
    }

    /// What to store of each identity.
    pub fn rows(&self) -> impl Iterator<Item = (IdentityId, Role, IdentityConsent)> {
        self.members.iter().map(|member| (member.id, member.role, self.row_of(member)))
    }

    /// What to store of one of its identities.
    pub fn row_of(&self, member: &Member) -> IdentityConsent {
        IdentityConsent { own: member.own.clone(), objections: self.objections.clone() }
    }

    /// What to store of one identity.
    pub fn row(&self, id: IdentityId) -> Option<IdentityConsent> {
        let member = self.members.iter().find(|member| member.id == id)?;
        Some(self.row_of(member))
    }

    /// The identities.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What stands against all of them.
    pub fn objections(&self) -> &Objections {
        &self.objections
    }

    /// Adds an identity. Its row is that of an identity that is nobody's; one of
    /// another contact is released or merged, not joined.
    ///
    /// With `carry_from` it gets what the identity it is carried from was
    /// permitted, and its place. `replaces` becomes a former one.
    /// What a former identity of this person was permitted has ended, unless that is carried; for a
    /// current one only `carry_from` and `replaces` apply.
    pub fn join(
        &mut self,
        id: IdentityId,
        row: IdentityConsent,
        time: Time,
        carry_from: Option<IdentityId>,
        replaces: Option<IdentityId>,
    ) {
        let recorded = time;
        let time = self.moment(time, &[row.own.latest(), row.objections.latest()]);
        self.objections.add_all(&row.objections);
        let carried = carry_from.filter(|from| *from != id);
        let carried = carried.and_then(|from| Some((from, self.own(from)?.clone())));
        match self.members.iter_mut().find(|member| member.id == id) {
            Some(member) if member.role == Role::Current => {}
            Some(member) => {
                member.own.come_back(time, carried.is_some());
                member.role = Role::Current;
            }
            None => {
                let own = Own { joined: Some(time), ..row.own };
                self.members.push(Member { id, role: Role::Current, own });
            }
        }
        if let Some((from, theirs)) = carried
            && let Some(member) = self.member_mut(id)
        {
            member.own.carry(id, (from, &theirs), time);
        }
        if let Some(replaced) = replaces.filter(|replaced| *replaced != id) {
            self.retire(replaced, recorded);
        }
    }

    /// Makes an identity a former one: it allows nothing any more.
    pub fn retire(&mut self, id: IdentityId, time: Time) {
        if let Some(member) = self.member_mut(id) {
            member.role = Role::Former;
            member.own.left.get_or_insert(stored(time));
        }
    }

    /// Takes over the identities of another person, each with its role. They
    /// count as there from now; those of this person as before.
    pub fn merge(&mut self, other: Self, time: Time) {
        let time = self.moment(time, &[other.latest()]);
        self.objections.add_all(&other.objections);
        self.members.extend(other.members.into_iter().map(|mut member| {
            member.own.joined = Some(time);
            // Nobody of this person speaks for where it was before.
            member.own.carries.iter_mut().for_each(|carry| carry.place = Some(time));
            member
        }));
    }

    /// Lets an identity go, as a person of its own without permissions. What
    /// stood stands against both. None if it is not of this person.
    pub fn release(&mut self, id: IdentityId, time: Time) -> Option<Self> {
        let time = self.moment(time, &[]);
        let at = self.members.iter().position(|member| member.id == id)?;
        self.members.remove(at);
        let released = Self {
            members: vec![Member { id, role: Role::Current, own: Own::next_holder(time) }],
            objections: self.objections.kept_by(&[id], time),
        };
        let remaining: Vec<_> = self.members.iter().map(|member| member.id).collect();
        self.objections = self.objections.kept_by(&remaining, time);
        Some(released)
    }

    /// Erases the person: each identity becomes a person of its own, without
    /// permissions, with what stood and the erasure against it.
    pub fn erase(self, time: Time, event: Uuid) -> Vec<Self> {
        let time = self.moment(time, &[]);
        let erased = |member: &Member| {
            let id = member.id;
            let mut objections = self.objections.kept_by(&[id], time);
            let erasure = Objection { identity: id, event, time, kept_since: None, source: None };
            for category in MessageCategory::ALL {
                objections.add_erasure(category, erasure);
            }
            let own = Own::next_holder(time);
            Self { members: vec![Member { id, role: Role::Current, own }], objections }
        };
        self.members.iter().map(erased).collect()
    }

    /// When a change among identities takes effect: after all that is known.
    fn moment(&self, time: Time, also: &[Option<Time>]) -> Time {
        let known = also.iter().copied().flatten().chain(self.latest()).max();
        let after = known.and_then(|known| known.checked_add_signed(TimeDelta::microseconds(1)));
        after.map_or(stored(time), |after| after.max(stored(time)))
    }

    /// The latest time of anything known of the person.
    pub fn latest(&self) -> Option<Time> {
        let own = self.members.iter().filter_map(|member| member.own.latest());
        own.chain(self.objections.latest()).max()
    }

    pub(super) fn own(&self, id: IdentityId) -> Option<&Own> {
        self.members.iter().find_map(|member| (member.id == id).then_some(&member.own))
    }

    pub(super) fn member_mut(&mut self, id: IdentityId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }
}
