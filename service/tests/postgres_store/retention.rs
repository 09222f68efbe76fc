//! Expiry of responses and suppressions on both engines, with a clock that tests move.

use bytes::Bytes;
use chrono::TimeDelta;
use contacts_service::domain::consent::{MessageCategory, OptInStatus};
use contacts_service::domain::error::Result;
use contacts_service::domain::phone::match_key_of;
use contacts_service::operations::idempotency::{EncodedResponse, Idempotent, fingerprint};
use contacts_service::operations::{contacts, opt_in, retention, suppression, workspace};
use contacts_service::store::postgres::PostgresOptions;
use contacts_service::store::{Operation, Store, Transaction};
use uuid::Uuid;

use super::support::{Hands, import, person, profile, sqlite_store, statement, with_database};

const START: i64 = 1_760_000_000_000_000;
const HOUR: i64 = 3_600_000_000;
const CONTACT: Uuid = Uuid::from_u128(1);

/// More than one transaction deletes.
const ANSWERS: u128 = 501;

struct Nothing;

impl Operation for Nothing {
    type Output = ();

    async fn run(&self, _: &mut Transaction) -> Result<()> {
        Ok(())
    }
}

/// Sends a request with this id. The first one stores `answer`.
async fn send(store: &Store, id: u128, answer: &'static str) -> Bytes {
    let once = Idempotent {
        operation: Nothing,
        encode: move |()| EncodedResponse {
            response: Bytes::from_static(answer.as_bytes()),
            contact_id: Some(CONTACT),
            match_key: None,
        },
        workspace_id: String::new(),
        method: "Nothing",
        request_id: Some(Uuid::from_u128(id)),
        fingerprint: fingerprint("Nothing", &[]),
    };
    store.write(once).await.unwrap()
}

async fn answers(store: &Store) -> usize {
    let mut db = store.read().await.unwrap();
    let workspace = workspace(&mut *db, "").await.unwrap();
    db.stored_responses_about(&workspace, CONTACT, 10_000).await.unwrap().len()
}

/// Runs two sweeps at once, like two servers.
async fn sweep(store: &Store, suppressions: Option<TimeDelta>) {
    let sweeps = [retention::sweep(store, suppressions), retention::sweep(store, suppressions)];
    futures::future::try_join_all(sweeps).await.unwrap();
}

async fn opt_out(store: &Store, number: &str) {
    let statement = statement(OptInStatus::OptedOut);
    let (workspace_id, person) = (String::new(), person(number));
    store
        .write(opt_in::RecordConsent { workspace_id, recipients: vec![person], statement })
        .await
        .unwrap();
}

async fn is_out(store: &Store, number: &str) -> bool {
    let key = match_key_of(number).unwrap();
    let rows =
        store.check("default", std::slice::from_ref(&key), false).await.unwrap().unwrap().rows;
    let is_out = |row: &contacts_service::store::CheckRow| {
        row.consent.objections.opt_out(MessageCategory::Marketing).is_some()
    };
    rows.get(&key).is_some_and(is_out)
}

async fn suppressed(store: &Store) -> i64 {
    suppression::count_by_key(store, |_, error| panic!("{error}"))
        .await
        .unwrap()
        .iter()
        .map(|(_, rows)| rows)
        .sum()
}

#[test]
fn responses_are_deleted_after_their_retention() {
    with_database(|database| async move {
        let hands = Hands::at(START);
        let postgres = database.store_with(PostgresOptions::default(), hands.clock()).await;
        let (sqlite, _directory) = sqlite_store(hands.clock()).await;
        for store in [postgres, sqlite] {
            hands.set(START);
            for id in 0..ANSWERS {
                send(&store, id, "first").await;
            }
            hands.set(START + 24 * HOUR);
            sweep(&store, None).await;
            assert_eq!(answers(&store).await, ANSWERS as usize);
            assert_eq!(send(&store, 0, "second").await, "first");

            let longer = store.clone().with_response_retention(TimeDelta::hours(48));
            hands.set(START + 25 * HOUR);
            sweep(&longer, None).await;
            assert_eq!(answers(&store).await, ANSWERS as usize);
            assert_eq!(send(&longer, 0, "second").await, "first");

            sweep(&store, None).await;
            assert_eq!(answers(&store).await, 0);
            assert_eq!(send(&store, 0, "second").await, "second");
            store.close().await;
        }
    });
}

#[test]
fn suppressions_are_deleted_only_when_a_retention_is_set() {
    with_database(|database| async move {
        let hands = Hands::at(START);
        let postgres = database.store_with(PostgresOptions::default(), hands.clock()).await;
        let (sqlite, _directory) = sqlite_store(hands.clock()).await;
        let kept = Some(TimeDelta::days(30));
        let (non_contact, erased, contact, late) =
            ("15550000001", "15550000002", "15550000003", "15550000004");
        for store in [postgres, sqlite] {
            hands.set(START);
            import(&store, [erased, contact].map(profile)).await;
            for number in [non_contact, contact, late] {
                opt_out(&store, number).await;
            }
            let delete = contacts::DeleteContact {
                workspace_id: String::new(),
                person: person(erased),
                etag: String::new(),
                reason: 1,
            };
            store.write(delete).await.unwrap();
            hands.set(START + 24 * HOUR);
            // Said again, it is kept from then on.
            opt_out(&store, late).await;
            hands.set(START + 30 * 24 * HOUR);
            sweep(&store, kept).await;
            assert_eq!(suppressed(&store).await, 3);

            hands.set(START + 30 * 24 * HOUR + 1);
            sweep(&store, None).await;
            assert_eq!(suppressed(&store).await, 3);
            sweep(&store, kept).await;
            assert_eq!(suppressed(&store).await, 1);
            assert!(!is_out(&store, non_contact).await);
            assert!(is_out(&store, late).await);
            assert!(is_out(&store, contact).await, "contacts keep theirs");
            store.close().await;
        }
    });
}
