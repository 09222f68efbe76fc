//! ListContacts and CountContacts: pages, orders and name search.

mod large;
mod order;
mod pages;
mod property;
mod search;

use contacts_sdk::{Contact, NewContact};
use contacts_tests::{TestApp, phone};

/// Creates contacts with these first and last names.
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
