//! The objections that stand against a person.

use std::cmp::Reverse;

use uuid::Uuid;

use super::{IdentityId, Stop, Stops};
use crate::domain::Time;
use crate::domain::consent::{MessageCategory, NoEffect, Source};

/// An opt-out, a platform stop or an erasure that was not lifted.
///
/// The clock is not kept: only an arriving objection is compared across clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objection {
    /// Under which identity it was said. Who speaks for it can lift the objection.
    pub identity: IdentityId,
    /// The event that recorded it.
    pub event: Uuid,
    /// When it was said.
    pub time: Time,
    /// When this identity parted from the one under which it was said. Only
    /// what is said after both lifts it.
    pub kept_since: Option<Time>,
    /// How it arrived. None for an erasure.
    pub source: Option<Source>,
}

impl Objection {
    /// What a permission has to be after.
    pub fn after(&self) -> Time {
        self.kept_since.map_or(self.time, |kept| kept.max(self.time))
    }

    pub(super) fn is_lifted_by(&self, scope: &[IdentityId], time: Time) -> bool {
        scope.contains(&self.identity) && self.after() < time
    }

    /// By which of several the one that decides is chosen: what is hardest to lift, of these what was
    /// said last, of these what was recorded first. Identity ids are random, so they do not matter.
    pub(super) fn rank(&self) -> (Time, Time, Reverse<Uuid>) {
        (self.after(), self.time, Reverse(self.event))
    }

    /// The one of two that decides.
    pub(super) fn later(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    /// The same as if said under this identity too, from a parting on.
    pub(super) fn under(self, identity: IdentityId, parted: Time) -> Self {
        match identity == self.identity {
            true => self,
            false => Self { identity, kept_since: Some(self.after().max(parted)), ..self },
        }
    }
}

/// Objections of one kind and category, the latest of each identity, by identity.
pub(super) type Standing = Vec<Objection>;

/// What stands against a person, by kind. The same on every row of the person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objections {
    /// In the order of [`MessageCategory::ALL`].
    pub(super) opt_outs: [Standing; 3],
    /// In the same order: each category is lifted by itself.
    pub(super) erasures: [Standing; 3],
    /// Of marketing, on the platform.
    pub(super) stops: Stops,
}

impl Objections {
    /// The latest opt-out that stands.
    pub fn opt_out(&self, category: MessageCategory) -> Option<&Objection> {
        self.opt_outs[category as usize].iter().max_by_key(|objection| objection.rank())
    }

    /// The latest erasure that stands.
    pub fn erasure(&self, category: MessageCategory) -> Option<&Objection> {
        self.erasures[category as usize].iter().max_by_key(|objection| objection.rank())
    }

    /// What stands in a category: opt-outs and erasures.
    pub fn business(&self, category: MessageCategory) -> impl Iterator<Item = &Objection> {
        self.opt_outs[category as usize].iter().chain(&self.erasures[category as usize])
    }

    /// Why nothing is permitted in a category, whatever was said on the platform.
    pub fn standing(&self, category: MessageCategory) -> Option<NoEffect> {
        let opt_out = self.opt_out(category);
        opt_out
            .map(|standing| NoEffect::Objected { event: standing.event })
            .or_else(|| Some(NoEffect::Erased { event: self.erasure(category)?.event }))
    }

    /// The platform stops.
    pub fn stops(&self) -> &Stops {
        &self.stops
    }

    /// The events of everything that stands.
    pub fn events(&self) -> Vec<Uuid> {
        let stops = self.stops.iter().map(|stop| &stop.objection);
        self.all_business().chain(stops).map(|objection| objection.event).collect()
    }

    /// Whether nothing stands.
    pub fn is_empty(&self) -> bool {
        self.all_business().next().is_none() && self.stops.is_empty()
    }

    /// The latest time at which any was said or kept.
    pub(super) fn latest(&self) -> Option<Time> {
        let stops = self.stops.iter().map(|stop| &stop.objection);
        self.all_business().chain(stops).map(Objection::after).max()
    }

    pub(super) fn add_opt_out(&mut self, category: MessageCategory, objection: Objection) {
        add(&mut self.opt_outs[category as usize], objection);
    }

    pub(super) fn add_erasure(&mut self, category: MessageCategory, objection: Objection) {
        add(&mut self.erasures[category as usize], objection);
    }

    pub(super) fn add_stop(&mut self, stop: Stop) {
        self.stops.add(stop);
    }

    /// Lifts what a personal opt-in is after. Whether it lifted anything.
    pub(super) fn lift(
        &mut self,
        category: MessageCategory,
        scope: &[IdentityId],
        time: Time,
    ) -> bool {
        let mut lifted = false;
        for standing in
            [&mut self.opt_outs[category as usize], &mut self.erasures[category as usize]]
        {
            let before = standing.len();
            standing.retain(|objection| !objection.is_lifted_by(scope, time));
            lifted |= standing.len() < before;
        }
        lifted
    }

    /// Adds all of another row or person.
    pub(super) fn add_all(&mut self, other: &Self) {
        for category in MessageCategory::ALL {
            for objection in &other.opt_outs[category as usize] {
                self.add_opt_out(category, *objection);
            }
            for objection in &other.erasures[category as usize] {
                self.add_erasure(category, *objection);
            }
        }
        self.stops.add_all(&other.stops);
    }

    /// What the identities `here` keep when the persons part: what was said under
    /// one that is not here stands as if said under each.
    pub(super) fn kept_by(&self, here: &[IdentityId], parted: Time) -> Self {
        let mut here = here.to_vec();
        here.sort_unstable();
        let Some(&first) = here.first() else { return Self::default() };
        let kept = |standing: &Standing| {
            let is_here = |objection: &Objection| here.binary_search(&objection.identity).is_ok();
            let (mut kept, gone): (Standing, Standing) =
                standing.iter().copied().partition(is_here);
            // The same one of them decides under each.
            let moved = gone.into_iter().map(|objection| objection.under(first, parted));
            if let Some(decides) = moved.reduce(Objection::later) {
                here.iter().for_each(|&identity| add(&mut kept, Objection { identity, ..decides }));
            }
            kept
        };
        Self {
            opt_outs: self.opt_outs.each_ref().map(kept),
            erasures: self.erasures.each_ref().map(kept),
            stops: self.stops.kept_by(&here, first, parted),
        }
    }

    fn all_business(&self) -> impl Iterator<Item = &Objection> {
        self.opt_outs.iter().chain(&self.erasures).flatten()
    }
}

fn add(standing: &mut Standing, objection: Objection) {
    match standing.binary_search_by_key(&objection.identity, |known| known.identity) {
        Ok(at) => standing[at] = standing[at].later(objection),
        Err(at) => standing.insert(at, objection),
    }
}
