//! Rules that schema and SQL follow so that they work on Citus.

use std::path::Path;

use contacts_service::domain::error::Reason;
use contacts_service::store::postgres::{self, PostgresOptions};
use sqlx::Executor;

use super::support::{keyring, with_database};

/// Not distributed: of the database, and copied to every node.
const OF_NO_WORKSPACE: [&str; 2] = ["_sqlx_migrations", "api_token"];

#[test]
fn every_key_begins_with_the_workspace() {
    with_database(|database| async move {
        database.store().await;
        let keys: Vec<(String, String, bool)> = sqlx::query_as(
            "SELECT c.conrelid::regclass::text, c.conname::text,
                 (SELECT a.attname FROM pg_attribute AS a
                  WHERE a.attrelid = c.conrelid AND a.attnum = c.conkey[1]) = 'workspace_id'
             FROM pg_constraint AS c
             WHERE c.contype IN ('p', 'u', 'f', 'x') AND c.connamespace = 'public'::regnamespace
             UNION ALL
             SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text,
                 (SELECT a.attname FROM pg_attribute AS a
                  WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[0]) = 'workspace_id'
             FROM pg_index AS i JOIN pg_class AS t ON t.oid = i.indrelid
             WHERE i.indisunique AND t.relnamespace = 'public'::regnamespace",
        )
        .fetch_all(&mut database.connect().await)
        .await
        .unwrap();
        let keys: Vec<_> =
            keys.into_iter().filter(|(table, ..)| !OF_NO_WORKSPACE.contains(&&**table)).collect();
        assert!(keys.len() >= 18, "{keys:?}");
        for (table, key, with_workspace) in keys {
            assert!(with_workspace, "{key} of {table} does not begin with workspace_id");
        }
    });
}

#[test]
fn no_object_of_the_schema_depends_on_one_machine() {
    with_database(|database| async move {
        database.store().await;
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT 'sequence ' || relname FROM pg_class
             WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
             UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
             UNION ALL SELECT 'function ' || proname FROM pg_proc
             WHERE pronamespace = 'public'::regnamespace
             UNION ALL SELECT 'default of ' || adrelid::regclass FROM pg_attrdef
             WHERE adrelid::regclass::text <> '_sqlx_migrations'
             UNION ALL SELECT 'collation of ' || attrelid::regclass || '.' || attname
             FROM pg_attribute AS a JOIN pg_class AS t ON t.oid = a.attrelid
             WHERE t.relnamespace = 'public'::regnamespace AND t.relkind = 'r'
                 AND t.relname <> '_sqlx_migrations' AND attnum > 0
                 AND attcollation NOT IN (0, '\"C\"'::regcollation)",
        )
        .fetch_all(&mut database.connect().await)
        .await
        .unwrap();
        assert_eq!(found, Vec::<String>::new());
    });
}

/// The statements that have to read all workspaces: the list of them, and that of their ids.
const OF_ALL: [&str; 1] = ["WHERE workspace_id > $1"];

/// Whether a statement restricts its rows to one workspace.
fn binds_the_workspace(statement: &str) -> bool {
    let words = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    let columns = words.split_once("INSERT INTO ").and_then(|(_, insert)| insert.split_once('('));
    words.contains("workspace_id = $")
        // The value follows.
        || words.ends_with("workspace_id =")
        || columns.is_some_and(|(_, columns)| {
            columns.split([',', ')']).next().map(str::trim) == Some("workspace_id")
        })
}

#[test]
fn a_statement_that_only_mentions_the_workspace_does_not_bind_it() {
    for bad in [
        "SELECT workspace_id, contact_id FROM consent WHERE match_key = $1",
        "UPDATE contact SET version = $2 WHERE contact_id = $1 RETURNING workspace_id",
        "SELECT c.version FROM contact AS c JOIN tag AS t ON t.workspace_id = c.workspace_id",
        "INSERT INTO tag (tag_id, workspace_id) VALUES ($1, 'default')",
    ] {
        assert!(!binds_the_workspace(bad), "{bad}");
    }
}

/// Reads the source of the store: every statement with a table binds the workspace.
/// Statements that are built from parts are covered by the tests of query plans.
#[test]
fn every_statement_names_its_workspace() {
    const TABLES: [&str; 18] = [
        "workspace",
        "workspace_list",
        "tag",
        "attribute",
        "contact",
        "contact_redirect",
        "usage_count",
        "consent",
        "external_id",
        "opt_in_event_pack",
        "opt_in_event_detail_pack",
        "opt_in_event_subject",
        "opt_in_event_pointer",
        "deletion_receipt",
        "stored_response",
        "webhook_record",
        "suppression_key",
        "opt_in_policy",
    ];
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/postgres");
    let mut statements = 0;
    for file in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        for literal in source.split('"').skip(1).step_by(2) {
            let words: Vec<_> = literal.split_whitespace().collect();
            let names_a_table = words.windows(2).any(|pair| {
                matches!(pair[0], "FROM" | "INTO" | "UPDATE" | "JOIN") && TABLES.contains(&pair[1])
            });
            if names_a_table {
                statements += 1;
                let of_all = OF_ALL.iter().any(|known| literal.contains(known));
                let bound = of_all || binds_the_workspace(literal);
                assert!(bound, "{}: {literal}", file.display());
            }
        }
    }
    assert!(statements >= 30, "only {statements} statements found");
}

#[test]
fn a_schema_of_another_version_is_refused() {
    with_database(|database| async move {
        let open = || async {
            let clock = contacts_service::store::Clock::system();
            let opened =
                postgres::open(&database.url, PostgresOptions::default(), clock, keyring()).await;
            opened.map(drop).map_err(|error| (error.reason(), error.message().to_owned()))
        };
        let (reason, message) = open().await.unwrap_err();
        assert_eq!(reason, Reason::DatabaseUnavailable);
        assert!(message.contains("contacts-service migrate"), "{message}");

        // Several processes that start at once migrate once.
        let at_once = (0..4).map(|_| postgres::migrate(&database.url, false));
        for result in futures::future::join_all(at_once).await {
            result.unwrap();
        }
        open().await.unwrap();

        let mut connection = database.connect().await;
        connection
            .execute(
                "INSERT INTO _sqlx_migrations (version, description, success, checksum,
                     execution_time) VALUES (9999, 'from the future', true, '', 0)",
            )
            .await
            .unwrap();
        let (_, message) = open().await.unwrap_err();
        assert!(message.contains("newer version"), "{message}");
        let error = postgres::migrate(&database.url, false).await.unwrap_err();
        assert!(error.message().contains("newer version"), "{error}");
    });
}

#[test]
fn only_citus_distributes() {
    with_database(|database| async move {
        database.store().await;
        let error = postgres::migrate(&database.url, true).await.unwrap_err();
        assert!(error.message().contains("CREATE EXTENSION citus"), "{error}");
    });
}
