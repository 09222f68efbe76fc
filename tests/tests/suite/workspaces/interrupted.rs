//! A deletion that ends halfway.

use std::time::{Duration, Instant};

use contacts_sdk::MessageCategory;
use contacts_service::store::sqlite::fail_point::Fault as SqliteFault;
use contacts_tests::{Backend, Fault, Refused, TestApp, phone};
use tokio::time::sleep;

use super::make_large_workspace;

#[tokio::test]
async fn what_is_left_of_a_workspace_is_deleted_by_the_next_server() {
    let app = TestApp::start(Backend::Sqlite).await;
    app.make_contact(phone(1)).await;
    app.make_tags(&["regular"]).await;
    let before = app.database().rows().await;
    make_large_workspace(&app).await;
    let faults = app.with_faults().await;
    // The second transaction and those after it. The first is of some ten statements.
    faults.arm(Fault::Sqlite(SqliteFault::AllFromHere), 14);
    let error = app.workspaces().delete("acme").confirm("acme").await.refused();
    assert!(error.is_unavailable() && error.to_string().contains("is deleted"), "{error}");
    assert!(faults.disarm());

    // Nobody finds it, and another one of this id has nothing of it.
    assert!(app.workspaces().get("acme").await.refused().is_not_found());
    assert_eq!(app.workspaces().list().await.expect("workspaces").items.len(), 1);
    let acme = app.client().with_workspace("acme");
    assert!(!acme.opt_in().may_send(phone(1), MessageCategory::Marketing).await);
    // Also not by the name that it has in the file.
    for row_key in 1..5 {
        let name = format!("~{row_key}");
        assert!(app.workspaces().get(&*name).await.refused().is_not_found());
        let there = app.client().with_workspace(&*name);
        let checked = there.opt_in().check(phone(1), MessageCategory::Marketing).await;
        assert!(checked.refused().is_not_found());
        assert!(there.contacts().count().await.refused().is_not_found());
    }
    app.workspaces().create("acme").await.expect("a workspace");
    assert_eq!(acme.contacts().count().await.expect("a count"), 0);
    assert_eq!(app.workspaces().delete("acme").confirm("acme").await.expect("a count"), 0);
    let left = app.database().rows().await.added_since(&before);
    assert!(left.contains_key("contact"), "{left:?}");

    app.restart().await;
    let begin = Instant::now();
    while !app.database().rows().await.added_since(&before).is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it is still there");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(app.contacts().count().await.expect("a count"), 1);
}
