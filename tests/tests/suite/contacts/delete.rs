//! DeleteContact: an erasure with a receipt.

use contacts_proto::v1;
use contacts_sdk::{
    CheckReason, DeleteReason, MessageCategory, NewContact, OptInStatus, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

#[apply(on_each_store!)]
async fn deleted_contact_is_found_by_no_call(app: TestApp) {
    app.make_tags(&["vip"]).await;
    app.make_attributes().await;
    let ana = NewContact::new()
        .phone(phone(1))
        .whatsapp_user_id("US.1")
        .first_name("Ana")
        .tag("vip")
        .attribute("city", "Lisboa");
    let ana = app.contacts().create(ana).await.expect("a contact");
    app.make_contact(phone(2)).await;

    let receipt = app.contacts().delete(&ana).reason(DeleteReason::PersonRequest).await;
    let receipt = receipt.expect("a receipt");
    assert_eq!(receipt.contact_id, ana.contact_id);
    assert_eq!(receipt.reason, DeleteReason::PersonRequest);
    assert!(receipt.delete_time.is_some() && !receipt.receipt_id.is_empty());

    for person in
        [Recipient::from(&ana), Recipient::phone(phone(1)), Recipient::whatsapp_user_id("US.1")]
    {
        app.contacts().get(person.clone()).await.refused_for(reason::CONTACT_NOT_FOUND);
        let check = app.opt_in().check(person, MessageCategory::Marketing).await;
        assert_eq!(check.expect("a check").reason, CheckReason::UnknownContact);
    }
    let count = |query, filter: &str| app.contacts().count().query(query).filter(filter).send();
    assert_eq!(count("", "").await.expect("a count"), 1);
    assert_eq!(count("ana", "").await.expect("a count"), 0);
    assert_eq!(count("", "tags:vip").await.expect("a count"), 0);
    assert_eq!(count("", "attributes.city:*").await.expect("a count"), 0);
    assert_eq!(app.attributes().get("city").await.expect("an attribute").contact_count, 0);
    assert!(app.opt_in().events(phone(1)).await.expect("events").items.is_empty());
}

#[apply(on_each_store!)]
async fn delete_without_a_reason_uses_the_reason_other(app: TestApp) {
    app.make_contact(phone(1)).await;
    let receipt = app.contacts().delete(phone(1)).await.expect("a receipt");
    assert_eq!(receipt.reason, DeleteReason::Other);

    let recipient = Some(v1::delete_contact_request::Recipient::PhoneNumber(phone(2)));
    let odd = v1::DeleteContactRequest { recipient, reason: 99, ..Default::default() };
    let deleted = app.client().raw_contacts().delete_contact(odd).await;
    deleted.refused_at(reason::INVALID_ARGUMENT, "reason");
}

#[apply(on_each_store!)]
async fn phone_number_of_a_deleted_contact_can_be_reused(app: TestApp) {
    let first = NewContact::new().phone(phone(1)).whatsapp_user_id("US.1").first_name("Ana");
    let first = app.contacts().create(first).await.expect("a contact");
    app.contacts().delete(&first).await.expect("a receipt");
    let second = app.contacts().create(NewContact::new().phone(phone(1))).await;
    let second = second.expect("a contact");
    assert_ne!(second.contact_id, first.contact_id);
    assert_eq!(second.first_name, None);
    let third = app.contacts().create(NewContact::new().whatsapp_user_id("US.1")).await;
    third.expect("a contact");
}

#[apply(on_each_store!)]
async fn opt_in_is_removed_with_the_contact(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    app.contacts().delete(phone(1)).await.expect("a receipt");
    let again = app.make_contact(phone(1)).await;
    assert_eq!(again.opt_in.marketing, OptInStatus::NotAsked);
    assert!(!app.opt_in().may_send(phone(1), MessageCategory::Marketing).await);
    // The evidence is deleted too, because it is personal data.
    assert!(app.opt_in().events(phone(1)).await.expect("events").items.is_empty());
}
