//! BatchGetContacts: one result per requested contact, in request order.

use contacts_sdk::{AttributeType, ContactView, NewContact, Recipient, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, phones};

#[apply(on_each_store!)]
async fn results_are_in_request_order(app: TestApp) {
    let one = app.make_contact(phone(1)).await;
    let two = NewContact::new().phone(phone(2)).whatsapp_user_id("US.2").email("b@example.com");
    let two = app.contacts().create(two).await.expect("a contact");

    let people = [
        Recipient::whatsapp_user_id("US.2"),
        Recipient::phone(phone(9)),
        Recipient::phone("not a number"),
        Recipient::from(&one),
        Recipient::phone(phone(2)),
        Recipient::contact_id("42"),
        Recipient::from(&one),
    ];
    let results = app.contacts().batch_get(people).await.expect("results");
    assert_eq!(results.len(), 7);
    for (index, expected) in [(0, &two), (3, &one), (4, &two), (6, &one)] {
        assert_eq!(results[index].as_ref().expect("a contact"), expected, "{index}");
    }
    results[1].clone().refused_for(reason::CONTACT_NOT_FOUND);
    results[2].clone().refused_at(reason::INVALID_PHONE_NUMBER, "phone_number");
    results[5].clone().refused_at(reason::INVALID_ID, "contact_id");

    let basic = app.contacts().batch_get([&two]).view(ContactView::Basic).await.expect("results");
    assert_eq!(basic[0].as_ref().expect("a contact").email, None);
}

#[apply(on_each_store!)]
async fn batch_size_is_limited(app: TestApp) {
    app.make_many(phones(0..1000).into_iter().map(|phone| NewContact::new().phone(phone))).await;
    let all = app.contacts().batch_get(phones(0..1000)).await.expect("results");
    for (n, found) in all.iter().enumerate() {
        let found = found.as_ref().expect("a contact");
        assert_eq!(found.phone_number.as_deref(), Some(&*phone(n)));
    }
    let more = app.contacts().batch_get(phones(0..1001)).await;
    let error = more.refused_at(reason::LIMIT_EXCEEDED, "recipients");
    assert_eq!((error.metadata("limit"), error.metadata("actual")), (Some("1000"), Some("1001")));
    let none = app.contacts().batch_get(Vec::<Recipient>::new()).await.expect("no results");
    assert!(none.is_empty());
}

#[apply(on_each_store!)]
async fn response_size_is_limited_to_three_mebibytes(app: TestApp) {
    // 50 long values each: about 50 kB.
    let ids: Vec<_> = (0..50).map(|n| format!("a{n}")).collect();
    for id in &ids {
        app.attributes().create(id, AttributeType::String).await.expect("an attribute");
    }
    let long = "x".repeat(1000);
    let contact = |n| {
        let new = NewContact::new().phone(phone(n));
        ids.iter().fold(new, |new, id| new.attribute(id, &long))
    };
    // In chunks, because the size of a request is limited too.
    for chunk in 0..4 {
        app.make_many((0..25).map(|n| contact(25 * chunk + n))).await;
    }
    let results = app.contacts().batch_get(phones(0..100)).await.expect("results");
    assert_eq!(results.len(), 100);
    let found = results.iter().take_while(|result| result.is_ok()).count();
    assert!((50..70).contains(&found), "{found}");
    for result in &results[found..] {
        result.clone().refused_at(reason::LIMIT_EXCEEDED, "recipients");
    }
    let rest = app.contacts().batch_get(phones(found..100)).await.expect("results");
    assert!(rest.iter().all(Result::is_ok));
    let basic = app.contacts().batch_get(phones(0..100)).view(ContactView::Basic).await;
    assert!(basic.expect("results").iter().all(Result::is_ok));
}
