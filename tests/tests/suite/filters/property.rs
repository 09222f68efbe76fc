//! Property: any filter selects the contacts that its evaluation in memory selects.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use contacts_sdk::{AttributeValue as Sdk, Contact, MessageCategory, NewContact, OptInSource};
use contacts_service::domain::attribute::{AttributeDefinition, AttributeType, AttributeValue};
use contacts_service::domain::consent::{ConsentSummary, OptInPolicy};
use contacts_service::domain::filter::{self, ContactFacts, Definitions};
use contacts_service::operations::workspaces;
use contacts_service::store::sqlite::Access;
use contacts_tests::{TIERS, TestApp, apply, ids, on_each_store, phone, timestamp};
use futures::TryStreamExt;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::generate::{NUMBERS, PEOPLE, Person, TAGS, any_filter, person};
use super::select;

/// Number of filters; each takes three calls.
const FILTERS: u32 = 100;

async fn make(app: &TestApp, n: usize, (tags, texts, values, consents): Person) {
    let [first, last, email, city] = texts;
    let mut contact = NewContact::new().tags(tags);
    contact = match n % 5 {
        0 => contact.whatsapp_user_id(format!("US.{n}")),
        _ => contact.phone(phone(n)),
    };
    contact = contact.first_name(first.unwrap_or_default()).last_name(last.unwrap_or_default());
    contact = contact.email(email.map(|_| format!("m{}@example.com", n % 4)).unwrap_or_default());
    for (id, value) in [
        ("city", city.map(Sdk::from)),
        ("orders", values[0].map(|v| Sdk::from(NUMBERS[usize::from(v)]))),
        ("member", values[1].map(|v| Sdk::from(v % 2 == 0))),
        ("last_order", values[2].map(|v| Sdk::from(timestamp(u64::from(v) * 3600)))),
        ("tier", values[3].map(|v| Sdk::from(TIERS[usize::from(v) % 3]))),
    ] {
        contact = match value {
            Some(value) => contact.attribute(id, value),
            None => contact,
        };
    }
    let made = app.contacts().create(contact).await.expect("a contact");
    let categories =
        [MessageCategory::Marketing, MessageCategory::Utility, MessageCategory::Authentication];
    for (category, consent) in categories.into_iter().zip(consents) {
        let in_or_out = match consent {
            0 => continue,
            1 => app.opt_in().record_opt_in(&made, OptInSource::Paper).categories([category]).await,
            _ => app.opt_in().record_opt_out(&made).categories([category]).await,
        };
        in_or_out.expect("an event");
    }
}

fn definitions() -> Definitions {
    let define = |(id, attribute_type): (&str, AttributeType)| {
        let options = if attribute_type == AttributeType::Enum { &TIERS[..] } else { &[] };
        let definition = AttributeDefinition {
            attribute_id: id.to_owned(),
            display_name: id.to_owned(),
            attribute_type,
            enum_options: options.iter().map(|option| (*option).to_owned()).collect(),
            description: String::new(),
            create_time: DateTime::default(),
            update_time: DateTime::default(),
        };
        (id.to_owned(), definition)
    };
    let attributes = [
        ("city", AttributeType::String),
        ("orders", AttributeType::Number),
        ("member", AttributeType::Boolean),
        ("last_order", AttributeType::Timestamp),
        ("tier", AttributeType::Enum),
    ];
    let tags: BTreeSet<_> = TAGS.map(str::to_owned).into();
    let attributes = attributes.into_iter().map(define).collect();
    Definitions { tags, attributes, ..Definitions::default() }
}

fn time(time: Option<SystemTime>) -> DateTime<Utc> {
    time.expect("a time").into()
}

/// What every contact repeats of its consent, by id.
async fn consents(app: &TestApp, everybody: &[Contact]) -> HashMap<String, ConsentSummary> {
    let store = app.open_store(Access::Read).await;
    let workspace = workspaces::get(&store, "").await.expect("a workspace");
    let ids: Vec<_> =
        everybody.iter().map(|contact| contact.contact_id.parse().expect("an id")).collect();
    let mut db = store.read().await.expect("a reader");
    db.enter(&workspace).await.expect("entered");
    let found = db.contact_consents(&workspace, &ids).await.expect("consents");
    drop(db);
    store.close().await;
    found.into_iter().map(|(id, consent)| (id.to_string(), consent)).collect()
}

/// The contacts that match the filter according to `domain::filter::eval`.
fn expected(
    everybody: &[Contact],
    consents: &HashMap<String, ConsentSummary>,
    written: &str,
) -> Vec<String> {
    let now = SystemTime::now().into();
    let compiled = filter::compile(written, &definitions(), now);
    let meaning = compiled.unwrap_or_else(|error| panic!("{written}: {error}")).expect("a filter");
    let selects = |contact: &&Contact| {
        let value = |value: &Sdk| match value {
            Sdk::String(text) => AttributeValue::String(text.clone()),
            Sdk::Number(number) => AttributeValue::Number(*number),
            Sdk::Bool(value) => AttributeValue::Boolean(*value),
            Sdk::Timestamp(moment) => AttributeValue::Timestamp((*moment).into()),
            other => panic!("{other:?}"),
        };
        let attributes: BTreeMap<_, _> =
            contact.attributes.iter().map(|(id, v)| (id.clone(), value(v))).collect();
        let facts = ContactFacts {
            first_name: contact.first_name.as_deref().unwrap_or_default(),
            last_name: contact.last_name.as_deref().unwrap_or_default(),
            email: contact.email.as_deref().unwrap_or_default(),
            phone_number: contact.phone_number.as_deref().unwrap_or_default(),
            create_time: time(contact.create_time),
            update_time: time(contact.update_time),
            tags: &contact.tags,
            attributes: &attributes,
            consent: &consents[&contact.contact_id],
            policy: &OptInPolicy::default(),
            now,
        };
        filter::matches(&meaning, &facts)
    };
    ids(everybody.iter().filter(selects))
}

#[apply(on_each_store!)]
async fn any_filter_selects_what_its_evaluation_selects(app: TestApp) {
    app.make_tags(&TAGS).await;
    app.make_attributes().await;
    let mut runner = TestRunner::new(Config {
        cases: FILTERS,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    });
    for n in 0..PEOPLE {
        let generated = person().new_tree(&mut runner).expect("a person").current();
        make(&app, n, generated).await;
    }
    let everybody: Vec<_> = app.contacts().list().stream().try_collect().await.expect("everybody");
    assert_eq!(everybody.len(), PEOPLE);
    let consents = consents(&app, &everybody).await;
    let moments = everybody.iter().step_by(9).map(|contact| time(contact.create_time));
    let moments = moments.map(|moment| format!("\"{}\"", moment.to_rfc3339())).collect();

    let (handle, telling) = (Handle::current(), AtomicU32::new(0));
    let outcome = block_in_place(|| {
        runner.run(&any_filter(moments), |written| {
            let found = handle
                .block_on(select(&app, &written))
                .map_err(|error| TestCaseError::fail(format!("{written}: {error}")))?;
            let expected = expected(&everybody, &consents, &written);
            if !expected.is_empty() && expected.len() < PEOPLE {
                telling.fetch_add(1, Ordering::Relaxed);
            }
            prop_assert_eq!(ids(&found), expected, "{}", written);
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let telling = telling.into_inner();
    assert!(telling > FILTERS / 2, "only {telling} filters select some and not all");
}
