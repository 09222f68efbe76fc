//! ListContacts and CountContacts: the directory in pages, in order, searched by name.

mod order;
mod pages;
mod property;
mod search;

use contacts_sdk::{Contact, NewContact};
use contacts_tests::{TestApp, phone};

/// Makes people of these names, a first and a last one each.
async fn make_people(app: &TestApp, names: &[(&str, &str)]) {
    let rows = names.iter().enumerate().map(|(n, (first, last))| {
        NewContact::new().phone(phone(n)).first_name(*first).last_name(*last)
    });
    app.make_many(rows).await;
}

/// The first names of contacts.
fn first_names(contacts: &[Contact]) -> Vec<&str> {
    contacts.iter().map(|contact| contact.first_name.as_deref().unwrap_or_default()).collect()
}
