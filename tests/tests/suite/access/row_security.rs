//! The same on a Postgres with row-level security, with all conditions on the workspace taken out of
//! the service's statements: the database alone keeps the workspaces apart.

use contacts_sdk::NewContact;
use contacts_tests::{Backend, TestApp, TestDatabase, phone};

use super::every_method::{
    every_method_needs_a_right_to_its_workspace, every_method_needs_its_scope,
};
use super::foreign_ids::foreign_ids_reveal_and_change_nothing;

async fn run<F: Future<Output = ()>>(test: impl FnOnce(TestApp) -> F) {
    let app = TestApp::start_without_conditions(TestDatabase::confined().await).await;
    Box::pin(test(app.clone())).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_18_foreign_ids_reveal_and_change_nothing_where_only_the_database_compares() {
    run(foreign_ids_reveal_and_change_nothing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_17_every_method_needs_a_right_to_its_workspace_where_only_the_database_compares() {
    run(every_method_needs_a_right_to_its_workspace).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_17_every_method_needs_its_scope_where_only_the_database_compares() {
    run(every_method_needs_its_scope).await;
}

/// What the others would find without row-level security.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_conditions_and_policies_a_foreign_contact_is_found() {
    for is_confined in [false, true] {
        let database = match is_confined {
            false => TestDatabase::create(Backend::Postgres).await,
            true => TestDatabase::confined().await,
        };
        let app = TestApp::start_with(database).await;
        for id in ["ours", "theirs"] {
            app.workspaces().create(id).await.expect("a workspace");
        }
        let theirs = app.client().with_workspace("theirs").contacts();
        let contact = theirs.create(NewContact::new().phone(phone(1))).await.expect("a contact");
        let backup = app.backup().await;
        app.finish().await;
        let app = TestApp::start_without_conditions(backup).await;
        let ours = app.client().with_workspace("ours").contacts();
        let found = ours.get(&contact).await.is_ok();
        let counted = ours.count().await.expect("a count");
        assert_eq!((found, counted), if is_confined { (false, 0) } else { (true, 1) });
        app.finish().await;
    }
}
