//! Whom a statement is for.

use super::said::stored;
use super::{Carry, IdentityId, Member, Permission, Person, Role};
use crate::domain::Time;

impl Person {
    /// The identities that may be written to.
    pub fn current(&self) -> Vec<IdentityId> {
        let current = self.members.iter().filter(|member| member.role == Role::Current);
        current.map(|member| member.id).collect()
    }

    /// The identities that were the contact's at a time, those that have become former ones since included:
    /// whom a statement about the contact names. What joined later was not meant.
    pub fn there_at(&self, time: Time) -> Vec<IdentityId> {
        let time = stored(time);
        let there = |member: &&Member| member.own.is_there_at(time) && member.was_current_at(time);
        self.members.iter().filter(there).map(|member| member.id).collect()
    }

    /// Whom a permission said at a time is for: the named identities whose holder
    /// it can be of; and of the others, current or former, those that were there
    /// by then together with one of the named.
    pub fn scope(&self, named: &[IdentityId], time: Time) -> Vec<IdentityId> {
        let speaks_for_others = self.speaks_for_others(named, time);
        let in_scope = |member: &&Member| {
            named.contains(&member.id) && member.own.is_holders_at(time)
                || speaks_for_others && member.own.is_there_at(time)
        };
        self.members.iter().filter(in_scope).map(|member| member.id).collect()
    }

    /// To whom it is carried, by links that were after it, and until when it holds for each. It is for one
    /// from whom they took over, or would have been while that one was there.
    pub(super) fn carried_scope(
        &self,
        scope: &[IdentityId],
        named: &[IdentityId],
        said: &Permission,
        is_personal: bool,
    ) -> Vec<(IdentityId, Option<Time>)> {
        // Of what the person said, its own counts; of what others report, the shortest.
        let others = self.members.iter().filter(|it| !is_personal || !scope.contains(&it.id));
        let others: Vec<_> = others.filter(|member| !member.own.carries.is_empty()).collect();
        if others.is_empty() {
            return Vec::new();
        }
        let speaks_for_others = self.speaks_for_others(named, said.time);
        let is_of = |carry: &Carry| {
            scope.contains(&carry.from)
                || speaks_for_others && carry.place.is_none_or(|place| place <= said.time)
        };
        let carried = others.into_iter().filter_map(|Member { id, own, .. }| {
            Some((*id, own.carried_end(said, is_personal, is_of)?))
        });
        carried.collect()
    }

    fn speaks_for_others(&self, named: &[IdentityId], time: Time) -> bool {
        let mut named = self.members.iter().filter(|member| named.contains(&member.id));
        named.any(|member| member.own.is_holders_at(time) && member.own.is_there_at(time))
    }

    /// Whether an opt-in without a time may count: nobody whom it would be for
    /// was ever asked, said anything, or held the identity before.
    pub fn was_ever_asked(&self, named: &[IdentityId], record_time: Time) -> bool {
        let scope = self.scope(named, stored(record_time));
        let asked = |member: &Member| {
            let is_concerned = scope.contains(&member.id) || named.contains(&member.id);
            is_concerned && (member.own.held_since().is_some() || !member.own.permits_nothing())
        };
        !self.objections.is_empty() || self.members.iter().any(asked)
    }
}
