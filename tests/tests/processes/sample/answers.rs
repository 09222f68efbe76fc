//! Reads everything back through the API, as lines that are equal for every copy of a database.

use contacts_sdk::{ContactsClient, Error, MessageCategory, Recipient};

use super::fill::{
    ACME, ANA, BRUNO, CHEN, DINA, EMIL, ERASED, ERASED_OBJECTOR, IMPORTED, NOBODY, NON_CONTACT,
    NON_CONTACT_USER_ID,
};

const FILTERS: [&str; 16] = [
    "",
    "tags:vip",
    "tags:*",
    "NOT tags:vip",
    "tags:event_attendee AND opt_in = OPTED_IN",
    "opt_in = OPTED_IN",
    "opt_in = OPTED_OUT",
    "opt_in.utility = OPTED_OUT",
    "opt_in.authentication = NOT_ASKED",
    "attributes.city = \"São Paulo\"",
    "attributes.orders > 12",
    "attributes.orders < 0",
    "attributes.member = false",
    "attributes.last_order:*",
    "attributes.tier IN (\"Gold\", \"Silver\")",
    "email = \"ana@*\" OR first_name = \"Pri*\"",
];

/// All responses, one per line.
pub async fn answers(client: &ContactsClient) -> Vec<String> {
    let mut lines = Vec::new();
    for workspace in ["default", ACME] {
        let client = client.with_workspace(workspace);
        lines.push(format!("workspace {workspace}"));
        let workspace = of_workspace(&client).await;
        lines.extend(workspace.expect("answers"));
    }
    lines
}

async fn of_workspace(client: &ContactsClient) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    contacts(client, &mut lines).await?;
    definitions(client, &mut lines).await?;
    for filter in FILTERS {
        // The other workspace has no attributes.
        match client.contacts().count().filter(filter).await {
            Ok(count) => lines.push(format!("count {filter:?}: {count}")),
            Err(error) => lines.push(format!("count {filter:?}: {:?}", error.reason())),
        }
    }
    for query in ["ana", "son", "SØNDERGARD ana", "陈", "priya", "emile", "gone", "anni"] {
        let found = client.contacts().list().query(query).await?.items;
        let names: Vec<_> = found.iter().map(|contact| &contact.first_name).collect();
        lines.push(format!("search {query}: {names:?}"));
    }
    for person in everybody() {
        consent(client, &person, &mut lines).await?;
    }
    Ok(lines)
}

fn everybody() -> Vec<Recipient> {
    let phones =
        [ANA, BRUNO[0], BRUNO[1], CHEN, EMIL, NON_CONTACT, ERASED, ERASED_OBJECTOR, NOBODY];
    let phones = phones.into_iter().chain(IMPORTED).map(Recipient::phone);
    phones.chain([DINA, NON_CONTACT_USER_ID].map(Recipient::whatsapp_user_id)).collect()
}

async fn contacts(client: &ContactsClient, lines: &mut Vec<String>) -> Result<(), Error> {
    let mut segment = client.contacts().segment().stream();
    while let Some(contact) = segment.next().await {
        let mut contact = contact?;
        let mut listed = client.contacts().get(&contact).await?;
        assert!(!std::mem::take(&mut listed.identities).is_empty(), "streams leave them out");
        assert_eq!(listed, contact, "as read alone");
        // Different in every copy.
        contact.contact_id.clear();
        contact.etag.clear();
        (contact.create_time, contact.update_time) = (None, None);
        contact.opt_in.update_time = None;
        lines.push(format!("{contact:?}"));
    }
    let listed = client.contacts().list().order_by("last_name").await?.items;
    let names: Vec<_> =
        listed.iter().map(|contact| (&contact.last_name, &contact.first_name)).collect();
    lines.push(format!("directory {names:?}"));
    Ok(())
}

async fn definitions(client: &ContactsClient, lines: &mut Vec<String>) -> Result<(), Error> {
    for mut tag in client.tags().list().await?.items {
        (tag.create_time, tag.update_time) = (None, None);
        lines.push(format!("{tag:?}"));
    }
    for mut attribute in client.attributes().list().await?.items {
        (attribute.create_time, attribute.update_time) = (None, None);
        lines.push(format!("{attribute:?}"));
    }
    Ok(())
}

async fn consent(
    client: &ContactsClient,
    person: &Recipient,
    lines: &mut Vec<String>,
) -> Result<(), Error> {
    use MessageCategory::{Authentication, Marketing, Utility};
    for category in [Marketing, Utility, Authentication] {
        let check = client.opt_in().check(person.clone(), category).await?;
        let (known, when) = (check.contact_id.is_some(), check.consent_time);
        let is_event = check.event_id.is_some();
        lines.push(format!(
            "check {person:?} {category:?}: {:?} {:?} {known} {is_event} {when:?}",
            check.decision, check.reason
        ));
    }
    let mut events = match client.opt_in().events(person.clone()).await {
        Ok(page) => page.items,
        Err(error) => {
            lines.push(format!("ledger {person:?}: {:?}", error.reason()));
            return Ok(());
        }
    };
    for event in &mut events {
        event.event_id.clear();
        event.contact_id = event.contact_id.take().map(|_| "a contact".to_owned());
        event.record_time = None;
    }
    lines.push(format!("ledger {person:?}: {} events", events.len()));
    lines.extend(events.iter().map(|event| format!("  {event:?}")));
    Ok(())
}
