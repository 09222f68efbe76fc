//! Pagination in both directions, without gaps and duplicates.

use contacts_proto::v1;
use contacts_sdk::{Contact, ContactView, NewContact, Page, reason};
use contacts_tests::{Refused, TestApp, apply, ids, on_each_store, phone, phones};
use futures::StreamExt;

/// Reads all pages in an order, and checks their sizes.
async fn read_all(app: &TestApp, order: &str, page_size: u32) -> Vec<Contact> {
    let mut pages = app.contacts().list().order_by(order).page_size(page_size).pages();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        let Page { items, next_page_token, .. } = page.expect("a page");
        assert!(!items.is_empty());
        if next_page_token.is_some() {
            assert_eq!(items.len(), page_size as usize);
        }
        all.extend(items);
    }
    all
}

#[apply(on_each_store!)]
async fn every_order_lists_every_contact_once(app: TestApp) {
    // Some names are equal or missing, so that page boundaries fall between equal ones.
    let names = ["Ana", "Ana", "Ána", "", "Bo", "Bo", "", "Zoë"];
    let people = (0..53).map(|n| {
        let first = names[n % names.len()];
        let last = names[n / 5 % names.len()];
        NewContact::new().phone(phone(n)).first_name(first).last_name(last)
    });
    app.make_many(people).await;

    for order in ["", "create_time", "first_name", "last_name"] {
        let reference = ids(&read_all(&app, order, 1000).await);
        let mut sorted = reference.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), 53, "{order}");
        for page_size in [1, 7, 52, 53] {
            assert_eq!(
                ids(&read_all(&app, order, page_size).await),
                reference,
                "{order} {page_size}"
            );
        }
        let named = if order.is_empty() { "create_time" } else { order };
        let mut back = ids(&read_all(&app, &format!("{named} desc"), 7).await);
        back.reverse();
        assert_eq!(back, reference, "{order} desc");
    }
}

/// More contacts than a walk reads at once; no index finds those that match.
#[apply(on_each_store!)]
async fn few_among_many_are_found_in_every_order(app: TestApp) {
    const MATCHING: [usize; 8] = [0, 1, 998, 1000, 1001, 3500, 4998, 4999];
    app.make_attributes().await;
    let people = (0..5000).map(|n| {
        let orders = if MATCHING.contains(&n) { 100 } else { 1 };
        let first_name = ["Ana", "Bo", ""][n % 3];
        NewContact::new().phone(phone(n)).first_name(first_name).attribute("orders", orders)
    });
    app.make_many(people).await;
    let list = || app.contacts().list().filter("attributes.orders >= 100");
    let numbers = |found: &[Contact]| -> Vec<_> {
        found.iter().map(|contact| contact.phone_number.clone().expect("a number")).collect()
    };
    let created = MATCHING.map(phone).to_vec();
    let mut named = MATCHING.to_vec();
    // Those without a name come last.
    named.sort_by_key(|n| (n % 3, *n));
    let named: Vec<_> = named.into_iter().map(phone).collect();
    for (order, expected) in [("create_time", created.clone()), ("first_name", named)] {
        for page_size in [1, 3, 8, 50] {
            for (direction, expected) in
                [("", expected.clone()), (" desc", expected.iter().rev().cloned().collect())]
            {
                let order = format!("{order}{direction}");
                let pages = list().order_by(&order).page_size(page_size).stream();
                let found: Vec<_> =
                    pages.map(|contact| contact.expect("a contact")).collect().await;
                assert_eq!(numbers(&found), expected, "{order}, by {page_size}");
            }
        }
    }
    let segment = app.contacts().segment().filter("attributes.orders >= 100").stream();
    let found: Vec<_> = segment.map(|contact| contact.expect("a contact")).collect().await;
    assert_eq!(numbers(&found), created);
}

#[apply(on_each_store!)]
async fn pages_continue_after_concurrent_changes(app: TestApp) {
    let made: Vec<_> = {
        app.make_many(phones(0..30).into_iter().map(|phone| NewContact::new().phone(phone))).await;
        ids(&read_all(&app, "", 1000).await)
    };
    let first = app.contacts().list().page_size(10).await.expect("a page");
    assert_eq!(ids(&first.items), made[..10]);
    let token = first.next_page_token.expect("a token");

    // The contact in the token and one after it are deleted, and one is created.
    app.contacts().delete(&first.items[9]).await.expect("a receipt");
    app.contacts().delete(phone(15)).await.expect("a receipt");
    let late = app.make_contact(phone(30)).await;

    let mut rest = Vec::new();
    let mut pages = app.contacts().list().page_size(10).page_token(token).stream();
    while let Some(contact) = pages.next().await {
        rest.push(contact.expect("a contact").contact_id);
    }
    let mut expected = made[10..].to_vec();
    expected.remove(5);
    expected.push(late.contact_id);
    assert_eq!(rest, expected);
}

#[apply(on_each_store!)]
async fn page_size_has_a_default_and_a_limit(app: TestApp) {
    app.make_many(phones(0..1001).into_iter().map(|phone| NewContact::new().phone(phone))).await;
    let size = |page_size| {
        let request = v1::ListContactsRequest { page_size, ..Default::default() };
        let mut raw = app.client().raw_contacts();
        async move {
            let page = raw.list_contacts(request).await.expect("a page").into_inner();
            (page.contacts.len(), page.next_page_token.is_empty())
        }
    };
    assert_eq!(size(0).await, (50, false));
    assert_eq!(size(1000).await, (1000, false));
    assert_eq!(size(i32::MAX).await, (1000, false));
    assert_eq!(app.contacts().count().await.expect("a count"), 1001);
}

#[apply(on_each_store!)]
async fn page_token_allows_another_size_and_view_only(app: TestApp) {
    app.make_tags(&["vip"]).await;
    let people = phones(0..5).into_iter();
    app.make_many(people.map(|phone| NewContact::new().phone(phone).tag("vip"))).await;
    let list = || app.contacts().list().filter("tags:vip").page_size(2);
    let token = list().await.expect("a page").next_page_token.expect("a token");
    assert!(token.len() <= 512);

    let next = list().page_size(3).view(ContactView::Basic).page_token(&token).await;
    let next = next.expect("a page");
    assert_eq!((next.items.len(), next.next_page_token), (3, None));

    app.workspaces().create("acme").await.expect("a workspace");
    let elsewhere = app.client().with_workspace("acme");
    elsewhere.tags().create("VIP").await.expect("a tag");
    for other in [
        list().filter(""),
        list().filter("NOT tags:vip"),
        list().query("ana"),
        list().order_by("first_name"),
        list().order_by("create_time desc"),
        elsewhere.contacts().list().filter("tags:vip"),
    ] {
        other.page_token(&token).await.refused_at(reason::INVALID_PAGE_TOKEN, "page_token");
    }
}

#[apply(on_each_store!)]
async fn empty_directory_is_one_empty_page(app: TestApp) {
    for order in ["", "first_name desc"] {
        let page = app.contacts().list().order_by(order).await.expect("a page");
        assert!(page.items.is_empty() && page.next_page_token.is_none());
    }
}

#[apply(on_each_store!)]
async fn basic_view_omits_fields(app: TestApp) {
    let ana = NewContact::new().phone(phone(1)).first_name("Ana").email("ana@example.com");
    app.contacts().create(ana).await.expect("a contact");
    let basic = app.contacts().list().view(ContactView::Basic).await.expect("a page").items;
    assert_eq!((basic[0].first_name.as_deref(), basic[0].email.as_deref()), (Some("Ana"), None));
    let full = app.contacts().list().await.expect("a page").items;
    assert_eq!(full[0].email.as_deref(), Some("ana@example.com"));
}
