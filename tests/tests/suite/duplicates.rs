//! StreamDuplicateContacts: groups of contacts that look like one person.

use std::collections::{BTreeMap, BTreeSet};

use contacts_proto::v1;
use contacts_sdk::{Contact, ContactView, DuplicateGroup, DuplicateReason, NewContact, reason};
use contacts_service::domain::search;
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};
use futures::TryStreamExt;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

async fn groups(app: &TestApp) -> Vec<DuplicateGroup> {
    app.contacts().duplicates().stream().try_collect().await.expect("a whole stream")
}

/// The reason and the phone numbers of each group.
fn shape(groups: &[DuplicateGroup]) -> Vec<(DuplicateReason, Vec<String>)> {
    let ids =
        |group: &DuplicateGroup| group.contacts.iter().map(|c| c.contact_id.clone()).collect();
    groups.iter().map(|group| (group.reason, ids(group))).collect()
}

/// The groups that the contract requires, found by comparing all pairs.
fn expected(contacts: &[Contact]) -> Vec<(DuplicateReason, Vec<String>)> {
    let mut by_email: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut by_name: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for contact in contacts {
        let id = contact.contact_id.clone();
        if let Some(email) = &contact.email {
            by_email.entry(email.to_ascii_lowercase()).or_default().push(id.clone());
        }
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let name = search::normalised(&text(&contact.first_name), &text(&contact.last_name));
        if let Some(number) = contact.phone_number.as_ref().filter(|_| !name.is_empty()) {
            let end = number.len().saturating_sub(8);
            by_name.entry((name, number[end..].to_owned())).or_default().push(id);
        }
    }
    let email = by_email.into_values().map(|ids| (DuplicateReason::SameEmail, ids));
    let name = by_name.into_values().map(|ids| (DuplicateReason::SameNameSimilarNumber, ids));
    email.chain(name).filter(|(_, ids)| ids.len() > 1).collect()
}

#[apply(on_each_store!)]
async fn emails_are_compared_ignoring_case(app: TestApp) {
    let with = |n, email: &str| NewContact::new().phone(phone(n)).email(email);
    app.make_many([
        with(1, "Ana@Example.com"),
        with(2, "ana@example.com"),
        with(3, "ana@example.org"),
        with(4, "JOÃO@example.com"),
        with(5, "joão@example.com"),
        NewContact::new().phone(phone(6)),
        NewContact::new().phone(phone(7)),
    ])
    .await;
    let found = groups(&app).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].reason, found[0].contact_count), (DuplicateReason::SameEmail, 2));
    let phones: Vec<_> = found[0].contacts.iter().filter_map(|c| c.phone_number.clone()).collect();
    assert_eq!(phones, [phone(1), phone(2)]);
    assert_eq!(found[0].contacts[0].email.as_deref(), Some("Ana@Example.com"));
}

#[apply(on_each_store!)]
async fn similar_numbers_also_need_the_same_name(app: TestApp) {
    let named = |number: &str, first: &str, last: &str| {
        NewContact::new().phone(number).first_name(first).last_name(last)
    };
    app.make_many([
        // A newer Brazilian mobile number, and a landline with the same last digits.
        named("5511951234567", "João", "da Silva"),
        named("551151234567", "JOAO", "Da  Silva"),
        // A trunk prefix was stored as part of the number.
        named("4915112345678", "Ana", ""),
        named("49015112345678", "Ana", ""),
        // The same last digits with another name; the same name with another number.
        named("15551234567", "Ana", "Souza"),
        named("525551234567", "Ana", "Sousa"),
        named("15557654321", "Ana", "Souza"),
        // No names.
        named("447700900123", "", ""),
        named("337700900123", "", ""),
        NewContact::new().whatsapp_user_id("US.1").first_name("Ana"),
        NewContact::new().whatsapp_user_id("US.2").first_name("Ana"),
    ])
    .await;
    let found = groups(&app).await;
    assert!(found.iter().all(|g| g.reason == DuplicateReason::SameNameSimilarNumber));
    let numbers: BTreeSet<Vec<_>> = found
        .iter()
        .map(|g| g.contacts.iter().filter_map(|c| c.phone_number.as_deref()).collect())
        .collect();
    let joao = vec!["5511951234567", "551151234567"];
    assert_eq!(numbers, BTreeSet::from([joao, vec!["4915112345678", "49015112345678"]]));
}

/// Random contacts with few different values, so that many are similar. The middle digits of each phone
/// number are unique.
fn contact() -> impl Strategy<Value = (NewContact, &'static str)> {
    let email = select(vec!["", "", "a@x.com", "A@x.com", "b@x.com", "É@x.com", "é@x.com"]);
    let first = select(vec!["", "Ana", "ANA", "Ána", "Bo", "Ana Bo"]);
    let last = select(vec!["", "", "Bo", "Li-Bo", "li bo", "王小明"]);
    let end = select(vec!["1234567", "21234567", "7654321"]);
    (email, first, last, end).prop_map(|(email, first, last, end)| {
        (NewContact::new().first_name(first).last_name(last).email(email), end)
    })
}

#[apply(on_each_store!)]
async fn groups_match_a_naive_search(app: TestApp) {
    let mut runner = TestRunner::deterministic();
    let rows = (200..450).map(|n| {
        let (contact, end) = contact().new_tree(&mut runner).expect("a contact").current();
        match n % 10 {
            0 => contact.whatsapp_user_id(format!("US.{n}")),
            _ => contact.phone(format!("1{n}{end}")),
        }
    });
    app.make_many(rows.collect::<Vec<_>>()).await;
    let all: Vec<_> = app.contacts().segment().stream().try_collect().await.expect("contacts");
    assert_eq!(all.len(), 250);
    let found = groups(&app).await;
    let expected = expected(&all);
    assert!(expected.len() > 10, "{}", expected.len());
    assert_eq!(shape(&found), expected);
    for group in &found {
        assert_eq!(group.contact_count, group.contacts.len() as u64);
        for contact in &group.contacts {
            assert!(all.contains(contact));
        }
    }

    // A stream resumed after any group delivers the remaining groups, each once.
    for (at, group) in found.iter().enumerate().step_by(3) {
        let rest = app.contacts().duplicates().resume_from(group.resume_token.clone()).stream();
        let rest: Vec<_> = rest.try_collect().await.expect("the rest");
        assert_eq!(rest, found[at + 1..], "{at}");
    }
    let basic = app.contacts().duplicates().view(ContactView::Basic).stream();
    let basic: Vec<_> = basic.try_collect().await.expect("a whole stream");
    assert_eq!(shape(&basic), shape(&found));
    assert!(basic.iter().flat_map(|group| &group.contacts).all(|contact| contact.email.is_none()));
}

#[apply(on_each_store!)]
async fn large_group_lists_its_oldest_and_counts_the_rest(app: TestApp) {
    let rows = |from: usize, email: &'static str| {
        (from..from + 350).map(move |n| NewContact::new().phone(phone(n)).email(email))
    };
    app.make_many(rows(0, "info@example.com")).await;
    app.make_many(rows(350, "sales@example.com")).await;
    let found = groups(&app).await;
    assert_eq!(found.len(), 2);
    for (group, from) in found.iter().zip([0, 350]) {
        assert_eq!((group.contact_count, group.contacts.len()), (350, 100));
        let mut oldest = app.contacts().get(phone(from)).await.expect("a contact");
        oldest.identities.clear();
        assert_eq!(group.contacts[0], oldest);
        assert!(group.contacts.is_sorted_by(|a, b| a.contact_id < b.contact_id));
    }
}

#[apply(on_each_store!)]
async fn merged_contact_is_no_longer_a_duplicate(app: TestApp) {
    for n in 0..3 {
        let contact = NewContact::new().phone(phone(n)).email("ana@example.com");
        app.contacts().create(contact).await.expect("a contact");
    }
    app.contacts().merge(phone(0), phone(1)).await.expect("a contact");
    let found = groups(&app).await;
    assert_eq!((found.len(), found[0].contact_count), (1, 2));
    app.contacts().merge(phone(0), phone(2)).await.expect("a contact");
    assert!(groups(&app).await.is_empty());
}

#[apply(on_each_store!)]
async fn duplicate_stream_has_a_limit_an_end_and_its_own_tokens(app: TestApp) {
    for n in 0..6 {
        let contact = NewContact::new().phone(phone(n)).email(format!("c{}@example.com", n / 2));
        app.contacts().create(contact).await.expect("a contact");
    }
    let limited = app.contacts().duplicates().limit(2).stream();
    let limited: Vec<_> = limited.try_collect().await.expect("a stream");
    assert_eq!(limited.len(), 2);
    let resume = app.contacts().duplicates().limit(2).resume_from(limited[0].resume_token.clone());
    let rest: Vec<_> = resume.stream().try_collect().await.expect("a stream");
    assert_eq!(rest, limited[1..], "the limit counts what came before");

    let open = |request| {
        let mut contacts = app.client().raw_contacts();
        async move {
            let messages = contacts.stream_duplicate_contacts(request).await?.into_inner();
            messages.try_collect::<Vec<_>>().await
        }
    };
    let request = v1::StreamDuplicateContactsRequest::default;
    let messages = open(request()).await.expect("a stream");
    assert_eq!(messages.len(), 4);
    let Some(v1::stream_duplicate_contacts_response::Event::End(end)) = &messages[3].event else {
        panic!("{messages:?}");
    };
    assert_eq!((end.delivered_count, end.reason()), (3, v1::StreamEndReason::Complete));
    assert!(messages.iter().all(|message| message.resume_token.len() <= 512));

    let token = messages[0].resume_token.clone();
    let other = v1::StreamDuplicateContactsRequest { limit: 5, resume_token: token, ..request() };
    open(other).await.refused_at(reason::INVALID_RESUME_TOKEN, "resume_token");
    let negative = v1::StreamDuplicateContactsRequest { limit: -1, ..request() };
    open(negative).await.refused_at(reason::INVALID_ARGUMENT, "limit");
    let nowhere =
        v1::StreamDuplicateContactsRequest { workspace_id: "nowhere".to_owned(), ..request() };
    open(nowhere).await.refused_for(reason::WORKSPACE_NOT_FOUND);
}
