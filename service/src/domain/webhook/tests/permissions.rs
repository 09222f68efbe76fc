//! What resumes, changes of ids and contacts need.

use super::*;

#[test]
fn a_resume_with_a_doubtful_part_is_unreadable() {
    let path = "entry[0].changes[0].value.user_preferences[0]";
    for (field, value, fault) in [
        ("wa_id", json!("07700900123"), "is malformed"),
        ("wa_id", json!("US.1349"), "is malformed"),
        ("wa_id", json!({}), "is malformed"),
        ("wa_id", json!(1e300), "is malformed"),
        ("wa_id", json!("1650555\u{0}1234"), "is malformed"),
        ("user_id", json!("16505551234"), "is malformed"),
        ("user_id", json!(" US.1349"), "is malformed"),
        ("user_id", json!("us.1349"), "is malformed"),
        ("timestamp", json!(1_767_225_600_000_u64), "is malformed"),
        ("timestamp", json!("1767225600.5"), "is malformed"),
        ("timestamp", json!(1_200_000_000), "is malformed"),
        ("timestamp", json!(null), "is missing"),
    ] {
        let mut item = preference("resume");
        item[field] = value.clone();
        let found = read_lines(&with_item("user_preferences", item));
        assert_eq!(found, [format!("{path}.{field} {fault}")], "{value}");
    }
    let mut item = preference("resume");
    item["wa_id"] = json!(16_505_551_234_u64);
    item["user_id"] = json!("");
    item["timestamp"] = json!("1767225600");
    let found = read_lines(&with_item("user_preferences", item));
    assert_eq!(found, ["resume 106540352242922 of 16505551234 at 1767225600"]);
    for value in ["RESUME", "resume ", "start", ""] {
        let found = read_lines(&with_item("user_preferences", preference(value)));
        assert_eq!(found, ["ignored 1 unknown_preference"], "{value}");
    }
}

#[test]
fn a_change_of_ids_with_a_doubtful_part_is_unreadable() {
    let path = "entry[0].changes[0].value.messages[0]";
    for (field, value, place) in [
        ("from", json!("abc"), "from is malformed"),
        ("timestamp", json!("now"), "timestamp is malformed"),
        ("timestamp", json!(null), "timestamp is missing"),
        ("wa_id", json!("abc"), "system.wa_id is malformed"),
        ("wa_id", json!(null), "system.wa_id is missing"),
        ("wa_id", json!("+1 650 555 1234"), "system.wa_id contradicts another field"),
        ("new_wa_id", json!("12195555359"), "system.new_wa_id contradicts another field"),
        ("customer", json!("12195555359"), "system.customer contradicts another field"),
        ("user_id", json!("5550"), "system.user_id is malformed"),
        ("user_id", json!("US.1349"), "system.user_id contradicts another field"),
        ("previous_user_id", json!(true), "system.previous_user_id is malformed"),
    ] {
        let mut item = number_change();
        match field {
            "from" | "timestamp" => item[field] = value.clone(),
            _ => item["system"][field] = value.clone(),
        }
        let found = read_lines(&with_item("messages", item));
        assert_eq!(found, [format!("{path}.{place}")], "{field} {value}");
    }
    let mut item = number_change();
    item["from"] = json!("");
    item["system"]["previous_user_id"] = json!("");
    let found = read_lines(&with_item("messages", item));
    assert_eq!(found, [format!("{path}.from is missing")]);
    // A short form of a Brazilian number and the long one are one number.
    let mut item = number_change();
    item["from"] = json!("552187654321");
    item["system"]["wa_id"] = json!("5521987654321");
    let found = read_lines(&with_item("messages", item));
    assert_eq!(found, [format!("{path}.system.wa_id contradicts another field")]);
}

#[test]
fn the_old_number_of_a_user_id_change_is_not_guessed() {
    let mut item = number_change();
    item["system"]["type"] = json!("user_changed_user_id");
    let found = read_lines(&with_item("messages", item.clone()));
    assert_eq!(found, ["user id US.1349 is US.5550 of 12195555358 at 1767225600 by wamid.S"]);
    item["system"]["previous_user_id"] = json!(null);
    let found = read_lines(&with_item("messages", item));
    let path = "entry[0].changes[0].value.messages[0]";
    assert_eq!(found, [format!("{path}.system.previous_user_id is missing")]);
}

#[test]
fn contacts_are_paired_only_through_a_message_of_theirs() {
    let contact = |phone: &str, user: &str| json!({"wa_id": phone, "user_id": user});
    let found = |contacts: Value, item: Value| {
        let value = json!({"contacts": contacts, "messages": [item]});
        read_lines(&with_value("messages", value))
    };
    let message = |from: &str, user: &str| {
        json!({
            "from": from, "from_user_id": user, "id": "wamid.M", "timestamp": "1767225600",
            "type": "text", "text": {"body": "Hello"},
        })
    };
    let (ana, bo) = (contact("5521987654321", "BR.1"), contact("16505551234", "US.1"));
    let pair = "pair 5521987654321+BR.1 at 1767225600 by wamid.M";
    let contradiction = ["ignored 1 message", "ignored 1 contradictory_contact"];
    for (contacts, from, user, expected) in [
        (json!([ana, bo]), "5521987654321", "BR.1", &[pair, "ignored 1 message"][..]),
        // Through either id, and in the other form of the number.
        (json!([ana]), "552187654321", "", &[pair, "ignored 1 message"]),
        (json!([ana, ana]), "", "BR.1", &[pair, "ignored 1 message"]),
        (json!([ana]), "16505551234", "US.1", &["ignored 1 message"]),
        (json!([contact("", "BR.1")]), "5521987654321", "BR.1", &["ignored 1 message"]),
        (json!([contact("x", "BR.1")]), "5521987654321", "BR.1", &["ignored 1 message"]),
        (json!([ana]), "5521987654321", "BR.2", &contradiction),
        (json!([ana]), "16505551234", "BR.1", &contradiction),
        (json!([ana, bo]), "5521987654321", "US.1", &contradiction),
        (json!([ana, contact("5521987654321", "BR.2")]), "5521987654321", "BR.1", &contradiction),
        (json!([ana, contact("16505551234", "BR.1")]), "5521987654321", "", &contradiction),
        (
            json!([ana]),
            "5521987654321",
            "?",
            &["ignored 1 message", "ignored 1 unreadable_contact"],
        ),
    ] {
        let payload = found(contacts.clone(), message(from, user));
        assert_eq!(payload, expected, "{contacts} {from} {user}");
    }
    let mut undated = message("5521987654321", "BR.1");
    undated["timestamp"] = json!("1767225600000");
    assert_eq!(found(json!([ana]), undated), ["ignored 1 message", "ignored 1 unreadable_contact"]);
}
