//! Every SQL statement finds its rows by workspace, so that Citus sends it to one node and no workspace
//! condition is missing. Checked on the plans of all statements that the server runs.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use contacts_sdk::{ContactsClient, ImportOptions, NewContact, OnConflict, OptInSource, Recipient};
use contacts_tests::{PostgresServer, ServiceProcess, phone};
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection};

use crate::sample::{answers, fill};

/// Statements that concern all workspaces by design.
const OF_ALL: [&str; 3] = [
    // The list of workspaces.
    "FROM workspace WHERE workspace_id > $1 ORDER BY workspace_id LIMIT $2",
    // Their ids, of which every node has a copy.
    "FROM workspace_list WHERE workspace_id > $1",
    // Whether a ledger still has to be sealed after a migration.
    "AND e.position = w.ledger_length + 1 WHERE e.hash IS NULL LIMIT $1",
];

/// The statements that read more than one table, by a part of each. Citus has no generic plan for them: they are
/// planned for their values (`auto`), on connections that leave that to the server.
const JOINS: [&str; 6] = [
    // Inserts of many rows, which name the workspace so that Citus sends them to one node.
    "FROM workspace AS w CROSS JOIN unnest(",
    // What one opt-out appends to the ledger. On Citus these are several statements.
    "WITH facts AS ( INSERT INTO opt_in_event_pack",
    // What servers with consent in memory catch up with, but for the last change.
    "revision IN ( SELECT revision FROM consent_change",
    // Entries of the ledger with their details, and those at some positions.
    "LEFT JOIN opt_in_event_detail_pack AS d",
    "SELECT last_position, details FROM opt_in_event_detail_pack",
    // Positions of what is listed for a person.
    "UNION ALL SELECT position, 0 FROM opt_in_event_pointer",
];

/// Logs the plan of every statement, and the settings it was made with.
const SETTINGS: [(&str, &str); 6] = [
    ("shared_preload_libraries", "auto_explain"),
    ("auto_explain.log_min_duration", "0"),
    ("auto_explain.log_settings", "on"),
    ("auto_explain.log_format", "json"),
    ("logging_collector", "on"),
    ("log_destination", "jsonlog"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_finds_its_rows_by_workspace() {
    let postgres = PostgresServer::start(&SETTINGS).await;
    let mut server = ServiceProcess::start(&postgres.url());
    fill::fill(&server.client()).await.expect("filled");
    answers::answers(&server.client()).await;
    the_rest(&server.client()).await;
    server.stop();

    // Statements that the test must detect as violations.
    let mut seeded = PgConnection::connect(&format!("{}?application_name=seeded", postgres.url()))
        .await
        .expect("a connection");
    for bad in [
        "SELECT workspace_id, contact_id FROM consent WHERE match_key = '+15551234567'",
        "UPDATE contact SET version = version WHERE contact_id = gen_random_uuid()",
        "SELECT c.version FROM workspace AS w JOIN consent AS s ON s.workspace_id = w.workspace_id
         JOIN contact AS c ON c.contact_id = s.contact_id WHERE w.workspace_id = 'default'",
    ] {
        seeded.execute(bad).await.expect("executed");
    }
    seeded.close().await.expect("closed");

    // A separate process writes the log, with a delay.
    let mut statements = plans(&postgres);
    for _ in 0..100 {
        if statements.iter().filter(|statement| statement.program == "seeded").count() == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        statements = plans(&postgres);
    }
    let (seeded, real): (Vec<_>, Vec<_>) =
        statements.iter().partition(|statement| statement.program == "seeded");
    for statement in &seeded {
        assert!(statement.unbound().is_some(), "not found: {}", statement.text);
    }
    assert_eq!(seeded.len(), 3);
    let real: Vec<_> =
        real.into_iter().filter(|one| one.program.starts_with("contacts-service ")).collect();
    let texts: BTreeSet<&str> = real.iter().map(|statement| &*statement.text).collect();
    assert!(texts.len() >= 50, "only {} statements ran", texts.len());
    let spread = |text: &str| OF_ALL.iter().any(|known| text.contains(known));
    let found: BTreeSet<_> = real
        .iter()
        .filter(|statement| !spread(&statement.text))
        .filter_map(|statement| Some((statement.unbound()?, &statement.text)))
        .collect();
    assert!(found.is_empty(), "these reach other workspaces, too: {found:#?}");
    assert_joins_are_known(&real);
}

/// A statement of a check is planned once and reads one table, and every other one that reads more is
/// in [`JOINS`] and is not planned once: Citus refuses that.
fn assert_joins_are_known(statements: &[&Statement]) {
    let (checks, others): (Vec<&Statement>, Vec<&Statement>) =
        statements.iter().copied().partition(|one| one.program == "contacts-service check");
    let texts: BTreeSet<&str> = checks.iter().map(|check| &*check.text).collect();
    assert!(texts.len() >= 4, "only these statements of checks ran: {texts:#?}");
    for check in checks {
        assert_eq!(check.plan_mode, "force_generic_plan", "{}", check.text);
        assert_eq!(check.tables().len(), 1, "a check reads one table: {}", check.text);
    }
    let joins: Vec<_> = others.iter().filter(|one| one.tables().len() > 1).collect();
    for join in &joins {
        assert_eq!(join.plan_mode, "auto", "{}", join.text);
    }
    let unknown: BTreeSet<_> = joins
        .iter()
        .map(|join| &*join.text)
        .filter(|text| !JOINS.iter().any(|known| text.contains(known)))
        .collect();
    assert!(unknown.is_empty(), "these read several tables and are not listed: {unknown:#?}");
    for known in JOINS {
        assert!(joins.iter().any(|join| join.text.contains(known)), "no longer a join: {known}");
    }
}

/// Calls that neither `fill` nor `answers` makes.
async fn the_rest(client: &ContactsClient) {
    let (contacts, opt_in) = (client.contacts(), client.opt_in());
    let rows = (0..1200).map(|n| NewContact::new().phone(phone(n)).tag("vip"));
    let rows = rows.chain((0..50).map(|n| NewContact::new().phone(phone(n)).first_name("Li")));
    let options = ImportOptions::new().on_conflict(OnConflict::Merge);
    contacts.import(options).send(rows.collect::<Vec<_>>()).await.expect("an import");
    for order in ["first_name", "last_name desc", "create_time desc"] {
        let list = contacts.list().order_by(order).page_size(50).filter("tags:vip");
        let page = list.clone().await.expect("a page");
        let next = page.next_page_token.expect("another page");
        list.page_token(next).await.expect("the next page");
    }
    contacts.batch_get([phone(1), phone(2)]).await.expect("contacts");
    let edit = contacts.update_tags().filter("first_name = \"Li\"", 50).remove("vip");
    edit.await.expect("an edit");
    contacts.update_tags().recipients([phone(3)]).add("event_attendee").await.expect("an edit");
    opt_in.record_opt_in(phone(4), OptInSource::Paper).await.expect("an opt-in");
    let by_id = Recipient::whatsapp_user_id("US.4444444444");
    contacts.update(phone(4)).whatsapp_user_ids(["US.4444444444"]).await.expect("an update");
    opt_in.record_opt_out(by_id.clone()).await.expect("an opt-out");
    contacts.update(phone(4)).external_id("7781").await.expect("an update");
    let by_external_id = Recipient::external_id("7781");
    opt_in.record_opt_out(by_external_id.clone()).await.expect("an opt-out");
    contacts.get(by_external_id).await.expect("a contact");
    contacts.delete(by_id).await.expect("a receipt");
    let payload = webhook();
    for _ in 0..2 {
        client.webhooks().ingest(payload.clone()).await.expect("a webhook");
    }
    client.tags().update("vip").display_name("Very important").await.expect("a tag");
    client.tags().delete("vip").force(true).await.expect("deleted");
    client.attributes().delete("city").force(true).await.expect("deleted");
    let workspaces = client.workspaces();
    workspaces.get("acme").await.expect("a workspace");
    workspaces.delete("acme").confirm("acme").await.expect("deleted");
}

/// A stop, ids that are one person's, and a new number.
fn webhook() -> String {
    let now = chrono::Utc::now().timestamp();
    serde_json::json!({"object": "whatsapp_business_account", "entry": [{"changes": [
        {"field": "user_preferences", "value": {
            "metadata": {"phone_number_id": "1"},
            "contacts": [{"wa_id": phone(5), "user_id": "US.5555555555"}],
            "user_preferences": [{"wa_id": phone(5), "value": "stop", "timestamp": now}]}},
        {"field": "messages", "value": {"messages": [{
            "from": phone(6), "id": "wamid.1", "timestamp": now.to_string(), "type": "system",
            "system": {"type": "user_changed_number", "wa_id": phone(9006)}}]}},
    ]}]})
    .to_string()
}

struct Statement {
    /// The application name of its session.
    program: String,
    text: String,
    plan: Value,
    /// Of `plan_cache_mode`.
    plan_mode: String,
}

impl Statement {
    /// Name of a table whose rows are found without a workspace condition.
    fn unbound(&self) -> Option<String> {
        unbound(&self.plan)
    }

    /// The tables that it reads or writes.
    fn tables(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        tables(&self.plan, &mut found);
        found
    }
}

fn tables(node: &Value, found: &mut BTreeSet<String>) {
    found.extend(node["Relation Name"].as_str().map(str::to_owned));
    for below in node["Plans"].as_array().into_iter().flatten() {
        tables(below, found);
    }
}

fn unbound(node: &Value) -> Option<String> {
    let below = node["Plans"].as_array().map(Vec::as_slice).unwrap_or_default();
    let table = node["Relation Name"].as_str();
    // A modifying node writes the rows that the nodes below it found, or new ones.
    let is_scan = node["Node Type"] != "ModifyTable";
    // Tokens belong to no workspace.
    let of_none = ["_sqlx_migrations", "api_token"];
    if let Some(table) = table.filter(|table| is_scan && !of_none.contains(table)) {
        // The index of a bitmap is below the table.
        let conditions = [node].into_iter().chain(below).flat_map(|node| {
            ["Index Cond", "Recheck Cond", "Filter"]
                .map(|name| node[name].as_str().unwrap_or_default())
        });
        if !conditions.into_iter().any(|condition| condition.contains("workspace_id = ")) {
            return Some(table.to_owned());
        }
    }
    below.iter().find_map(unbound)
}

/// The executed statements, read from the server's log.
fn plans(postgres: &PostgresServer) -> Vec<Statement> {
    let files = fs::read_dir(postgres.data().join("log")).expect("a log");
    let files = files.map(|file| file.expect("a file").path());
    let logs = files.filter(|file| file.extension().is_some_and(|name| name == "json"));
    let log: String = logs.map(|file| fs::read_to_string(file).expect("a log")).collect();
    log.split_inclusive('\n')
        // The last entry may be incomplete.
        .filter(|line| line.ends_with('\n'))
        .filter_map(|line| {
            let entry: Value = serde_json::from_str(line).expect("JSON");
            let (_, plan) = entry["message"].as_str()?.split_once("plan:\n")?;
            let plan: Value = serde_json::from_str(plan).expect("JSON");
            let text = plan["Query Text"].as_str().expect("a text");
            Some(Statement {
                program: entry["application_name"].as_str().unwrap_or_default().to_owned(),
                text: text.split_whitespace().collect::<Vec<_>>().join(" "),
                plan: plan["Plan"].clone(),
                plan_mode: plan["Settings"]["plan_cache_mode"]
                    .as_str()
                    .unwrap_or("auto")
                    .to_owned(),
            })
        })
        .collect()
}
