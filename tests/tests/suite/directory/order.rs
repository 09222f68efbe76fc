//! `order_by` of ListContacts.

use contacts_sdk::reason;
use contacts_tests::{Refused, TestApp, apply, on_each_store};

use super::{first_names, make_people};

#[apply(on_each_store!)]
async fn names_are_ordered_ignoring_case_and_accents(app: TestApp) {
    let names = ["bo", "Élisabeth", "ana", "Ánabel", "ANNA", "elena", "Zoë", "Ōta"];
    make_people(&app, &names.map(|name| (name, ""))).await;
    let page = app.contacts().list().order_by("first_name").await.expect("a page");
    let expected = ["ana", "Ánabel", "ANNA", "bo", "elena", "Élisabeth", "Ōta", "Zoë"];
    assert_eq!(first_names(&page.items), expected);
    let page = app.contacts().list().order_by("first_name desc").await.expect("a page");
    let reversed: Vec<_> = expected.into_iter().rev().collect();
    assert_eq!(first_names(&page.items), reversed);
}

#[apply(on_each_store!)]
async fn equal_names_are_ordered_by_the_other_name(app: TestApp) {
    let people = [("Bo", "Silva"), ("Ana", "Souza"), ("Ana", "Silva"), ("Carla", "Alves")];
    make_people(&app, &people).await;
    let full = |contacts: &[contacts_sdk::Contact]| -> Vec<String> {
        let name = |c: &contacts_sdk::Contact| {
            [c.first_name.as_deref(), c.last_name.as_deref()]
                .map(Option::unwrap_or_default)
                .join(" ")
        };
        contacts.iter().map(name).collect()
    };
    let by_first = app.contacts().list().order_by("first_name").await.expect("a page");
    assert_eq!(full(&by_first.items), ["Ana Silva", "Ana Souza", "Bo Silva", "Carla Alves"]);
    let by_last = app.contacts().list().order_by("last_name").await.expect("a page");
    assert_eq!(full(&by_last.items), ["Carla Alves", "Ana Silva", "Bo Silva", "Ana Souza"]);
}

#[apply(on_each_store!)]
async fn order_follows_a_name_change(app: TestApp) {
    make_people(&app, &[("Ana", ""), ("Bo", ""), ("Carla", "")]).await;
    let bo = contacts_tests::phone(1);
    app.contacts().update(bo).first_name("Zoë").await.expect("a contact");
    let page = app.contacts().list().order_by("first_name").await.expect("a page");
    assert_eq!(first_names(&page.items), ["Ana", "Carla", "Zoë"]);
    // The order by creation time does not change.
    let page = app.contacts().list().await.expect("a page");
    assert_eq!(first_names(&page.items), ["Ana", "Zoë", "Carla"]);
}

#[apply(on_each_store!)]
async fn pages_work_with_long_names(app: TestApp) {
    // Names of maximum length, equal in more characters than a page token holds.
    let long = |end: &str| format!("{}{end}", "é".repeat(190));
    let names: Vec<_> = (0..9).map(|n| long(&format!("{n}"))).collect();
    let people: Vec<_> = names.iter().map(|name| (&**name, "")).collect();
    make_people(&app, &people).await;
    let mut seen = Vec::new();
    let mut pages = app.contacts().list().order_by("last_name desc").page_size(2).pages();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        assert!(page.next_page_token.unwrap_or_default().len() <= 512);
        seen.extend(page.items.into_iter().filter_map(|contact| contact.phone_number));
    }
    seen.sort();
    assert_eq!(seen, contacts_tests::phones(0..9));
}

#[apply(on_each_store!)]
async fn ascending_order_can_be_explicit(app: TestApp) {
    make_people(&app, &[("Bo", ""), ("Ana", "")]).await;
    let page = app.contacts().list().order_by(" first_name   asc ").await.expect("a page");
    assert_eq!(first_names(&page.items), ["Ana", "Bo"]);
    for order in
        ["email", "first_name, last_name", "first_name DESC", "desc", "create_time desc asc"]
    {
        let page = app.contacts().list().order_by(order).await;
        page.refused_at(reason::INVALID_ORDER_BY, "order_by");
    }
}
