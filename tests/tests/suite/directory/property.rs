//! Property: searches and orders return what their reference implementation in memory returns.

use contacts_sdk::{Contact, NewContact};
use contacts_service::domain::search;
use contacts_tests::{TestApp, apply, ids, on_each_store, phone};
use futures::TryStreamExt;
use proptest::prelude::*;
use proptest::sample::select as one_of;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

const PEOPLE: usize = 120;
const SEARCHES: usize = 150;

/// Words with common prefixes, words that fold to the same text, and words in scripts with special
/// rules.
const WORDS: [&str; 24] = [
    "Ana",
    "ANA",
    "Aná",
    "Anabel",
    "an",
    "Straße",
    "Strasse",
    "O'Brien",
    "Łódź",
    "ﬁona",
    "Ａｎａ",
    "مُحَمَّد",
    "محمد",
    "שָׁלוֹם",
    "กิตติ",
    "が",
    "か",
    "ｶﾞ",
    "王小明",
    "İnci",
    "ΝΊΚΟΣ",
    "Ёлкин",
    "100%",
    "a_b",
];

fn name() -> impl Strategy<Value = String> {
    let separator = one_of(vec![" ", "-", "  ", "'", "."]);
    let words = prop::collection::vec((one_of(&WORDS[..]), separator), 0..4);
    words.prop_map(|words| words.into_iter().flat_map(|(word, end)| [word, end]).collect())
}

/// Prefixes of some words, or of arbitrary text.
fn query() -> impl Strategy<Value = String> {
    let beginning = (one_of(&WORDS[..]), 1..6_usize);
    let beginning =
        beginning.prop_map(|(word, chars)| word.chars().take(chars).collect::<String>());
    let beginnings = prop::collection::vec(beginning, 1..3).prop_map(|words| words.join(" "));
    prop_oneof![4 => beginnings, 1 => "\\PC{0,4}"]
}

type Key = fn(&Contact) -> String;

/// Sort key: one name before the other, normalised as in search. Contacts without a name come last.
fn key(one: &Option<String>, other: &Option<String>) -> String {
    let text = |name: &Option<String>| name.clone().unwrap_or_default();
    match search::normalised(&text(one), &text(other)) {
        none if none.is_empty() => char::MAX.to_string(),
        words => words,
    }
}

fn by_first(contact: &Contact) -> String {
    key(&contact.first_name, &contact.last_name)
}

fn by_last(contact: &Contact) -> String {
    key(&contact.last_name, &contact.first_name)
}

#[apply(on_each_store!)]
async fn searches_and_orders_match_the_reference(app: TestApp) {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let mut made = |strategy: &dyn Fn() -> BoxedStrategy<String>| {
        strategy().new_tree(&mut runner).expect("text").current()
    };
    let people = (0..PEOPLE).map(|n| {
        let (first, last) = (made(&|| name().boxed()), made(&|| name().boxed()));
        NewContact::new().phone(phone(n)).first_name(first).last_name(last)
    });
    let people: Vec<_> = people.collect();
    app.make_many(people).await;
    let everybody: Vec<_> = app.contacts().list().stream().try_collect().await.expect("everybody");
    assert_eq!(everybody.len(), PEOPLE);

    let mut telling = 0;
    for _ in 0..SEARCHES {
        let query = made(&|| query().boxed());
        let found: Vec<_> =
            app.contacts().list().query(&query).stream().try_collect().await.expect("a page");
        let matches = |contact: &&Contact| {
            let name = search::words(&by_first(contact));
            match search::query_words(&query) {
                Ok(words) => search::matches(&name, &words),
                Err(_) => false,
            }
        };
        let expected = ids(everybody.iter().filter(matches));
        assert_eq!(ids(&found), expected, "{query:?}");
        telling += usize::from(!expected.is_empty() && expected.len() < PEOPLE);
    }
    assert!(telling > SEARCHES / 2, "only {telling} searches find some and not all");

    for (order, key) in [("first_name", by_first as Key), ("last_name", by_last)] {
        let listed: Vec<_> = app
            .contacts()
            .list()
            .order_by(order)
            .page_size(9)
            .stream()
            .try_collect()
            .await
            .expect("all");
        let mut expected = everybody.clone();
        // Contacts without a name come last.
        expected.sort_by_key(|contact| {
            let key = key(contact);
            (key.is_empty(), key, contact.contact_id.clone())
        });
        assert_eq!(ids(&listed), ids(&expected), "{order}");
    }
}
