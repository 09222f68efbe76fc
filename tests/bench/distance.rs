//! Streams, imports and checks over a link with the delay of a distance, beside the same without it.

use std::net::SocketAddr;
use std::time::Duration;

use contacts_sdk::{ContactsClient, ImportOptions, MessageCategory};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::instance::Instance;
use super::options::Effort;
use super::report::Report;
use super::series::Series;
use super::{Result, data, reading};

/// How many bytes are on their way in one direction, at most: more than any window, so that
/// nothing but the delay holds a sender up.
const PARTS: usize = 1024;
const PART: usize = 64 << 10;
/// Rows of an import.
const ROWS: u64 = 50_000;

pub async fn measure(
    instance: &Instance,
    contacts: u64,
    effort: Effort,
    report: &mut Report,
) -> Result {
    let server: SocketAddr = instance.server.url().trim_start_matches("http://").parse()?;
    let near = connect(server, Duration::ZERO).await?;
    let rows = contacts.min(ROWS);
    for round_trip in [10, 50] {
        let far = connect(server, Duration::from_millis(round_trip) / 2).await?;
        let (mut streams, mut imports, mut batches) =
            <((Series, Series), (Series, Series), (Series, Series))>::default();
        let mut one = Series::default();
        for repetition in 0..effort.repetitions {
            let name = format!("away-{round_trip}-{repetition}");
            streams.0.measure(reading::encoded(&far)).await?;
            streams.1.measure(reading::encoded(&near)).await?;
            import(&far, &name, rows, &mut imports.0).await?;
            import(&near, &format!("{name}-near"), rows, &mut imports.1).await?;
            batches.0.time(batch(&far, effort).await?);
            batches.1.time(batch(&near, effort).await?);
            one.time(single(&far, effort).await?);
        }
        let beside = "without a distance";
        let away = |job: &str| format!("{job}, {round_trip} ms away");
        report.ratio(&away("stream of all contacts"), &streams.0, beside, &streams.1, Some(0.9));
        report.ratio(&away("import"), &imports.0, beside, &imports.1, Some(0.9));
        report.ratio(&away("batch of 1000"), &batches.0, beside, &batches.1, None);
        report.value(&away("single check"), &one, "");
    }
    Ok(())
}

/// A client over a link that takes so long in each direction.
async fn connect(server: SocketAddr, one_way: Duration) -> Result<ContactsClient> {
    let link = link(server, one_way).await?;
    Ok(ContactsClient::builder(format!("http://{link}")).connect().await?)
}

/// Imports into a workspace of its own.
async fn import(client: &ContactsClient, workspace: &str, count: u64, rate: &mut Series) -> Result {
    client.workspaces().create(workspace).await?;
    let client = client.with_workspace(workspace);
    data::define(&client).await?;
    let started = Instant::now();
    let options = ImportOptions::new().create_missing_tags(true);
    let summary = client.contacts().import(options).send(data::rows(count)).await?;
    rate.rate(summary.created, started.elapsed());
    match summary.created == count {
        true => Ok(()),
        false => Err(format!("{} of {count} rows imported", summary.created).into()),
    }
}

/// The time of a check of a thousand.
async fn batch(client: &ContactsClient, effort: Effort) -> Result<Duration> {
    let numbers: Vec<_> = (0..1000).map(data::phone).collect();
    let check = || client.opt_in().check_batch(&numbers, MessageCategory::Marketing);
    effort.time_of(async || check().await.map(drop)).await
}

/// The time of a check of one.
async fn single(client: &ContactsClient, effort: Effort) -> Result<Duration> {
    let check = || client.opt_in().check(data::phone(0), MessageCategory::Marketing);
    effort.time_of(async || check().await.map(drop)).await
}

/// Starts the link. Returns its address.
async fn link(server: SocketAddr, one_way: Duration) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(server).await else { return };
            for end in [&client, &server] {
                drop(end.set_nodelay(true));
            }
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            travel(from_client, to_server, one_way);
            travel(from_server, to_client, one_way);
        }
    });
    Ok(address)
}

/// Passes on what comes, each part when it is due.
fn travel(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, one_way: Duration) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(PARTS);
    tokio::spawn(async move {
        let mut buffer = vec![0; PART];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let part = (Instant::now() + one_way, buffer[..read].to_vec());
            if sender.send(part).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((due, part)) = receiver.recv().await {
            // Even of a time that has passed, a timer may make it wait a millisecond.
            if !one_way.is_zero() {
                sleep_until(due).await;
            }
            if to.write_all(&part).await.is_err() {
                return;
            }
        }
    });
}
