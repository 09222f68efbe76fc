//! Shared by the examples: the connection, and reading a CSV file of contacts.

use contacts_sdk::{ClientBuilder, ContactsClient};

mod csv_file;

pub use csv_file::{ATTRIBUTES, CsvFile, SAMPLE};

/// A client of a server, with the API token in the environment variable `CONTACTS_TOKEN` if it is set.
pub fn client(server: impl Into<String>) -> ClientBuilder {
    let builder = ContactsClient::builder(server);
    match std::env::var("CONTACTS_TOKEN") {
        Ok(token) => builder.bearer_token(token),
        Err(_) => builder,
    }
}
