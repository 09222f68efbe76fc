//! Postgres, SQLite and the search in memory find the same names.

use contacts_service::domain::contact::Profile;
use contacts_service::domain::search::{self, query_words};
use contacts_service::domain::text;
use contacts_service::operations::{read, workspaces};
use contacts_service::store::postgres::PostgresOptions;
use contacts_service::store::{Order, OrderBy, Store, decode_profile};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::support::{Database, Hands, import, phone, profile, runtime, server, sqlite_store};

const NAMES: [&str; 24] = [
    "José da Silva",
    "JOSE",
    "João",
    "O'Brien",
    "Jean-Luc",
    "Straße",
    "STRASSE",
    "İstanbul Yıldız",
    "ΣΊΣΥΦΟΣ",
    "Ёлка",
    "王小明",
    "がく",
    "नीतीश कुमार",
    "อรุณ",
    "محمد",
    "שלום",
    "x'y\\z:*&|!()",
    "ﬁancé",
    "Ⅷ ²",
    "한국",
    "a\u{301}\u{327}b",
    "𝒥𝑜𝓈é",
    "🎉 Ana",
    "1555 42",
];

fn names() -> impl Strategy<Value = String> {
    let fits = |name: &String| text::validate(name, text::NAME).is_ok();
    let any = any::<String>().prop_filter("a name", fits);
    let words = prop::collection::vec(prop::sample::select(NAMES.to_vec()), 0..3)
        .prop_map(|words| words.join(" "));
    let long = Just("Wolfeschlegelsteinhausenbergerdorff".repeat(5));
    let many = Just((0..40).map(|i| format!("w{i}")).collect::<Vec<_>>().join(" "));
    prop_oneof![6 => words, 3 => any, 1 => long, 1 => many]
}

/// Prefixes of words of the names, and words that are in no name.
fn queries(names: &[(String, String)]) -> Vec<String> {
    let mut queries: Vec<String> =
        ["e", "jo", "jos sil", "str", "'", "\\", ":*", "a & b", "王", "小", "ab", "15", "w1 w2"]
            .map(str::to_owned)
            .to_vec();
    for (first, last) in names {
        for name in [first, last] {
            for length in [1, 2, 5, 64, 70] {
                queries.push(name.chars().take(length).collect());
                queries.push(name.chars().skip(length).take(4).collect());
            }
        }
        queries.push(format!("{last} {first}").chars().take(80).collect());
    }
    queries.retain(|query| query_words(query).is_ok_and(|words| !words.is_empty()));
    queries
}

async fn found(store: &Store, query: &str) -> Vec<String> {
    let mut db = store.read().await.unwrap();
    let asked = read::Query { query: query.to_owned(), ..read::Query::default() };
    let workspace = workspaces::get(store, "").await.unwrap();
    let now = store.now();
    let selection = read::select(store, &mut *db, &workspace, &asked, now).await.unwrap();
    let order = Order { by: OrderBy::CreateTime, descending: false };
    let page = db.list_contacts(&workspace, &selection, order, None, 1000).await.unwrap();
    let number =
        |row| decode_profile(row).unwrap().profile.phone_number.map(|number| number.to_string());
    page.rows.iter().filter_map(number).collect()
}

#[test]
fn both_engines_find_what_the_query_means() {
    let Some(server) = server() else { return };
    let runtime = runtime();
    let hands = Hands::at(1_760_000_000_000_000);
    let (postgres, (sqlite, _directory)) = runtime.block_on(async {
        let database = Database::create(&server).await;
        let postgres = database.store_with(PostgresOptions::default(), hands.clock()).await;
        (postgres, sqlite_store(hands.clock()).await)
    });
    let several = prop::collection::vec((names(), names()), 20);
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&several, |names| {
            let numbers: Vec<_> = (0..names.len()).map(|i| format!("1555{i:07}")).collect();
            runtime.block_on(async {
                // The next case renames the same contacts; what an import leaves
                // empty it keeps, so the names are read back.
                let rows = numbers.iter().zip(&names).map(|(number, (first, last))| Profile {
                    phone_number: Some(phone(number)),
                    first_name: first.clone(),
                    last_name: last.clone(),
                    ..profile(number)
                });
                let rows: Vec<_> = rows.collect();
                for store in [&postgres, &sqlite] {
                    let outcome = import(store, rows.clone()).await;
                    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
                }
                let people: Vec<_> =
                    numbers.iter().map(|number| super::support::person(number)).collect();
                let stored = read::find(&postgres, "", &people).await.unwrap();
                let stored: Vec<_> = stored
                    .iter()
                    .flatten()
                    .map(|row| decode_profile(row).unwrap().profile)
                    .map(|p| search::words(&format!("{} {}", p.first_name, p.last_name)))
                    .collect();
                for query in queries(&names) {
                    let words = query_words(&query).unwrap();
                    let expected: Vec<_> = numbers
                        .iter()
                        .zip(&stored)
                        .filter(|(_, name)| search::matches(name, &words))
                        .map(|(number, _)| number.clone())
                        .collect();
                    for (engine, store) in [("postgres", &postgres), ("sqlite", &sqlite)] {
                        assert_eq!(found(store, &query).await, expected, "{engine}: {query:?}");
                    }
                }
            });
            Ok(())
        })
        .unwrap();
}
