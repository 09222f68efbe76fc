//! Calls that are cancelled while they run leave no open transaction.

use std::time::Duration;

use contacts_service::domain::consent::OptInStatus;
use contacts_service::operations::{contacts, opt_in, read};
use contacts_service::opt_in::Checker;
use contacts_service::store::Store;
use contacts_service::store::postgres::PostgresOptions;

use super::support::{
    Database, checker, create_definitions, import, marketing, person, rich_profile, statement,
    with_confined_database, with_database,
};

const CALLS: u64 = 3000;

/// Makes a call. The number chooses its kind.
async fn call(store: &Store, checker: &Checker, number: u64) {
    let who = person(&format!("1555{:07}", number % 500));
    // Outcomes are of no interest here: most are cut off, and some objects are
    // there already.
    match number % 5 {
        0 => drop(checker.check(&marketing(&who)).await),
        1 => {
            let profile = rich_profile(&format!("1556{number:07}"));
            let create = contacts::CreateContact { workspace_id: String::new(), profile };
            drop(store.write(create).await);
        }
        2 => {
            let query = read::Query {
                filter: "tags:vip AND attributes.orders > 3".to_owned(),
                ..read::Query::default()
            };
            drop(read::count(store, &query).await);
        }
        3 => {
            let record = opt_in::RecordConsent {
                workspace_id: String::new(),
                recipients: vec![who],
                statement: statement(OptInStatus::OptedOut),
            };
            drop(store.write(record).await);
        }
        _ => drop(read::find(store, "", &[who]).await),
    }
}

#[test]
fn cancelled_calls_leave_no_transaction_open_and_no_error() {
    with_database(cancel_calls);
}

/// There, a read is a transaction, too.
#[test]
fn cancelled_calls_leave_no_transaction_open_with_row_level_security() {
    with_confined_database(cancel_calls);
}

async fn cancel_calls(database: Database) {
    // Few connections, so that each is used again after many cut calls.
    let options = PostgresOptions {
        check_connections: 2,
        unary_connections: 2,
        write_connections: 3,
        acquire_timeout: Duration::from_secs(10),
        check_acquire_timeout: Duration::from_secs(10),
        ..PostgresOptions::default()
    };
    let store = database.store_with(options, contacts_service::store::Clock::system()).await;
    create_definitions(&store).await;
    let people = (0..500).map(|i| rich_profile(&format!("1555{i:07}")));
    import(&store, people).await;
    let checker = checker(&store);

    let calls = futures::stream::iter(0..CALLS);
    let (store, checker) = (&store, &checker);
    futures::StreamExt::for_each_concurrent(calls, 32, |number| async move {
        let patience = Duration::from_micros(number.wrapping_mul(2_654_435_761) % 6000);
        drop(tokio::time::timeout(patience, call(store, checker, number)).await);
    })
    .await;

    for number in 0..100 {
        let who = person(&format!("1555{:07}", number % 500));
        checker.check(&marketing(&who)).await.unwrap();
        read::find(store, "", std::slice::from_ref(&who)).await.unwrap();
        let record = opt_in::RecordConsent {
            workspace_id: String::new(),
            recipients: vec![who],
            statement: statement(OptInStatus::OptedIn),
        };
        store.write(record).await.unwrap();
    }
    // What was under way has come to its end by then.
    assert_eq!(database.sessions("idle in transaction").await, 0);
    assert_eq!(database.sessions("active").await, 0);
}
