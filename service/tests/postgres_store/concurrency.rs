//! Several servers on one database, each with a store of its own.

use std::collections::BTreeSet;

use contacts_service::domain::consent::{CheckReason, EventKind, OptInStatus};
use contacts_service::domain::contact::{Change, Profile, Recipient};
use contacts_service::domain::error::Reason;
use contacts_service::domain::phone::WhatsAppUserId;
use contacts_service::operations::{contacts, opt_in, read, tag_edit, tags, workspaces};
use contacts_service::store::{Store, decode_profile};
use futures::future::join_all;
use futures::{StreamExt, stream};

use super::support::{
    Database, checker, create_definitions, import, marketing, person, profile, rich_profile,
    statement, with_database,
};

async fn two_stores(database: &Database) -> [Store; 2] {
    [database.store().await, database.store().await]
}

async fn create(store: &Store, profile: Profile) -> Result<(), Reason> {
    let create = contacts::CreateContact { workspace_id: String::new(), profile };
    store.write(create).await.map(drop).map_err(|error| error.reason())
}

fn record(who: &Recipient, status: OptInStatus) -> opt_in::RecordConsent {
    opt_in::RecordConsent {
        workspace_id: String::new(),
        recipients: vec![who.clone()],
        statement: statement(status),
    }
}

async fn count(store: &Store, filter: &str) -> i64 {
    let query = read::Query { filter: filter.to_owned(), ..read::Query::default() };
    read::count(store, &query).await.unwrap()
}

#[test]
fn one_of_several_creates_of_one_person_wins() {
    with_database(|database| async move {
        let stores = two_stores(&database).await;
        for round in 0..40 {
            // The two forms of one Brazilian number, from both servers.
            let forms = [format!("55219876{round:05}"), format!("5521876{round:05}")];
            let calls = (0..4).map(|i| create(&stores[i % 2], profile(&forms[i / 2])));
            let results = join_all(calls).await;
            let won = results.iter().filter(|result| result.is_ok()).count();
            assert_eq!(won, 1, "{results:?}");
            for result in results {
                assert!(matches!(result, Ok(()) | Err(Reason::ContactAlreadyExists)), "{result:?}");
            }
        }
        assert_eq!(count(&stores[0], "").await, 40);
    });
}

/// An opt-out that arrives while the person becomes a contact is never lost, whichever
/// of the two commits first.
#[test]
fn an_opt_out_survives_a_create_at_the_same_time() {
    with_database(|database| async move {
        let stores = two_stores(&database).await;
        let checker = checker(&stores[1]);
        for round in 0..60 {
            let number = format!("1555{round:07}");
            let who = person(&number);
            let (objected, created) = tokio::join!(
                stores[0].write(record(&who, OptInStatus::OptedOut)),
                create(&stores[1], profile(&number)),
            );
            objected.unwrap();
            created.unwrap();
            let answer = checker.check(&marketing(&who)).await.unwrap();
            assert_eq!(answer.reason, CheckReason::OptedOut, "round {round}");
            assert!(answer.contact_id.is_some());
            let events = opt_in::events(&stores[0], "", &who, None, 10).await.unwrap();
            let said =
                |kind: EventKind| events.iter().filter(|(_, e)| e.change.kind() == kind).count();
            // Claimed by the contact if it came second.
            assert_eq!((said(EventKind::OptOut), said(EventKind::OptIn)), (1, 0));
        }
        assert_eq!(count(&stores[0], "opt_in = OPTED_OUT").await, 60);
    });
}

#[test]
fn an_acknowledged_opt_out_is_seen_by_every_later_check() {
    with_database(|database| async move {
        let stores = two_stores(&database).await;
        let checkers = stores.each_ref().map(checker);
        import(&stores[0], (0..30).map(|i| profile(&format!("1555{i:07}")))).await;
        let calls = (0..30).map(|i| {
            let (writer, checker) = (stores[i % 2].clone(), checkers[(i + 1) % 2].clone());
            async move {
                let who = person(&format!("1555{i:07}"));
                for _ in 0..5 {
                    for (status, reason) in [
                        (OptInStatus::OptedIn, CheckReason::OptedIn),
                        (OptInStatus::OptedOut, CheckReason::OptedOut),
                    ] {
                        writer.write(record(&who, status)).await.unwrap();
                        let answer = checker.check(&marketing(&who)).await.unwrap();
                        assert_eq!(answer.reason, reason);
                    }
                }
            }
        });
        join_all(calls).await;
        let workspace = workspaces::get(&stores[0], "").await.unwrap();
        // Counted up once by each, in the order of their commits.
        assert_eq!(workspace.consent_revision, 301, "the contact was created with two identities");
    });
}

/// Two changes of one contact, by phone number and by user id, must not deadlock.
#[test]
fn opt_outs_by_phone_number_and_by_user_id_all_count() {
    with_database(|database| async move {
        let stores = two_stores(&database).await;
        let user = WhatsAppUserId::parse("BR.1234567890").unwrap();
        let both = Profile { whatsapp_user_ids: vec![user.clone()], ..profile("15551234567") };
        create(&stores[0], both).await.unwrap();
        let found = read::find(&stores[0], "", &[person("15551234567")]).await.unwrap();
        let id = found[0].as_ref().unwrap().contact_id;
        let names = [person("15551234567"), Recipient::Key(user.match_key()), Recipient::Id(id)];
        let started = std::time::Instant::now();
        let calls = (0..60).map(|i| {
            let status = [OptInStatus::OptedIn, OptInStatus::OptedOut][i % 2];
            stores[i % 2].write(record(&names[i % 3], status))
        });
        for result in join_all(calls).await {
            result.unwrap();
        }
        let events = opt_in::events(&stores[0], "", &names[2], None, 100).await.unwrap();
        assert_eq!(events.len(), 61, "one of them created the contact with two identities");
        // A deadlock is found after a second, and retried.
        assert!(started.elapsed().as_secs_f64() < 10.0, "{:?}", started.elapsed());
    });
}

#[test]
fn imports_of_the_same_rows_lose_none() {
    with_database(|database| async move {
        let stores = two_stores(&database).await;
        create_definitions(&stores[0]).await;
        // Eight imports, each of 500 of 1000 people, in orders of their own, and
        // with tags that all of them are first to make.
        let imports = (0..8_usize).map(|import_number| {
            let store = stores[import_number % 2].clone();
            let rows = (0..500).map(move |i| {
                let i = (i * 7 + import_number * 125) % 1000;
                Profile {
                    tags: ["vip".to_owned(), "made_here".to_owned(), format!("of_{import_number}")]
                        .into(),
                    ..rich_profile(&format!("1555{i:07}"))
                }
            });
            async move { import(&store, rows).await }
        });
        for outcome in join_all(imports).await {
            assert!(outcome.failures.is_empty(), "{:?}", outcome.failures.first());
            assert_eq!(outcome.created + outcome.updated + outcome.unchanged, 500);
        }
        let expected: BTreeSet<usize> =
            (0..8).flat_map(|n| (0..500).map(move |i| (i * 7 + n * 125) % 1000)).collect();
        assert_eq!(count(&stores[0], "").await, expected.len() as i64);
        for import_number in 0..8 {
            // Merging added a tag to what another import had written.
            assert_eq!(count(&stores[0], &format!("tags:of_{import_number}")).await, 500);
        }
        assert_eq!(count(&stores[0], "tags:made_here").await, expected.len() as i64);
        for tag in tags::list(&stores[0], "", "", 100).await.unwrap() {
            let carriers = count(&stores[0], &format!("tags:{}", tag.definition.tag_id)).await;
            assert_eq!(tag.contact_count, carriers, "{}", tag.definition.tag_id);
        }
    });
}

#[test]
fn bulk_edits_keep_what_others_change() {
    with_database(|database| async move {
        let stores = two_stores(&database).await;
        create_definitions(&stores[0]).await;
        let people = |range: std::ops::Range<usize>| range.map(|i| profile(&format!("1555{i:07}")));
        import(&stores[0], people(0..2000)).await;
        let edit = tag_edit::EditTags {
            workspace_id: String::new(),
            target: tag_edit::TagTarget::Filter { filter: String::new(), expected_count: 2000 },
            tags: tag_edit::TagChanges { add: ["vip".to_owned()].into(), remove: BTreeSet::new() },
            validate_only: false,
            edited: Default::default(),
        };
        let renames = (0..200).map(|i| {
            stores[1].write(contacts::UpdateContact {
                workspace_id: String::new(),
                names: vec![person(&format!("1555{:07}", i * 9))],
                phone_number: None,
                external_id: None,
                changes: vec![Change::FirstName(format!("Renamed {i}"))],
                etag: String::new(),
                if_missing: None,
            })
        });
        // As many at once as there are connections.
        let renamed = stream::iter(renames).buffer_unordered(6).collect::<Vec<_>>();
        let (edited, renamed) = tokio::join!(stores[0].write(edit), renamed);
        assert_eq!(edited.unwrap().edited.changed, 2000);
        for result in renamed {
            result.unwrap();
        }
        assert_eq!(count(&stores[0], "tags:vip").await, 2000);
        assert_eq!(count(&stores[0], "first_name = \"Renamed*\"").await, 200);
    });
}

#[test]
fn a_tag_is_not_deleted_while_a_contact_gets_it() {
    with_database(|database| async move {
        let stores = two_stores(&database).await;
        create_definitions(&stores[0]).await;
        for round in 0..20 {
            let delete = tags::DeleteTag {
                workspace_id: String::new(),
                tag_id: "vip".to_owned(),
                force: true,
                removed: Default::default(),
            };
            let number = format!("1555{round:07}");
            let (deleted, created) =
                tokio::join!(stores[0].write(delete), create(&stores[1], rich_profile(&number)),);
            let with_tag = created == Ok(());
            deleted.unwrap();
            assert!(with_tag || created == Err(Reason::UnknownTag), "{created:?}");
            let found = read::find(&stores[0], "", &[person(&number)]).await.unwrap();
            if let Some(row) = &found[0] {
                assert!(decode_profile(row).unwrap().profile.tags.is_empty());
            }
            super::support::create_tag(&stores[0], "vip").await;
        }
    });
}
