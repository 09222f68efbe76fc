//! What operators see: metrics, request ids, the access log and the audit log. That none of it contains
//! personal data is tested in `privacy` and `canary`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contacts_proto::v1;
use contacts_sdk::{
    ImportOptions, MessageCategory, NewContact, OnConflict, OptInSource, PlatformPreference,
};
use contacts_service::config::AccessLogMode;
use contacts_service::domain::access::Scope;
use contacts_tests::{Refused, TestApp, apply, logged, message, on_each_store, phone};
use futures::StreamExt;
use prost::Message;
use serde_json::Value;
use uuid::Uuid;

const DOCS: &str = include_str!("../../../docs/operations.md");

/// The value of a series, such as `contacts_ready` or `x{a="b"}`. 0 if there is none.
fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().expect("a number"))
}

/// Uses every part of the service once.
async fn use_it(app: &TestApp) {
    let contact = app.contacts().create(NewContact::new().phone(phone(1))).await.expect("one");
    app.opt_in().record_opt_in(&contact, OptInSource::Paper).await.expect("an opt-in");
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    app.opt_in().check(phone(1), MessageCategory::Marketing).await.expect("a check");
    app.opt_in().check(phone(3), MessageCategory::Utility).await.expect("a check");
    let numbers = [phone(1), phone(1), phone(2), phone(4), "x".to_owned()];
    let batch = app.opt_in().check_batch(&numbers, MessageCategory::Marketing).await;
    batch.expect("answers");
    let rows = [NewContact::new().phone(phone(5)), NewContact::new().phone(phone(1))];
    let import = ImportOptions::new().on_conflict(OnConflict::Merge);
    app.contacts().import(import.clone()).send(rows.clone()).await.expect("an import");
    let wrong = [NewContact::new().phone("x")];
    app.contacts().batch_upsert(wrong).options(import).await.expect("an outcome");
    app.contacts().count().await.expect("a count");
    let mut segment = app.contacts().segment().stream();
    while let Some(contact) = segment.next().await {
        contact.expect("a contact");
    }
    app.contacts().get(phone(9)).await.refused();
}

#[apply(on_each_store!)]
async fn metrics_say_what_happened(app: TestApp) {
    // With what is kept in memory, the number of reads depends on when that is there.
    app.restart_with(|config| config.limits.mirror_after_checks = u64::MAX).await;
    use_it(&app).await;
    // A call ends a moment after its client has the last of the response.
    let streamed = concat!(
        r#"contacts_rpc_duration_seconds_count{method="whatatalk.contacts.v1."#,
        r#"ContactService/StreamContacts",code="OK"} 1"#
    );
    let mut metrics = app.metrics().await;
    for _ in 0..1000 {
        if metrics.contains(streamed) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        metrics = app.metrics().await;
    }
    let expected = [
        (r#"contacts_checks_total{reason="OPTED_IN",category="MARKETING"}"#, 3.0),
        (r#"contacts_checks_total{reason="OPTED_OUT",category="MARKETING"}"#, 1.0),
        (r#"contacts_checks_total{reason="UNKNOWN_CONTACT",category="MARKETING"}"#, 1.0),
        (r#"contacts_checks_total{reason="UNKNOWN_CONTACT",category="UTILITY"}"#, 1.0),
        (r#"contacts_checks_total{reason="INVALID_PHONE_NUMBER",category="MARKETING"}"#, 1.0),
        ("contacts_checks_per_read_count", 2.0),
        ("contacts_checks_per_read_sum", 2.0),
        (r#"contacts_import_rows_total{outcome="created"}"#, 1.0),
        (r#"contacts_import_rows_total{outcome="failed"}"#, 1.0),
        (r#"contacts_places{class="bulk"}"#, 256.0),
        (r#"contacts_places_taken{class="check"}"#, 0.0),
        ("contacts_ready", 1.0),
        ("contacts_runtime_stalls_total", 0.0),
    ];
    for (series, expected) in expected {
        assert!(value(&metrics, series) == expected, "{series}: {metrics}");
    }
    for (method, code, count) in [
        ("OptInService/CheckOptIn", "OK", 2.0),
        ("OptInService/BatchCheckOptIn", "OK", 1.0),
        ("ContactService/ImportContacts", "OK", 1.0),
        ("ContactService/StreamContacts", "OK", 1.0),
        ("ContactService/GetContact", "NOT_FOUND", 1.0),
    ] {
        let labels = format!(r#"method="whatatalk.contacts.v1.{method}",code="{code}""#);
        let series = format!("contacts_rpc_duration_seconds_count{{{labels}}}");
        assert!(value(&metrics, &series) == count, "{series}: {metrics}");
    }
    for purpose in ["check", "read", "scan", "stream", "write"] {
        let waits = format!(r#"contacts_pool_wait_seconds_count{{purpose="{purpose}"}}"#);
        assert!(value(&metrics, &waits) >= 1.0, "{waits}: {metrics}");
        let max = format!(r#"contacts_pool_connections_max{{purpose="{purpose}"}}"#);
        let open = |state: &str| {
            let labels = format!(r#"purpose="{purpose}",state="{state}""#);
            value(&metrics, &format!("contacts_pool_connections{{{labels}}}"))
        };
        let open = open("used") + open("idle");
        assert!((1.0..=value(&metrics, &max)).contains(&open), "{purpose}: {metrics}");
    }
    if cfg!(target_os = "linux") {
        assert!(value(&metrics, "process_resident_memory_bytes") > 1e6, "{metrics}");
        assert!(value(&metrics, "process_open_fds") > 3.0, "{metrics}");
        assert!(value(&metrics, "process_threads") > 1.0, "{metrics}");
    }
}

#[apply(on_each_store!)]
async fn the_metrics_are_the_documented_ones(app: TestApp) {
    use_it(&app).await;
    let table = DOCS.split("<!-- begin: made from the metrics of the server -->").nth(1);
    let table = table.and_then(|rest| rest.split("<!-- end").next()).expect("a table");
    let documented = table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<_> = documented
        .filter(|name| cfg!(target_os = "linux") || !name.starts_with("process_"))
        .collect();
    let metrics = app.metrics().await;
    let served = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    assert_eq!(served.collect::<BTreeSet<_>>(), documented);
    // Each has a bounded number of series: none is by workspace, contact or client.
    let mut series: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let labels = line.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        for label in labels.map(|(labels, _)| labels.split("\",")).into_iter().flatten() {
            let (name, value) = label.split_once("=\"").expect("a label");
            series.entry(name).or_default().insert(value);
        }
    }
    let known = [
        "category", "class", "code", "engine", "le", "method", "outcome", "purpose", "reason",
        "state", "version",
    ];
    assert_eq!(series.keys().copied().collect::<Vec<_>>(), known);
}

#[apply(on_each_store!)]
async fn streams_under_way_and_refusals_are_measured(app: TestApp) {
    app.restart_with(|config| config.limits.max_concurrent_bulk = 1).await;
    let (ask, questions) = futures::channel::mpsc::unbounded();
    let question =
        v1::CheckOptInStreamRequest { phone_numbers: vec![phone(1)], ..Default::default() };
    ask.unbounded_send(question).expect("asked");
    let stream = app.client().raw_opt_in().check_opt_in_stream(questions).await;
    let mut stream = stream.expect("a stream").into_inner();
    stream.next().await.expect("a response").expect("a response");
    let count = v1::CountContactsRequest::default();
    app.client().raw_contacts().count_contacts(count).await.refused_for("OVERLOADED");
    let metrics = app.metrics().await;
    let stream_series =
        r#"contacts_rpcs_under_way{method="whatatalk.contacts.v1.OptInService/CheckOptInStream"}"#;
    for (series, expected) in [
        (stream_series, 1.0),
        (r#"contacts_places_taken{class="bulk"}"#, 1.0),
        (r#"contacts_places_refused_total{class="bulk"}"#, 1.0),
    ] {
        assert!(value(&metrics, series) == expected, "{series}: {metrics}");
    }
    assert!(value(&metrics, "contacts_connections") >= 1.0, "{metrics}");
    drop((ask, stream));
    // The server notices at its own pace.
    for _ in 0..600 {
        if value(&app.metrics().await, stream_series) == 0.0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the stream is still under way");
}

#[apply(on_each_store!)]
async fn the_endpoint_serves_metrics_only(app: TestApp) {
    for (method, path, expected) in [
        ("GET", "/", " 404 Not Found"),
        ("GET", "/metrics/..", " 404 Not Found"),
        ("POST", "/metrics", " 405 Method Not Allowed"),
        ("HEAD", "/metrics", " 200 OK"),
    ] {
        let (status, body) = app.ask_metrics(method, path).await;
        assert!(status.ends_with(expected), "{method} {path}: {status}");
        assert!(!body.contains("contacts_"), "{method} {path}: {body}");
    }
    assert!(app.metrics().await.contains("contacts_build_info"));
}

/// The lines of the log about the end of a call with this request id.
fn lines_of(id: &str) -> Vec<String> {
    let log = logged();
    let lines = log.lines().filter(|line| line.contains("call ended") && line.contains(id));
    lines.map(ToOwned::to_owned).collect()
}

/// The first line about a call, which is written after the client has its response.
async fn line_of(id: &str) -> String {
    for _ in 0..600 {
        if let Some(line) = lines_of(id).into_iter().next() {
            return line;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no line about {id}");
}

#[apply(on_each_store!)]
async fn a_request_id_is_in_the_response_and_in_the_log(app: TestApp) {
    let wire = app.wire().await;
    let get = v1::GetContactRequest {
        recipient: Some(v1::get_contact_request::Recipient::PhoneNumber(phone(1))),
        ..Default::default()
    };
    let get = get.encode_to_vec();
    for (method, request, code) in [
        ("ContactService/CountContacts", &[][..], "OK"),
        ("ContactService/StreamContacts", &[], "OK"),
        ("ContactService/GetContact", &get, "NOT_FOUND"),
        ("ContactService/GetContact", &[0x0f], "INTERNAL"),
        ("ContactService/NoSuchMethod", &[], "UNIMPLEMENTED"),
    ] {
        let id = format!("test-{}", Uuid::new_v4());
        let headers = [("x-request-id", &*id)];
        let response = wire.send(method, &headers, message(request)).await;
        assert_eq!(response.headers["x-request-id"], id, "{method}");
        let line = line_of(&id).await;
        let path = format!("rpc.method=\"/whatatalk.contacts.v1.{method}\"");
        let is_known = method != "ContactService/NoSuchMethod";
        assert_eq!(line.contains(&path), is_known, "{line}");
        assert!(line.contains(&format!("rpc.code=\"{code}\"")), "{line}");
        assert!(line.contains("peer.address=127.0.0.1:"), "{line}");
        assert_eq!(line.contains("workspace.id=\"default\""), is_known, "{line}");
    }
    // One that is made, or replaces one that cannot be logged.
    for headers in [&[][..], &[("x-request-id", "a b")], &[("x-request-id", &"x".repeat(129))]] {
        let response = wire.send("ContactService/CountContacts", headers, message(&[])).await;
        let id = response.headers["x-request-id"].to_str().expect("text");
        assert_eq!(id.len(), 32, "{id}");
        assert!(line_of(id).await.contains("INFO"));
    }
}

#[apply(on_each_store!)]
async fn the_access_log_has_the_calls_that_it_is_set_to(app: TestApp) {
    for (mode, of_success, of_failure) in [
        (AccessLogMode::All, true, true),
        (AccessLogMode::Errors, false, true),
        (AccessLogMode::Off, false, false),
    ] {
        app.restart_with(|config| config.log.access_log = mode).await;
        let wire = app.wire().await;
        for (body, expected) in [(&[][..], of_success), (&[0x0f], of_failure)] {
            let id = format!("test-{}", Uuid::new_v4());
            let headers = [("x-request-id", &*id)];
            wire.send("ContactService/CountContacts", &headers, message(body)).await;
            // The others are at the level debug, which this log has.
            assert_eq!(line_of(&id).await.contains(" INFO "), expected, "{mode:?}");
        }
    }
}

/// The audit log of a test, after its server was stopped.
async fn audited(app: &TestApp) -> Vec<Value> {
    app.stop().await;
    let log = app.audit_log();
    log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[apply(on_each_store!)]
async fn the_audit_log_says_who_did_what_to_whom(app: TestApp) {
    let id =
        app.contacts().create(NewContact::new().phone(phone(1))).await.expect("one").contact_id;
    app.contacts().get(phone(1)).await.expect("a contact");
    app.contacts().get(phone(7)).await.refused();
    app.contacts().list().await.expect("a page");
    app.opt_in().record_opt_in(phone(1), OptInSource::Paper).await.expect("an opt-in");
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    let stop = app.opt_in().record_platform_preference(phone(1), PlatformPreference::Stop);
    stop.await.expect("a stop");
    app.opt_in().events(phone(1)).await.expect("events");
    app.opt_in().check(phone(1), MessageCategory::Marketing).await.expect("a check");
    let rows = [NewContact::new().phone(phone(3))];
    app.contacts().import(ImportOptions::new()).send(rows).await.expect("an import");
    app.workspaces().list().await.expect("workspaces");
    let made = v1::Workspace { workspace_id: "acme".to_owned(), ..Default::default() };
    let made = v1::CreateWorkspaceRequest { workspace: Some(made) };
    app.wire().await.call("WorkspaceService/CreateWorkspace", &made).await;
    app.contacts().export_data(phone(1)).await.expect("an export");
    app.contacts().delete(phone(1)).await.expect("a receipt");

    let one = Value::from(id.to_string());
    let expected = [
        ("change", "ContactService/CreateContact", "OK", Some(&one)),
        ("read", "ContactService/GetContact", "OK", Some(&one)),
        ("read", "ContactService/GetContact", "NOT_FOUND", None),
        ("read", "ContactService/ListContacts", "OK", None),
        ("consent", "OptInService/RecordOptIn", "OK", Some(&one)),
        ("consent", "OptInService/RecordOptOut", "OK", None),
        ("consent", "OptInService/RecordPlatformPreference", "OK", Some(&one)),
        ("read", "OptInService/ListOptInEvents", "OK", Some(&one)),
        ("consent", "ContactService/ImportContacts", "OK", None),
        ("change", "WorkspaceService/CreateWorkspace", "OK", None),
        ("export", "ContactService/ExportContactData", "OK", Some(&one)),
        ("erase", "ContactService/DeleteContact", "OK", Some(&one)),
    ];
    let lines = audited(&app).await;
    let found: Vec<_> = lines
        .iter()
        .map(|line| {
            let text = |field: &str| line[field].as_str().unwrap_or_default();
            let method = text("method").trim_start_matches("whatatalk.contacts.v1.");
            (text("action"), method, text("outcome"), line.get("contact_id"))
        })
        .collect();
    // Streams end at their own pace.
    for line in &expected {
        assert!(found.contains(line), "{line:?} is not in {found:?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for line in &lines {
        let is_made = line["method"].as_str().is_some_and(|name| name.ends_with("CreateWorkspace"));
        assert_eq!(line["workspace_id"], if is_made { "acme" } else { "default" }, "{line}");
        assert_eq!(line["actor"], "anonymous", "{line}");
        assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
        assert!(line["request_id"].as_str().is_some_and(|id| id.len() == 32), "{line}");
        assert!(line["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{line}");
    }
}

#[apply(on_each_store!)]
async fn calls_that_were_not_read_are_not_in_the_audit_log(app: TestApp) {
    let wire = app.wire().await;
    wire.send("ContactService/NoSuchMethod", &[], message(&[])).await;
    let late = [("grpc-timeout", "0n")];
    wire.send("ContactService/ListContacts", &late, message(&[])).await;
    // It was read, and refused by its handler.
    let id = [("x-request-id", "refused")];
    wire.send("ContactService/GetContact", &id, message(&[])).await;
    let lines = audited(&app).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        (&lines[0]["request_id"], &lines[0]["outcome"]),
        (&"refused".into(), &"INVALID_ARGUMENT".into())
    );
}

#[apply(on_each_store!)]
async fn the_audit_log_names_the_token_of_a_call(app: TestApp) {
    let (reader, secret) = app.make_token(&[Scope::ContactsRead], &["default"]).await;
    app.demand_tokens().await;
    let client = app.client_with(&secret);
    client.contacts().list().await.expect("a page");
    // Without the scope, in another workspace, and without a token.
    client.contacts().delete(phone(1)).await.refused();
    let list = v1::ListContactsRequest { workspace_id: "acme".to_owned(), ..Default::default() };
    client.raw_contacts().list_contacts(list).await.refused();
    app.contacts().list().await.refused();
    let actor = reader.token_id.to_string();
    let found = audited(&app).await;
    let found = found.iter().map(|line| {
        assert_eq!(line["actor"], actor, "{line}");
        let text = |field: &str| line[field].as_str().unwrap_or_default();
        (text("action"), text("outcome"), text("workspace_id"))
    });
    let expected = [
        ("read", "OK", "default"),
        ("erase", "PERMISSION_DENIED", ""),
        ("read", "PERMISSION_DENIED", "acme"),
    ];
    let found: Vec<_> = found.collect();
    assert_eq!(found, expected, "{found:?}");
    assert!(!app.audit_log().contains(&secret) && !logged().contains(&secret));
}
