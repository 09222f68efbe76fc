//! ListOptInEvents: all consent events of a person, newest first.

use contacts_sdk::{
    Evidence, NewContact, OptInEvent, OptInEventKind, OptInSource, OptInStatus, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, timestamp};
use futures::TryStreamExt;

async fn ledger(app: &TestApp, person: impl Into<Recipient>) -> Vec<OptInEvent> {
    app.opt_in().events(person).stream().try_collect().await.expect("events")
}

#[apply(on_each_store!)]
async fn events_are_listed_newest_first(app: TestApp) {
    app.make_contact(phone(1)).await;
    let mut recorded = Vec::new();
    // Events are in the order of recording, regardless of their own time.
    for seconds in [50, 10, 40, 20] {
        let record = app.opt_in().record_opt_in(phone(1), OptInSource::Paper);
        recorded.push(record.occurred_time(timestamp(seconds)).await.expect("an opt-in").event);
        let record = app.opt_in().record_opt_out(phone(1)).reason_text(format!("{seconds}"));
        recorded.push(record.occurred_time(timestamp(seconds)).await.expect("an opt-out").event);
    }
    recorded.reverse();
    assert_eq!(ledger(&app, phone(1)).await, recorded);
    assert_eq!(recorded[0].status, OptInStatus::OptedOut);
    assert_eq!(recorded[0].reason_text, "20");
}

/// Clients accept 4 MiB.
#[apply(on_each_store!)]
async fn event_pages_with_much_evidence_are_shorter(app: TestApp) {
    app.make_contact(phone(1)).await;
    let text = "\u{1F600}".repeat(1000);
    let evidence = Evidence::new()
        .wording(&text)
        .wording_version(&text)
        .business_name(&text)
        .url(&text)
        .message_id(&text)
        .actor(&text);
    for _ in 0..180 {
        let record = app.opt_in().record_opt_in(phone(1), OptInSource::WebForm);
        record.evidence(evidence.clone()).await.expect("an opt-in");
    }
    let mut pages = app.opt_in().events(phone(1)).page_size(1000).pages();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.expect("a page that a client accepts").items.len());
    }
    assert_eq!((sizes.len(), sizes.iter().sum::<usize>()), (2, 180), "{sizes:?}");
}

#[apply(on_each_store!)]
async fn event_pages_have_no_gap_and_no_duplicate(app: TestApp) {
    app.make_contact(phone(1)).await;
    for n in 0..23 {
        let record = app.opt_in().record_opt_out(phone(1)).reason_text(n.to_string());
        record.await.expect("an opt-out");
    }
    app.opt_in().record_opt_out(phone(2)).await.expect("somebody else's");
    let expected: Vec<_> = (0..23).rev().map(|n| n.to_string()).collect();
    for page_size in [1, 5, 23, 1000] {
        let mut pages = app.opt_in().events(phone(1)).page_size(page_size).pages();
        let mut texts = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.expect("a page");
            assert!(page.items.len() <= page_size as usize);
            texts.extend(page.items.into_iter().map(|event| event.reason_text));
        }
        assert_eq!(texts, expected, "{page_size}");
    }

    // Events recorded later are not on the following pages.
    let first = app.opt_in().events(phone(1)).page_size(10).await.expect("a page");
    let token = first.next_page_token.expect("a token");
    app.opt_in().record_opt_out(phone(1)).reason_text("late").await.expect("an opt-out");
    let second =
        app.opt_in().events(phone(1)).page_size(10).page_token(&token).await.expect("a page");
    assert_eq!(second.items[0].reason_text, "12");
    let other = app.opt_in().events(phone(2)).page_token(&token).await;
    other.refused_at(reason::INVALID_PAGE_TOKEN, "page_token");
}

#[apply(on_each_store!)]
async fn all_identifiers_of_a_person_list_the_same_events(app: TestApp) {
    // Events of a non-contact are kept when they become a contact.
    app.opt_in().record_opt_out("552187654321").reason_text("first").await.expect("an opt-out");
    let person = NewContact::new().phone("5521987654321").whatsapp_user_id("BR.1");
    let contact = app.contacts().create(person).await.expect("a contact");
    let second = app.opt_in().record_opt_in(Recipient::whatsapp_user_id("BR.1"), OptInSource::Ivr);
    second.await.expect("an opt-in");
    for name in [
        Recipient::from(&contact),
        Recipient::phone("552187654321"),
        Recipient::phone("5521987654321"),
        Recipient::whatsapp_user_id("BR.1"),
    ] {
        let events = ledger(&app, name.clone()).await;
        use OptInEventKind::{Claimed, Created, OptIn, OptOut};
        let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
        // Between what was said: that the ids are one person, and that the opt-out counts for it.
        assert_eq!(kinds, [OptIn, Claimed, Created, OptOut], "{name:?}");
        assert_eq!(events[0].status, OptInStatus::OptedIn);
        assert_eq!(events[3].status, OptInStatus::OptedOut);
        assert_eq!(events[3].reason_text, "first");
        assert_eq!(events[3].contact_id, None);
        for event in &events[..3] {
            assert_eq!(event.contact_id.as_deref(), Some(&*contact.contact_id));
        }
    }
}

#[apply(on_each_store!)]
async fn unknown_number_has_no_events_and_unknown_contact_is_not_found(app: TestApp) {
    assert!(ledger(&app, phone(1)).await.is_empty());
    assert!(ledger(&app, Recipient::whatsapp_user_id("US.1")).await.is_empty());
    let unknown = Recipient::contact_id(uuid::Uuid::now_v7().to_string());
    app.opt_in().events(unknown).await.refused_for(reason::CONTACT_NOT_FOUND);
    app.opt_in().events("x").await.refused_at(reason::INVALID_PHONE_NUMBER, "phone_number");
}
