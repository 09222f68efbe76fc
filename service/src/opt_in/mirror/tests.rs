//! Interleavings of checks, writes, loads and evictions: each step of the mirror is taken under one
//! lock, so their orders are all that can happen.

use std::collections::HashMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::Time;
use crate::domain::consent::{CheckReason, IdentityConsent, IdentityId};
use crate::domain::keyring::{Keyring, Tagger};

const KEYS: usize = 3;
const CHECKERS: usize = 3;

/// The versions of a row are told apart by the ids of their contacts. None: no row.
type Version = Option<u128>;

struct Database {
    /// The rows at each time, with the revision and its stamp. A failover goes back.
    history: Vec<([Version; KEYS], i64, i64)>,
    changes: Vec<ConsentChange>,
    /// The changes at each of these times, for the copies.
    copies: Vec<Vec<ConsentChange>>,
    incarnation: u8,
    key_version: u32,
}

impl Database {
    fn new() -> Self {
        let (changes, incarnation, key_version) = (Vec::new(), 0, 1);
        let (history, copies) = (vec![([Some(1), None, None], 0, 0)], vec![Vec::new()]);
        Self { history, changes, copies, incarnation, key_version }
    }

    fn revision(&self) -> i64 {
        self.history.last().expect("a state").1
    }

    fn rows(&self) -> [Version; KEYS] {
        self.history.last().expect("a state").0
    }

    /// A copy takes its place that lacks the last changes.
    fn fail_over(&mut self, lost: usize) {
        let at = self.history.len().saturating_sub(1 + lost);
        self.history.push(self.history[at]);
        self.changes = self.copies[at].clone();
        self.copies.push(self.changes.clone());
    }

    fn validity(&self) -> Validity {
        let incarnation = [self.incarnation; 32];
        let stamp = self.history.last().expect("a state").2;
        Validity { incarnation, revision: self.revision(), stamp, max_ages: [None; 3] }
    }

    fn write(&mut self, index: usize, deletes: bool, tagger: &Tagger) {
        let mut rows = self.rows();
        rows[index] = (!deletes).then_some(self.history.len() as u128 + 1);
        let (revision, stamp) = (self.revision() + 1, self.history.len() as i64);
        self.history.push((rows, revision, stamp));
        let tags = vec![tagger.tag(key(index).as_str())];
        let (change_time, key_version) = (Time::default(), self.key_version);
        self.changes.push(ConsentChange { revision, stamp, change_time, key_version, tags });
        self.copies.push(self.changes.clone());
    }

    fn changes_from(&self, revision: i64, limit: usize) -> Vec<ConsentChange> {
        let from = self.changes.iter().filter(|change| change.revision >= revision);
        from.take(limit).cloned().collect()
    }
}

fn key(index: usize) -> MatchKey {
    MatchKey::from_stored(["p15550000001", "p15550000002", "uUS.3"][index].to_owned())
}

fn row(version: u128) -> CheckRow {
    CheckRow {
        identity_id: IdentityId(Uuid::nil()),
        contact_id: Some(Uuid::from_u128(version)),
        is_former: version.is_multiple_of(2),
        consent: IdentityConsent::default(),
        max_ages: [None; 3],
    }
}

/// What is answered of a row without a look at its record.
fn reason(version: Version) -> Option<CheckReason> {
    version.map(|version| match version.is_multiple_of(2) {
        true => CheckReason::FormerIdentity,
        false => CheckReason::NotAsked,
    })
}

/// What a check is about to do.
#[derive(Clone)]
enum Next {
    Arrive,
    /// Looks at memory before it is known to be valid.
    LookEarly(Box<Next>),
    ReadValidity {
        floor: i64,
    },
    Fit {
        validity: Validity,
    },
    Apply {
        validity: Validity,
        after: i64,
        changes: Vec<ConsentChange>,
    },
    Look {
        validity: Validity,
    },
    ReadRow,
    Keep {
        version: Version,
        as_of: Validity,
    },
}

struct Checker {
    next: Next,
    index: usize,
    /// How many states there were when the check arrived.
    arrived: usize,
    /// What it saw early.
    early: Option<Early>,
}

struct Life {
    database: Database,
    held: Held,
    tagger: Tagger,
    checkers: Vec<Checker>,
    /// A load that has read, and not finished.
    loading: Option<Content>,
    from_memory: usize,
}

impl Life {
    fn new() -> Self {
        let tagger = Keyring::new(&[1; 32]).tagger("acme");
        let checker = |_| Checker { next: Next::Arrive, index: 0, arrived: 0, early: None };
        let checkers = (0..CHECKERS).map(checker).collect();
        let (database, held) = (Database::new(), Held::new("acme"));
        Self { database, held, tagger, checkers, loading: None, from_memory: 0 }
    }

    fn load(&mut self) {
        match self.loading.take() {
            Some(content) => *lock(&self.held.state) = State::Kept(content),
            None => {
                let mut table = Table::new(self.tagger);
                for (index, version) in self.database.rows().into_iter().enumerate() {
                    if let Some(version) = version {
                        insert(&mut table, &key(index), &row(version));
                    }
                }
                self.loading = Some(Content { at: Point::of(&self.database.validity()), table });
            }
        }
    }

    /// What may be answered: the rows of each state between the check's arrival and now.
    fn valid(&self, checker: usize) -> Vec<Version> {
        let Checker { index, arrived, .. } = self.checkers[checker];
        let states = &self.database.history[arrived - 1..];
        states.iter().map(|(rows, ..)| rows[index]).collect()
    }

    fn answer(&self, checker: usize, version: Version) {
        let valid = self.valid(checker);
        assert!(valid.contains(&version), "{version:?} is none of {valid:?}");
    }

    /// The answer that was seen early, if it turned out to be valid.
    fn answer_early(&mut self, checker: usize, validity: &Validity) -> bool {
        let early = self.checkers[checker].early.take();
        let reasons = early.and_then(|early| early.valid(MessageCategory::Marketing, validity));
        let Some(&[Some(seen)]) = reasons.as_deref() else { return false };
        let mut valid = self.valid(checker).into_iter().map(reason);
        assert!(valid.any(|reason| reason == Some(seen)), "{seen:?} was never true");
        true
    }

    fn step(&mut self, checker: usize, argument: usize) {
        let held = &self.held;
        let next = match self.checkers[checker].next.clone() {
            Next::Arrive => {
                self.checkers[checker].index = argument % KEYS;
                self.checkers[checker].arrived = self.database.history.len();
                self.checkers[checker].early = None;
                let is_kept = matches!(*lock(&held.state), State::Kept(_));
                let read = Next::ReadValidity { floor: held.floor() };
                match (is_kept, argument / KEYS % 3) {
                    (false, _) => Next::ReadRow,
                    (true, 0) => Next::LookEarly(Box::new(read)),
                    (true, _) => read,
                }
            }
            Next::LookEarly(then) => {
                let key = key(self.checkers[checker].index);
                let early = held.settled(std::iter::once(Some(&key)), MessageCategory::Marketing);
                self.checkers[checker].early = early;
                *then
            }
            Next::ReadValidity { floor } => {
                let validity = self.database.validity();
                held.refuse_older(floor, &validity);
                let fit = Next::Fit { validity };
                match argument % 3 {
                    0 if self.checkers[checker].early.is_none() => Next::LookEarly(Box::new(fit)),
                    _ => fit,
                }
            }
            Next::Fit { validity } => match held.fit(&validity) {
                Fit::Valid if self.answer_early(checker, &validity) => {
                    self.from_memory += 1;
                    Next::Arrive
                }
                Fit::Valid => Next::Look { validity },
                Fit::Gone => Next::ReadRow,
                Fit::Behind(after) => {
                    let mut changes = self.database.changes_from(after, 2 + argument % 3);
                    changes.retain(|change| change.revision <= validity.revision);
                    Next::Apply { validity, after, changes }
                }
            },
            Next::Apply { validity, after, changes } => {
                held.apply(after, &changes);
                Next::Fit { validity }
            }
            Next::Look { validity } => {
                let key = key(self.checkers[checker].index);
                match held.row(&key, &validity).expect("a record") {
                    Some(Some(found)) => {
                        self.from_memory += 1;
                        self.answer(checker, found.contact_id.map(|id| id.as_u128()));
                        Next::Arrive
                    }
                    Some(None) | None => Next::ReadRow,
                }
            }
            Next::ReadRow => {
                let version = self.database.rows()[self.checkers[checker].index];
                Next::Keep { version, as_of: self.database.validity() }
            }
            Next::Keep { version, as_of } => {
                self.answer(checker, version);
                let read = version.map(row);
                let key = key(self.checkers[checker].index);
                held.keep(read.iter().map(|row| (&key, row)), &as_of);
                Next::Arrive
            }
        };
        self.checkers[checker].next = next;
    }
}

fn insert(table: &mut Table, key: &MatchKey, row: &CheckRow) {
    let (contact_id, identity_id) = (row.contact_id.expect("a contact"), row.identity_id);
    let (is_former, consent) = (row.is_former, &row.consent);
    assert!(table.insert(&Kept { key, contact_id, identity_id, is_former, consent }));
}

/// Runs a life, and returns how many answers were from memory.
fn live(steps: &[(u8, u8)]) -> usize {
    let mut life = Life::new();
    life.load();
    life.load();
    for (what, argument) in steps {
        let argument = usize::from(*argument);
        match what % 16 {
            0 | 1 => life.database.write(argument % KEYS, argument % 4 == 3, &life.tagger),
            2 => life.load(),
            3 if argument % 8 == 0 => life.held.forget(&mut lock(&life.held.state), None),
            // Old changes are deleted, and keys rotate on another server.
            3 if argument % 8 == 1 => life.database.changes.clear(),
            3 if argument % 8 == 2 => life.database.key_version += 1,
            3 if argument % 8 < 5 => life.database.fail_over(argument / 8 % 4),
            _ => life.step(argument % CHECKERS, argument / CHECKERS),
        }
    }
    life.from_memory
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(std::env::var("MIRROR_LIVES").ok().and_then(|n| n.parse().ok()).unwrap_or(2000)))]

    #[test]
    fn answers_are_those_of_the_database_since_the_check_arrived(
        steps in prop::collection::vec(any::<(u8, u8)>(), 0..400)
    ) {
        live(&steps);
    }
}

#[test]
fn most_answers_are_from_memory() {
    let steps: Vec<_> = (0..400_u16).map(|n| (4, (n * 7 % 251) as u8)).collect();
    assert!(live(&steps) > 5);
}

#[test]
fn a_database_that_went_back_is_noticed() {
    let mut life = Life::new();
    life.load();
    life.load();
    life.database.write(0, false, &life.tagger);
    let newer = life.database.validity();
    life.held.apply(0, &life.database.changes_from(0, 9));
    let floor = life.held.floor();
    assert_eq!(floor, newer.revision);
    // An older copy was put in its place.
    let older = Validity { revision: 0, stamp: 0, ..newer };
    life.held.refuse_older(floor, &older);
    assert!(matches!(life.held.fit(&older), Fit::Gone));
}

#[test]
fn a_workspace_made_anew_with_the_same_id_is_another() {
    let mut life = Life::new();
    life.load();
    life.load();
    life.database.incarnation += 1;
    assert!(matches!(life.held.fit(&life.database.validity()), Fit::Gone));
    let rows: HashMap<_, _> = [(key(0), row(9))].into();
    assert!(!life.held.keep(rows.iter(), &life.database.validity()));
}
