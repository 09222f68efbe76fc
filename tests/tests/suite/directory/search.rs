//! Name search by word prefixes, in any script.

use contacts_sdk::{NewContact, reason};
use contacts_service::domain::search;
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};
use futures::TryStreamExt;

use super::{first_names, make_people};

const PEOPLE: [(&str, &str); 14] = [
    ("João", "da Silva"),
    ("Joana", "Souza"),
    ("Élisabeth", "O'Brien-Łódź"),
    ("مُحَمَّد", "العلي"),
    ("أحمد", "حسن"),
    ("שָׁלוֹם", "כהן"),
    ("กิตติ", "นะวะมันดร"),
    ("山田", "太郎"),
    ("ｶﾞｸﾄ", "サトウ"),
    ("王小明", ""),
    ("Ελένη", "Παπαδοπούλου"),
    ("Семён", "Ёлкин"),
    ("Øyvind", "Straße"),
    ("김민수", ""),
];

#[apply(on_each_store!)]
async fn search_matches_word_prefixes_in_every_script(app: TestApp) {
    make_people(&app, &PEOPLE).await;
    for (query, found) in [
        ("joao", &["João"][..]),
        ("JO", &["João", "Joana"]),
        ("silva jo", &["João"]),
        ("da", &["João"]),
        ("ilva", &[]),
        ("joao souza", &[]),
        ("elisa", &["Élisabeth"]),
        ("lodz brien", &["Élisabeth"]),
        ("o'brien-łódź", &["Élisabeth"]),
        ("محمد", &["مُحَمَّد"]),
        ("احمد", &["أحمد"]),
        ("العلي مح", &["مُحَمَّد"]),
        ("שלום", &["שָׁלוֹם"]),
        ("כה", &["שָׁלוֹם"]),
        ("กิต", &["กิตติ"]),
        ("นะวะ กิตติ", &["กิตติ"]),
        ("ต", &[]),
        ("山", &["山田"]),
        ("太郎", &["山田"]),
        ("田", &[]),
        ("ガク", &["ｶﾞｸﾄ"]),
        ("カ", &[]),
        ("王小", &["王小明"]),
        ("ΕΛΕΝΗ παπα", &["Ελένη"]),
        ("семен", &["Семён"]),
        ("елкин", &["Семён"]),
        ("oyvind strasse", &["Øyvind"]),
        ("김", &["김민수"]),
    ] {
        let page = app.contacts().list().query(query).await.expect("a page");
        assert_eq!(first_names(&page.items), found, "{query}");
        let count = app.contacts().count().query(query).await.expect("a count");
        assert_eq!(count, found.len() as u64, "{query}");
        let mut streamed = app.contacts().segment().query(query).stream();
        let mut names = Vec::new();
        while let Some(contact) = streamed.next().await {
            names.extend(contact.expect("a contact").first_name);
        }
        assert_eq!(names, found, "{query}");
    }
}

#[apply(on_each_store!)]
async fn search_combines_with_filter_order_and_pages(app: TestApp) {
    app.make_tags(&["vip"]).await;
    let people = (0..40).map(|n| {
        let person = NewContact::new().phone(phone(n)).last_name(format!("L{:02}", 40 - n));
        let person = person.first_name(if n % 2 == 0 { "Ana" } else { "Bo" });
        if n % 4 == 0 { person.tag("vip") } else { person }
    });
    app.make_many(people).await;
    let list = app.contacts().list().query("an").filter("tags:vip").order_by("last_name");
    let mut last_names = Vec::new();
    let mut found = list.page_size(3).stream();
    while let Some(contact) = found.next().await {
        last_names.extend(contact.expect("a contact").last_name);
    }
    let expected: Vec<_> = (0..10).map(|n| format!("L{:02}", 4 + 4 * n)).collect();
    assert_eq!(last_names, expected);
}

/// The words of these are frequent or rare, and longer than what an index lists, in each combination: each
/// engine has a plan for some. Whichever it is, all pages together are all matches.
#[apply(on_each_store!)]
async fn pages_of_frequent_and_rare_words_have_no_gap(app: TestApp) {
    let name = |n: usize| {
        let first = match n {
            n if n % 900 == 1 => "Alexandra",
            n if n % 50 == 2 => "Alexander",
            n if n % 20 == 3 => "Александр",
            _ => "Ana",
        };
        (first, if n.is_multiple_of(3) { "Fernandes" } else { "Fernandez" })
    };
    let people = (0..3000).map(|n| {
        let (first, last) = name(n);
        NewContact::new().phone(phone(n)).first_name(first).last_name(last)
    });
    app.make_many(people).await;
    let queries =
        ["alexander", "alexandra", "alexand", "fernandez ana", "fernandes alex", "александр ferna"];
    for query in queries {
        let words = search::query_words(query).expect("words");
        let matches = |n: &usize| {
            let (first, last) = name(*n);
            search::matches(&search::words(&format!("{first} {last}")), &words)
        };
        let mut expected: Vec<_> = (0..3000).filter(matches).map(phone).collect();
        for order in ["create_time", "create_time desc"] {
            let list = app.contacts().list().query(query).order_by(order).page_size(30);
            let found = list.stream().map_ok(|contact| contact.phone_number.unwrap_or_default());
            let found: Vec<_> = found.try_collect().await.expect("pages");
            let found: Vec<_> = found.iter().map(|number| number.trim_start_matches('+')).collect();
            assert_eq!(found, expected, "{query} {order}");
            expected.reverse();
        }
    }
}

#[apply(on_each_store!)]
async fn search_follows_changes(app: TestApp) {
    make_people(&app, &[("Ana", "Silva")]).await;
    let count = |query: &str| app.contacts().count().query(query).send();
    app.contacts().update(phone(0)).first_name("Bo").await.expect("a contact");
    assert_eq!(count("ana").await.expect("a count"), 0);
    assert_eq!(count("bo silva").await.expect("a count"), 1);
    app.contacts().delete(phone(0)).await.expect("a receipt");
    assert_eq!(count("silva").await.expect("a count"), 0);
}

#[apply(on_each_store!)]
async fn blank_query_matches_everybody_and_punctuation_nobody(app: TestApp) {
    make_people(&app, &[("Ana", ""), ("", "")]).await;
    for (query, count) in [("", 2), ("  \t", 2), ("%", 0), ("*", 0), ("😀", 0), ("'\"", 0)] {
        let counted = app.contacts().count().query(query).await;
        assert_eq!(counted.expect("a count"), count, "{query:?}");
    }
}

#[apply(on_each_store!)]
async fn query_length_and_words_are_limited(app: TestApp) {
    make_people(&app, &[("Ana", "")]).await;
    let list = |query: &str| app.contacts().list().query(query).send();
    list("a b c d e f g h").await.expect("a page");
    list("a b c d e f g h i").await.refused_at(reason::INVALID_QUERY, "query");
    list(&"é".repeat(256)).await.expect("a page");
    list(&"é".repeat(257)).await.refused_at(reason::INVALID_QUERY, "query");
}
