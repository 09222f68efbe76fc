//! Streams, filters, deep pages and name search.

use std::time::{Duration, Instant};

use contacts_sdk::{ContactView, ContactsClient};
use futures::TryStreamExt;
use sqlx::{Connection, PgConnection};

use super::Result;
use super::data::TENTH;
use super::report::{Report, median};
use super::server::ServerProcess;

const REPEATS: usize = 21;
const REPEATED_STREAMS: usize = 3;
/// The expected number of contacts that [`TENTH`] selects.
const SAME_ROWS: &str = "COPY (SELECT * FROM contact WHERE workspace_id = 'default'
    AND terms @> '{event_attendee,tier=Gold}' AND (opt_in_marketing & 7) = 2) TO STDOUT";

pub async fn measure(
    client: &ContactsClient,
    server: &ServerProcess,
    contacts: u64,
    postgres: Option<&str>,
    report: &mut Report,
) -> Result {
    let before = server.memory().0;
    let (count, first, seconds) = stream(client, "").await?;
    if count != contacts {
        return Err(format!("{count} of {contacts} contacts streamed").into());
    }
    let wanted = if postgres.is_some() { "≥ 250 000" } else { "≥ 150 000" };
    report.rate("stream of all, contacts/s, each decoded", count, seconds, wanted);
    report.time("… first contact after", first, "");
    let grown = server.memory().0.saturating_sub(before);
    report.text("… server memory grew by", format!("{grown} MiB"), "flat");

    let mut times = Vec::new();
    for _ in 0..REPEATED_STREAMS {
        times.push(Duration::from_secs_f64(stream(client, TENTH).await?.2));
    }
    let (count, first, _) = stream(client, TENTH).await?;
    let tenth = median(times);
    let share = 100.0 * count as f64 / contacts as f64;
    let label = format!("filter tag ∧ attribute ∧ opt-in ({share:.1} %), to the last contact");
    report.time(&label, tenth, if postgres.is_some() { "" } else { "< 1 s per million" });
    report.time("… first contact after", first, "");
    if let Some(url) = postgres {
        let copied = copy(url, count).await?;
        report.time("… COPY of the same rows to a client, as psql's \\copy does", copied, "");
        let ratio = tenth.as_secs_f64() / copied.as_secs_f64();
        report.text("… of that COPY", format!("{ratio:.2}"), "≤ 1.5");
    }
    for (label, filter) in [
        ("filter with OR", "tags:tag_1 OR tags:tag_2"),
        ("filter with NOT", r#"NOT tags:event_attendee AND attributes.city != "Berlin""#),
        ("filter by range", "attributes.lifetime_value > 9500"),
        ("filter by prefix", r#"attributes.company = "Company 77*""#),
        ("filter that is rare", r#"attributes.company = "Company 77""#),
    ] {
        let (count, _, seconds) = stream(client, filter).await?;
        let label = format!("{label}, {count} contacts");
        report.time(&label, Duration::from_secs_f64(seconds), "");
    }
    let started = Instant::now();
    client.contacts().count().filter(TENTH).await?;
    report.time("count of the filter", started.elapsed(), "");

    let first_page = list(client, "").await?;
    let deep = contacts / 10 * 9;
    let token = deep_token(client, deep).await?;
    let deep_page = list(client, &token).await?;
    report.time("list page of 50, the first", first_page, "");
    report.time(&format!("list page of 50, at depth {deep}"), deep_page, "as the first");

    for query in ["a", "mar", "maria", "jo gar", "maria garcia"] {
        let mut times = Vec::new();
        for _ in 0..REPEATS {
            let started = Instant::now();
            client.contacts().list().query(query).page_size(50).view(ContactView::Basic).await?;
            times.push(started.elapsed());
        }
        report.time(&format!("name search {query:?}, page of 50"), median(times), "< 20 ms");
    }
    Ok(())
}

/// Measures how long Postgres takes to COPY the rows of [`TENTH`] to a client.
async fn copy(url: &str, expected: u64) -> Result<Duration> {
    let mut db = PgConnection::connect(url).await?;
    let mut times = Vec::new();
    for _ in 0..REPEATED_STREAMS {
        let started = Instant::now();
        let mut data = db.copy_out_raw(SAME_ROWS).await?;
        let mut rows = 0;
        while let Some(part) = data.try_next().await? {
            rows += part.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        drop(data);
        if rows != expected {
            return Err(format!("{rows} rows copied, {expected} streamed").into());
        }
        times.push(started.elapsed());
    }
    db.close().await?;
    Ok(median(times))
}

/// Reads a segment. Returns the number of contacts, and the time until the first and until the last.
async fn stream(client: &ContactsClient, filter: &str) -> Result<(u64, Duration, f64)> {
    let started = Instant::now();
    let mut first = None;
    let mut count = 0;
    let mut batches = client.contacts().segment().filter(filter).batch_size(1000).batches();
    while let Some(batch) = batches.next().await {
        for contact in batch?.contacts() {
            std::hint::black_box(contact?);
            count += 1;
            first.get_or_insert_with(|| started.elapsed());
        }
    }
    Ok((count, first.unwrap_or_default(), started.elapsed().as_secs_f64()))
}

async fn list(client: &ContactsClient, token: &str) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..REPEATS {
        let started = Instant::now();
        client.contacts().list().page_size(50).page_token(token).await?;
        times.push(started.elapsed());
    }
    Ok(median(times))
}

/// Pages through the list to a depth, with the largest page size.
async fn deep_token(client: &ContactsClient, depth: u64) -> Result<String> {
    let mut token = String::new();
    let mut walked = 0;
    while walked < depth {
        let page = client
            .contacts()
            .list()
            .view(ContactView::Basic)
            .page_size(1000)
            .page_token(token)
            .await?;
        walked += page.items.len() as u64;
        token = page.next_page_token.ok_or("the list ended early")?;
    }
    Ok(token)
}
