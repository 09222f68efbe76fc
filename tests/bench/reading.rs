//! Streams, filters, pages and name search.

use std::time::{Duration, Instant};

use contacts_sdk::{ContactView, ContactsClient};

use super::data::TENTH;
use super::instance::{Database, Instance};
use super::options::Effort;
use super::report::Report;
use super::series::{Series, spread};
use super::{Result, copied, processors};

pub async fn measure(
    instance: &Instance,
    contacts: u64,
    effort: Effort,
    report: &mut Report,
) -> Result {
    streams(instance, contacts, effort, report).await?;
    filters(instance, effort, report).await?;
    let client = &instance.client;
    let depth = contacts / 10 * 9;
    let token = deep_token(client, depth).await?;
    let (mut first, mut deep) = <(Series, Series)>::default();
    for _ in 0..effort.repetitions {
        first.time(page(client, "", effort).await?);
        deep.time(page(client, &token, effort).await?);
    }
    report.value("list page of 50, the first", &first, "");
    report.ratio(
        &format!("list page of 50, at depth {depth}"),
        &deep,
        "the first",
        &first,
        Some(0.85),
    );
    for query in ["a", "mar", "maria", "jo gar", "maria garcia"] {
        let mut times = Series::default();
        for _ in 0..effort.repetitions {
            times.time(search(client, query, effort).await?);
        }
        report.value(&format!("name search \"{query}\", page of 50"), &times, "≤ 20 ms");
    }
    Ok(())
}

/// All contacts, decoded and not.
async fn streams(
    instance: &Instance,
    contacts: u64,
    effort: Effort,
    report: &mut Report,
) -> Result {
    let (mut decoded, mut raw, mut copy, mut first) = <(Series, Series, Series, Series)>::default();
    let mut client = [const { Vec::new() }; 2];
    // Of this process, in µs a contact.
    let used = || {
        let used = processors::of_process(std::process::id());
        used.map(|used| used.as_secs_f64() * 1e6 / contacts as f64)
    };
    let before = instance.server.memory().0;
    for _ in 0..effort.repetitions {
        let (cpu, begun) = (instance.cpu()?, used()?);
        let streamed = stream(&instance.client, "").await?;
        if streamed.contacts != contacts {
            return Err(format!("{} of {contacts} contacts streamed", streamed.contacts).into());
        }
        decoded.costed(contacts, streamed.time, instance.cpu()? - cpu);
        first.time(streamed.first);
        let decoding = used()?;
        raw.measure(encoded(&instance.client)).await?;
        let times = [decoding - begun, used()? - decoding];
        client.iter_mut().zip(times).for_each(|(client, time)| client.push(time));
        copy.measure(copied::all(&instance.database)).await?;
    }
    let grown = instance.server.memory().0.saturating_sub(before);
    let beside = copied::name(&instance.database);
    // They are about COPY, which SQLite does not have.
    let wanted = |ratio| instance.is_postgres().then_some(ratio);
    report.ratio("stream of all contacts, decoded", &decoded, beside, &copy, wanted(3.0));
    report.ratio("stream of all contacts, not decoded", &raw, beside, &copy, wanted(6.0));
    let [decoding, receiving] = client.map(|times| spread(&times).median);
    let times = format!("{decoding:.1}, {receiving:.1} µs");
    report.text("… processor time of the client: decoded, not decoded", &times, "");
    report.value("… until the first contact", &first, "");
    report.text("… server memory grew by", &format!("{grown} MiB"), "flat");
    Ok(())
}

async fn filters(instance: &Instance, effort: Effort, report: &mut Report) -> Result {
    let (mut tenth, mut copy) = <(Series, Series)>::default();
    for _ in 0..effort.repetitions {
        let cpu = instance.cpu()?;
        let streamed = stream(&instance.client, TENTH).await?;
        tenth.costed(streamed.contacts, streamed.time, instance.cpu()? - cpu);
        if let Database::Postgres { url, .. } = &instance.database {
            let copying = Instant::now();
            let rows = copied::tenth(url).await?;
            if rows != streamed.contacts {
                return Err(format!("{rows} rows copied, {} streamed", streamed.contacts).into());
            }
            copy.rate(rows, copying.elapsed());
        }
    }
    let job = "stream of tag ∧ attribute ∧ opt-in, a tenth";
    match &instance.database {
        Database::Sqlite(_) => report.value(job, &tenth, ""),
        Database::Postgres { .. } => {
            report.ratio(job, &tenth, "COPY of the same rows", &copy, None)
        }
    }
    for (label, filter) in [
        ("stream of OR", "tags:tag_1 OR tags:tag_2"),
        ("stream of NOT", r#"NOT tags:event_attendee AND attributes.city != "Berlin""#),
        ("stream of a range, 5 %", "attributes.lifetime_value > 9500"),
        ("stream of a prefix, 1 %", r#"attributes.company = "Company 77*""#),
    ] {
        let mut times = Series::default();
        for _ in 0..effort.repetitions {
            let streamed = stream(&instance.client, filter).await?;
            times.rate(streamed.contacts, streamed.time);
        }
        report.value(label, &times, "");
    }
    let (mut rare, mut count) = <(Series, Series)>::default();
    for _ in 0..effort.repetitions {
        let company = r#"attributes.company = "Company 77""#;
        rare.time(stream(&instance.client, company).await?.time);
        count.time(counted(&instance.client).await?.1);
    }
    report.value("filter of one in 10 000, to its end", &rare, "");
    report.value("count of the tenth", &count, "");
    Ok(())
}

/// How many contacts [`TENTH`] selects, and the time of counting them.
pub async fn counted(client: &ContactsClient) -> Result<(u64, Duration)> {
    let started = Instant::now();
    let count = client.contacts().count().filter(TENTH).await?;
    Ok((count, started.elapsed()))
}

pub struct Streamed {
    pub contacts: u64,
    /// Until the first of them.
    pub first: Duration,
    pub time: Duration,
}

/// Reads and decodes a segment.
pub async fn stream(client: &ContactsClient, filter: &str) -> Result<Streamed> {
    let started = Instant::now();
    let (mut first, mut contacts) = (None, 0);
    let mut batches = client.contacts().segment().filter(filter).batch_size(1000).batches();
    while let Some(batch) = batches.next().await {
        for contact in batch?.contacts() {
            std::hint::black_box(contact?);
            contacts += 1;
            first.get_or_insert_with(|| started.elapsed());
        }
    }
    Ok(Streamed { contacts, first: first.unwrap_or_default(), time: started.elapsed() })
}

/// Reads all contacts without decoding them. Returns how many there are.
pub async fn encoded(client: &ContactsClient) -> Result<u64> {
    let mut contacts = 0;
    let mut batches = client.contacts().segment().batch_size(1000).batches();
    while let Some(batch) = batches.next().await {
        contacts += std::hint::black_box(batch?.encoded()).len() as u64;
    }
    Ok(contacts)
}

/// The time of a page that begins after this token.
pub async fn page(client: &ContactsClient, token: &str, effort: Effort) -> Result<Duration> {
    let list = || client.contacts().list().page_size(50).page_token(token);
    effort.time_of(async || list().await.map(drop)).await
}

/// The time of the first page of a search.
pub async fn search(client: &ContactsClient, query: &str, effort: Effort) -> Result<Duration> {
    let list = || client.contacts().list().query(query).page_size(50).view(ContactView::Basic);
    effort.time_of(async || list().await.map(drop)).await
}

/// Pages through the list to a depth, with the largest page size there is.
pub async fn deep_token(client: &ContactsClient, depth: u64) -> Result<String> {
    let mut token = String::new();
    let mut walked = 0;
    while walked < depth {
        let list = client.contacts().list().view(ContactView::Basic);
        let size = (depth - walked).min(1000) as u32;
        let page = list.page_size(size).page_token(token).await?;
        walked += page.items.len() as u64;
        token = page.next_page_token.ok_or("the list ended early")?;
    }
    Ok(token)
}
