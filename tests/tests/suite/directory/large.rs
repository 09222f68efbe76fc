//! Contacts as large as they can be.

use std::collections::BTreeSet;

use contacts_sdk::{AttributeType, NewContact, reason};
use contacts_service::domain::contact::Recipient;
use contacts_service::domain::phone::PhoneNumber;
use contacts_service::operations;
use contacts_service::store::sqlite::Access;
use contacts_service::store::{Order, OrderBy, PAGE_BYTES, Selection};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};
use futures::TryStreamExt;

const NOTES: usize = 16;
const SMALL: usize = 700;
const LARGE: usize = 300;

/// The longest text of an attribute: 1000 characters of 4 bytes.
fn longest() -> String {
    "𝒂".repeat(1000)
}

fn large_contact(n: usize) -> NewContact {
    let contact = NewContact::new().phone(phone(n)).first_name(format!("Ana {}", n % 7)).tag("vip");
    (0..NOTES).fold(contact, |contact, note| contact.attribute(format!("note_{note}"), longest()))
}

async fn make_notes(app: &TestApp) {
    app.tags().create("vip").await.expect("a tag");
    for note in 0..=NOTES {
        let id = format!("note_{note}");
        app.attributes().create(id, AttributeType::String).await.expect("an attribute");
    }
}

/// Small contacts, for which pages are long, and then large ones.
async fn make_contacts(app: &TestApp) {
    make_notes(app).await;
    let small = (0..SMALL).map(|n| NewContact::new().phone(phone(n)).first_name("Bo").tag("vip"));
    app.make_many(small).await;
    for n in (SMALL..SMALL + LARGE).step_by(50) {
        app.make_many((n..n + 50).map(large_contact)).await;
    }
}

#[apply(on_each_store!)]
async fn large_contacts_are_delivered_once_in_every_order(app: TestApp) {
    make_contacts(&app).await;
    let everybody: BTreeSet<_> = (0..SMALL + LARGE).map(phone).collect();
    for filter in ["", "tags:vip", "first_name:*"] {
        let segment = app.contacts().segment().filter(filter).stream();
        let found: Vec<_> = segment.try_collect().await.expect("all contacts");
        assert_eq!(found.len(), everybody.len(), "{filter}");
        let found: BTreeSet<_> = found.into_iter().filter_map(|one| one.phone_number).collect();
        assert_eq!(found, everybody, "{filter}");
        for order in ["create_time", "first_name desc"] {
            let pages = app.contacts().list().filter(filter).order_by(order).page_size(1000);
            let found: Vec<_> = pages.stream().try_collect().await.expect("all contacts");
            assert_eq!(found.len(), everybody.len(), "{filter} {order}");
            let found: BTreeSet<_> = found.into_iter().filter_map(|one| one.phone_number).collect();
            assert_eq!(found, everybody, "{filter} {order}");
        }
    }
}

/// What is read at once is not bounded by the number of contacts alone.
#[apply(on_each_store!)]
async fn a_page_ends_where_its_contacts_are_too_large(app: TestApp) {
    make_contacts(&app).await;
    let store = app.open_store(Access::Read).await;
    let mut db = store.read_stream().await.expect("a session");
    let workspace = operations::workspace(&mut *db, "").await.expect("the workspace");
    for by in [OrderBy::CreateTime, OrderBy::FirstName] {
        let order = Order { by, descending: false };
        let everybody = Selection { filter: None, words: Vec::new(), now: store.now() };
        let (mut after, mut sizes, mut read) = (None, Vec::new(), 0);
        loop {
            let page = db.list_contacts(&workspace, &everybody, order, after.as_ref(), 8000).await;
            let page = page.expect("a page");
            sizes.push(page.rows.iter().map(|row| row.record.len()).sum::<usize>());
            read += page.rows.len();
            after = page.rows.last().map(|row| row.cursor());
            if page.is_last {
                break;
            }
        }
        assert_eq!(read, SMALL + LARGE);
        assert!(sizes.len() > 2 && sizes.iter().all(|size| *size <= PAGE_BYTES), "{sizes:?}");
    }
}

/// Duplicates are read in the same way.
#[apply(on_each_store!)]
async fn all_contacts_are_found_however_large(app: TestApp) {
    make_contacts(&app).await;
    let store = app.open_store(Access::Read).await;
    let mut db = store.read_stream().await.expect("a session");
    let workspace = operations::workspace(&mut *db, "").await.expect("the workspace");
    let numbers = (0..SMALL + LARGE).map(|n| PhoneNumber::parse(&phone(n)).expect("a number"));
    let asked: Vec<_> = numbers.map(|number| Recipient::Key(number.match_key())).collect();
    let found = db.find_contacts(&workspace, &asked).await.expect("contacts");
    let found: BTreeSet<_> = found.into_iter().flatten().map(|row| row.contact_id).collect();
    assert_eq!(found.len(), SMALL + LARGE);
}

#[apply(on_each_store!)]
async fn attributes_have_a_size_in_all(app: TestApp) {
    make_notes(&app).await;
    app.contacts().create(large_contact(1)).await.expect("64,000 bytes");
    let more = large_contact(2).attribute("note_16", "x".repeat(1000));
    app.contacts().create(more).await.expect("65,000 bytes");

    let too_much = large_contact(3).attribute("note_16", "𝒂".repeat(500));
    let refused = app.contacts().create(too_much).await;
    let refused = refused.refused_at(reason::LIMIT_EXCEEDED, "contact.attributes");
    let message = "attributes: at most 65536 bytes of text in all, got 66000";
    assert!(refused.to_string().contains(message), "{refused}");
}
