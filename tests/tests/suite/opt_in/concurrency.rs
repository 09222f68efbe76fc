//! Every check that begins after an acknowledged opt-out sees it, under any concurrent load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use contacts_sdk::{
    CheckReason, ImportConsent, ImportOptions, NewContact, OnConflict, OptInSource,
};
use contacts_tests::{TestApp, apply, on_each_store, phone};
use futures::future::join_all;

use super::{MARKETING, reason_of};

const TASKS: usize = 64;

#[apply(on_each_store!)]
async fn every_task_sees_its_own_opt_out_immediately(app: TestApp) {
    let people = (0..TASKS).map(|n| NewContact::new().phone(phone(n)));
    app.make_many(people).await;
    let task = |n: usize| {
        let app = app.clone();
        tokio::spawn(async move {
            let opt_in = app.opt_in().record_opt_in(phone(n), OptInSource::WebForm);
            opt_in.await.expect("an opt-in");
            assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedIn, "{n}");
            app.opt_in().record_opt_out(phone(n)).await.expect("an opt-out");
            for _ in 0..5 {
                assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
                let batch = app.opt_in().check_batch(&[phone(n)], MARKETING).await;
                assert!(!batch.expect("answers").allowed(0), "{n}");
            }
        })
    };
    for outcome in join_all((0..TASKS).map(task)).await {
        outcome.expect("a task");
    }
}

#[apply(on_each_store!)]
async fn check_is_never_older_than_the_last_acknowledged_statement(app: TestApp) {
    // One writer alternates opt-ins and opt-outs and publishes the number of the last acknowledged
    // statement. A check has to return one of the statements that it overlaps.
    const STATEMENTS: u64 = 24;
    app.make_contact(phone(1)).await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let begun = Arc::new(AtomicU64::new(0));
    let checker = |_| {
        let (app, acknowledged, begun) = (app.clone(), acknowledged.clone(), begun.clone());
        tokio::spawn(async move {
            let mut checks = 0;
            loop {
                let before = acknowledged.load(Ordering::SeqCst);
                let allowed = app.opt_in().may_send(phone(1), MARKETING).await;
                let after = begun.load(Ordering::SeqCst);
                // Odd numbers are opt-ins, even ones opt-outs; 0 is before the first statement.
                let possible = (before..=after).any(|statement| (statement % 2 == 1) == allowed);
                assert!(possible, "{allowed} between statements {before} and {after}");
                checks += 1;
                if before == STATEMENTS {
                    return checks;
                }
            }
        })
    };
    let checkers: Vec<_> = (0..TASKS).map(checker).collect();
    for statement in 1..=STATEMENTS {
        begun.store(statement, Ordering::SeqCst);
        let recorded = match statement % 2 {
            1 => app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await,
            _ => app.opt_in().record_opt_out(phone(1)).await,
        };
        recorded.expect("an event");
        acknowledged.store(statement, Ordering::SeqCst);
    }
    let checks: u64 = join_all(checkers).await.into_iter().map(|task| task.expect("a task")).sum();
    assert!(checks > STATEMENTS, "only {checks} checks");
}

#[apply(on_each_store!)]
async fn concurrent_imports_and_recreations_do_not_lift_an_opt_out(app: TestApp) {
    // Each person opts out while imports claim consent and the contact is deleted and created again.
    let noise = |n: usize| {
        let app = app.clone();
        tokio::spawn(async move {
            for _ in 0..4 {
                let options = ImportOptions::new().on_conflict(OnConflict::Merge);
                let options = options.consent(ImportConsent::opted_in());
                let rows = [NewContact::new().phone(phone(n)).first_name("Ana")];
                app.contacts().batch_upsert(rows).options(options).await.expect("an outcome");
                // Another task may have deleted or created it first.
                drop(app.contacts().delete(phone(n)).await);
                drop(app.contacts().create(NewContact::new().phone(phone(n))).await);
            }
        })
    };
    let objection = |n: usize| {
        let app = app.clone();
        tokio::spawn(async move {
            app.opt_in().record_opt_out(phone(n)).await.expect("an opt-out");
            for _ in 0..10 {
                let answer = app.opt_in().check(phone(n), MARKETING).await.expect("a check");
                assert_eq!(answer.reason, CheckReason::OptedOut, "{n}");
            }
        })
    };
    let tasks = (0..TASKS).map(|n| if n % 2 == 0 { noise(n / 2) } else { objection(n / 2) });
    for outcome in join_all(tasks).await {
        outcome.expect("a task");
    }
    for n in 0..TASKS / 2 {
        assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
    }
}
