//! Every statement of every change fails once: the change is made as a whole or not at all, and
//! whoever sends it again has it made exactly once.

mod cases;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeFrom;

use bytes::Bytes;
use contacts_proto::FILE_DESCRIPTOR_SET;
use contacts_service::operations::{audit, audit_states};
use contacts_service::store::Store;
use contacts_service::store::sqlite::Access;
use contacts_tests::{
    Backend, Fault, Faults, RawResponse, TableRows, TestApp, apply, assert_consistent,
    on_each_store, rpc_error,
};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Code;

use self::cases::{Case, Repetition};

/// A call that runs more statements than this does not end.
const MAX_STATEMENTS: u64 = 400;

/// What methods that change nothing begin with.
const READS: [&str; 8] =
    ["Get", "List", "Count", "Stream", "BatchGet", "Export", "Check", "BatchCheck"];

#[test]
fn every_method_that_changes_something_has_a_case() {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("descriptors").file;
    let methods = files.iter().flat_map(|file| &file.service).flat_map(|service| {
        let name = |method: &str| format!("{}/{method}", service.name());
        service.method.iter().map(move |method| (method.name(), name(method.name())))
    });
    let changes = methods.filter(|(name, _)| !READS.iter().any(|read| name.starts_with(read)));
    let changes: BTreeSet<String> = changes.map(|(_, path)| path).collect();
    let groups =
        [cases::contacts(), cases::many(), cases::consent(), cases::catalog(), cases::admin()];
    let tested: BTreeSet<String> =
        groups.iter().flatten().map(|case| case.method.to_owned()).collect();
    assert_eq!(tested, changes);
}

#[apply(on_each_store!)]
async fn changes_of_a_contact_are_whole(app: TestApp) {
    run(app, cases::contacts()).await;
}

#[apply(on_each_store!)]
async fn changes_of_many_contacts_are_whole(app: TestApp) {
    run(app, cases::many()).await;
}

#[apply(on_each_store!)]
async fn changes_of_consent_are_whole(app: TestApp) {
    run(app, cases::consent()).await;
}

#[apply(on_each_store!)]
async fn changes_of_definitions_are_whole(app: TestApp) {
    run(app, cases::catalog()).await;
}

#[apply(on_each_store!)]
async fn changes_of_workspaces_and_tokens_are_whole(app: TestApp) {
    run(app, cases::admin()).await;
}

async fn run(app: TestApp, cases: Vec<Case>) {
    let faults = app.with_faults().await;
    let store = app.open_store(Access::Read).await;
    for (number, case) in cases.iter().enumerate() {
        // Small tables, which are fast to compare.
        let workspace_id = format!("case-{number}");
        app.workspaces().create(&*workspace_id).await.expect("a workspace");
        let test = Test { app: &app, store: &store, case, workspace_id: &workspace_id };
        test.run(&faults).await;
        app.workspaces().delete(&*workspace_id).confirm(&*workspace_id).await.expect("deleted");
    }
    if app.backend() == Backend::Postgres {
        assert_consistent(&mut app.database().connect().await).await;
    }
    store.close().await;
    app.assert_alive().await;
}

struct Test<'t> {
    app: &'t TestApp,
    store: &'t Store,
    case: &'t Case,
    workspace_id: &'t str,
}

impl Test<'_> {
    async fn run(&self, faults: &Faults) {
        let (app, case) = (self.app, self.case);
        case.prepare_workspace(app, self.workspace_id).await;
        // The first one makes rows that the others find.
        let mut expected = BTreeMap::new();
        for person in 0..2 {
            let request = case.prepare(app, self.workspace_id, person).await;
            let before = app.database().rows().await;
            let response = self.send(&request).await;
            assert_eq!(response.code(), Code::Ok, "{}: {response:?}", case.method);
            expected = app.database().rows().await.added_since(&before);
        }
        let mut persons = 2..;
        for fault in Fault::of(app.backend()) {
            let mut nth = 1;
            while let Some(changed_at) =
                self.fail_until_changed(faults, fault, nth, &expected, &mut persons).await
            {
                nth = changed_at + 1;
            }
            self.verify(case.method).await;
        }
    }

    /// Sends one request again and again, which fails at each statement from the `nth` on, until it
    /// changed something although it failed: returns at which statement. None if it succeeded
    /// before it came to the statement that was to fail.
    async fn fail_until_changed(
        &self,
        faults: &Faults,
        fault: Fault,
        first: u64,
        expected: &BTreeMap<String, i64>,
        persons: &mut RangeFrom<usize>,
    ) -> Option<u64> {
        let (app, case) = (self.app, self.case);
        let person = persons.next().expect("a number");
        let request = case.prepare(app, self.workspace_id, person).await;
        let before = app.database().rows().await;
        for nth in first..MAX_STATEMENTS {
            let what = format!("{} with {fault:?} of statement {nth}", case.method);
            faults.arm(fault, nth);
            let response = self.send(&request).await;
            let was_reached = faults.disarm();
            app.wait_until_idle().await;
            let after = app.database().rows().await;
            if response.code() == Code::Ok {
                assert_eq!(after.added_since(&before), *expected, "{what}");
                // Another one's statement, such as of the health check, may have failed instead.
                return was_reached.then_some(nth);
            }
            assert!(was_reached, "{what}: {response:?}");
            assert_eq!(response.code(), Code::Unavailable, "{what}: {response:?}");
            let differ = after.tables_other_than(&before);
            if differ.is_empty() {
                continue;
            }
            assert!(case.has_steps || fault.may_have_run(), "{what} changed {differ:?}");
            if !case.has_steps {
                assert_eq!(after.added_since(&before), *expected, "{what}: half a change");
            }
            self.verify(&what).await;
            self.send_again(&request, (&before, &after), expected, &what).await;
            return Some(nth);
        }
        panic!("{} does not end", case.method);
    }

    /// Sends a request again that failed, and changed something all the same.
    async fn send_again(
        &self,
        request: &Bytes,
        (before, after): (&TableRows, &TableRows),
        expected: &BTreeMap<String, i64>,
        what: &str,
    ) {
        let response = self.send(request).await;
        let what = format!("{what}, sent again: {response:?}");
        match self.case.repetition {
            Repetition::Refused(reason) => {
                assert_eq!(rpc_error(&response.status).reason(), Some(reason), "{what}");
            }
            _ => assert_eq!(response.code(), Code::Ok, "{what}"),
        }
        let finally = self.app.database().rows().await;
        match self.case.repetition {
            Repetition::Anew => assert_eq!(finally.added_since(after), *expected, "{what}"),
            _ => assert_eq!(finally.added_since(before), *expected, "{what}"),
        }
        if !self.case.has_steps && self.case.repetition != Repetition::Anew {
            let differ = finally.tables_other_than(after);
            assert!(differ.is_empty(), "{what} changed {differ:?}");
        }
    }

    async fn send(&self, request: &Bytes) -> RawResponse {
        self.app.wire().await.send(self.case.method, &[], request.clone()).await
    }

    /// Audits the ledger and what is stored of it.
    async fn verify(&self, what: &str) {
        let ledger = audit::verify(self.store, self.workspace_id, None).await.expect("an audit");
        ledger.unwrap_or_else(|error| panic!("{what}: {error}"));
        let states = audit_states::verify_states(self.store, self.workspace_id).await;
        assert!(states.expect("an audit").is_empty(), "{what}: states differ from the ledger");
    }
}
