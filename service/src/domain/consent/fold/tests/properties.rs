//! Whatever happens in whatever order, the fold answers what the definition does.
//!
//! `FOLD_LIVES=20000 cargo test --lib fold` runs more lives than the default.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::super::*;
use super::life::{IDENTITIES, Narrator, life};
use super::naive::{Kind, Naive, SENDERS};
use crate::domain::Time;
use crate::domain::consent::{ALL_SENDERS, ConsentSummary, MessageCategory};

pub fn lives() -> ProptestConfig {
    let lives = std::env::var("FOLD_LIVES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: lives.unwrap_or(512), failure_persistence: None, ..Default::default() }
}

/// Every question that may be asked of one identity.
fn compare(world: &World, naive: &Naive, id: IdentityId, now: Time) -> Result<(), TestCaseError> {
    let row = world.row(id).unwrap_or_default();
    let is_former = world.role(id) == Some(Role::Former);
    prop_assert_eq!(is_former, naive.former.contains(&id));
    for category in MessageCategory::ALL {
        for sender in ["X", "Y", "Z", ALL_SENDERS] {
            for (ahead, max_age) in [(0, None), (13, None), (0, Some(7)), (-7, Some(7))] {
                let check = Check {
                    is_contact: true,
                    is_former,
                    category,
                    sender,
                    max_age: max_age.map(TimeDelta::minutes),
                    now: now + TimeDelta::minutes(ahead),
                };
                let verdict = decide(&row, &check);
                let expected = naive.decide(id, &check);
                prop_assert_eq!((verdict.reason, verdict.expire), expected, "{:?} {:?}", id, check);
                // Memory answers with this, whenever and from whichever number it is asked.
                if max_age.is_none()
                    && let Some(reason) = settled(&row, is_former, category)
                {
                    prop_assert_eq!(reason, verdict.reason, "{:?} {:?}", id, check);
                }
                if !is_former && sender == ALL_SENDERS {
                    repeated(&row, &check, &verdict)?;
                }
            }
            if category != MessageCategory::Marketing {
                break;
            }
        }
        explained(&row, naive, id, category)?;
    }
    Ok(())
}

/// What a contact repeats of its consent says the same as a check without a sender.
fn repeated(
    row: &IdentityConsent,
    check: &Check<'_>,
    verdict: &Verdict,
) -> Result<(), TestCaseError> {
    let summary = ConsentSummary::of(row, None);
    let consent = summary.categories[check.category as usize];
    let allows = verdict.reason == CheckReason::OptedIn;
    prop_assert_eq!(consent.is_sendable(check.max_age, check.now), allows);
    prop_assert_eq!((consent.time, consent.source), (verdict.time, verdict.source));
    if matches!(verdict.reason, CheckReason::OptedIn | CheckReason::Expired) {
        prop_assert_eq!(consent.end(check.max_age), verdict.expire);
    }
    Ok(())
}

/// What is named as deciding is among what decides.
fn explained(
    row: &IdentityConsent,
    naive: &Naive,
    id: IdentityId,
    category: MessageCategory,
) -> Result<(), TestCaseError> {
    if let Some(objection) = row.objections.opt_out(category) {
        let standing = naive.standing(id, |kind| kind == Kind::OptOut(category));
        prop_assert!(standing.contains(&(objection.event, objection.source)));
    }
    if let Some(objection) = row.objections.erasure(category) {
        let standing = naive.standing(id, |kind| kind == Kind::Erasure(category));
        prop_assert!(standing.contains(&(objection.event, objection.source)));
    }
    for sender in SENDERS {
        if let Some(objection) = row.objections.stops().standing(sender) {
            let standing = naive.standing(id, |kind| kind == Kind::Stop(sender));
            prop_assert!(standing.contains(&(objection.event, objection.source)));
        }
    }
    if let Some(permission) = row.permission(category) {
        let mut known = naive.permitted.iter();
        prop_assert!(known.any(|fact| fact.whom == id
            && fact.event == permission.event
            && fact.source == permission.source
            && fact.expire == permission.expire));
    }
    Ok(())
}

/// Rows survive storage, and a person loaded from them is the same.
fn stored(world: &World) -> Result<(), TestCaseError> {
    for person in world.persons() {
        let mut rows = Vec::new();
        for (id, role, row) in person.rows() {
            let read = IdentityConsent::decode(id, &row.encode(id));
            prop_assert_eq!(read.as_ref(), Ok(&row));
            rows.push((id, role, row));
        }
        prop_assert_eq!(&Person::load(rows), person);
    }
    Ok(())
}

/// What a statement is said to have done, it did.
fn answered(
    event: &Event,
    recorded: &[Recorded],
    before: &World,
    after: &World,
) -> Result<(), TestCaseError> {
    let Change::Said(statement) = &event.change else { return Ok(()) };
    let persons = statement.named.iter().filter_map(|id| after.person(*id));
    let [recorded] = recorded else { return Ok(()) };
    let Some(person) = persons.into_iter().next() else { return Ok(()) };
    let before = before.person(statement.named[0]);
    for (category, outcome) in &recorded.outcomes {
        let objections = person.objections();
        let opted_out = objections.opt_out(*category).or(objections.erasure(*category));
        match (&statement.word, outcome) {
            (Word::OptIn { .. }, Outcome::Effective | Outcome::AlreadySo) => {
                prop_assert_eq!(opted_out, None);
            }
            (
                Word::OptIn { .. },
                Outcome::NoEffect(NoEffect::Objected { event } | NoEffect::Erased { event }),
            ) => {
                prop_assert_eq!(opted_out.map(|objection| objection.event), Some(*event));
            }
            (Word::OptOut { .. }, Outcome::Effective | Outcome::AlreadySo) => {
                prop_assert!(objections.opt_out(*category).is_some());
            }
            (Word::OptOut { .. } | Word::Stop { .. }, Outcome::NoEffect(reason)) => {
                prop_assert_eq!(*reason, NoEffect::OlderThanKnown);
                let before = before.map(Person::objections).cloned().unwrap_or_default();
                prop_assert_eq!(objections.opt_out(*category), before.opt_out(*category));
            }
            (Word::Stop { sender }, _) => {
                prop_assert!(objections.stops().standing(sender).is_some())
            }
            (Word::Resume { sender }, Outcome::Effective | Outcome::AlreadySo) => {
                prop_assert_eq!(objections.stops().standing(sender), None);
            }
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(lives())]

    #[test]
    fn the_fold_answers_what_the_definition_does(life in life()) {
        let mut narrator = Narrator::new();
        let mut naive = Naive::new(&IDENTITIES);
        let mut world = World::default();
        let mut ledger = Vec::new();
        for (step, minutes) in &life {
            let Some(event) = narrator.event(step, *minutes, &naive) else { continue };
            let before = world.clone();
            let recorded = world.apply(&event);
            naive.apply(&event);
            answered(&event, &recorded, &before, &world)?;
            for id in IDENTITIES {
                compare(&world, &naive, id, narrator.now)?;
            }
            stored(&world)?;
            ledger.push(event);
        }
        let folded = fold(&ledger);
        for id in IDENTITIES {
            prop_assert_eq!(folded.row(id), world.row(id));
            prop_assert_eq!(folded.role(id), world.role(id));
        }
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(row) = IdentityConsent::decode(IDENTITIES[0], &bytes) {
            prop_assert_eq!(row.encode(IDENTITIES[0]), bytes);
        }
    }
}
