use chrono::Utc;
use contacts_service::domain::{attribute::*, consent::*, contact::*, import::*, phone::*};
use contacts_service::operations::*;
use contacts_service::store::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

#[tokio::main]
async fn main() {
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let path = std::path::PathBuf::from("/tmp/storebench.db");
    let fresh = !path.exists();
    let store = sqlite::open(&path, Arc::new(Utc::now)).await.unwrap();
    workspaces::ensure_default(&store).await.unwrap();
    let now = Utc::now();
    let def = |id: &str, t, o: Vec<String>| attributes::CreateAttribute {
        workspace_id: "".into(),
        attribute: AttributeDefinition {
            attribute_id: id.into(),
            display_name: id.into(),
            attribute_type: t,
            enum_options: o,
            description: "".into(),
            create_time: now,
            update_time: now,
        },
    };
    if fresh {
        for (id, t) in [
            ("city", AttributeType::String),
            ("company", AttributeType::String),
            ("orders", AttributeType::Number),
            ("ltv", AttributeType::Number),
            ("last_seen", AttributeType::Timestamp),
        ] {
            store.write(def(id, t, vec![])).await.unwrap();
        }
        store
            .write(def(
                "tier",
                AttributeType::Enum,
                vec!["Gold".into(), "Silver".into(), "Bronze".into()],
            ))
            .await
            .unwrap();
        let first = [
            "Ana", "João", "Maria", "Peter", "Olga", "Chen", "Fatima", "Aiko", "Noah", "Lea",
            "Mara", "Marta",
        ];
        let last = [
            "Silva", "García", "Smith", "Müller", "Ivanova", "Wang", "Hassan", "Tanaka", "Brown",
            "Dubois",
        ];
        let cities =
            ["São Paulo", "Berlin", "Lagos", "Tokyo", "Paris", "Delhi", "Mexico City", "Cairo"];
        let tags: Vec<String> = (0..30).map(|i| format!("tag_{i}")).collect();
        let start = Instant::now();
        let mut seed = 1u64;
        let mut rnd = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for chunk in 0..n / 1000 {
            let rows = (0..1000)
                .map(|i| {
                    let id = (chunk * 1000 + i) as u64;
                    let phone = 49_1000_000000u64 + (id.wrapping_mul(2654435761) % 9_999_999_967);
                    let mut p = Profile {
                        phone_number: Some(PhoneNumber::parse(&phone.to_string()).unwrap()),
                        first_name: first[(rnd() % 12) as usize].into(),
                        last_name: format!("{}{}", last[(rnd() % 10) as usize], rnd() % 1000),
                        email: format!("user{id}@example.com"),
                        ..Profile::default()
                    };
                    if rnd() % 5 < 2 {
                        p.tags.insert(tags[0].clone());
                    }
                    for _ in 0..2 + rnd() % 2 {
                        p.tags.insert(tags[(1 + rnd() % 29) as usize].clone());
                    }
                    p.attributes = BTreeMap::from([
                        (
                            "city".into(),
                            AttributeValue::String(cities[(rnd() % 8) as usize].into()),
                        ),
                        (
                            "company".into(),
                            AttributeValue::String(format!("Company {}", rnd() % 10000)),
                        ),
                        ("orders".into(), AttributeValue::Number((rnd() % 50) as f64)),
                        ("ltv".into(), AttributeValue::Number((rnd() % 1_000_000) as f64 / 100.0)),
                        (
                            "tier".into(),
                            AttributeValue::String(
                                ["Gold", "Silver", "Bronze"][(rnd() % 3) as usize].into(),
                            ),
                        ),
                        (
                            "last_seen".into(),
                            AttributeValue::Timestamp(
                                now - chrono::TimeDelta::seconds((rnd() % 10_000_000) as i64),
                            ),
                        ),
                    ]);
                    let consent = (rnd() % 4 < 3).then(|| Statement {
                        status: OptInStatus::OptedIn,
                        categories: MessageCategory::ALL.to_vec(),
                        source: Source::Import,
                        evidence: Evidence::default(),
                        reason_text: "".into(),
                        occurred_time: None,
                        expire_time: None,
                    });
                    (i, ImportRow { profile: p, consent })
                })
                .collect();
            let out = store
                .write(import::ImportChunk {
                    workspace_id: "".into(),
                    options: ImportOptions {
                        on_conflict: OnConflict::Merge,
                        create_missing_tags: true,
                        add_tags: vec![],
                        consent: None,
                    },
                    rows,
                })
                .await
                .unwrap();
            assert!(out.failures.is_empty(), "{:?}", out.failures.first());
            if (chunk + 1) % 100 == 0 {
                println!(
                    "{} rows, {:.0} rows/s",
                    (chunk + 1) * 1000,
                    ((chunk + 1) * 1000) as f64 / start.elapsed().as_secs_f64()
                );
            }
        }
    }
    for (f, q) in [
        ("", ""),
        ("tags:tag_0 AND attributes.tier = Gold AND opt_in = OPTED_IN", ""),
        ("attributes.company = \"Company 77\"", ""),
        ("attributes.ltv > 9500", ""),
        ("tags:tag_1 OR tags:tag_2", ""),
        ("NOT tags:tag_0 AND attributes.tier != Gold", ""),
        ("attributes.company = \"Company 77*\" AND opt_in = OPTED_IN", ""),
        ("", "mar"),
    ] {
        let query = read::Query { workspace_id: "".into(), filter: f.into(), query: q.into() };
        let mut s = store.read().await.unwrap();
        let (ws, sel) = read::select(&store, &mut *s, &query).await.unwrap();
        drop(s);
        let start = Instant::now();
        let mut seg = segment::Segment::new(store.clone(), ws.clone(), sel.clone(), None);
        let mut total = 0;
        loop {
            let page = seg.next_page().await.unwrap();
            if page.is_empty() {
                break;
            }
            total += page.len();
            if total <= 500 {
                println!("   first page {:?}", start.elapsed());
            }
            if start.elapsed().as_secs() > 20 {
                println!("   (cut)");
                break;
            }
        }
        println!(
            "{f:60} {q} stream {total} in {:?} = {:.0}/s",
            start.elapsed(),
            total as f64 / start.elapsed().as_secs_f64()
        );
        let start = Instant::now();
        let c = read::count(&store, &query).await.unwrap();
        println!("      count {c} in {:?}", start.elapsed());
        let mut s = store.read().await.unwrap();
        for order in ["create_time", "create_time desc", "first_name"] {
            let start = Instant::now();
            let page = read::list(
                &mut *s,
                &(ws.clone(), sel.clone()),
                read::parse_order(order).unwrap(),
                None,
                50,
            )
            .await
            .unwrap();
            println!("      list {order} {} in {:?}", page.len(), start.elapsed());
        }
    }
}
