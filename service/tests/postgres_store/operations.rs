//! Every operation on Postgres.

use std::collections::BTreeSet;

use bytes::Bytes;
use contacts_service::domain::attribute::AttributeType;
use contacts_service::domain::consent::{CheckReason, EventKind, OptInStatus};
use contacts_service::domain::contact::{Change, Profile, Recipient};
use contacts_service::domain::error::Reason;
use contacts_service::domain::phone::WhatsAppUserId;
use contacts_service::domain::workspace::WorkspaceSettings;
use contacts_service::operations::identity::LinkIdentity;
use contacts_service::operations::{
    attributes, contact_scan, contacts, idempotency, opt_in, read, tag_edit, tags,
    workspace_deletion, workspaces,
};
use contacts_service::opt_in::CheckQuery;
use contacts_service::store::{Store, decode_profile};
use uuid::Uuid;

use super::support::{
    checker, create_attribute, create_definitions, create_tag, definition, import, marketing,
    person, phone, profile, rich_profile, statement, with_database,
};

async fn create(store: &Store, profile: Profile) -> Result<Uuid, Reason> {
    let create = contacts::CreateContact { workspace_id: String::new(), profile };
    store.write(create).await.map(|row| row.contact_id).map_err(|error| error.reason())
}

fn record(who: &Recipient, status: OptInStatus) -> opt_in::RecordConsent {
    opt_in::RecordConsent {
        workspace_id: String::new(),
        recipients: vec![who.clone()],
        statement: statement(status),
    }
}

fn update(who: &Recipient, changes: Vec<Change>) -> contacts::UpdateContact {
    contacts::UpdateContact {
        workspace_id: String::new(),
        names: vec![who.clone()],
        phone_number: None,
        external_id: None,
        changes,
        etag: String::new(),
        if_missing: None,
    }
}

fn delete(who: &Recipient) -> contacts::DeleteContact {
    contacts::DeleteContact {
        workspace_id: String::new(),
        person: who.clone(),
        etag: String::new(),
        reason: 1,
    }
}

async fn count(store: &Store, filter: &str, query: &str) -> i64 {
    let query = read::Query {
        workspace_id: String::new(),
        filter: filter.to_owned(),
        query: query.to_owned(),
    };
    read::count(store, &query).await.unwrap()
}

async fn stored(store: &Store, who: &Recipient) -> Option<Profile> {
    let rows = read::find(store, "", std::slice::from_ref(who)).await.unwrap();
    rows[0].as_ref().map(|row| decode_profile(row).unwrap().profile)
}

#[test]
fn a_contact_is_created_changed_and_erased() {
    with_database(|database| async move {
        let store = database.store().await;
        create_definitions(&store).await;
        let id = create(&store, rich_profile("5521987654321")).await.unwrap();
        let who = Recipient::Id(id);
        assert_eq!(stored(&store, &who).await, Some(rich_profile("5521987654321")));
        assert_eq!(stored(&store, &person("552187654321")).await, stored(&store, &who).await);
        // Another form of the number is the same person.
        let twin = create(&store, profile("552187654321")).await;
        assert_eq!(twin, Err(Reason::ContactAlreadyExists));

        for filter in ["tags:vip AND attributes.city = \"São Paulo\"", "attributes.orders >= 7"] {
            assert_eq!(count(&store, filter, "gar jos").await, 1, "{filter}");
        }
        let user = WhatsAppUserId::parse("BR.1234567890").unwrap();
        let changes = vec![
            Change::FirstName("Ana".to_owned()),
            Change::Tags(BTreeSet::new()),
            Change::Attribute { id: "city".to_owned(), value: None },
            Change::AddWhatsAppUserIds(vec![user.clone()]),
        ];
        assert_eq!(store.write(update(&who, changes)).await.unwrap().version, 2);
        assert_eq!(count(&store, "tags:* OR attributes.city:*", "").await, 0);
        assert_eq!(count(&store, "", "jose").await, 0);
        assert_eq!(count(&store, "", "ana garcia").await, 1);

        // By either name, with an effect under both.
        let checker = checker(&store);
        let by_user = Recipient::Key(user.match_key());
        store.write(record(&by_user, OptInStatus::OptedIn)).await.unwrap();
        for who in [&who, &by_user, &person("5521987654321")] {
            let answer = checker.check(&marketing(who)).await.unwrap();
            assert_eq!(answer.reason, CheckReason::OptedIn);
            assert_eq!(answer.contact_id, Some(id));
        }
        assert_eq!(count(&store, "opt_in = OPTED_IN AND opt_in.utility != NOT_ASKED", "").await, 1);
        store.write(record(&person("5521987654321"), OptInStatus::OptedOut)).await.unwrap();
        let events = opt_in::events(&store, "", &who, None, 10).await.unwrap();
        assert_eq!(events.len(), 3, "one of them created the contact with two identities");
        assert_eq!(events[0].1.change.kind(), EventKind::OptOut);
        let older = opt_in::events(&store, "", &who, Some(events[0].0), 10).await.unwrap();
        assert_eq!(older, events[1..]);

        store.write(delete(&by_user)).await.unwrap();
        assert_eq!(stored(&store, &who).await, None);
        for who in [&by_user, &person("5521987654321")] {
            let answer = checker.check(&marketing(who)).await.unwrap();
            assert_eq!((answer.reason, answer.contact_id), (CheckReason::OptedOut, None));
            // What decides is listed, without what was said.
            let events = opt_in::events(&store, "", who, None, 10).await.unwrap();
            let kinds: Vec<_> = events.iter().map(|(_, event)| event.change.kind()).collect();
            assert_eq!(kinds, [EventKind::Erased, EventKind::OptOut]);
            assert!(events.iter().all(|(_, event)| event.match_key.as_str().is_empty()));
        }
        // Whoever has the number next starts with the objection.
        create(&store, profile("552187654321")).await.unwrap();
        assert_eq!(count(&store, "opt_in = OPTED_OUT", "").await, 1);
    });
}

#[test]
fn the_opt_out_of_a_released_user_id_stays() {
    with_database(|database| async move {
        let store = database.store().await;
        let user = WhatsAppUserId::parse("US.1234567890").unwrap();
        let both = Profile { whatsapp_user_ids: vec![user.clone()], ..profile("15551234567") };
        create(&store, both).await.unwrap();
        let by_phone = person("15551234567");
        store.write(record(&by_phone, OptInStatus::OptedOut)).await.unwrap();
        let release = LinkIdentity {
            workspace_id: String::new(),
            person: by_phone.clone(),
            phone_number: None,
            whatsapp_user_id: None,
            replaces: None,
            release: vec![user.match_key()],
            carry_opt_in: None,
            etag: String::new(),
        };
        store.write(release).await.unwrap();
        let checker = checker(&store);
        for (who, is_contact) in [(Recipient::Key(user.match_key()), false), (by_phone, true)] {
            let answer = checker.check(&marketing(&who)).await.unwrap();
            assert_eq!(answer.reason, CheckReason::OptedOut);
            assert_eq!(answer.contact_id.is_some(), is_contact);
        }
    });
}

#[test]
fn the_opt_out_of_a_non_contact_is_stored() {
    with_database(|database| async move {
        let store = database.store().await;
        let who = person("15551234567");
        store.write(record(&who, OptInStatus::OptedOut)).await.unwrap();
        let checker = checker(&store);
        let answer = checker.check(&marketing(&who)).await.unwrap();
        assert_eq!((answer.reason, answer.contact_id), (CheckReason::OptedOut, None));
        assert_eq!(opt_in::events(&store, "", &who, None, 10).await.unwrap().len(), 1);
        let refused = store.write(record(&who, OptInStatus::OptedIn)).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::ContactNotFound);
        create(&store, profile("15551234567")).await.unwrap();
        assert_eq!(count(&store, "opt_in = OPTED_OUT", "").await, 1);
        let events = opt_in::events(&store, "", &who, None, 10).await.unwrap();
        let kinds: Vec<_> = events.iter().map(|(_, event)| event.change.kind()).collect();
        assert_eq!(kinds, [EventKind::Claimed, EventKind::OptOut]);
        let unknown = checker.check(&marketing(&person("15557654321"))).await.unwrap();
        assert_eq!(unknown.reason, CheckReason::UnknownContact);
        let nowhere = checker
            .check(&CheckQuery { workspace_id: "nowhere", ..marketing(&who) })
            .await
            .unwrap_err();
        assert_eq!(nowhere.reason(), Reason::WorkspaceNotFound);
    });
}

#[test]
fn a_scan_returns_every_contact_once() {
    with_database(|database| async move {
        let store = database.store().await;
        create_definitions(&store).await;
        for chunk in 0..3 {
            let rows = (0..2500).map(|i| Profile {
                tags: if i % 3 == 0 { ["vip".to_owned()].into() } else { BTreeSet::new() },
                ..rich_profile(&format!("1555{:07}", chunk * 2500 + i))
            });
            let outcome = import(&store, rows).await;
            assert_eq!((outcome.created, outcome.failures.len()), (2500, 0));
        }
        for (filter, expected) in [
            ("", 7500),
            ("tags:vip", 2502),
            ("NOT tags:*", 4998),
            ("attributes.orders = 7 AND phone_number = \"1555000012*\"", 10),
            ("phone_number = \"1555000012*\"", 10),
            ("attributes.orders = 8", 0),
            ("attributes.orders > 8", 0),
        ] {
            let query = read::Query { filter: filter.to_owned(), ..read::Query::default() };
            let mut db = store.read().await.unwrap();
            let workspace = workspaces::get(&store, "").await.unwrap();
            let now = store.now();
            let selection = read::select(&store, &mut *db, &workspace, &query, now).await.unwrap();
            let mut walk =
                contact_scan::ContactScan::new(store.clone(), workspace, selection, None);
            let mut seen = Vec::new();
            loop {
                let page = walk.next_page().await.unwrap();
                if page.is_empty() {
                    break;
                }
                seen.extend(page.into_iter().map(|row| row.contact_id));
            }
            assert_eq!(seen.len(), expected, "{filter}");
            assert!(seen.is_sorted_by(|a, b| a < b), "{filter}");
            assert_eq!(count(&store, filter, "").await, expected as i64);
        }

        let edit = tag_edit::EditTags {
            workspace_id: String::new(),
            target: tag_edit::TagTarget::Filter {
                filter: "NOT tags:vip".to_owned(),
                expected_count: 4998,
            },
            tags: tag_edit::TagChanges { add: ["vip".to_owned()].into(), remove: BTreeSet::new() },
            validate_only: false,
            edited: Default::default(),
        };
        let edited = store.write(edit).await.unwrap().edited;
        assert_eq!((edited.matched, edited.changed), (4998, 4998));
        assert_eq!(count(&store, "tags:vip", "").await, 7500);
    });
}

#[test]
fn definitions_are_counted_and_deleted() {
    with_database(|database| async move {
        let store = database.store().await;
        create_definitions(&store).await;
        create_tag(&store, "unused").await;
        create_attribute(&store, definition("plan", AttributeType::Boolean)).await;
        import(&store, (0..50).map(|i| rich_profile(&format!("1555000{i:04}")))).await;
        let listed = tags::list(&store, "", "", 10).await.unwrap();
        let counts: Vec<_> =
            listed.iter().map(|t| (t.definition.tag_id.as_str(), t.contact_count)).collect();
        assert_eq!(counts, [("unused", 0), ("vip", 50)]);
        let listed = attributes::list(&store, "", "", 10).await.unwrap();
        let counts: Vec<_> =
            listed.iter().map(|a| (a.definition.attribute_id.as_str(), a.contact_count)).collect();
        assert_eq!(counts, [("city", 50), ("orders", 50), ("plan", 0)]);
        assert_eq!(tags::get(&store, "", "vip").await.unwrap().contact_count, 50);
        assert_eq!(attributes::get(&store, "", "city").await.unwrap().contact_count, 50);

        let twin = tags::CreateTag {
            workspace_id: String::new(),
            tag: contacts_service::domain::tag::Tag::bare("vip", chrono::Utc::now()),
        };
        let refused = store.write(twin).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::TagAlreadyExists);
        let rename = tags::UpdateTag {
            workspace_id: String::new(),
            tag_id: "vip".to_owned(),
            changes: vec![tags::TagChange::DisplayName("Very important".to_owned())],
        };
        let renamed = store.write(rename).await.unwrap();
        assert_eq!(renamed.definition.display_name, "Very important");
        let tag = tags::DeleteTag {
            workspace_id: String::new(),
            tag_id: "vip".to_owned(),
            force: true,
            removed: Default::default(),
        };
        assert_eq!(store.write(tag).await.unwrap(), 50);
        create_tag(&store, "vip").await;
        assert_eq!(tags::get(&store, "", "vip").await.unwrap().contact_count, 0);
        let attribute = attributes::DeleteAttribute {
            workspace_id: String::new(),
            attribute_id: "city".to_owned(),
            force: true,
            removed: Default::default(),
        };
        assert_eq!(store.write(attribute).await.unwrap(), 50);
        assert_eq!(count(&store, "tags:*", "").await, 0);
        assert_eq!(count(&store, "attributes.orders = 7", "").await, 50);
    });
}

#[test]
fn a_request_id_is_answered_once() {
    with_database(|database| async move {
        let store = database.store().await;
        let once = |number: &str| idempotency::Idempotent {
            method: "CreateContact",
            operation: contacts::CreateContact {
                workspace_id: String::new(),
                profile: profile(number),
            },
            encode: |row: contacts_service::store::ContactRow| idempotency::EncodedResponse {
                response: Bytes::copy_from_slice(row.contact_id.as_bytes()),
                contact_id: Some(row.contact_id),
                match_key: None,
            },
            workspace_id: String::new(),
            request_id: Some(Uuid::from_u128(7)),
            fingerprint: idempotency::fingerprint("CreateContact", number.as_bytes()),
        };
        let first = store.write(once("15551234567")).await.unwrap();
        assert_eq!(store.write(once("15551234567")).await.unwrap(), first);
        let reused = store.write(once("15557654321")).await.unwrap_err();
        assert_eq!(reused.reason(), Reason::RequestIdReused);
        // The answer tells of the person and goes with them.
        store.write(delete(&person("15551234567"))).await.unwrap();
        let erased = store.write(once("15551234567")).await.unwrap_err();
        assert_eq!(erased.reason(), Reason::ContactNotFound);
    });
}

#[test]
fn workspaces_do_not_share_data() {
    with_database(|database| async move {
        let store = database.store().await;
        let other = workspaces::CreateWorkspace {
            workspace_id: "other".to_owned(),
            display_name: String::new(),
            settings: WorkspaceSettings::default(),
        };
        store.write(other).await.unwrap();
        create_definitions(&store).await;
        create(&store, rich_profile("15551234567")).await.unwrap();
        let create_there = contacts::CreateContact {
            workspace_id: "other".to_owned(),
            profile: profile("15551234567"),
        };
        store.write(create_there).await.unwrap();
        let ids: Vec<_> = workspaces::list(&store, "", 10)
            .await
            .unwrap()
            .into_iter()
            .map(|workspace| workspace.workspace_id)
            .collect();
        assert_eq!(ids, ["default", "other"]);
        let erased =
            workspace_deletion::delete(&store, "default".to_owned(), "default".to_owned()).await;
        assert_eq!(erased.unwrap(), 1);
        let gone = read::count(&store, &read::Query::default()).await.unwrap_err();
        assert_eq!(gone.reason(), Reason::WorkspaceNotFound);
        let there = read::Query { workspace_id: "other".to_owned(), ..read::Query::default() };
        assert_eq!(read::count(&store, &there).await.unwrap(), 1);
        assert!(store.read().await.unwrap().workspace("default").await.unwrap().is_none());
        let _ = phone("15551234567");
    });
}
