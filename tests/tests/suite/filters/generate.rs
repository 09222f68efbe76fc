//! Generates contacts and filters with values from the same small sets, so that filters match.

use contacts_tests::{TIERS, phone};
use proptest::prelude::*;
use proptest::sample::{select as one_of, subsequence};

pub const PEOPLE: usize = 60;
pub const TAGS: [&str; 3] = ["vip", "lead", "cold"];
/// Some are prefixes of others, and some contain characters that are special in SQL or in filters.
pub const TEXTS: [&str; 10] = ["a", "ab", "A", "é", "e\u{301}", "%", "a_", "*", "it's \"\\", "中"];
pub const NUMBERS: [f64; 7] = [-1.5, 0.0, 1.0, 2.0, 10.0, 1e15, 1e-7];

/// A generated contact, see [`person`].
pub type Person = (Vec<&'static str>, [Option<&'static str>; 4], [Option<u8>; 4], [u8; 3]);

/// Tags, texts (first name, last name, email, city), values (orders, member, last order, tier), and
/// consent per category.
pub fn person() -> impl Strategy<Value = Person> {
    let text = || prop::option::of(one_of(&TEXTS[..]));
    let value = || prop::option::of(0..7_u8);
    (
        subsequence(TAGS.to_vec(), 0..=3),
        [text(), text(), text(), text()],
        [value(), value(), value(), value()],
        [0..3_u8, 0..3_u8, 0..3_u8],
    )
}

fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .flat_map(|c| matches!(c, '"' | '\\' | '*').then_some('\\').into_iter().chain([c]))
        .collect();
    format!("\"{escaped}\"")
}

/// A comparison of a field with a literal, a list or a prefix.
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
    let categories = || one_of(vec!["marketing", "utility", "authentication"]);
    let sendable = (categories(), one_of(EQUALITY), any::<bool>())
        .prop_map(|(category, op, b)| format!("sendable.{category} {op} {b}"));
    let sources = one_of(vec!["PAPER", "API", "WEB_FORM"]);
    let source = prop_oneof![
        (categories(), one_of(EQUALITY), sources)
            .prop_map(|(category, op, source)| format!("consent.{category}.source {op} {source}")),
        categories().prop_map(|category| format!("consent.{category}.source:*")),
    ];
    let consent_time = (categories(), one_of(vec!["time", "expire_time"]), one_of(ORDER))
        .prop_map(|(category, field, op)| format!("consent.{category}.{field} {op} now-0s"));
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
        2 => sendable,
        1 => source,
        1 => consent_time,
        2 => (opt_in, status).prop_map(|((field, op), status)| format!("{field} {op} {status}")),
    ]
    .boxed()
}

/// A filter. `times` are creation times of contacts.
pub fn any_filter(times: Vec<String>) -> impl Strategy<Value = String> {
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
