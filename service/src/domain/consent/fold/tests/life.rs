//! Random lives: what may happen to four identities, and the events of it.

use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use uuid::Uuid;

use super::super::*;
use super::naive::Naive;
use crate::domain::Time;
use crate::domain::consent::{ALL_SENDERS, MessageCategory, Source};

pub const IDENTITIES: [IdentityId; 4] = [id(0xa), id(0xb), id(0xc), id(0xd)];

pub const fn id(number: u128) -> IdentityId {
    IdentityId(Uuid::from_u128(number))
}

pub fn at(minutes: i64) -> Time {
    DateTime::from_timestamp(1_800_000_000 + 60 * minutes, 0).expect("a time")
}

/// Something happens. Identities are places in [`IDENTITIES`].
#[derive(Clone, Debug)]
pub enum Step {
    Say {
        named: Vec<usize>,
        word: Word,
        ago: Option<i64>,
    },
    Again(usize),
    Create(Vec<usize>),
    Link {
        identity: usize,
        to: usize,
        carry: Option<usize>,
        replaces: Option<usize>,
    },
    Merge {
        into: usize,
        from: usize,
        retired: Vec<usize>,
    },
    Retire(usize),
    /// A former identity is linked again to its contact.
    Return {
        identity: usize,
        carries: bool,
    },
    Release(usize),
    Erase(usize),
}

/// Each step, and how many minutes after the one before it is recorded. Sometimes
/// the server's clock goes back.
pub fn life() -> impl Strategy<Value = Vec<(Step, i64)>> {
    let minutes = prop_oneof![12 => select(vec![0, 1, 2, 3, 6]), 1 => Just(-2_i64)];
    prop::collection::vec((step(), minutes), 2..20)
}

fn step() -> impl Strategy<Value = Step> {
    // One of them more often, so that much happens to it.
    let one = || prop_oneof![2 => Just(0), 3 => 0..IDENTITIES.len()];
    let some = |most| subsequence(vec![0, 1, 2, 3], 1..=most);
    let named = || prop_oneof![5 => one().prop_map(|at| vec![at]), 1 => some(2)];
    let ago = prop_oneof![
        2 => Just(None),
        6 => select(vec![0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 20, -1, -4, -6]).prop_map(Some),
    ];
    prop_oneof![
        14 => (named(), word(), ago).prop_map(|(named, word, ago)| Step::Say { named, word, ago }),
        2 => (0..20_usize).prop_map(Step::Again),
        2 => some(3).prop_map(Step::Create),
        3 => (one(), one(), prop::option::of(one()), prop::option::of(one()))
            .prop_map(|(identity, to, carry, replaces)| Step::Link { identity, to, carry, replaces }),
        2 => (one(), one(), subsequence(vec![0, 1, 2, 3], 0..=1))
            .prop_map(|(into, from, retired)| Step::Merge { into, from, retired }),
        2 => one().prop_map(Step::Retire),
        2 => (one(), any::<bool>()).prop_map(|(identity, carries)| Step::Return { identity, carries }),
        1 => one().prop_map(Step::Release),
        1 => one().prop_map(Step::Erase),
    ]
}

fn word() -> impl Strategy<Value = Word> {
    let categories = || {
        prop_oneof![
            3 => Just(vec![MessageCategory::Marketing]),
            1 => Just(MessageCategory::ALL.to_vec()),
            1 => subsequence(MessageCategory::ALL.to_vec(), 1..=2),
        ]
    };
    let source = || select((1..=8).filter_map(Source::from_code).collect::<Vec<_>>());
    // Around the times that lives take.
    let expire = prop::option::of(select(vec![5, 15, 25, 40, 1000]).prop_map(at));
    let sender = || select(vec!["X", "Y", ALL_SENDERS]).prop_map(str::to_owned);
    prop_oneof![
        5 => (categories(), source(), prop::bool::weighted(0.2), expire).prop_map(
            |(categories, source, is_reported, expire)| {
                Word::OptIn { categories, source, is_reported, expire }
            },
        ),
        3 => (categories(), source())
            .prop_map(|(categories, source)| Word::OptOut { categories, source }),
        2 => sender().prop_map(|sender| Word::Stop { sender }),
        2 => sender().prop_map(|sender| Word::Resume { sender }),
    ]
}

/// Makes events of a life, one by one.
pub struct Narrator {
    pub now: Time,
    events: u128,
    /// What was said, with the time it was sent with, to be delivered again.
    said: Vec<(Vec<IdentityId>, Word, Option<Time>)>,
}

impl Narrator {
    pub fn new() -> Self {
        Self { now: at(0), events: 0, said: Vec::new() }
    }

    /// The event of a step; None if it could not be.
    pub fn event(&mut self, step: &Step, minutes: i64, known: &Naive) -> Option<Event> {
        self.now += TimeDelta::minutes(minutes);
        self.events += 1;
        let event_id = Uuid::from_u128(1000 + self.events);
        let of = |places: &[usize]| places.iter().map(|at| IDENTITIES[*at]).collect::<Vec<_>>();
        let change = match step {
            Step::Say { named, word, ago } => {
                let occurred = ago.map(|ago| self.now - TimeDelta::minutes(ago));
                self.said.push((of(named), word.clone(), occurred));
                let (named, word, occurred) = self.said.last()?.clone();
                self.say(event_id, named, word, occurred)?
            }
            Step::Again(index) => {
                let (named, word, occurred) = self.said.get(*index)?.clone();
                self.say(event_id, named, word, occurred)?
            }
            Step::Create(identities) => Change::Created { identities: of(identities) },
            Step::Link { identity, to, carry, replaces } => {
                let person = known.person(IDENTITIES[*to]);
                let other = |at: &Option<usize>| {
                    at.map(|at| IDENTITIES[at]).filter(|other| person.contains(other))
                };
                Change::Linked {
                    identity: IDENTITIES[*identity],
                    to: IDENTITIES[*to],
                    carry_from: other(carry),
                    replaces: other(replaces),
                }
            }
            Step::Merge { into, from, retired } => Change::Merged {
                into: IDENTITIES[*into],
                from: IDENTITIES[*from],
                contact_id: Uuid::nil(),
                retired: of(retired),
            },
            Step::Return { identity, carries } => {
                let identity = IDENTITIES[*identity];
                let mut others = known.person(identity);
                others.retain(|other| *other != identity);
                let to = *others.first().filter(|_| known.former.contains(&identity))?;
                let carry_from = carries.then_some(to);
                Change::Linked { identity, to, carry_from, replaces: None }
            }
            Step::Retire(identity) => Change::Retired { identity: IDENTITIES[*identity] },
            Step::Release(identity) => Change::Released { identity: IDENTITIES[*identity] },
            Step::Erase(identity) => Change::Erased { identity: IDENTITIES[*identity] },
        };
        Some(Event { id: event_id, record_time: self.now, change })
    }

    fn say(
        &self,
        event: Uuid,
        named: Vec<IdentityId>,
        word: Word,
        occurred: Option<Time>,
    ) -> Option<Change> {
        let said = match &word {
            Word::OptIn { .. } | Word::Resume { .. } => {
                Said::permission(occurred, self.now).ok()?
            }
            Word::OptOut { .. } | Word::Stop { .. } => Said::objection(occurred, self.now),
        };
        Some(Change::Said(Statement { event, named, said, word }))
    }
}
