//! What holds of every payload, and of every delivery.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::keyring::Keyring;

/// Names of fields that hold ids, of a person who permits.
const ID_FIELDS: [&str; 10] = [
    "wa_id",
    "user_id",
    "parent_user_id",
    "from",
    "from_user_id",
    "recipient_id",
    "recipient_user_id",
    "new_wa_id",
    "customer",
    "previous_user_id",
];

fn keyring() -> Keyring {
    Keyring::new(&[7; 32])
}

/// The ids of all actions, with what each says.
fn ids(webhooks: &[Webhook]) -> BTreeMap<Uuid, BTreeSet<String>> {
    let mut ids: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for action in webhooks.iter().flat_map(Webhook::actions) {
        if let Some(id) = action.id(&keyring()) {
            ids.entry(id).or_default().insert(line(action));
        }
    }
    ids
}

fn value_of(payload: &str) -> Value {
    serde_json::from_str(payload).expect("JSON")
}

/// The same statements with each item in a webhook of its own, beside all contacts of its change.
fn split(payload: &Value) -> Vec<Webhook> {
    let mut webhooks = Vec::new();
    for entry in payload["entry"].as_array().into_iter().flatten() {
        for change in entry["changes"].as_array().into_iter().flatten() {
            for list in LISTS {
                for item in change["value"][list].as_array().into_iter().flatten() {
                    let mut change = change.clone();
                    for other in LISTS {
                        change["value"].as_object_mut().expect("a value").remove(other);
                    }
                    change["value"][list] = json!([item]);
                    let alone =
                        json!({"object": payload["object"], "entry": [{"changes": [change]}]});
                    webhooks.push(read(alone.to_string()));
                }
            }
        }
    }
    webhooks
}

/// All samples' entries in one webhook, the last first.
fn joined() -> Value {
    let samples = SAMPLES.iter().rev().map(|(_, payload)| value_of(payload));
    let entries =
        samples.flat_map(|payload| payload["entry"].as_array().cloned().expect("entries"));
    json!({"object": "whatsapp_business_account", "entry": entries.collect::<Vec<_>>()})
}

#[test]
fn another_delivery_or_batch_gives_the_same_ids() {
    let mut all = BTreeMap::new();
    for (name, payload) in SAMPLES {
        let first = ids(&[read(payload)]);
        // Written differently: no spaces, members sorted.
        assert_eq!(ids(&[read(value_of(payload).to_string())]), first, "{name}");
        if *name != "malformed_items" {
            assert_eq!(ids(&split(&value_of(payload))), first, "{name}");
        }
        for (id, said) in first {
            all.entry(id).or_insert_with(BTreeSet::new).extend(said);
        }
    }
    assert_eq!(ids(&[read(joined().to_string())]), all);
    assert!(all.len() > 20);
    // Two statements never share an id.
    assert!(all.values().all(|said| said.len() == 1));
    assert!(all.keys().all(|id| id.get_version_num() == 8));
}

#[test]
fn statements_that_differ_in_one_part_have_different_ids() {
    let mut webhooks = Vec::new();
    let mut said = 0;
    let mut add = |payload: Value| {
        let webhook = read(payload.to_string());
        said += webhook.actions().count();
        webhooks.push(webhook);
    };
    let parts = [
        ("wa_id", json!("16505551235")),
        ("user_id", json!("US.1350")),
        ("user_id", json!(null)),
        ("timestamp", json!(1_767_225_601)),
    ];
    for value in ["stop", "resume"] {
        add(with_item("user_preferences", preference(value)));
        for (field, other) in &parts {
            let mut item = preference(value);
            item[*field] = other.clone();
            add(with_item("user_preferences", item));
        }
        let mut payload = with_item("user_preferences", preference(value));
        payload["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = json!("2");
        add(payload);
    }
    add(with_item("messages", number_change()));
    for (field, other) in [
        ("wa_id", "12195555359"),
        ("user_id", "US.5551"),
        ("previous_user_id", "US.1350"),
        ("type", "user_changed_user_id"),
    ] {
        let mut item = number_change();
        item["system"][field] = json!(other);
        add(with_item("messages", item));
    }
    for (field, other) in [("from", "16505551235"), ("id", "wamid.T"), ("timestamp", "1767225601")]
    {
        let mut item = number_change();
        item[field] = json!(other);
        add(with_item("messages", item));
    }
    assert_eq!((ids(&webhooks).len(), said), (20, 20));
}

#[test]
fn an_objection_that_nothing_tells_from_an_earlier_one_has_no_id() {
    let mut item = preference("stop");
    item["timestamp"] = json!(1_767_225_600_000_u64);
    let webhook = read(with_item("user_preferences", item).to_string());
    let actions: Vec<_> = webhook.actions().collect();
    assert_eq!(actions.len(), 1);
    assert_eq!((actions[0].id(&keyring()), actions[0].ids(&keyring())), (None, vec![]));
}

#[test]
fn ids_are_known_under_an_older_key() {
    let webhook = read(sample("several_entries"));
    let old = Keyring::new(&[1; 32]);
    let lines = Keyring::line(1, &[1; 32]) + &Keyring::line(2, &[2; 32]);
    let new = Keyring::parse(&lines).expect("a keyring");
    for action in webhook.actions() {
        assert_ne!(action.id(&old), action.id(&new));
        let known = action.ids(&new);
        assert_eq!(
            [&old, &new].map(|keyring| action.id(keyring)),
            [Some(known[0]), Some(known[1])]
        );
    }
}

/// All paths to members with one of these names.
fn paths(value: &Value, names: &[&str], path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{path}/{name}");
                if names.contains(&name.as_str()) && !member.is_object() {
                    found.push(path.clone());
                }
                paths(member, names, &path, found);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                paths(element, names, &format!("{path}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn sample_strategy() -> impl Strategy<Value = (&'static str, &'static str)> {
    proptest::sample::select(SAMPLES)
}

/// JSON that is no id, and is not nothing either.
fn junk() -> impl Strategy<Value = Value> {
    prop_oneof![
        "\\PC{1,20}".prop_map(Value::from),
        "[0-9A-Z.+ ()-]{1,20}".prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(json!([])),
        Just(json!({"wa_id": "16505551234"})),
    ]
    .prop_filter("not an id", |value| match value {
        Value::String(text) => !is_id(text),
        Value::Number(number) => !is_id(&number.to_string()),
        Value::Null => false,
        _ => true,
    })
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(1_767_225_600)),
        Just(json!("1767225600")),
        proptest::sample::select(vec![
            "stop",
            "resume",
            "system",
            "text",
            "user_changed_number",
            "user_changed_user_id",
            "16505551234",
            "12195555358",
            "US.1",
            "US.2",
            "marketing_messages",
            "131050",
        ])
        .prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        let names = proptest::sample::select(vec![
            "user_preferences",
            "statuses",
            "messages",
            "contacts",
            "metadata",
            "phone_number_id",
            "value",
            "type",
            "system",
            "errors",
            "code",
            "wa_id",
            "user_id",
            "from",
            "recipient_id",
            "timestamp",
            "previous_user_id",
            "text",
            "body",
            "category",
            "id",
        ]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((names, inner), 0..8)
                .prop_map(|members| members.into_iter().map(|(n, v)| (n.to_owned(), v)).collect()),
        ]
    })
}

/// Every id of an action is in the payload, as it is written there.
fn assert_nothing_is_invented(payload: &[u8], webhook: &Webhook) -> Result<(), TestCaseError> {
    let text = String::from_utf8_lossy(payload);
    if text.contains("\\u") {
        return Ok(());
    }
    let separators = |c: &char| !matches!(c, '+' | ' ' | '-' | '.' | '(' | ')') && c.is_ascii();
    let digits: String = text.chars().filter(separators).collect();
    let is_in = |id: &Identity| match id {
        Identity::Phone(number) => digits.contains(number.as_str()),
        Identity::User(id) => text.contains(id.as_str()),
    };
    for action in webhook.actions() {
        let (phone, user) =
            (|n: &PhoneNumber| Identity::Phone(*n), |u: &WhatsAppUserId| Identity::User(u.clone()));
        let ids = match action {
            Action::PlatformStop { identities, .. }
            | Action::PlatformResume { identities, .. }
            | Action::OptOutWord { identities, .. } => identities.clone(),
            Action::NumberChanged { old, new_phone_number, new_user_id, .. } => {
                let new = new_user_id.iter().map(user).chain([phone(new_phone_number)]);
                old.iter().cloned().chain(new).collect()
            }
            Action::UserIdChanged { previous, new, .. } => vec![user(previous), user(new)],
            Action::Pair { phone_number, user_id, .. } => vec![phone(phone_number), user(user_id)],
        };
        prop_assert!(!ids.is_empty() && ids.iter().all(is_in), "{action:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&payload, &stop_words());
    }

    #[test]
    fn broken_samples_never_panic_and_never_name_somebody_else(
        (_, payload) in sample_strategy(),
        cut in any::<proptest::sample::Index>(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        is_cut in any::<bool>(),
    ) {
        let mut payload = payload.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        if is_cut {
            payload.truncate(cut.index(payload.len()));
        }
        if let Ok(webhook) = parse(&payload, &stop_words()) {
            assert_nothing_is_invented(&payload, &webhook)?;
        }
    }

    #[test]
    fn any_json_is_read_or_refused(value in any_json(), field in "messages|user_preferences|standby") {
        for payload in [value.clone(), json!({"entry": [value.clone()]}), with_value(&field, value)] {
            let payload = payload.to_string();
            if let Ok(webhook) = parse(payload.as_bytes(), &stop_words()) {
                assert_nothing_is_invented(payload.as_bytes(), &webhook)?;
                prop_assert_eq!(parse(payload.as_bytes(), &stop_words()), Ok(webhook));
            }
        }
    }

    /// Whatever stands where an id should be, it permits nothing that the sample did not permit,
    /// and nothing under that id.
    #[test]
    fn an_unreadable_id_permits_nothing(
        (name, payload) in sample_strategy(),
        which in any::<proptest::sample::Index>(),
        junk in junk(),
    ) {
        let mut value = value_of(payload);
        let mut found = Vec::new();
        paths(&value, &ID_FIELDS, "", &mut found);
        if found.is_empty() {
            return Ok(());
        }
        let path = found[which.index(found.len())].clone();
        let before = read(payload);
        *value.pointer_mut(&path).expect("a path") = junk;
        let after = read(value.to_string());
        let permits = |webhook: &Webhook| -> BTreeSet<String> {
            webhook.actions().filter(|action| action.can_permit()).map(line).collect()
        };
        prop_assert!(permits(&after).is_subset(&permits(&before)), "{} {}", name, path);
        // The item itself permits nothing any more.
        let is_item = ["user_preferences", "messages", "statuses"].iter().any(|list| path.contains(list));
        let is_read = !path.ends_with("/identity") && !path.contains("/context/");
        let alone = before.actions().count() <= 2 && is_item && is_read && !path.contains("parent_user_id");
        if alone {
            prop_assert_eq!(permits(&after), BTreeSet::new(), "{} {}", name, path);
        }
    }

    /// An objection survives whatever becomes of the fields that do not name the person.
    #[test]
    fn a_stop_survives_any_trimming(
        name in proptest::sample::select(vec!["timestamp", "category", "detail", "id", "metadata", "field"]),
        sample_name in proptest::sample::select(vec!["preference_stop", "status_stopped_marketing"]),
        junk in any_json(),
    ) {
        let mut value = value_of(sample(sample_name));
        let mut found = Vec::new();
        let change = "/entry/0/changes/0";
        paths(&value, &[name], "", &mut found);
        found.push(format!("{change}/value/metadata"));
        for path in found {
            *value.pointer_mut(&path).expect("a path") = junk.clone();
        }
        let webhook = read(value.to_string());
        let stops = webhook.actions().filter(|action| matches!(action, Action::PlatformStop { .. }));
        prop_assert_eq!(stops.count(), 1);
    }
}
