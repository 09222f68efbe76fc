//! Changes that others wait for.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use contacts_sdk::{AttributeType, NewContact};
use tokio::time::sleep;

use super::super::target::Target;
use super::super::{Result, data};

const TAG: &str = "of_all";
/// Attributes of a large contact, of 4 KB each.
const NOTES: usize = 16;
const LARGE_CONTACTS: u64 = 2000;
const PERSON: &str = "15558880000";

pub async fn create_tag(target: &mut Target) -> Result {
    target.client()?.tags().create(TAG).tag_id(TAG).await?;
    Ok(())
}

pub async fn edit_all(target: &Target, time: Duration) -> Result {
    let contacts = target.client()?.contacts();
    let started = Instant::now();
    let mut adds = true;
    while started.elapsed() < time {
        let edit = contacts.update_tags().filter("", contacts.count().await?);
        let edit = if adds { edit.add(TAG) } else { edit.remove(TAG) };
        edit.await?;
        adds = !adds;
    }
    Ok(())
}

pub async fn erase_and_restart(target: &mut Target) -> Result {
    target.client()?.contacts().delete(data::phone(0)).await?;
    target.server.restart();
    Ok(())
}

/// Contacts as large as they can be, nearly.
pub async fn create_large(target: &mut Target) -> Result {
    let client = target.client()?;
    let notes: Vec<_> = (0..NOTES).map(|note| format!("note_{note}")).collect();
    for note in &notes {
        client.attributes().create(note, AttributeType::String).await?;
    }
    let text = "𝒂".repeat(1000);
    let contact = |n| {
        let contact = NewContact::new().phone(data::phone(n));
        notes.iter().fold(contact, |contact, note| contact.attribute(note, text.as_str()))
    };
    for n in (0..LARGE_CONTACTS).step_by(50) {
        client.contacts().batch_upsert((n..n + 50).map(contact)).await?;
    }
    Ok(())
}

pub async fn create_person(target: &mut Target) -> Result {
    target.client()?.contacts().create(NewContact::new().phone(PERSON)).await?;
    Ok(())
}

pub async fn senders(target: &Target, time: Duration) -> Result {
    let webhooks = target.client()?.webhooks();
    let started = Instant::now();
    let mut first = 0;
    while started.elapsed() < time {
        // Each says it for a thousand.
        let stops: Vec<_> = (first..first + 1000).map(stop).collect();
        let payload = format!(
            r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{}]}}]}}"#,
            stops.join(",")
        );
        drop(webhooks.ingest(payload).await);
        first += 1000;
    }
    eprintln!("  {first} senders");
    Ok(())
}

/// A change in a webhook: the person stopped marketing of one of the business's numbers.
fn stop(sender: usize) -> String {
    format!(
        r#"{{"field":"user_preferences","value":{{"messaging_product":"whatsapp",
        "metadata":{{"phone_number_id":"1065{sender:011}"}},"user_preferences":[{{"wa_id":"{PERSON}",
        "category":"marketing_messages","value":"stop","timestamp":"1731705721"}}]}}}}"#
    )
}

pub async fn fill_disk(target: &Target, time: Duration) -> Result {
    let path = target.folder().join("filler");
    let mut filler = File::create(&path)?;
    let zeros = vec![0; 64 << 10];
    while filler.write_all(&zeros).is_ok() {}
    // Down to the last byte.
    while filler.write_all(&[0; 16]).is_ok() {}
    let contacts = target.client()?.contacts();
    let (started, mut n) = (Instant::now(), 0);
    while started.elapsed() < time {
        drop(contacts.create(NewContact::new().phone(format!("1556{n:07}"))).await);
        n += 1;
        sleep(Duration::from_millis(10)).await;
    }
    drop(filler);
    std::fs::remove_file(path)?;
    Ok(())
}
