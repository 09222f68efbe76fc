//! Messages that cost more than they should.

use std::io::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use contacts_proto::v1;
use contacts_sdk::{ImportOptions, ImportRow, NewContact};
use contacts_tests::{Wire, message};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::join_all;
use prost::Message;
use tokio::time::{sleep, timeout};

use super::super::Result;
use super::super::target::Target;
use super::streams::flood;

const UPSERT: &str = "ContactService/BatchUpsertContacts";
/// How long an attacker waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tag ids as long as permitted, which differ in the last digits only.
fn tags(prefix: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("{prefix}{n:0width$}", width = 63 - prefix.len())).collect()
}

/// Contacts with 100 tags each.
fn people(tags: &[String]) -> impl Iterator<Item = NewContact> {
    tags.chunks(100).enumerate().map(|(n, tags)| {
        let contact = NewContact::new().phone(format!("1555{n:07}"));
        tags.iter().fold(contact, |contact, tag| contact.tag(tag))
    })
}

pub async fn create_tags(target: &mut Target) -> Result {
    let options = ImportOptions::new().create_missing_tags(true);
    let tags = tags("segment_of_people_", 0..9000);
    let rows: Vec<_> = people(&tags).map(ImportRow::new).collect();
    let summary = target.client()?.contacts().import(options).send(rows).await?;
    match summary.created {
        90 => Ok(()),
        created => Err(format!("{created} of 90 contacts created").into()),
    }
}

pub async fn suggestions(target: &Target, time: Duration) -> Result {
    let contacts = target.client()?.contacts();
    let unknown = tags("sogment_of_people_", 0..10_000);
    let started = Instant::now();
    while started.elapsed() < time {
        let halves = unknown.chunks(5000).map(|half| {
            let upsert = contacts.batch_upsert(people(half));
            async move { drop(timeout(PATIENCE, upsert.send()).await) }
        });
        join_all(halves).await;
    }
    Ok(())
}

/// A message, compressed.
fn compressed(encoded: &[u8]) -> Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(encoded)?;
    let mut message = message(&encoder.finish()?).to_vec();
    message[0] = 1;
    Ok(message.into())
}

/// A message that becomes as large as the server takes, and as many times larger as it permits.
pub async fn gzip(target: &Target, time: Duration) -> Result {
    let noise = (0..40_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[7]);
    let content: Vec<u8> = noise.flat_map(|byte| [[0; 99].as_slice(), &[byte]].concat()).collect();
    let message = compressed(&content)?;
    flood(target, time, &[UPSERT], &[("grpc-encoding", "gzip")], Some(message)).await
}

pub async fn gzip_bombs(target: &Target) -> Result {
    let row = v1::ImportRow::default();
    let one = v1::BatchUpsertContactsRequest { rows: vec![row], ..Default::default() };
    let bomb = compressed(&one.encode_to_vec().repeat(2_000_000))?;
    let throw = |_| async {
        let settings = h2::client::Builder::new();
        let wire = Wire::try_connect(target.server.address(), settings).await?;
        let mut call = wire.try_open(UPSERT, &[("grpc-encoding", "gzip")]).await?;
        drop(call.request.send_data(bomb.clone(), true));
        drop(timeout(PATIENCE, call.try_response()).await);
        Result::Ok(())
    };
    join_all((0..3).map(throw)).await.into_iter().collect()
}

pub async fn unfinished(target: &Target, time: Duration) -> Result {
    let whole = message(&vec![0; 4 << 20]);
    let most = whole.slice(..whole.len() - 1);
    let mut open = Vec::new();
    for method in ["ContactService/ImportContacts", "OptInService/CheckOptInStream"] {
        let mut settings = h2::client::Builder::new();
        settings.max_send_buffer_size(1 << 30);
        let wire = Wire::try_connect(target.server.address(), settings).await?;
        for _ in 0..100 {
            let Ok(mut call) = wire.try_open(method, &[]).await else { break };
            drop(call.request.send_data(most.clone(), false));
            open.push(call);
        }
        // Kept open with its calls.
        tokio::spawn(async move {
            sleep(time).await;
            drop(wire);
        });
    }
    sleep(time).await;
    Ok(())
}
