//! A database server that restarts, is a standby or does not answer.

use std::time::{Duration, Instant};

use contacts_service::domain::consent::OptInStatus;
use contacts_service::domain::error::Reason;
use contacts_service::operations::{opt_in, read};
use contacts_service::opt_in::Checker;
use contacts_service::store::Store;
use contacts_service::store::postgres::{self, PostgresOptions};
use sqlx::Executor;

use super::support::{
    checker, import, keyring, marketing, person, profile, statement, with_database,
};

/// Makes one call with each pool.
async fn calls(store: &Store, checker: &Checker) -> [Result<(), Reason>; 4] {
    let who = person("15551234567");
    let record = opt_in::RecordConsent {
        workspace_id: String::new(),
        recipients: vec![who.clone()],
        statement: statement(OptInStatus::OptedOut),
    };
    let stream = async { store.read_stream().await?.workspaces("", 1).await };
    [
        checker.check(&marketing(&who)).await.map(drop),
        read::find(store, "", std::slice::from_ref(&who)).await.map(drop),
        stream.await.map(drop),
        store.write(record).await.map(drop),
    ]
    .map(|result| result.map_err(|error| error.reason()))
}

#[test]
fn a_restart_of_the_server_fails_at_most_one_call() {
    with_database(|database| async move {
        let store = database.store().await;
        import(&store, [profile("15551234567")]).await;
        let checker = checker(&store);
        // Several connections in each pool.
        let warm_up = (0..16).map(|_| calls(&store, &checker));
        futures::future::join_all(warm_up).await;
        let mut connection = database.connect().await;
        connection
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut failed = 0;
        for _ in 0..5 {
            for result in calls(&store, &checker).await {
                match result {
                    Ok(()) => {}
                    Err(Reason::DatabaseUnavailable) => failed += 1,
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
        assert!(failed <= 1, "{failed} calls failed");
    });
}

/// A load balancer may lead new connections to a standby while the service runs.
#[test]
fn a_check_on_a_standby_fails() {
    with_database(|database| async move {
        let store = database.store().await;
        let name = database.url.rsplit('/').next().unwrap();
        let pretend = format!(
            "CREATE SCHEMA pretence;
             CREATE FUNCTION pretence.pg_is_in_recovery() RETURNS boolean
                 LANGUAGE sql AS 'SELECT true';
             ALTER DATABASE {name} SET search_path = pretence, pg_catalog, public"
        );
        let mut db = database.connect().await;
        db.execute(sqlx::AssertSqlSafe(pretend)).await.unwrap();
        // After the commit: the pool connects again at once.
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await
        .unwrap();
        let checker = checker(&store);
        let who = person("15551234567");
        // The first ones may find connections that are gone.
        for _ in 0..8 {
            let error = checker.check(&marketing(&who)).await.unwrap_err();
            assert_eq!(error.reason(), Reason::DatabaseUnavailable);
        }
        let error = store.check("default", &[], false).await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("standby"), "{cause}");
        let clock = contacts_service::store::Clock::system();
        let opened =
            postgres::open(&database.url, PostgresOptions::default(), clock, keyring()).await;
        let error = opened.map(drop).unwrap_err();
        assert!(error.message().contains("standby"), "{error}");
    });
}

#[test]
fn waiting_for_a_lock_times_out() {
    with_database(|database| async move {
        let options = PostgresOptions {
            lock_timeout: Duration::from_millis(300),
            ..PostgresOptions::default()
        };
        let store = database.store_with(options, contacts_service::store::Clock::system()).await;
        let mut connection = database.connect().await;
        connection.execute("BEGIN; LOCK TABLE consent IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let checker = checker(&store);
        let started = Instant::now();
        for result in calls(&store, &checker).await {
            assert!(matches!(result, Ok(()) | Err(Reason::DatabaseUnavailable)), "{result:?}");
        }
        let elapsed = started.elapsed();
        assert!(
            elapsed > Duration::from_millis(600) && elapsed < Duration::from_secs(4),
            "{elapsed:?}"
        );
        connection.execute("ROLLBACK").await.unwrap();
        assert_eq!(calls(&store, &checker).await, [Ok(()); 4]);
    });
}

#[test]
fn a_server_that_is_not_there_is_unavailable() {
    let runtime = super::support::runtime();
    runtime.block_on(async {
        let options = PostgresOptions {
            acquire_timeout: Duration::from_millis(500),
            ..PostgresOptions::default()
        };
        let clock = contacts_service::store::Clock::system();
        let url = "postgres://nobody@127.0.0.1:9/nothing";
        let error = postgres::open(url, options, clock, keyring()).await.map(drop).unwrap_err();
        assert_eq!(error.reason(), Reason::DatabaseUnavailable);
    });
}
