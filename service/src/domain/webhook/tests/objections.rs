//! What is taken of an objection, and where a permission is not believed.

use super::*;

#[test]
fn an_objection_needs_only_one_readable_id() {
    let stop = |changes: Value| {
        let mut item = preference("stop");
        for (name, value) in changes.as_object().expect("an object") {
            item[name] = value.clone();
        }
        read_lines(&with_item("user_preferences", item))
    };
    let path = "entry[0].changes[0].value.user_preferences[0]";
    for time in [json!(null), json!(0), json!(1_767_225_600_000_u64), json!("soon"), json!(1e300)] {
        let expected = ["stop 106540352242922 of 16505551234+US.1349 at ?"];
        assert_eq!(stop(json!({"timestamp": time})), expected, "{time}");
    }
    for value in ["STOP", " stop ", "Stop"] {
        assert_eq!(stop(json!({"value": value})).len(), 1, "{value}");
    }
    assert_eq!(stop(json!({"category": "everything"})), stop(json!({})));
    assert_eq!(
        stop(json!({"wa_id": "x\0y"})),
        ["stop 106540352242922 of US.1349 at 1767225600", &format!("{path}.wa_id is malformed")]
    );
    // Each field is read as either kind of id.
    assert_eq!(
        stop(json!({"wa_id": "US.1349", "user_id": 16_505_551_234_u64})),
        ["stop 106540352242922 of 16505551234+US.1349 at 1767225600"]
    );
    // The parent id names the person, too.
    assert_eq!(
        stop(json!({"parent_user_id": "US.ENT.7"})),
        ["stop 106540352242922 of 16505551234+US.1349+US.ENT.7 at 1767225600"]
    );
    assert_eq!(
        stop(json!({"wa_id": "", "user_id": null, "parent_user_id": "US.ENT.7"})),
        ["stop 106540352242922 of US.ENT.7 at 1767225600"]
    );
    assert_eq!(
        stop(json!({"wa_id": "x", "user_id": [], "parent_user_id": "US.ENT.7"})),
        [
            "stop 106540352242922 of US.ENT.7 at 1767225600",
            &format!("{path}.wa_id is malformed"),
            &format!("{path}.user_id is malformed")
        ]
    );
    assert_eq!(stop(json!({"wa_id": null, "user_id": null})), [format!("{path}.wa_id is missing")]);
}

#[test]
fn a_sender_that_cannot_be_one_means_all_senders_for_a_stop_and_none_for_a_resume() {
    let long = "1".repeat(65);
    for metadata in [
        json!(null),
        json!({}),
        json!({"phone_number_id": ""}),
        json!({"phone_number_id": "1 2"}),
        json!({"phone_number_id": "abc"}),
        json!({"phone_number_id": "+15550783881"}),
        json!({"phone_number_id": long}),
        json!({"phone_number_id": ["1"]}),
        json!(["106540352242922"]),
    ] {
        let preferences = json!([preference("stop"), preference("resume")]);
        let value = json!({"metadata": metadata, "user_preferences": preferences});
        assert_eq!(
            read_lines(&with_value("user_preferences", value)),
            [
                "stop all of 16505551234+US.1349 at 1767225600",
                "entry[0].changes[0].value.user_preferences[1] does not tell which of the business's \
                 numbers it is about",
            ],
            "{metadata}"
        );
    }
}

#[test]
fn of_repeated_names_an_objection_takes_all_and_a_permission_none() {
    let item =
        r#""category": "marketing_messages", "timestamp": 1767225600, "wa_id": "16505551234""#;
    let payload = |root: &str, change: &str, metadata: &str, item: &str| {
        format!(
            r#"{{"object": "whatsapp_business_account", {root} "entry": [{{"changes": [{{
                "field": "user_preferences", {change} "value": {{
                    "metadata": {{"phone_number_id": "1", {metadata} "x": 1}},
                    "user_preferences": [{{{item}}}]}}}}]}}]}}"#
        )
    };
    let path = "entry[0].changes[0].value.user_preferences[0]";
    let repeated = format!("{path} has a repeated name, so it has two meanings");
    let found = |payload: String| lines(&read(payload));
    for (payload, expected) in [
        (
            payload("", "", "", &format!(r#"{item}, "value": "stop", "value": "resume""#)),
            vec!["stop 1 of 16505551234 at 1767225600".to_owned()],
        ),
        (
            payload("", "", "", &format!(r#"{item}, "value": "resume", "value": "stop""#)),
            vec!["stop 1 of 16505551234 at 1767225600".to_owned()],
        ),
        (
            payload("", "", "", &format!(r#"{item}, "value": "stop", "wa_id": "12195555358""#)),
            vec!["stop 1 of 12195555358+16505551234 at 1767225600".to_owned()],
        ),
        (
            payload("", "", "", &format!(r#"{item}, "value": "stop", "timestamp": 1767225601"#)),
            vec!["stop 1 of 16505551234 at ?".to_owned()],
        ),
        (
            payload("", "", r#""phone_number_id": "2","#, &format!(r#"{item}, "value": "stop""#)),
            vec!["stop all of 16505551234 at 1767225600".to_owned()],
        ),
        (
            payload("", "", "", &format!(r#"{item}, "value": "resume", "wa_id": "16505551234""#)),
            vec![repeated.clone()],
        ),
        (
            payload(
                "",
                r#""field": "user_preferences","#,
                "",
                &format!(r#"{item}, "value": "resume""#),
            ),
            vec![repeated.clone()],
        ),
        (
            payload(r#""object": "page","#, "", "", &format!(r#"{item}, "value": "resume""#)),
            vec![repeated],
        ),
        (
            payload("", "", r#""phone_number_id": "2","#, &format!(r#"{item}, "value": "resume""#)),
            vec![format!("{path} does not tell which of the business's numbers it is about")],
        ),
    ] {
        assert_eq!(found(payload.clone()), expected, "{payload}");
    }
}

#[test]
fn a_repeated_type_does_not_hide_a_stop_word() {
    let payload = r#"{"object": "whatsapp_business_account", "entry": [{"changes": [{
        "field": "messages", "value": {"messages": [{"from": "16505551234", "id": "wamid.1",
        "timestamp": "1767225600", "type": "system", "type": "text", "text": {"body": "stop"}}]}}]}]}"#;
    assert_eq!(
        lines(&read(payload)),
        ["word \"STOP\" of 16505551234 at 1767225600 by wamid.1", "ignored 1 system_message",]
    );
}

#[test]
fn outside_what_meta_documents_only_objections_are_taken() {
    let value = json!({
        "metadata": {"phone_number_id": "1"},
        "contacts": [{"wa_id": "16505551234", "user_id": "US.1349"}],
        "user_preferences": [preference("stop"), preference("resume")],
        "messages": [number_change()],
    });
    let expected = ["stop 1 of 16505551234+US.1349 at 1767225600", "ignored 4 elsewhere"];
    let mut payloads = vec![with_value("standby", value.clone())];
    for object in [json!("page"), json!(null), json!(["whatsapp_business_account"])] {
        let mut payload = with_value("user_preferences", value.clone());
        payload["object"] = object;
        payloads.push(payload);
    }
    for payload in payloads {
        assert_eq!(read_lines(&payload), expected, "{payload}");
    }
}

#[test]
fn a_stop_names_the_contact_by_both_ids() {
    let value = |item: Value| {
        let contacts = json!([{"wa_id": "16505551234", "user_id": "US.1349"}]);
        json!({"metadata": {"phone_number_id": "1"}, "contacts": contacts, "user_preferences": [item]})
    };
    let mut item = preference("stop");
    item["user_id"] = json!(null);
    let found = read_lines(&with_value("user_preferences", value(item)));
    assert_eq!(
        found,
        ["pair 16505551234+US.1349 at 1767225600", "stop 1 of 16505551234+US.1349 at 1767225600",]
    );
    // A resume does not.
    let mut item = preference("resume");
    item["user_id"] = json!(null);
    let found = read_lines(&with_value("user_preferences", value(item)));
    assert_eq!(found[1], "resume 1 of 16505551234 at 1767225600");
}

#[test]
fn without_stop_words_no_message_is_an_objection() {
    for name in ["message_text", "message_button", "message_interactive"] {
        let webhook = parse(sample(name).as_bytes(), &StopWords::default()).expect("a webhook");
        let words = webhook.actions().filter(|action| matches!(action, Action::OptOutWord { .. }));
        assert_eq!(words.count(), 0, "{name}");
    }
}

#[test]
fn an_edited_message_may_become_an_objection() {
    let edit = json!({"original_message_id": "wamid.O", "message": {"type": "text", "text": {"body": "Stop"}}});
    let item = json!({
        "from": "16505551234", "id": "wamid.E", "timestamp": "1767225600", "type": "edit", "edit": edit,
    });
    let found = read_lines(&with_item("messages", item));
    assert_eq!(found, ["word \"STOP\" of 16505551234 at 1767225600 by wamid.E"]);
}

#[test]
fn bytes_that_are_no_text_do_not_cost_an_objection() {
    let payload = sample("preference_stop").as_bytes();
    let at = payload.windows(10).position(|bytes| bytes == b"Ana Souza\"").expect("the name");
    let mut broken = payload.to_vec();
    broken[at + 1] = 0xFF;
    assert_eq!(lines(&read(&broken)), lines(&read(payload)));
}

#[test]
fn what_is_no_text_costs_no_objection_beside_it() {
    let mut item = preference("stop");
    item["detail"] = json!("HERE");
    let payload = with_item("user_preferences", item).to_string();
    let read = |detail: &[u8]| {
        let (before, after) = payload.split_once("HERE").expect("the place");
        let broken = [before.as_bytes(), detail, after.as_bytes()].concat();
        lines(&parse(&broken, &stop_words()).expect("a webhook"))
    };
    let expected = read(b"");
    assert_eq!(expected.len(), 1);
    for detail in [&b"\xff"[..], br"\ud800", br"\ud83d\ud83d\ude00", br"\\\ude00"] {
        assert_eq!(read(detail), expected, "{}", detail.escape_ascii());
    }
    let marked = format!("\u{feff}{payload}");
    assert_eq!(lines(&parse(marked.as_bytes(), &stop_words()).expect("a webhook")), expected);
}
