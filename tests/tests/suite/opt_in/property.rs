//! Property: the latest statement decides, whatever the order of arrival.

use contacts_sdk::{CheckReason, OptInSource};
use contacts_tests::{TestApp, apply, on_each_store, phone, timestamp};
use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::{AUTHENTICATION, MARKETING, UTILITY, check};

const PEOPLE: usize = 24;

/// An opt-in or opt-out for some categories, with its own time.
type Statement = (bool, Vec<usize>, u64);

fn statements() -> impl Strategy<Value = Vec<Statement>> {
    let categories = subsequence(vec![0, 1, 2], 1..=3);
    // Few different times, so that some statements have the same time.
    prop::collection::vec((any::<bool>(), categories, 0..4_u64), 0..8)
}

/// The latest statement about a category. Of several with that time, an opt-out.
fn expected(said: &[Statement], category: usize) -> CheckReason {
    let about = || said.iter().filter(|(_, categories, _)| categories.contains(&category));
    let Some(latest) = about().map(|(_, _, when)| *when).max() else {
        return CheckReason::NotAsked;
    };
    match about().filter(|(_, _, when)| *when == latest).all(|(agrees, _, _)| *agrees) {
        true => CheckReason::OptedIn,
        false => CheckReason::OptedOut,
    }
}

#[apply(on_each_store!)]
async fn latest_statement_decides_in_any_order_of_arrival(app: TestApp) {
    let all = [MARKETING, UTILITY, AUTHENTICATION];
    // A fixed seed: with so few people, a random run could miss a case.
    let mut runner = TestRunner::deterministic();
    let mut seen = Vec::new();
    for n in 0..PEOPLE {
        let said = statements().new_tree(&mut runner).expect("statements").current();
        let contact = app.make_contact(phone(n)).await;
        for (agrees, about, when) in &said {
            let about = about.iter().map(|index| all[*index]);
            let recorded = match agrees {
                true => {
                    let record = app.opt_in().record_opt_in(&contact, OptInSource::WebForm);
                    record.categories(about).occurred_time(timestamp(*when)).await
                }
                false => {
                    let record = app.opt_in().record_opt_out(&contact);
                    record.categories(about).occurred_time(timestamp(*when)).await
                }
            };
            recorded.expect("an event");
        }
        for (index, category) in all.into_iter().enumerate() {
            let expected = expected(&said, index);
            assert_eq!(check(&app, &contact, category).await.reason, expected, "{index}: {said:?}");
            seen.push(expected);
        }
        let events = app.opt_in().events(&contact).await.expect("events").items;
        assert_eq!(events.len(), said.len());
    }
    for reason in [CheckReason::NotAsked, CheckReason::OptedIn, CheckReason::OptedOut] {
        assert!(seen.iter().filter(|seen| **seen == reason).count() > 2, "{reason:?} is too rare");
    }
}
