//! ImportContacts: many rows in one stream, each with its own result.

mod connection;
mod consent;
mod protocol;
mod rows;

use contacts_sdk::{ChunkResult, ImportOptions, ImportRow, NewContact, OnConflict};
use contacts_tests::TestApp;
use futures::TryStreamExt;

/// Imports rows as one chunk.
async fn import(
    app: &TestApp,
    options: ImportOptions,
    rows: impl IntoIterator<Item = impl Into<ImportRow>>,
) -> ChunkResult {
    let rows: Vec<ImportRow> = rows.into_iter().map(Into::into).collect();
    let chunks = app.contacts().import(options).chunks(futures::stream::iter(rows));
    let mut chunks: Vec<_> = chunks.try_collect().await.expect("an import");
    assert_eq!(chunks.len(), 1);
    chunks.remove(0)
}

/// Number of rows created, updated, unchanged and failed.
fn counts(chunk: &ChunkResult) -> [u64; 4] {
    [chunk.created, chunk.updated, chunk.unchanged, chunk.failures.len() as u64]
}

fn skip() -> ImportOptions {
    ImportOptions::new()
}

fn merge() -> ImportOptions {
    ImportOptions::new().on_conflict(OnConflict::Merge)
}

fn fail() -> ImportOptions {
    ImportOptions::new().on_conflict(OnConflict::Fail)
}

fn row(phone: impl Into<String>) -> NewContact {
    NewContact::new().phone(phone)
}
