//! Output of the quickstart.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use contacts_sdk::{Contact, OptInStatus};

pub fn step(title: &str) {
    println!("\n== {title}");
}

pub fn contacts(contacts: &[Contact]) {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["Name", "Phone", "City", "Tags", "Opt-in"]);
    for contact in contacts {
        let name = format!("{} {}", text(&contact.first_name), text(&contact.last_name));
        let city = contact.attribute("city").and_then(|value| value.as_str()).unwrap_or_default();
        let opt_in = match contact.opt_in.marketing {
            OptInStatus::OptedIn => "yes",
            OptInStatus::OptedOut => "no",
            _ => "not asked",
        };
        table.add_row([
            name.trim(),
            text(&contact.phone_number),
            city,
            &contact.tags.join(", "),
            opt_in,
        ]);
    }
    println!("{table}");
}

pub fn text(optional: &Option<String>) -> &str {
    optional.as_deref().unwrap_or_default()
}

/// Prints commands to try.
pub fn grpcurl(address: &str) {
    let service = "whatatalk.contacts.v1";
    println!("\nThen, in another terminal:");
    for line in [
        format!("grpcurl -plaintext {address} list"),
        format!("grpcurl -plaintext {address} {service}.TagService/ListTags"),
        format!(
            r#"grpcurl -plaintext -d '{{"query": "mar", "page_size": 3}}' {address} {service}.ContactService/ListContacts"#
        ),
        format!(
            r#"grpcurl -plaintext -d '{{"phone_number": "15551234567"}}' {address} {service}.OptInService/CheckOptIn"#
        ),
    ] {
        println!("    {line}");
    }
}
