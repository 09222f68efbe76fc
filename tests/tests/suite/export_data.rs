//! ExportContactData: everything stored about one person.

use contacts_sdk::{
    ContactData, Evidence, MessageCategory, NewContact, OptInSource, OptInStatus,
    PlatformPreference, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

async fn export(app: &TestApp, person: impl Into<Recipient>) -> ContactData {
    app.contacts().export_data(person).await.expect("an export")
}

#[apply(on_each_store!)]
async fn export_contains_the_whole_contact(app: TestApp) {
    app.make_attributes().await;
    let create = |contact: NewContact, id| app.contacts().create(contact).request_id(id).send();
    let one = NewContact::new().phone(phone(1)).email("ana@example.com").attribute("city", "Porto");
    let one = create(one, "2b1e1e0c-6f0a-4d0e-9a55-0c7c3f2f8a11").await.expect("a contact");
    let two = NewContact::new().phone(phone(2)).whatsapp_user_id("US.2");
    let two = create(two, "2b1e1e0c-6f0a-4d0e-9a55-0c7c3f2f8a12").await.expect("a contact");
    let evidence = Evidence::new().wording("Yes").actor("Joan");
    for contact in [&one, &two] {
        let record = app.opt_in().record_opt_in(contact, OptInSource::WebForm);
        record.evidence(evidence.clone()).await.expect("an opt-in");
    }
    app.contacts().merge(&one, &two).await.expect("a contact");
    app.contacts().link_identity(&one).phone(phone(3)).await.expect("a contact");
    let stop = app.opt_in().record_platform_preference(&two, PlatformPreference::Stop);
    stop.sender_phone_number_id("106540352242922").await.expect("a preference");
    let utility = [MessageCategory::Utility];
    let opt_out = app.opt_in().record_opt_out(phone(2)).categories(utility).reason_text("STOP");
    let opt_out = opt_out.await.expect("an opt-out").event;

    for person in
        [Recipient::from(&two), Recipient::phone(phone(1)), Recipient::whatsapp_user_id("US.2")]
    {
        let data = export(&app, person).await;
        let contact = app.contacts().get(&one).await.expect("a contact");
        assert_eq!(contact.former_phone_numbers.len(), 2);
        assert_eq!(data.contact, Some(contact));
        let statuses: Vec<_> = data.consents.iter().map(|c| (c.category, c.status)).collect();
        let expected = [
            (MessageCategory::Marketing, OptInStatus::OptedIn),
            (MessageCategory::Utility, OptInStatus::OptedOut),
            (MessageCategory::Authentication, OptInStatus::OptedIn),
        ];
        assert_eq!(statuses, expected);
        assert_eq!(data.consents[1].event_id.as_deref(), Some(&*opt_out.event_id));
        assert_eq!(data.consents[1].occurred_time, opt_out.occurred_time);
        let [preference] = &data.platform_preferences[..] else { panic!("{data:?}") };
        assert_eq!(preference.sender_phone_number_id.as_deref(), Some("106540352242922"));
        assert!(preference.stopped && preference.event_id == data.events[1].event_id);
        assert_eq!(data.events.len(), 4);
        assert_eq!(
            (&data.events[0], data.events[2].evidence.clone()),
            (&opt_out, evidence.clone())
        );
        assert_eq!(data.events_page_token, None);
        let mut methods: Vec<_> = data.stored_responses.iter().map(|a| a.method.as_str()).collect();
        methods.sort_unstable();
        methods.dedup();
        let expected = [
            "CreateContact",
            "LinkIdentity",
            "MergeContacts",
            "RecordOptIn",
            "RecordOptOut",
            "RecordPlatformPreference",
        ];
        assert_eq!(methods, expected);
        assert_eq!(data.stored_responses.len(), 8);
        assert!(data.receipts.is_empty() && data.export_time.is_some());
    }
}

#[apply(on_each_store!)]
async fn export_of_a_long_ledger_continues_with_a_page_token(app: TestApp) {
    let contact = app.make_contact(phone(1)).await;
    // Long texts, so that a few hundred events fill a response.
    let long = "é".repeat(1000);
    let evidence = Evidence::new().wording(&long).url(&long).actor(&long).message_id(&long);
    for _ in 0..400 {
        let record = app.opt_in().record_opt_in(&contact, OptInSource::Api);
        record.evidence(evidence.clone()).await.expect("an opt-in");
    }
    let data = export(&app, phone(1)).await;
    assert!((100..400).contains(&data.events.len()), "{}", data.events.len());
    assert_eq!(data.stored_responses.len(), 401);
    let token = data.events_page_token.expect("there is more");
    let rest = app.opt_in().events(phone(1)).page_size(1000).page_token(token).await;
    let rest = rest.expect("the rest").items;
    assert_eq!(data.events.len() + rest.len(), 400);
    assert!(rest.iter().all(|event| data.events.iter().all(|e| e.event_id != event.event_id)));
}

#[apply(on_each_store!)]
async fn export_contains_the_opt_out_of_a_non_contact(app: TestApp) {
    app.opt_in().record_opt_out(phone(1)).reason_text("STOP").await.expect("an opt-out");
    let data = export(&app, phone(1)).await;
    assert_eq!(data.contact, None);
    assert!(data.consents.iter().all(|c| c.status == OptInStatus::OptedOut));
    assert_eq!((data.consents.len(), data.events.len()), (3, 1));
    assert_eq!(data.events[0].reason_text, "STOP");
}

#[apply(on_each_store!)]
async fn export_after_deletion_contains_receipt_and_opt_out(app: TestApp) {
    let contact = app.make_opted_in(phone(1)).await;
    app.opt_in().record_opt_out(&contact).reason_text("STOP").await.expect("an opt-out");
    let receipt = app.contacts().delete(&contact).await.expect("a receipt");
    let data = export(&app, &contact).await;
    assert_eq!((data.contact, data.events.len(), data.stored_responses.len()), (None, 0, 0));
    assert_eq!(data.receipts, [receipt]);
    let data = export(&app, phone(1)).await;
    assert_eq!(data.contact, None);
    assert!(data.consents.iter().all(|c| c.status == OptInStatus::OptedOut));
    assert!(data.events.iter().all(|event| event.reason_text.is_empty()));
}

#[apply(on_each_store!)]
async fn export_of_an_unknown_person_is_not_found(app: TestApp) {
    let error = app.contacts().export_data(phone(1)).await.refused_for(reason::CONTACT_NOT_FOUND);
    assert!(error.message().contains("nothing is held"), "{error}");
    let nobody = Recipient::contact_id("01920c5e-7b1a-7c3d-9e4f-5a6b7c8d9e0f");
    app.contacts().export_data(nobody).await.refused_for(reason::CONTACT_NOT_FOUND);
    app.contacts().export_data("12").await.refused_at(reason::INVALID_PHONE_NUMBER, "phone_number");
}
