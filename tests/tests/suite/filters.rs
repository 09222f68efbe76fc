//! The filter language through ListContacts, CountContacts and StreamContacts.

mod errors;
mod fields;
mod generate;
mod operators;
mod property;

use contacts_sdk::{Contact, Error};
use contacts_tests::{TestApp, ids};
use futures::TryStreamExt;

/// The contacts that a filter selects. Checks that the three calls agree.
async fn select(app: &TestApp, filter: &str) -> Result<Vec<Contact>, Error> {
    let listed: Vec<_> =
        app.contacts().list().filter(filter).page_size(1000).stream().try_collect().await?;
    let counted = app.contacts().count().filter(filter).await?;
    let streamed: Vec<_> = app.contacts().segment().filter(filter).stream().try_collect().await?;
    assert_eq!(counted, listed.len() as u64, "{filter}");
    assert_eq!(ids(&streamed), ids(&listed), "{filter}");
    Ok(listed)
}

/// The first names of the selected contacts, in creation order, joined by spaces.
async fn names(app: &TestApp, filter: &str) -> String {
    let selected = select(app, filter).await;
    let selected = selected.unwrap_or_else(|error| panic!("{filter}: {error}"));
    let names: Vec<_> = selected.into_iter().filter_map(|contact| contact.first_name).collect();
    names.join(" ")
}
