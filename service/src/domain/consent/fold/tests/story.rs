//! Short stories: what happens, second by second, and what a check answers then.
//! The definition is asked too.

use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

use super::super::*;
use super::life::id;
use super::naive::Naive;
use crate::domain::Time;
use crate::domain::consent::{ALL_SENDERS, MessageCategory, Source};

pub const A: IdentityId = id(0xa);
pub const B: IdentityId = id(0xb);
pub const C: IdentityId = id(0xc);
pub const D: IdentityId = id(0xd);
pub const E: IdentityId = id(0xe);

pub const MINUTE: f64 = 60.0;

/// Seconds after the beginning of all stories.
pub fn at(seconds: f64) -> Time {
    let start = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
    start + TimeDelta::milliseconds((seconds * 1000.0).round() as i64)
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Act {
    Say(Vec<IdentityId>, Word, Option<f64>),
    Change(Change),
}

fn opt_in(named: &[IdentityId], source: Source, said: Option<f64>, until: Option<f64>) -> Act {
    let categories = vec![MessageCategory::Marketing];
    Act::Say(
        named.to_vec(),
        Word::OptIn { categories, source, is_reported: false, expire: until.map(at) },
        said,
    )
}

/// The person agrees to marketing.
pub fn yes(who: IdentityId, said: impl Into<Option<f64>>) -> Act {
    opt_in(&[who], Source::WebForm, said.into(), None)
}

/// The person agrees for a time.
pub fn yes_until(who: IdentityId, said: f64, until: f64) -> Act {
    opt_in(&[who], Source::WebForm, Some(said), Some(until))
}

/// Somebody reports that they agreed.
pub fn report(who: IdentityId, said: impl Into<Option<f64>>) -> Act {
    opt_in(&[who], Source::Import, said.into(), None)
}

/// Somebody reports that they agreed for a time.
pub fn report_until(who: IdentityId, said: f64, until: f64) -> Act {
    opt_in(&[who], Source::Api, Some(said), Some(until))
}

/// The person objects to marketing.
pub fn no(who: IdentityId, said: impl Into<Option<f64>>) -> Act {
    no_of_all(&[who], said)
}

/// The same, under several identities at once.
pub fn no_of_all(who: &[IdentityId], said: impl Into<Option<f64>>) -> Act {
    let categories = vec![MessageCategory::Marketing];
    Act::Say(who.to_vec(), Word::OptOut { categories, source: Source::InboundMessage }, said.into())
}

/// The person stops a sender on the platform.
pub fn stop(who: IdentityId, sender: &str, said: impl Into<Option<f64>>) -> Act {
    Act::Say(vec![who], Word::Stop { sender: sender.to_owned() }, said.into())
}

/// The person resumes a sender there.
pub fn resume(who: IdentityId, sender: &str, said: impl Into<Option<f64>>) -> Act {
    Act::Say(vec![who], Word::Resume { sender: sender.to_owned() }, said.into())
}

pub fn create(identities: &[IdentityId]) -> Act {
    Act::Change(Change::Created { identities: identities.to_vec() })
}

pub fn link(identity: IdentityId, to: IdentityId) -> Act {
    Act::Change(Change::Linked { identity, to, carry_from: None, replaces: None })
}

/// Links a new number in place of the old, as somebody's word.
pub fn replace(old: IdentityId, new: IdentityId) -> Act {
    Act::Change(Change::Linked { identity: new, to: old, carry_from: None, replaces: Some(old) })
}

/// Links a new number in place of the old, with what was permitted.
pub fn carry(old: IdentityId, new: IdentityId) -> Act {
    let carry_from = Some(old);
    Act::Change(Change::Linked { identity: new, to: old, carry_from, replaces: Some(old) })
}

/// Adds an identity, with what was permitted under another, which stays.
pub fn carry_beside(from: IdentityId, new: IdentityId) -> Act {
    let carry_from = Some(from);
    Act::Change(Change::Linked { identity: new, to: from, carry_from, replaces: None })
}

pub fn merge(into: IdentityId, from: IdentityId) -> Act {
    let contact_id = Uuid::nil();
    Act::Change(Change::Merged { into, from, contact_id, retired: Vec::new() })
}

pub fn release(identity: IdentityId) -> Act {
    Act::Change(Change::Released { identity })
}

pub fn erase(identity: IdentityId) -> Act {
    Act::Change(Change::Erased { identity })
}

/// The world after all acts, each with the second of its recording.
pub fn told(acts: &[(f64, Act)]) -> World {
    tell(acts).0
}

/// What came of the last act, in its first category.
pub fn outcome(acts: &[(f64, Act)]) -> Outcome {
    let (_, recorded) = tell(acts);
    recorded.first().expect("something said").outcomes[0].1
}

/// The event of the act in this place.
pub fn event_of(place: usize) -> Uuid {
    Uuid::from_u128(place as u128 + 1)
}

fn tell(acts: &[(f64, Act)]) -> (World, Vec<Recorded>) {
    let mut world = World::default();
    let mut recorded = Vec::new();
    for event in events(acts) {
        recorded = world.apply(&event);
    }
    (world, recorded)
}

pub fn events(acts: &[(f64, Act)]) -> Vec<Event> {
    let event = |(place, (recorded, act)): (usize, &(f64, Act))| {
        let (id, record_time) = (event_of(place), at(*recorded));
        let change = match act.clone() {
            Act::Change(change) => change,
            Act::Say(named, word, said) => {
                let said = match &word {
                    Word::OptIn { .. } | Word::Resume { .. } => {
                        Said::permission(said.map(at), record_time).expect("a time that is taken")
                    }
                    _ => Said::objection(said.map(at), record_time),
                };
                Change::Said(Statement { event: id, named, said, word })
            }
        };
        Event { id, record_time, change }
    };
    acts.iter().enumerate().map(event).collect()
}

/// What a check of marketing from sender X answers a second after the last act.
pub fn answer(acts: &[(f64, Act)], id: IdentityId) -> CheckReason {
    let world = told(acts);
    let check = check_of(&world, id, acts, "X");
    decide(&world.row(id).unwrap_or_default(), &check).reason
}

fn check_of<'a>(world: &World, id: IdentityId, acts: &[(f64, Act)], sender: &'a str) -> Check<'a> {
    Check {
        is_contact: true,
        is_former: world.role(id) == Some(Role::Former),
        category: MessageCategory::Marketing,
        sender,
        max_age: None,
        now: at(acts.last().expect("an act").0 + 1.0),
    }
}

/// What checks of marketing from sender X answer one second after the last act.
pub fn check(name: &str, acts: &[(f64, Act)], expected: &[(IdentityId, CheckReason)]) {
    check_from(name, acts, "X", expected);
}

pub fn check_from(
    name: &str,
    acts: &[(f64, Act)],
    sender: &str,
    expected: &[(IdentityId, CheckReason)],
) {
    let world = told(acts);
    let mut naive = Naive::new(&[A, B, C, D, E]);
    events(acts).iter().for_each(|event| naive.apply(event));
    for (id, reason) in expected {
        let check = check_of(&world, *id, acts, sender);
        let row = world.row(*id).unwrap_or_default();
        assert_eq!(decide(&row, &check).reason, *reason, "{name}: {id:?}");
        assert_eq!(naive.decide(*id, &check).0, *reason, "{name}, by the definition: {id:?}");
    }
}

pub const ALL: &str = ALL_SENDERS;
