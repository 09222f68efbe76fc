//! What one identity was permitted in one category.

use std::cmp::Reverse;

use chrono::TimeDelta;
use uuid::Uuid;

use super::Clock;
use super::said::is_after;
use crate::domain::Time;
use crate::domain::consent::Source;

/// How many reports are kept beside what the person said. When there are more,
/// the two oldest become one that is as late as the later and ends with the earlier.
const MAX_REPORTS: usize = 8;

/// An opt-in, as one identity in its scope keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The event that recorded it.
    pub event: Uuid,
    /// When it was said.
    pub time: Time,
    /// Until when it holds; None is without end.
    pub expire: Option<Time>,
    /// How it arrived.
    pub source: Source,
}

impl Permission {
    fn end(&self) -> Time {
        self.expire.unwrap_or(Time::MAX_UTC)
    }

    /// The latest counts; of two at one time the one that ends first.
    fn rank(&self) -> (Time, Reverse<Time>) {
        (self.time, Reverse(self.end()))
    }
}

/// The one that counts of what the person said.
fn latest(said: impl IntoIterator<Item = Option<Permission>>) -> Option<Permission> {
    said.into_iter().flatten().max_by_key(Permission::rank)
}

/// What an identity's permissions amount to in one category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The event that decides until when it holds.
    pub event: Uuid,
    /// When that was said.
    pub time: Time,
    /// Until when it holds, without any policy.
    pub expire: Option<Time>,
    /// How that arrived.
    pub source: Source,
    /// From when its age counts: what the person said last, or the first report.
    pub counted_from: Time,
}

impl Effective {
    /// Until when it holds if permissions of this age count as expired.
    pub fn expire_under(&self, max_age: Option<TimeDelta>) -> Option<Time> {
        let aged = max_age.and_then(|age| self.counted_from.checked_add_signed(age));
        [self.expire, aged].into_iter().flatten().min()
    }
}

/// The permissions in whose scope an identity is, reduced to what can still
/// matter. The result does not depend on the order of arrival, up to the bound on reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// The latest that the person gave, by clock: late objections are compared with both.
    pub(super) personal: [Option<Permission>; 2],
    /// The same of those that a link carried over, if they are later. They lift nothing: a link
    /// leaves untouched what was said against the identity before, also what arrives after it.
    pub(super) carried: [Option<Permission>; 2],
    /// Those of the reports at or after `personal` that none both follows and
    /// undercuts, by time; so each ends before the next.
    pub(super) reported: Vec<Permission>,
    /// When the first report was said, while the person said nothing.
    pub(super) first_reported: Option<Time>,
}

impl Permissions {
    /// Adds what the person said.
    pub(super) fn add_personal(&mut self, clock: Clock, said: Permission) {
        let register = &mut self.personal[clock as usize];
        if register.is_none_or(|known| said.rank() > known.rank()) {
            *register = Some(said);
        }
        self.reduce();
    }

    /// Adds what the person said under another identity, whose place this one took.
    pub(super) fn add_carried(&mut self, clock: Clock, said: Permission) {
        let register = &mut self.carried[clock as usize];
        *register = latest([Some(said), *register]);
        self.reduce();
    }

    /// Adds what somebody else reports.
    pub(super) fn add_reported(&mut self, said: Permission) {
        self.first_reported = Some(self.first_reported.map_or(said.time, |t| t.min(said.time)));
        // In front: of two equal ones the sort keeps the known one last, and so the reduction keeps it.
        self.reported.insert(0, said);
        self.reduce();
    }

    /// Ends all at this time, if they do not end before. They stay known, so that no report widens what the
    /// person said.
    pub(super) fn end_at(&mut self, end: Time) {
        let said = self.personal.iter_mut().chain(&mut self.carried).flatten();
        for said in said.chain(&mut self.reported) {
            said.expire = Some(said.end().min(end));
        }
        self.reduce();
    }

    /// Takes over what another identity was permitted. Of what both have, its own counts: that it has ended
    /// for the other ends nothing here.
    pub(super) fn carry(&mut self, from: &Self) {
        for (index, carried) in self.carried.iter_mut().enumerate() {
            let known = [self.personal[index], *carried].map(|said| said.map(|said| said.event));
            let theirs = [from.personal[index], from.carried[index]]
                .map(|said| said.filter(|said| !known.contains(&Some(said.event))));
            *carried = latest(theirs.into_iter().chain([*carried]));
        }
        for said in &from.reported {
            self.add_reported(*said);
        }
        self.first_reported =
            [self.first_reported, from.first_reported].into_iter().flatten().min();
        self.reduce();
    }

    /// The latest that the person gave by any clock.
    pub fn personal(&self) -> Option<Permission> {
        latest(self.personal.into_iter().chain(self.carried))
    }

    /// Which permission counts, and until when it holds.
    pub fn effective(&self) -> Option<Effective> {
        // The first report is the one that ends first.
        let shortest = self.reported.first().copied();
        let (decides, counted_from) = match (self.personal(), shortest) {
            (Some(said), Some(report)) if report.end() < said.end() => (report, said.time),
            (Some(said), _) => (said, said.time),
            (None, Some(report)) => (report, self.first_reported.unwrap_or(report.time)),
            (None, None) => return None,
        };
        Some(Effective {
            event: decides.event,
            time: decides.time,
            expire: decides.expire,
            source: decides.source,
            counted_from,
        })
    }

    /// Whether something the person said before is after an objection that arrives now.
    pub(super) fn lifts_arriving(&self, time: Time, clock: Clock) -> bool {
        let is_after = |kind: Clock| {
            let known = self.personal[kind as usize];
            known.is_some_and(|said| is_after((said.time, kind), (time, clock)))
        };
        Clock::ALL.into_iter().any(is_after)
    }

    /// The latest time of any.
    pub(super) fn latest(&self) -> Option<Time> {
        let all = self.personal.iter().chain(&self.carried).flatten().chain(&self.reported);
        all.map(|said| said.time).max()
    }

    /// Whether nothing was ever permitted.
    pub fn is_empty(&self) -> bool {
        self.personal().is_none() && self.reported.is_empty()
    }

    /// Completes what was read from a row, which leaves out the first report's
    /// time where it is that of the report that is kept.
    pub(super) fn restore(&mut self) {
        self.reduce();
        if self.personal().is_none() && self.first_reported.is_none() {
            self.first_reported = self.reported.first().map(|report| report.time);
        }
    }

    fn reduce(&mut self) {
        for (carried, own) in self.carried.iter_mut().zip(&self.personal) {
            carried.take_if(|carried| own.is_some_and(|own| own.rank() >= carried.rank()));
        }
        if let Some(personal) = self.personal() {
            self.first_reported = None;
            self.reported.retain(|report| report.time >= personal.time);
        }
        self.reported.sort_by_key(Permission::rank);
        let mut shortest: Option<Time> = None;
        let mut kept = Vec::with_capacity(self.reported.len());
        for report in self.reported.iter().rev() {
            if shortest.is_none_or(|end| report.end() < end) {
                shortest = Some(report.end());
                kept.push(*report);
            }
        }
        kept.reverse();
        while kept.len() > MAX_REPORTS {
            kept[1] = Permission { time: kept[1].time, ..kept[0] };
            kept.remove(0);
        }
        self.reported = kept;
    }
}
