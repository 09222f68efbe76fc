//! Row-level security: whatever a statement says, it reaches the rows of one workspace.

use contacts_service::domain::error::Reason;
use contacts_service::operations::{suppression, workspaces};
use contacts_service::store::postgres::{self, PostgresOptions};
use contacts_service::store::{Clock, Store};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::support::{Database, keyring, with_confined_database, with_database};

/// The workspaces that have one row in every table.
const WORKSPACES: [&str; 2] = ["ours", "theirs"];

/// The tables that a statement of all workspaces reads.
const LISTS: [&str; 2] = ["workspace", "workspace_list"];

/// Tables of no workspace.
const OF_NONE: [&str; 2] = ["_sqlx_migrations", "api_token"];

/// All tables of workspaces, from the catalogue.
async fn tables(db: &mut PgConnection) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class
         WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> ALL($1)
         ORDER BY relname",
    )
    .bind(OF_NONE)
    .fetch_all(db)
    .await
    .unwrap();
    assert!(tables.len() >= 17, "{tables:?}");
    tables
}

/// A statement that inserts a row of made-up values.
async fn insertion(db: &mut PgConnection, table: &str, workspace: &str) -> String {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT attname::text, CASE
             WHEN attname = 'workspace_id' THEN quote_literal($2)
             WHEN atttypid = 'uuid'::regtype THEN quote_literal(gen_random_uuid())
             WHEN atttypid = 'bytea'::regtype THEN '''x''::bytea'
             WHEN atttypid = 'jsonb'::regtype THEN '''{}'''
             WHEN atttypid = 'boolean'::regtype THEN 'true'
             WHEN atttypid IN ('text'::regtype, 'tsvector'::regtype) THEN '''x'''
             WHEN atttypid IN ('text[]'::regtype, 'uuid[]'::regtype) THEN '''{}'''
             ELSE '1' END
         FROM pg_attribute
         WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped",
    )
    .bind(table)
    .bind(workspace)
    .fetch_all(db)
    .await
    .unwrap();
    let (names, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "))
}

/// A session that can do what a server can, after a superuser gave each workspace a row in each
/// table.
async fn filled(database: &Database) -> PgConnection {
    let mut superuser = database.connect().await;
    for table in tables(&mut superuser).await {
        for workspace in WORKSPACES {
            let insert = insertion(&mut superuser, &table, workspace).await;
            superuser.execute(AssertSqlSafe(insert)).await.unwrap();
        }
    }
    PgConnection::connect(&database.store_url).await.unwrap()
}

/// Begins a transaction that reaches a workspace, unless it is None.
async fn begin(db: &mut PgConnection, workspace: Option<&str>) {
    db.execute("BEGIN").await.unwrap();
    if let Some(workspace) = workspace {
        let set = format!("SET LOCAL contacts.workspace = '{workspace}'");
        db.execute(AssertSqlSafe(set)).await.unwrap();
    }
}

/// How many rows a statement changed. An error is that of a policy.
async fn change(db: &mut PgConnection, statement: String) -> Result<u64, ()> {
    db.execute("SAVEPOINT here").await.unwrap();
    let changed = db.execute(AssertSqlSafe(statement)).await;
    db.execute("ROLLBACK TO here").await.unwrap();
    changed.map(|changed| changed.rows_affected()).map_err(|error| {
        let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
        assert_eq!(code, "42501", "{error}");
    })
}

async fn seen(db: &mut PgConnection, table: &str) -> Vec<String> {
    let sql = format!("SELECT workspace_id FROM {table} ORDER BY 1");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(db).await.unwrap()
}

#[test]
fn no_statement_without_a_condition_reaches_another_workspace() {
    with_confined_database(|database| async move {
        let mut db = filled(&database).await;
        for table in tables(&mut db).await {
            let (ours, theirs) = (
                insertion(&mut db, &table, "ours").await,
                insertion(&mut db, &table, "theirs").await,
            );
            begin(&mut db, Some("ours")).await;
            assert_eq!(seen(&mut db, &table).await, ["ours"], "{table}");
            let delete = format!("DELETE FROM {table}");
            assert_eq!(change(&mut db, delete.clone()).await, Ok(1), "{table}");
            let update = |to| format!("UPDATE {table} SET workspace_id = {to}");
            assert_eq!(change(&mut db, update("workspace_id")).await, Ok(1), "{table}");
            assert_eq!(change(&mut db, update("'theirs'")).await, Err(()), "{table}");
            assert_eq!(change(&mut db, update("''")).await, Err(()), "{table}");
            assert_eq!(change(&mut db, theirs).await, Err(()), "{table}");
            // It is not for another reason that the insertion above fails.
            db.execute(AssertSqlSafe(delete)).await.unwrap();
            assert_eq!(change(&mut db, ours).await, Ok(1), "{table}");
            db.execute("ROLLBACK").await.unwrap();
        }
    });
}

#[test]
fn without_a_workspace_nothing_is_reached() {
    with_confined_database(|database| async move {
        let mut db = filled(&database).await;
        let tables = tables(&mut db).await;
        // The second time in a session that had one before.
        for setting in [None, Some(""), Some("nowhere"), Some("*"), None] {
            for table in &tables {
                let insert = insertion(&mut db, table, "ours").await;
                let of_none = insertion(&mut db, table, "").await;
                begin(&mut db, setting).await;
                let is_list = setting == Some("*") && LISTS.contains(&table.as_str());
                let expected: &[&str] = if is_list { &WORKSPACES } else { &[] };
                assert_eq!(seen(&mut db, table).await, expected, "{table} {setting:?}");
                let delete = format!("DELETE FROM {table}");
                assert_eq!(change(&mut db, delete).await, Ok(0), "{table} {setting:?}");
                let update = format!("UPDATE {table} SET workspace_id = 'ours'");
                assert_eq!(change(&mut db, update).await, Ok(0), "{table} {setting:?}");
                assert_eq!(change(&mut db, insert).await, Err(()), "{table} {setting:?}");
                assert_eq!(change(&mut db, of_none).await, Err(()), "{table} {setting:?}");
                db.execute("ROLLBACK").await.unwrap();
            }
            begin(&mut db, Some("ours")).await;
            db.execute("COMMIT").await.unwrap();
        }
    });
}

async fn open(url: &str) -> Result<Store, String> {
    let opened = postgres::open(url, PostgresOptions::default(), Clock::system(), keyring()).await;
    opened.map_err(|error| {
        assert_eq!(error.reason(), Reason::DatabaseUnavailable, "{error}");
        error.message().to_owned()
    })
}

#[test]
fn policies_that_protect_from_nobody_are_refused() {
    with_confined_database(|database| async move {
        // The role of `url` is a superuser.
        let refused = open(&database.url).await.err().unwrap();
        assert!(refused.contains("SUPERUSER"), "{refused}");
        open(&database.store_url).await.unwrap().close().await;
        let mut superuser = database.connect().await;
        for hole in [
            "ALTER TABLE consent NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE tag DISABLE ROW LEVEL SECURITY",
            "DROP POLICY workspace ON contact",
            "CREATE TABLE a_new_one (workspace_id text); \
              ALTER TABLE a_new_one OWNER TO contacts_confined",
        ] {
            superuser.execute(AssertSqlSafe(hole)).await.unwrap();
            let refused = open(&database.store_url).await.err().unwrap();
            assert!(refused.contains("not on for all tables"), "{hole}: {refused}");
            // What a server does that migrates when it starts.
            postgres::migrate(&database.store_url, false).await.unwrap();
            open(&database.store_url).await.expect(hole).close().await;
        }
    });
}

#[test]
fn row_level_security_is_turned_off_and_on_again() {
    with_confined_database(|database| async move {
        let url = &database.store_url;
        for on in [false, false, true, true] {
            postgres::set_row_level_security(url, on).await.unwrap();
            postgres::migrate(url, false).await.unwrap();
            assert_eq!(
                open(&database.url).await.is_err(),
                on,
                "a superuser is refused if it is on"
            );
            let store = database.store().await;
            assert_eq!(workspaces::list(&store, "", 10).await.unwrap().len(), 1);
            let counts = suppression::count_by_key(&store, |_, error| panic!("{error}")).await;
            assert_eq!(counts.unwrap().len(), 1);
            store.close().await;
        }
        let others = (0..4).map(|_| postgres::set_row_level_security(url, true));
        for done in futures::future::join_all(others).await {
            done.unwrap();
        }
    });
}

#[test]
fn a_role_that_owns_nothing_can_serve() {
    with_confined_database(|database| async move {
        let mut superuser = database.connect().await;
        superuser
            .execute(
                "DO $$ BEGIN
                     CREATE ROLE contacts_guest LOGIN;
                 EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
                 END $$;
                 GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public
                     TO contacts_guest",
            )
            .await
            .unwrap();
        let store = open(&database.store_url.replace("contacts_confined", "contacts_guest")).await;
        let store = store.unwrap();
        workspaces::ensure_default(&store).await.unwrap();
        assert_eq!(workspaces::get(&store, "").await.unwrap().workspace_id, "default");
    });
}

#[test]
fn nothing_is_protected_unless_told() {
    with_database(|database| async move {
        database.store().await;
        let protected: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_policy")
            .fetch_one(&mut database.connect().await)
            .await
            .unwrap();
        assert_eq!(protected, 0);
    });
}
