//! Any filter selects the contacts that its meaning in memory selects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use contacts_sdk::{
    AttributeValue as Sdk, Contact, MessageCategory, NewContact, OptInSource, OptInStatus as Status,
};
use contacts_service::domain::attribute::{AttributeDefinition, AttributeType, AttributeValue};
use contacts_service::domain::consent::OptInStatus;
use contacts_service::domain::filter::{self, ContactFacts, OptInFacts, Vocabulary};
use contacts_tests::{TIERS, TestApp, apply, ids, moment, on_each_store, phone};
use futures::TryStreamExt;
use proptest::prelude::*;
use proptest::sample::{select as one_of, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::select;

/// Filters tried; each is three calls.
const FILTERS: u32 = 160;
const PEOPLE: usize = 90;
const TAGS: [&str; 3] = ["vip", "lead", "cold"];
/// Few, so that filters and people meet; some are prefixes of others, or mean something elsewhere.
const TEXTS: [&str; 10] = ["a", "ab", "A", "é", "e\u{301}", "%", "a_", "*", "it's \"\\", "中"];
const NUMBERS: [f64; 7] = [-1.5, 0.0, 1.0, 2.0, 10.0, 1e15, 1e-7];

type Person = (Vec<&'static str>, [Option<&'static str>; 4], [Option<u8>; 4], [u8; 3]);

/// Tags, texts (first name, last name, email, city), values (orders, member, last order, tier), and
/// consent per category.
fn person() -> impl Strategy<Value = Person> {
    let text = || prop::option::of(one_of(&TEXTS[..]));
    let value = || prop::option::of(0..7_u8);
    (
        subsequence(TAGS.to_vec(), 0..=3),
        [text(), text(), text(), text()],
        [value(), value(), value(), value()],
        [0..3_u8, 0..3_u8, 0..3_u8],
    )
}

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
        ("last_order", values[2].map(|v| Sdk::from(moment(u64::from(v) * 3600)))),
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

fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .flat_map(|c| matches!(c, '"' | '\\' | '*').then_some('\\').into_iter().chain([c]))
        .collect();
    format!("\"{escaped}\"")
}

/// A comparison of a field with literals, some of which are lists or prefixes.
fn compare(
    field: &'static [&'static str],
    literal: impl Strategy<Value = String> + Clone + 'static,
    operators: &'static [&'static str],
) -> BoxedStrategy<String> {
    let one = (one_of(field), one_of(operators), literal.clone());
    let one = one.prop_map(|(field, operator, literal)| format!("{field} {operator} {literal}"));
    let list = (one_of(field), prop::collection::vec(literal, 1..4));
    let list = list.prop_map(|(field, literals)| format!("{field} IN ({})", literals.join(", ")));
    let set = one_of(field).prop_map(|field| format!("{field}:*"));
    prop_oneof![6 => one, 2 => list, 1 => set].boxed()
}

const ORDER: &[&str] = &["=", "!=", "<", "<=", ">", ">="];
const EQUALITY: &[&str] = &["=", "!="];

fn comparison(times: Vec<String>) -> BoxedStrategy<String> {
    let text = one_of(&TEXTS[..]).prop_map(quoted);
    let names = &["first_name", "last_name", "attributes.city"];
    let prefix = (one_of(&names[..]), one_of(&TEXTS[..])).prop_map(|(field, text)| {
        let quoted = quoted(text);
        format!("{field} = {}*\"", &quoted[..quoted.len() - 1])
    });
    let email = (0..5).prop_map(|n| format!("\"m{n}@example.com\""));
    let digits = (0..PEOPLE).prop_map(|n| quoted(&phone(n)));
    let beginning = (0..9).prop_map(|n| format!("phone_number = \"1555000000{n}*\""));
    let number = one_of(&NUMBERS[..]).prop_map(|number| number.to_string());
    let hour = (0..8_u64).prop_map(|hour| format!("\"2026-01-01T0{hour}:00:00Z\""));
    let statuses = &["OPTED_IN", "OPTED_OUT", "NOT_ASKED"];
    let status = one_of(&statuses[..]).prop_map(str::to_owned);
    let tag = one_of(&TAGS[..]).prop_map(|tag| format!("tags:{tag}"));
    let tags =
        subsequence(TAGS.to_vec(), 1..=3).prop_map(|t| format!("tags IN ({})", t.join(", ")));
    let opt_in =
        (one_of(vec!["opt_in", "opt_in.utility", "opt_in.authentication"]), one_of(EQUALITY));
    let member =
        (one_of(EQUALITY), any::<bool>()).prop_map(|(op, b)| format!("attributes.member {op} {b}"));
    let tier = one_of(&TIERS[..]).prop_map(str::to_owned);
    prop_oneof![
        3 => compare(&["first_name", "last_name", "attributes.city"], text, ORDER),
        2 => prefix,
        1 => compare(&["email"], email, ORDER),
        1 => compare(&["phone_number"], digits, ORDER),
        1 => beginning,
        2 => compare(&["attributes.orders"], number, ORDER),
        1 => compare(&["attributes.last_order"], hour, ORDER),
        1 => compare(&["create_time", "update_time"], one_of(times), ORDER),
        1 => (one_of(EQUALITY), tier).prop_map(|(op, tier)| format!("attributes.tier {op} {tier}")),
        1 => member,
        2 => prop_oneof![tag, tags, Just("tags:*".to_owned())],
        2 => (opt_in, status).prop_map(|((field, op), status)| format!("{field} {op} {status}")),
    ]
    .boxed()
}

fn any_filter(times: Vec<String>) -> impl Strategy<Value = String> {
    comparison(times).prop_recursive(4, 16, 3, |inner| {
        let parts =
            || prop::collection::vec(inner.clone().prop_map(|part| format!("({part})")), 2..4);
        prop_oneof![
            parts().prop_map(|parts| parts.join(" AND ")),
            parts().prop_map(|parts| parts.join(" OR ")),
            inner.clone().prop_map(|part| format!("NOT ({part})")),
        ]
    })
}

fn vocabulary() -> Vocabulary {
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
    Vocabulary { tags, attributes: attributes.into_iter().map(define).collect() }
}

fn time(time: Option<SystemTime>) -> DateTime<Utc> {
    time.expect("a time").into()
}

fn status(status: Status) -> OptInStatus {
    match status {
        Status::NotAsked => OptInStatus::NotAsked,
        Status::OptedIn => OptInStatus::OptedIn,
        Status::OptedOut => OptInStatus::OptedOut,
        other => panic!("{other:?}"),
    }
}

/// What the filter means, of these contacts.
fn expected(everybody: &[Contact], written: &str) -> Vec<String> {
    let compiled = filter::compile(written, &vocabulary());
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
            opt_in: OptInFacts {
                marketing: status(contact.opt_in.marketing),
                utility: status(contact.opt_in.utility),
                authentication: status(contact.opt_in.authentication),
            },
        };
        filter::matches(&meaning, &facts)
    };
    ids(everybody.iter().filter(selects))
}

#[apply(on_each_store!)]
async fn any_filter_selects_what_it_means(app: TestApp) {
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
    let moments = everybody.iter().step_by(9).map(|contact| time(contact.create_time));
    let moments = moments.map(|moment| format!("\"{}\"", moment.to_rfc3339())).collect();

    let (handle, telling) = (Handle::current(), AtomicU32::new(0));
    let outcome = block_in_place(|| {
        runner.run(&any_filter(moments), |written| {
            let found = handle
                .block_on(select(&app, &written))
                .map_err(|error| TestCaseError::fail(format!("{written}: {error}")))?;
            let expected = expected(&everybody, &written);
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
