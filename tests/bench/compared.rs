//! Our jobs beside those of listmonk, on the same contacts.

use std::time::{Duration, Instant};

use super::Result;
use super::instance::{Database, Instance};
use super::listmonk::Listmonk;
use super::options::Effort;
use super::reading;
use super::report::Report;
use super::series::Series;

/// Rows of one measurement of its import.
const IMPORTED: u64 = 10_000;

pub async fn measure(
    instance: &Instance,
    contacts: u64,
    import: &Series,
    effort: Effort,
    report: &mut Report,
) -> Result {
    let Database::Postgres { url, .. } = &instance.database else { return Ok(()) };
    let imported = IMPORTED.min(contacts / 20);
    let mut listmonk = Listmonk::fill(url, imported * effort.repetitions as u64).await?;
    let mut imports = Series::default();
    for _ in 0..effort.repetitions {
        imports.rate(imported, listmonk.import(imported).await?);
    }
    report.ratio("import", import, "listmonk's SQL, one connection", &imports, None);

    let client = &instance.client;
    let depth = contacts / 10 * 9;
    let token = reading::deep_token(client, depth).await?;
    let (mut count, mut their_count) = <(Series, Series)>::default();
    let (mut segment, mut their_segment) = <(Series, Series)>::default();
    let (mut search, mut their_search) = <(Series, Series)>::default();
    let (mut page, mut their_page) = <(Series, Series)>::default();
    for _ in 0..effort.repetitions {
        let (ours, time) = reading::counted(client).await?;
        count.time(time);
        let (theirs, time) = timed(listmonk.count()).await?;
        their_count.time(time);
        if ours != theirs {
            return Err(format!("{ours} contacts in the segment, {theirs} of listmonk's").into());
        }
        let streamed = reading::stream(client, super::data::TENTH).await?;
        segment.rate(streamed.contacts, streamed.time);
        their_segment.measure(listmonk.export()).await?;
        search.time(reading::search(client, "maria garcia", effort).await?);
        their_search.time(timed(listmonk.search("maria garc")).await?.1);
        page.time(reading::page(client, &token, effort).await?);
        their_page.time(timed(listmonk.page("", depth)).await?.1);
    }
    report.ratio("count of the tenth", &count, "listmonk's SQL", &their_count, None);
    report.ratio(
        "stream of the tenth, decoded",
        &segment,
        "listmonk's export",
        &their_segment,
        None,
    );
    report.ratio(
        "name search \"maria garcia\"",
        &search,
        "listmonk's page and count",
        &their_search,
        None,
    );
    report.ratio(
        &format!("list page of 50 at depth {depth}"),
        &page,
        "listmonk's OFFSET",
        &their_page,
        None,
    );
    Ok(())
}

async fn timed(run: impl Future<Output = Result<u64>>) -> Result<(u64, Duration)> {
    let started = Instant::now();
    let count = run.await?;
    Ok((count, started.elapsed()))
}
