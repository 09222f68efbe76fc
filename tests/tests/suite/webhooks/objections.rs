//! Stops, resumes and stop words.

use super::*;
use CheckReason::{OptedIn, OptedOut, PlatformOptedOut};
use WebhookOutcome::{AlreadyLinked, Contradicts, Recorded, Unreadable};
use WebhookStatementKind::{OptOut, Resume, SamePerson, Stop};
use contacts_tests::{apply, on_each_store};

async fn from_sender(app: &TestApp, person: Recipient, sender: &str) -> CheckReason {
    let check = app.opt_in().check(person, MARKETING).sender_phone_number_id(sender);
    check.await.expect("a check").reason
}

#[apply(on_each_store!)]
async fn stop_and_resume_are_recorded_for_their_sender_and_both_ids(app: TestApp) {
    let contact = known_by_both(&app).await;
    let report = ingest(&app, &webhook([stop(ago(100))])).await;
    assert_eq!(report.counts.recorded, 1);
    assert!(!report.signature_verified);
    let result = &report.results[0];
    assert_eq!((result.kind, result.outcome), (Stop, Recorded));
    assert_eq!(result.contact_id.as_deref(), Some(&*contact.contact_id));
    for person in [phone_id(PHONE), user_id(USER)] {
        assert_eq!(from_sender(&app, person.clone(), SENDER).await, PlatformOptedOut);
        assert_eq!(from_sender(&app, person.clone(), OTHER_SENDER).await, OptedIn);
        let event = &app.opt_in().events(person).await.expect("events").items[0];
        assert_eq!(Some(&*event.event_id), result.event_id.as_deref());
        assert_eq!(event.source, OptInSource::Platform);
    }
    assert_eq!(outcomes(&app, resume(ago(90))).await, [(Resume, Recorded)]);
    for person in [phone_id(PHONE), user_id(USER)] {
        assert_eq!(from_sender(&app, person, SENDER).await, OptedIn);
    }
}

/// Under a parent id, too: it is the same person.
#[apply(on_each_store!)]
async fn a_stop_and_a_resume_are_of_the_parent_id_too(app: TestApp) {
    const PARENT: &str = "US.ENT.11815799212886844830";
    opted_in(&app, NewContact::new().whatsapp_user_id(PARENT)).await;
    let said = |value, at| {
        let mut item = preference(value, Some(PHONE), Some(USER), at);
        item["parent_user_id"] = PARENT.into();
        webhook([change("user_preferences", item)])
    };
    ingest(&app, &said("stop", ago(100))).await;
    assert_eq!(from_sender(&app, user_id(PARENT), SENDER).await, PlatformOptedOut);
    ingest(&app, &said("resume", ago(90))).await;
    assert_eq!(from_sender(&app, user_id(PARENT), SENDER).await, OptedIn);
    // One contact of the id itself, another of the parent.
    known_by_user(&app).await;
    ingest(&app, &said("stop", ago(80))).await;
    for person in [user_id(USER), user_id(PARENT)] {
        assert_eq!(from_sender(&app, person, SENDER).await, PlatformOptedOut);
    }
    ingest(&app, &said("resume", ago(70))).await;
    assert_eq!(from_sender(&app, user_id(USER), SENDER).await, OptedIn);
    known_by_phone(&app).await;
    let mut item = preference("stop", Some(PHONE), None, ago(60));
    item["parent_user_id"] = PARENT.into();
    ingest(&app, &webhook([change("user_preferences", item.clone())])).await;
    assert_eq!(from_sender(&app, phone_id(PHONE), SENDER).await, PlatformOptedOut);
    (item["value"], item["timestamp"]) = ("resume".into(), ago(50).into());
    ingest(&app, &webhook([change("user_preferences", item)])).await;
    assert_eq!(from_sender(&app, phone_id(PHONE), SENDER).await, OptedIn);
    assert_eq!(from_sender(&app, user_id(PARENT), SENDER).await, PlatformOptedOut);
}

/// Delivered after the number was released, it stands against who had it, too.
#[apply(on_each_store!)]
async fn a_late_stop_is_of_who_had_the_number(app: TestApp) {
    let contact = known_by_both(&app).await;
    let moved = app.contacts().link_identity(&contact).phone(NEW_PHONE).release(PHONE);
    moved.await.expect("a release");
    assert_eq!(from_sender(&app, user_id(USER), SENDER).await, OptedIn);
    let late = preference("stop", Some(PHONE), None, ago(100));
    ingest(&app, &webhook([change("user_preferences", late)])).await;
    assert_eq!(from_sender(&app, user_id(USER), SENDER).await, PlatformOptedOut);
    assert_eq!(from_sender(&app, user_id(USER), OTHER_SENDER).await, OptedIn);
}

#[apply(on_each_store!)]
async fn stop_against_nobody_and_two_contacts_stands_against_each(app: TestApp) {
    // The number is one contact's, the user id another's.
    known_by_phone(&app).await;
    known_by_user(&app).await;
    let found = outcomes(&app, stop(ago(100))).await;
    assert_eq!(found, [(Stop, Recorded)]);
    for person in [phone_id(PHONE), user_id(USER)] {
        assert_eq!(from_sender(&app, person, SENDER).await, PlatformOptedOut);
    }
    // A permission of nobody knows whom.
    let report = ingest(&app, &webhook([resume(ago(50))])).await;
    assert_eq!((report.results[0].kind, report.results[0].outcome), (Resume, Contradicts));
    assert!(report.results[0].other_contact_id.is_some());
    assert!(report.results[0].message.as_deref().expect("advice").contains("MergeContacts"));
    assert_eq!(from_sender(&app, phone_id(PHONE), SENDER).await, PlatformOptedOut);

    let stop = preference("stop", Some(NEW_PHONE), Some(NEW_USER), ago(100));
    let report = ingest(&app, &webhook([change("user_preferences", stop)])).await;
    assert_eq!((report.results[0].outcome, &report.results[0].contact_id), (Recorded, &None));
    opted_in(&app, NewContact::new().phone(NEW_PHONE)).await;
    assert_eq!(from_sender(&app, phone_id(NEW_PHONE), SENDER).await, PlatformOptedOut);
}

#[apply(on_each_store!)]
async fn failed_message_with_error_131050_is_a_stop(app: TestApp) {
    known_by_phone(&app).await;
    let status = |code: u64, at: u64| {
        change(
            "statuses",
            json!({"id": format!("wamid.{code}"), "status": "failed", "timestamp": at.to_string(),
                "recipient_id": PHONE, "recipient_user_id": USER, "errors": [{"code": code}]}),
        )
    };
    for code in [131_047, 131_049, 130_472, 131_026] {
        let report = ingest(&app, &webhook([status(code, ago(100))])).await;
        assert_eq!((report.results.len(), report.ignored["status"]), (0, 1));
    }
    assert_eq!(reason_of(&app, phone_id(PHONE)).await, OptedIn);
    assert_eq!(outcomes(&app, status(131_050, ago(100))).await, [(Stop, Recorded)]);
    assert_eq!(from_sender(&app, phone_id(PHONE), SENDER).await, PlatformOptedOut);
    assert_eq!(from_sender(&app, user_id(USER), SENDER).await, PlatformOptedOut);
    let event = &app.opt_in().events(phone_id(PHONE)).await.expect("events").items[0];
    assert_eq!(event.evidence.message_id, "wamid.131050");
}

/// A number has several forms in JSON.
#[apply(on_each_store!)]
async fn error_131050_is_a_stop_however_it_is_written(app: TestApp) {
    for (n, code) in ["131050.0", "1.31050e5", "13105e1", "\"131050\""].into_iter().enumerate() {
        let phone = contacts_tests::phone(n);
        opted_in(&app, NewContact::new().phone(&phone)).await;
        let status = json!({"id": "wamid.1", "status": "failed", "timestamp": ago(9).to_string(),
            "recipient_id": phone, "errors": [{"code": "CODE"}]});
        let payload = webhook([change("statuses", status)]).to_string();
        let report = app.webhooks().ingest(payload.replace("\"CODE\"", code)).await;
        assert_eq!(report.expect("a webhook").counts.recorded, 1, "{code}");
        assert_eq!(from_sender(&app, phone_id(&phone), SENDER).await, PlatformOptedOut, "{code}");
    }
}

#[apply(on_each_store!)]
async fn stop_words_opt_out_only_if_the_workspace_lists_them(app: TestApp) {
    known_by_both(&app).await;
    let said = |body: &str, at: u64| change("messages", text(PHONE, body, at));
    let report = ingest(&app, &webhook([said("STOP", ago(100))])).await;
    assert_eq!((report.results.len(), report.ignored["message"]), (0, 1));
    assert_eq!(reason_of(&app, phone_id(PHONE)).await, OptedIn);

    app.workspaces().update("default").stop_words(["STOP", "Parar"]).await.expect("a workspace");
    assert_eq!(outcomes(&app, said("please don't stop", ago(90))).await, []);
    assert_eq!(reason_of(&app, phone_id(PHONE)).await, OptedIn);
    assert_eq!(outcomes(&app, said(" parár! ", ago(80))).await, [(OptOut, Recorded)]);
    for category in [MARKETING, MessageCategory::Utility, MessageCategory::Authentication] {
        for person in [phone_id(PHONE), user_id(USER)] {
            let check = app.opt_in().check(person, category).await.expect("a check");
            assert_eq!(check.reason, OptedOut);
        }
    }
    let event = &app.opt_in().events(phone_id(PHONE)).await.expect("events").items[0];
    assert_eq!((event.source, &*event.reason_text), (OptInSource::InboundMessage, "Parar"));
    assert!(event.evidence.message_id.starts_with("wamid."));
}

#[apply(on_each_store!)]
async fn stops_and_resumes_count_by_their_own_time(app: TestApp) {
    known_by_both(&app).await;
    // Out of order.
    ingest(&app, &webhook([resume(ago(50))])).await;
    ingest(&app, &webhook([stop(ago(60))])).await;
    assert_eq!(from_sender(&app, phone_id(PHONE), SENDER).await, OptedIn);
    // At the same time, the stop wins, in one webhook too.
    ingest(&app, &webhook([stop(ago(40)), resume(ago(40))])).await;
    assert_eq!(from_sender(&app, phone_id(PHONE), SENDER).await, PlatformOptedOut);
    ingest(&app, &webhook([resume(ago(30))])).await;
    assert_eq!(from_sender(&app, phone_id(PHONE), SENDER).await, OptedIn);
    // Years old, and after a newer resume.
    ingest(&app, &webhook([stop(1_600_000_000)])).await;
    assert_eq!(from_sender(&app, phone_id(PHONE), SENDER).await, OptedIn);
    assert_eq!(kinds(&app, phone_id(PHONE)).await.len(), 8);
}

#[apply(on_each_store!)]
async fn objection_is_recorded_whatever_is_wrong_with_it(app: TestApp) {
    let far_ahead = ago(0) + 3600;
    for (n, item) in [
        json!({"wa_id": PHONE, "value": "stop", "timestamp": far_ahead}),
        json!({"wa_id": PHONE, "value": "stop", "timestamp": "yesterday"}),
        json!({"wa_id": PHONE, "value": "stop"}),
        json!({"wa_id": PHONE, "user_id": "no id", "value": "STOP", "category": "other"}),
        json!({"wa_id": null, "user_id": USER, "value": "stop"}),
    ]
    .into_iter()
    .enumerate()
    {
        app.workspaces().create(format!("w{n}")).await.expect("a workspace");
        let client = app.client().with_workspace(format!("w{n}"));
        let contact = NewContact::new().phone(PHONE).whatsapp_user_id(USER);
        let contact = client.contacts().create(contact).await.expect("a contact");
        client.opt_in().record_opt_in(&contact, OptInSource::WebForm).await.expect("an opt-in");
        let payload = webhook([change("user_preferences", item)]).to_string();
        let report = client.webhooks().ingest(payload).await.expect("a webhook");
        assert_eq!(report.counts.recorded, 1, "{n}: {report:?}");
        let check = client.opt_in().check(&contact, MARKETING).await.expect("a check");
        assert_eq!(check.reason, PlatformOptedOut, "{n}");
    }
    // A resume of the future is refused, and so is one of an unknown sender.
    let ahead = change("user_preferences", preference("resume", Some(PHONE), None, far_ahead));
    let report = ingest(&app, &webhook([ahead])).await;
    assert_eq!(report.counts.refused, 1);
    assert!(report.results[0].message.is_some());
    let mut of_nobody = resume(ago(1));
    of_nobody["value"]["metadata"] = json!({});
    let report = ingest(&app, &webhook([of_nobody])).await;
    assert_eq!(report.results[0].outcome, Unreadable);
    assert!(report.results[0].path.as_deref().expect("a place").starts_with("entry[0].changes[0]"));
}

#[apply(on_each_store!)]
async fn one_bad_entry_does_not_lose_the_objections_of_the_others(app: TestApp) {
    known_by_both(&app).await;
    let payload = json!({"object": "whatsapp_business_account", "entry": [
        "no entry",
        {"changes": "none"},
        {"changes": [7, {"field": "messages", "value": {"messages": [{}, 3, {"type": "text"}]}}]},
        {"changes": [pair(NEW_PHONE, USER, ago(10)), stop(ago(20))]},
    ]});
    let report = ingest(&app, &payload).await;
    assert_eq!((report.counts.recorded, report.counts.contradicts), (1, 1));
    assert!(report.counts.unreadable >= 4, "{report:?}");
    let of_last: Vec<_> = report.results.iter().filter(|result| result.entry == 3).collect();
    let found: Vec<_> = of_last.iter().map(|r| (r.change, r.kind, r.outcome)).collect();
    assert_eq!(found, [(0, SamePerson, Contradicts), (1, Stop, Recorded)]);
    assert_eq!(from_sender(&app, phone_id(PHONE), SENDER).await, PlatformOptedOut);
}

#[apply(on_each_store!)]
async fn what_says_nothing_is_counted(app: TestApp) {
    known_by_both(&app).await;
    let template =
        json!({"field": "message_template_status_update", "value": {"event": "APPROVED"}});
    let retired = system(Some(PHONE), json!({"type": "customer_identity_changed"}), ago(5));
    let report = ingest(&app, &webhook([template, retired, pair(PHONE, USER, ago(10))])).await;
    assert_eq!(report.ignored["other_field"], 1);
    assert_eq!(report.ignored["system_message"], 1);
    assert_eq!(report.ignored["message"], 1);
    let found: Vec<_> = report.results.iter().map(|r| (r.kind, r.outcome)).collect();
    assert_eq!(found, [(SamePerson, AlreadyLinked)]);
    assert_eq!(report.counts.already_linked, 1);
}
