use chrono::Utc;
use contacts_service::domain::{
    attribute::*, consent::*, contact::*, filter, import::*, phone::*, tag::Tag,
};
use contacts_service::operations::*;
use contacts_service::store::*;
use std::collections::BTreeMap;
use std::sync::Arc;

#[tokio::test]
async fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    let store = sqlite::open(&dir.path().join("t.db"), Arc::new(Utc::now)).await.unwrap();
    workspaces::ensure_default(&store).await.unwrap();
    let t = Tag::bare("vip", Utc::now());
    store.write(tags::CreateTag { workspace_id: "".into(), tag: t }).await.unwrap();
    store
        .write(attributes::CreateAttribute {
            workspace_id: "".into(),
            attribute: AttributeDefinition {
                attribute_id: "city".into(),
                display_name: "City".into(),
                attribute_type: AttributeType::String,
                enum_options: vec![],
                description: "".into(),
                create_time: Utc::now(),
                update_time: Utc::now(),
            },
        })
        .await
        .unwrap();
    let profile = |n: &str| Profile {
        phone_number: Some(PhoneNumber::parse(n).unwrap()),
        first_name: "José".into(),
        last_name: "García".into(),
        tags: ["vip".to_string()].into(),
        attributes: BTreeMap::from([(
            "city".to_string(),
            AttributeValue::String("São Paulo".into()),
        )]),
        ..Profile::default()
    };
    let row = store
        .write(contacts::CreateContact {
            workspace_id: "".into(),
            profile: profile("5521987654321"),
        })
        .await
        .unwrap();
    println!("{row:?}");
    let person = Person::Key(match_key_of("552187654321").unwrap());
    let err = store
        .write(contacts::CreateContact {
            workspace_id: "".into(),
            profile: profile("552187654321"),
        })
        .await
        .unwrap_err();
    println!("{err:?}");
    let checker = contacts_service::opt_in::Checker::new(store.clone());
    println!("{:?}", checker.check("", &person, MessageCategory::Marketing).await.unwrap());
    let st = |s| Statement {
        status: s,
        categories: MessageCategory::ALL.to_vec(),
        source: Source::WebForm,
        evidence: Evidence::default(),
        reason_text: "".into(),
        occurred_time: None,
        expire_time: None,
    };
    store
        .write(opt_in::RecordConsent {
            workspace_id: "".into(),
            person: person.clone(),
            statement: st(OptInStatus::OptedIn),
        })
        .await
        .unwrap();
    println!("{:?}", checker.check("", &person, MessageCategory::Marketing).await.unwrap());
    let rows = (0..1500)
        .map(|i| (i, ImportRow { profile: profile(&format!("1555{i:07}")), consent: None }))
        .collect();
    let out = store
        .write(import::ImportChunks {
            workspace_id: "".into(),
            options: ImportOptions {
                on_conflict: OnConflict::Merge,
                create_missing_tags: true,
                add_tags: vec!["new".into()],
                consent: Some(st(OptInStatus::OptedIn)),
            },
            chunks: vec![rows],
        })
        .await
        .unwrap();
    println!("{out:?}");
    let q = read::Query { workspace_id: "".into(), filter: "tags:new AND attributes.city = \"São Paulo\" AND opt_in = OPTED_IN AND NOT attributes.city = \"S*\" OR".replace(" AND NOT attributes.city = \"S*\" OR", ""), query: "jos gar".into() };
    println!("{:?}", read::count(&store, &q).await.unwrap());
    let mut s = store.read().await.unwrap();
    let sel = read::select(&store, &mut *s, &q).await.unwrap();
    for order in ["create_time desc", "last_name", "first_name desc"] {
        let page =
            read::list(&mut *s, &sel, read::parse_order(order).unwrap(), None, 10).await.unwrap();
        let next = read::list(
            &mut *s,
            &sel,
            read::parse_order(order).unwrap(),
            Some(&page[9].position()),
            10,
        )
        .await
        .unwrap();
        assert_eq!(next.len(), 10);
        assert!(page.iter().all(|a| next.iter().all(|b| a.contact_id != b.contact_id)));
    }
    store
        .write(contacts::UpdateContact {
            workspace_id: "".into(),
            person: person.clone(),
            phone_number: None,
            changes: vec![
                Change::FirstName("Ana".into()),
                Change::Attribute { id: "city".into(), value: None },
                Change::Tags(Default::default()),
            ],
            etag: "v1".into(),
            if_missing: None,
        })
        .await
        .unwrap();
    println!("{:?}", opt_in::events(&store, "", &person, None, 10).await.unwrap());
    store
        .write(opt_in::RecordConsent {
            workspace_id: "".into(),
            person: person.clone(),
            statement: st(OptInStatus::OptedOut),
        })
        .await
        .unwrap();
    println!(
        "{:?}",
        store
            .write(contacts::DeleteContact {
                workspace_id: "".into(),
                person: person.clone(),
                etag: "".into(),
                reason: 1
            })
            .await
            .unwrap()
    );
    println!("{:?}", checker.check("", &person, MessageCategory::Marketing).await.unwrap());
    println!(
        "{:?}",
        store
            .write(tags::DeleteTag { workspace_id: "".into(), tag_id: "vip".into(), force: true })
            .await
            .unwrap()
    );
    println!(
        "{:?}",
        store
            .write(attributes::DeleteAttribute {
                workspace_id: "".into(),
                attribute_id: "city".into(),
                force: true
            })
            .await
            .unwrap()
    );
    println!("{:?}", checker.check("nope", &person, MessageCategory::Marketing).await);
    println!(
        "{:?}",
        store
            .write(workspaces::DeleteWorkspace {
                workspace_id: "default".into(),
                confirmation: "default".into()
            })
            .await
            .unwrap()
    );
    let _ = filter::MAX_BYTES;
}
