//! What each sample payload says.

use super::*;

#[test]
fn samples_say_what_they_are_named_for() {
    let ana = "552187654321+BR.1A2B3C4D5E6F7A8B";
    let sheena = "16505551234+US.13491208655302741918";
    let changed = "at 1770407829 by wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQzQUFERjg0NDEzNDdFODU3MUMxMAA=";
    let wamid = "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQ";
    let pair = |n: u8| format!("pair {sheena} at 176722580{n} by {wamid}{n}");
    let word =
        |word: &str, n: u8| format!("word {word:?} of {sheena} at 176722580{n} by {wamid}{n}");
    let s = str::to_owned;
    let preference_stop = vec![
        format!("pair {ana} at 1767225600"),
        format!("stop 106540352242922 of {ana} at 1767225600"),
    ];
    let status_stopped = vec![s(
        "stop 106540352242922 of 14155550123+US.13491208655302741918+US.ENT.11815799212886844830 at 1767225700 by \
         wamid.HBgLMTQxNTU1NTAxMjMVAgARGBJDNDc=",
    )];
    let number_changed = vec![
        format!("number of {sheena} is 12195555358+US.55501208655302741918 {changed}"),
        format!(
            "user id US.ENT.11815799212886844830 is US.ENT.99915799212886844830 of 12195555358 {changed}"
        ),
    ];
    let message_text = vec![pair(1), word("STOP", 1), pair(2), s("ignored 1 message")];
    for (name, expected) in [
        ("preference_stop", preference_stop.clone()),
        (
            "preference_resume",
            vec![s(
                "resume 106540352242922 of DE.9F8E7D6C5B4A3921+DE.ENT.11815799212886844830 at 1767225600",
            )],
        ),
        (
            "preference_before_user_ids",
            vec![s("resume 106540352242922 of 16505551234 at 1731705721")],
        ),
        (
            "preference_in_system_message",
            vec![
                s("stop 106540352242922 of 16505551234 at 1731705721 by wamid.A"),
                s("ignored 1 retired_form"),
            ],
        ),
        ("status_stopped_marketing", status_stopped.clone()),
        (
            "status_of_group",
            vec![s(
                "stop 106540352242922 of 14155550128+US.22491208655302741918 at 1767225708 by \
                    wamid.HBgLMTQxNTU1NTAxMjgVAgARGBI4",
            )],
        ),
        ("statuses_of_other_kinds", vec![s("ignored 4 status")]),
        (
            "status_delivered_with_contact",
            vec![
                format!("pair {sheena} at 1767225709 by wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI5"),
                s("pair 16505551234+US.ENT.11815799212886844830 at 1767225709 by \
                   wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI5"),
                s("ignored 1 status"),
            ],
        ),
        ("number_changed", number_changed.clone()),
        (
            "number_changed_before_august_2026",
            vec![format!("number of 16505551234 is 12195555358 {changed}")],
        ),
        (
            "number_changed_before_v12",
            vec![format!("number of 16505551234 is 12195555358 {changed}")],
        ),
        (
            "user_id_changed",
            vec![format!("user id US.13491208655302741918 is US.55501208655302741918 {changed}")],
        ),
        ("identity_key_changed", vec![s("ignored 1 system_message")]),
        ("message_text", message_text.clone()),
        ("message_button", vec![pair(3), word("Stop promotions", 3)]),
        ("message_interactive", vec![pair(4), word("STOP", 4), pair(5), word("STOP", 5)]),
        (
            "message_without_phone_number",
            vec![s(
                "word \"STOP\" of DE.9F8E7D6C5B4A3921+DE.ENT.11815799212886844830 at 1767225806 by \
                    wamid.HBgNREUuOUY4RTdENkM1QjRBMzkyMQ",
            )],
        ),
        ("template_status", vec![s("ignored 1 other_field")]),
        (
            "several_entries",
            [preference_stop, status_stopped, number_changed, message_text].concat(),
        ),
    ] {
        assert_eq!(lines(&read(sample(name))), expected, "{name}");
    }
}

#[test]
fn malformed_items_are_reported_and_the_rest_goes_on() {
    let preferences = "entry[2].changes[1].value.user_preferences";
    let messages = "entry[2].changes[2].value.messages";
    assert_eq!(
        lines(&read(sample("malformed_items"))),
        [
            "entry[0] is malformed".to_owned(),
            "entry[1].changes is missing".to_owned(),
            "entry[2].changes[0].value is malformed".to_owned(),
            "stop 106540352242922 of GB.9F8E7D6C5B4A3921 at 1767225600".to_owned(),
            "stop 106540352242922 of 16505551234 at ?".to_owned(),
            format!("{preferences}[0].wa_id is malformed"),
            format!("{preferences}[1].wa_id is missing"),
            format!("{preferences}[2].wa_id is malformed"),
            format!("{preferences}[3].timestamp is malformed"),
            format!("{preferences}[4].user_id is malformed"),
            format!("{preferences}[5] is malformed"),
            "ignored 1 unknown_preference".to_owned(),
            "ignored 1 other_category".to_owned(),
            "entry[2].changes[2].value.statuses is malformed".to_owned(),
            format!("{messages}[0].system.wa_id is missing"),
            format!("{messages}[1].system.wa_id contradicts another field"),
            format!("{messages}[2].system.previous_user_id is missing"),
            format!("{messages}[3].timestamp is malformed"),
            "ignored 1 system_message".to_owned(),
        ]
    );
}
