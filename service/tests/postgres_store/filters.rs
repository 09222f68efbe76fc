//! Postgres, SQLite and the evaluation of filters in memory select the same contacts in
//! the same order.

use std::collections::{BTreeMap, BTreeSet};

use contacts_service::domain::attribute::{AttributeType, AttributeValue};
use contacts_service::domain::consent::{
    ConsentSummary, Evidence, MessageCategory, OptInPolicy, OptInStatus, PlatformStatement, Source,
    Statement,
};
use contacts_service::domain::contact::{Contact, Profile, Recipient};
use contacts_service::domain::filter::{
    CompareOp, ConsentTime, ContactFacts, Expr, Field, Predicate, Value, matches,
};
use contacts_service::domain::import::ImportRow;
use contacts_service::domain::search::normalised;
use contacts_service::operations::contacts::DeleteContact;
use contacts_service::operations::opt_in::{RecordConsent, RecordPlatformPreference};
use contacts_service::operations::{workspace_deletion, workspaces};
use contacts_service::store::postgres::PostgresOptions;
use contacts_service::store::{
    Order, OrderBy, Reader, Selection, Store, Workspace, decode_profile, sort_key,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};
use strum::VariantArray;

use super::support::{
    Database, Hands, create_attribute, create_tag, definition, import, import_rows, phone, runtime,
    server, sqlite_store, statement, time,
};

const TAGS: [&str; 4] = ["a", "a_1", "and", "vip"];
const OPTIONS: [&str; 3] = ["Gold", "None*", "Silver \"plus\""];
/// The times at which contacts are created, opt-ins expire and filters are evaluated.
const MOMENTS: [i64; 8] = [
    -62_135_596_800_000_000,
    0,
    1_760_000_000_000_000,
    1_760_000_000_000_001,
    1_760_000_100_000_000,
    253_402_300_799_999_999,
    // One day before the first time at which contacts are created, and one after.
    1_759_913_600_000_000,
    1_760_086_400_000_000,
];

fn texts() -> impl Strategy<Value = String> {
    let long = "x".repeat(64);
    let pool: Vec<String> = [
        "a",
        "A",
        "á",
        "a\u{301}",
        "ab",
        "a%",
        "a_",
        "a*",
        "b",
        " a",
        "a ",
        "\\",
        "'",
        "\"",
        "a=b",
        "1",
        "true",
        "null",
        "\u{d7ff}",
        "\u{e000}",
        "\u{ffff}",
        "\u{10000}",
        "\u{10ffff}",
        "ß",
        "日本",
        "日",
        "a\tb",
        "a\nb",
        "-1",
        "{}",
        "a\u{ad}b",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([long.clone(), format!("{long}y"), format!("{}é", "x".repeat(63))])
    .collect();
    let any = any::<char>().prop_filter("a control character", |c| !c.is_control());
    prop_oneof![
        9 => select(pool),
        1 => prop::collection::vec(any, 1..4).prop_map(|chars| chars.into_iter().collect()),
    ]
}

fn numbers() -> impl Strategy<Value = f64> {
    let pool = vec![
        0.0,
        1.0,
        -1.0,
        0.1,
        0.1 + 0.2,
        0.3,
        1.5,
        100.0,
        1e15,
        9_007_199_254_740_992.0,
        9_007_199_254_740_994.0,
        1e300,
        -1e300,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
    ];
    let any = any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| n + 0.0);
    prop_oneof![9 => select(pool), 1 => any]
}

fn attribute(id: &str, attribute_type: AttributeType) -> Just<Field> {
    Just(Field::Attribute { id: id.to_owned(), attribute_type })
}

fn text_fields() -> impl Strategy<Value = Field> {
    prop_oneof![
        Just(Field::FirstName),
        Just(Field::LastName),
        Just(Field::Email),
        attribute("state", AttributeType::String),
        attribute("state", AttributeType::String),
    ]
}

fn time_fields() -> impl Strategy<Value = Field> {
    prop_oneof![
        Just(Field::CreateTime),
        Just(Field::UpdateTime),
        (select(MessageCategory::ALL.to_vec()), select(vec![ConsentTime::Said, ConsentTime::Ends]))
            .prop_map(|(category, time)| Field::Consent(category, time)),
        attribute("last_order", AttributeType::Timestamp),
    ]
}

fn moments() -> impl Strategy<Value = i64> {
    select(MOMENTS.to_vec())
}

fn typed() -> impl Strategy<Value = (Field, Value)> {
    prop_oneof![
        2 => (text_fields(), texts().prop_map(Value::Text)),
        1 => (Just(Field::PhoneNumber), "1555000000[0-9]".prop_map(Value::Text)),
        2 => (attribute("score", AttributeType::Number), numbers().prop_map(Value::Number)),
        1 => (time_fields(), moments().prop_map(|at| Value::Time(time(at)))),
    ]
}

fn predicates() -> impl Strategy<Value = Predicate> {
    use CompareOp::{Eq, Ge, Gt, Le, Lt, Ne};
    let any_op = || select(vec![Eq, Ne, Lt, Le, Gt, Ge]);
    let equality = || select(vec![Eq, Ne]);
    let tier = || attribute("tier", AttributeType::Enum);
    let option = || select(OPTIONS.to_vec()).prop_map(|o| Value::Text(o.to_owned()));
    let member = || attribute("member", AttributeType::Boolean);
    let score = || attribute("score", AttributeType::Number);
    let statuses = vec![OptInStatus::NotAsked, OptInStatus::OptedIn, OptInStatus::OptedOut];
    let compare = |(field, op, value)| Predicate::Compare { field, op, value };
    let several = |values: Vec<Value>| values;
    prop_oneof![
        select(TAGS.to_vec()).prop_map(|tag| Predicate::HasTag(tag.to_owned())),
        subsequence(TAGS.map(str::to_owned).to_vec(), 2..4).prop_map(Predicate::HasTagIn),
        Just(Predicate::HasAnyTag),
        (select(MessageCategory::ALL.to_vec()), subsequence(statuses, 1..=3))
            .prop_map(|(category, any_of)| Predicate::OptIn { category, any_of }),
        (select(MessageCategory::ALL.to_vec()), any::<bool>())
            .prop_map(|(category, allows)| Predicate::Sendable { category, allows }),
        (select(MessageCategory::ALL.to_vec()), subsequence(Source::VARIANTS.to_vec(), 1..=3))
            .prop_map(|(category, any_of)| Predicate::ConsentSource { category, any_of }),
        (typed(), any_op()).prop_map(|((field, value), op)| (field, op, value)).prop_map(compare),
        (tier(), equality(), option()).prop_map(compare),
        (member(), equality(), any::<bool>().prop_map(Value::Bool)).prop_map(compare),
        (text_fields(), texts()).prop_map(|(field, prefix)| Predicate::Prefix { field, prefix }),
        (text_fields(), prop::collection::vec(texts().prop_map(Value::Text), 2..5))
            .prop_map(|(field, values)| Predicate::In { field, values }),
        (score(), prop::collection::vec(numbers().prop_map(Value::Number), 2..5))
            .prop_map(|(field, values)| Predicate::In { field, values }),
        (time_fields(), prop::collection::vec(moments(), 2..4)).prop_map(|(field, moments)| {
            let values = moments.into_iter().map(|at| Value::Time(time(at))).collect();
            Predicate::In { field, values }
        }),
        (tier(), prop::collection::vec(option(), 2..3))
            .prop_map(move |(field, values)| Predicate::In { field, values: several(values) }),
        typed().prop_map(|(field, _)| Predicate::IsSet(field)),
        prop_oneof![tier(), member()].prop_map(Predicate::IsSet),
    ]
}

fn exprs() -> impl Strategy<Value = Expr> {
    predicates().prop_map(Expr::Is).prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(|expr| Expr::Not(Box::new(expr))),
        ]
    })
}

fn consents() -> impl Strategy<Value = Option<Statement>> {
    let said = (
        select(vec![OptInStatus::OptedIn, OptInStatus::OptedOut]),
        subsequence(MessageCategory::ALL.to_vec(), 1..=3),
        prop::option::of(select(vec![MOMENTS[4], MOMENTS[5], MOMENTS[7]])),
        select(vec![MOMENTS[2], MOMENTS[6]]),
        select(Source::VARIANTS.to_vec()),
    )
        .prop_map(|(status, categories, end, said, source)| Statement {
            categories,
            source,
            occurred_time: Some(time(said)),
            expire_time: end.filter(|_| status == OptInStatus::OptedIn).map(time),
            ..statement(status)
        });
    prop::option::weighted(0.7, said)
}

/// What people say after the import, by their place in it.
fn words() -> impl Strategy<Value = Vec<(usize, Word)>> {
    let sender = select(vec!["", "106540352242922"]);
    let word = prop_oneof![
        consents().prop_map(|said| Word::Consent(Box::new(said))),
        (any::<bool>(), sender).prop_map(|(stopped, sender)| Word::Platform { stopped, sender }),
        Just(Word::ErasedAndBack),
    ];
    prop::collection::vec((0..30_usize, word), 0..20)
}

#[derive(Clone, Debug)]
enum Word {
    Consent(Box<Option<Statement>>),
    Platform { stopped: bool, sender: &'static str },
    ErasedAndBack,
}

impl Word {
    /// Records it. What is refused changes nothing.
    async fn record(self, store: &Store, profile: Profile) {
        let recipients = vec![Recipient::Key(profile.match_keys().remove(0))];
        let workspace_id = String::new();
        match self {
            Self::Consent(said) => {
                let Some(statement) = *said else { return };
                let record = RecordConsent { workspace_id, recipients, statement };
                drop(store.write(record).await);
            }
            Self::Platform { stopped, sender } => {
                let statement = PlatformStatement {
                    stopped,
                    sender_phone_number_id: sender.to_owned(),
                    evidence: Evidence::default(),
                    occurred_time: None,
                };
                let record = RecordPlatformPreference { workspace_id, recipients, statement };
                store.write(record).await.unwrap();
            }
            Self::ErasedAndBack => {
                let delete = DeleteContact {
                    workspace_id,
                    person: recipients[0].clone(),
                    etag: String::new(),
                    reason: 3,
                };
                store.write(delete).await.unwrap();
                import(store, [profile]).await;
            }
        }
    }
}

fn policies() -> impl Strategy<Value = OptInPolicy> {
    let age = || select(vec![None, Some(1), Some(2), Some(36_500)]);
    let ages = [age(), age(), age()];
    ages.prop_map(|max_age_days| OptInPolicy { max_age_days, ..OptInPolicy::default() })
}

fn rows() -> impl Strategy<Value = Vec<ImportRow>> {
    let name = || prop_oneof![1 => Just(String::new()), 3 => texts()];
    let attributes = (
        prop::option::of(prop_oneof![1 => Just(String::new()), 6 => texts()]),
        prop::option::of(prop_oneof![6 => numbers(), 1 => Just(-0.0)]),
        prop::option::of(any::<bool>()),
        prop::option::of(moments()),
        prop::option::of(select(OPTIONS.to_vec())),
    )
        .prop_map(|(state, score, member, last_order, tier)| {
            let values = [
                ("state", state.map(AttributeValue::String)),
                ("score", score.map(AttributeValue::Number)),
                ("member", member.map(AttributeValue::Boolean)),
                ("last_order", last_order.map(|at| AttributeValue::Timestamp(time(at)))),
                ("tier", tier.map(|option| AttributeValue::String(option.to_owned()))),
            ];
            let set = |(id, value): (&str, Option<_>)| Some((id.to_owned(), value?));
            values.into_iter().filter_map(set).collect::<BTreeMap<_, _>>()
        });
    let email = select(vec!["", "a@example.com", "A@example.com", "á@example.com"]);
    let tags = subsequence(TAGS.map(str::to_owned).to_vec(), 0..4);
    let row = (name(), name(), email, tags, attributes, consents()).prop_map(
        |(first_name, last_name, email, tags, attributes, consent)| {
            let profile = Profile {
                first_name,
                last_name,
                email: email.to_owned(),
                tags: tags.into_iter().collect::<BTreeSet<_>>(),
                attributes,
                ..Profile::default()
            };
            ImportRow { profile, consent, fault: None }
        },
    );
    prop::collection::vec(row, 10..30).prop_map(|mut rows| {
        for (index, row) in rows.iter_mut().enumerate() {
            row.profile.phone_number = Some(phone(&format!("1555{index:07}")));
        }
        rows
    })
}

async fn define(store: &Store) {
    for tag in TAGS {
        create_tag(store, tag).await;
    }
    for (id, attribute_type) in [
        ("state", AttributeType::String),
        ("score", AttributeType::Number),
        ("member", AttributeType::Boolean),
        ("last_order", AttributeType::Timestamp),
        ("tier", AttributeType::Enum),
    ] {
        let mut attribute = definition(id, attribute_type);
        if attribute_type == AttributeType::Enum {
            attribute.enum_options = OPTIONS.map(str::to_owned).to_vec();
        }
        create_attribute(store, attribute).await;
    }
}

/// Imports in two transactions at two times, then changes every third contact, and records
/// what people say.
async fn fill(store: &Store, hands: &Hands, rows: &[ImportRow], words: &[(usize, Word)]) {
    for (half, at) in rows.chunks(rows.len().div_ceil(2)).zip([MOMENTS[2], MOMENTS[3]]) {
        hands.set(at);
        let outcome = import_rows(store, half.to_vec()).await;
        assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    }
    hands.set(MOMENTS[4]);
    let changed = rows.iter().step_by(3).map(|row| Profile {
        first_name: "changed".to_owned(),
        tags: [TAGS[3].to_owned()].into(),
        ..row.profile.clone()
    });
    import(store, changed).await;
    for (place, word) in words {
        word.clone().record(store, rows[place % rows.len()].profile.clone()).await;
    }
}

async fn page_through(
    db: &mut dyn Reader,
    workspace: &Workspace,
    selection: &Selection,
    order: Order,
) -> Vec<Contact> {
    let mut contacts = Vec::new();
    let mut after = None;
    loop {
        let page = db.list_contacts(workspace, selection, order, after.as_ref(), 4).await.unwrap();
        contacts.extend(page.rows.iter().map(|row| decode_profile(row).unwrap()));
        after = page.rows.last().map(|last| last.cursor());
        if page.is_last {
            return contacts;
        }
    }
}

fn holds(
    expr: &Expr,
    contact: &Contact,
    consent: &ConsentSummary,
    policy: &OptInPolicy,
    now: i64,
) -> bool {
    let profile = &contact.profile;
    let tags: Vec<_> = profile.tags.iter().cloned().collect();
    let facts = ContactFacts {
        first_name: &profile.first_name,
        last_name: &profile.last_name,
        email: &profile.email,
        phone_number: profile.phone_number.as_ref().map_or("", |number| number.as_str()),
        create_time: contact.create_time,
        update_time: contact.update_time,
        tags: &tags,
        attributes: &profile.attributes,
        consent,
        policy,
        now: time(now),
    };
    matches(expr, &facts)
}

fn sorted(mut contacts: Vec<&Contact>, order: Order) -> Vec<String> {
    contacts.sort_by_key(|contact| {
        let (first, last) = (&contact.profile.first_name, &contact.profile.last_name);
        let key = match order.by {
            OrderBy::CreateTime => String::new(),
            OrderBy::FirstName => sort_key(normalised(first, last)),
            OrderBy::LastName => sort_key(normalised(last, first)),
        };
        (key, contact.contact_id)
    });
    if order.descending {
        contacts.reverse();
    }
    contacts.into_iter().map(number).collect()
}

fn number(contact: &Contact) -> String {
    contact.profile.phone_number.as_ref().unwrap().to_string()
}

/// What is asked of both engines.
#[derive(Clone, Debug)]
struct Asked {
    expr: Expr,
    order: Order,
    now: i64,
    policy: OptInPolicy,
}

async fn agrees(
    store: &Store,
    hands: &Hands,
    rows: &[ImportRow],
    words: &[(usize, Word)],
    asked: &[Asked],
) {
    fill(store, hands, rows, words).await;
    let mut db = store.read().await.unwrap();
    let mut workspace = db.workspace("default").await.unwrap().unwrap();
    let everybody = Selection { filter: None, words: Vec::new(), now: time(0) };
    let by_creation = Order { by: OrderBy::CreateTime, descending: false };
    let all = page_through(&mut *db, &workspace, &everybody, by_creation).await;
    assert_eq!(all.len(), rows.len());
    let ids: Vec<_> = all.iter().map(|contact| contact.contact_id).collect();
    let consents = db.contact_consents(&workspace, &ids).await.unwrap();
    for Asked { expr, order, now, policy } in asked {
        workspace.settings.opt_in_policy = policy.clone();
        let selection =
            Selection { filter: Some(expr.clone()), words: Vec::new(), now: time(*now) };
        let is_selected =
            |contact: &&Contact| holds(expr, contact, &consents[&contact.contact_id], policy, *now);
        let expected = all.iter().filter(is_selected).collect();
        let found = page_through(&mut *db, &workspace, &selection, *order).await;
        let found: Vec<_> = found.iter().map(number).collect();
        assert_eq!(found, sorted(expected, *order), "{expr} under {policy:?}");
        let count = db.count_contacts(&workspace, &selection).await.unwrap();
        assert_eq!(count, found.len() as i64, "{expr}");
    }
}

/// Empties a store for the next case.
async fn start_over(store: &Store) {
    workspace_deletion::delete(store, "default".to_owned(), "default".to_owned()).await.unwrap();
    workspaces::ensure_default(store).await.unwrap();
    define(store).await;
}

#[test]
fn both_engines_select_what_the_filter_means() {
    let Some(server) = server() else { return };
    let runtime = runtime();
    let hands = Hands::at(MOMENTS[2]);
    let (postgres, (sqlite, _directory)) = runtime.block_on(async {
        let database = Database::create(&server).await;
        let postgres = database.store_with(PostgresOptions::default(), hands.clock()).await;
        (postgres, sqlite_store(hands.clock()).await)
    });
    let orders =
        (select(vec![OrderBy::CreateTime, OrderBy::FirstName, OrderBy::LastName]), any::<bool>())
            .prop_map(|(by, descending)| Order { by, descending });
    let now = select(vec![
        MOMENTS[3],
        MOMENTS[4],
        MOMENTS[4] + 1,
        MOMENTS[5],
        MOMENTS[7] - 1,
        MOMENTS[7],
        MOMENTS[7] + 1,
    ]);
    let asked = (exprs(), orders, now, policies()).prop_map(|(expr, order, now, policy)| Asked {
        expr,
        order,
        now,
        policy,
    });
    let asked = prop::collection::vec(asked, 60);
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&(rows(), words(), asked), |(rows, words, asked)| {
            runtime.block_on(async {
                for store in [&postgres, &sqlite] {
                    start_over(store).await;
                    agrees(store, &hands, &rows, &words, &asked).await;
                }
            });
            Ok(())
        })
        .unwrap();
}
