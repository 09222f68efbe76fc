mod chunks;
mod protocol;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, Stream, StreamExt};

use self::chunks::Chunks;
use self::protocol::ImportProtocol;
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{ChunkResult, ImportOptions, ImportRow, ImportSummary};
use crate::pipeline::{Limits, pipeline};

/// Builder of a bulk import, returned by [`Contacts::import`](crate::Contacts::import).
///
/// Rows are sent in chunks, several ahead of their responses. The server responds to a chunk after
/// committing it, and rows are taken from the input no faster than that. A row that fails does not
/// affect the others.
///
/// After a dropped connection, chunks without a response are sent again. With
/// [`OnConflict::Skip`](crate::OnConflict::Skip) and [`Merge`](crate::OnConflict::Merge), storing a
/// chunk twice has no effect. With [`Fail`](crate::OnConflict::Fail) it would, so the import fails
/// instead. The error of a failed import lists the rows that may or may not be stored as
/// [`unacknowledged_rows`](crate::Error::unacknowledged_rows).
///
/// ```no_run
/// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
/// use contacts_sdk::{ImportOptions, NewContact, OnConflict};
///
/// let rows = ["15551234567", "15557654321"].map(|phone| NewContact::new().phone(phone));
/// let summary = client
///     .contacts()
///     .import(ImportOptions::new().on_conflict(OnConflict::Merge))
///     .on_progress(|so_far| println!("{} rows", so_far.rows))
///     .send(rows)
///     .await?;
/// for failure in &summary.failures {
///     println!("row {}: {}", failure.row, failure.error);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "an import does nothing until it gets its rows"]
pub struct ImportContacts {
    handle: Handle,
    options: ImportOptions,
    chunk_size: usize,
    in_flight: usize,
    response_timeout: Duration,
    progress: Progress,
}

type Progress = Box<dyn FnMut(&ImportSummary) + Send>;

impl ImportContacts {
    pub(super) fn new(handle: &Handle, options: ImportOptions) -> Self {
        Self {
            handle: handle.clone(),
            options,
            chunk_size: chunks::MAX_ROWS,
            in_flight: 32,
            response_timeout: handle.config().stream_idle_timeout,
            progress: Box::new(|_| {}),
        }
    }

    /// Sets the number of rows per chunk, 1 to 1000. Default: 1000.
    ///
    /// A chunk has fewer rows if they would exceed 3 MiB.
    pub fn chunk_size(mut self, rows: usize) -> Self {
        self.chunk_size = rows.clamp(1, chunks::MAX_ROWS);
        self
    }

    /// Sets how many chunks may wait for a response, at least 1. Default: 32.
    pub fn max_in_flight(mut self, chunks: usize) -> Self {
        self.in_flight = chunks.max(1);
        self
    }

    /// Sets how long to wait for a response before the client reconnects. Overrides the client's
    /// [`stream_idle_timeout`](crate::ClientBuilder::stream_idle_timeout).
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Sets a callback that gets the totals so far after every chunk. [`chunks`](Self::chunks) does not
    /// call it.
    pub fn on_progress(mut self, report: impl FnMut(&ImportSummary) + Send + 'static) -> Self {
        self.progress = Box::new(report);
        self
    }

    /// Imports the rows of an iterator.
    pub async fn send<I>(self, rows: I) -> Result<ImportSummary>
    where
        I: IntoIterator<Item: Into<ImportRow>, IntoIter: Send + 'static>,
    {
        self.send_stream(stream::iter(rows)).await
    }

    /// Imports the rows of a stream.
    pub async fn send_stream<S>(mut self, rows: S) -> Result<ImportSummary>
    where
        S: Stream<Item: Into<ImportRow>> + Send + 'static,
    {
        let mut report = std::mem::replace(&mut self.progress, Box::new(|_| {}));
        let mut summary = ImportSummary::default();
        let mut chunks = self.chunks(rows);
        while let Some(chunk) = chunks.next().await {
            summary.add(chunk?);
            report(&summary);
        }
        Ok(summary)
    }

    /// Imports the rows of a stream, and returns a stream of results, one per chunk. The import makes
    /// progress only while that is polled.
    pub fn chunks<S>(self, rows: S) -> ImportChunks
    where
        S: Stream<Item: Into<ImportRow>> + Send + 'static,
    {
        let limits = Limits {
            in_flight: self.in_flight,
            response_timeout: self.response_timeout,
            retry: self.handle.config().stream_retry.clone(),
        };
        let chunks = Chunks::new(rows.map(Into::into).boxed(), self.chunk_size).boxed();
        ImportChunks(pipeline(ImportProtocol::new(self.handle, self.options), chunks, limits))
    }
}

/// A stream of results of an import, one per chunk. Ends after the last chunk or the first error.
#[must_use = "streams do nothing until they are polled"]
pub struct ImportChunks(BoxStream<'static, Result<ChunkResult>>);

impl ImportChunks {
    /// Returns the next result, or `None` at the end. The same as `StreamExt::next`.
    pub async fn next(&mut self) -> Option<Result<ChunkResult>> {
        self.0.next().await
    }
}

impl Stream for ImportChunks {
    type Item = Result<ChunkResult>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}
