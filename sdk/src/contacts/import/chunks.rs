//! Splits rows into chunks that fit into a message.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use contacts_proto::v1;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use prost::Message;

use crate::convert::IntoProto;
use crate::model::ImportRow;

/// The limit of the API.
pub(super) const MAX_ROWS: usize = 1000;
/// Below the 4 MiB that gRPC servers accept by default.
const MAX_BYTES: usize = 3 << 20;

pub(super) struct Chunk {
    pub first_row: u64,
    pub row_count: u64,
    pub rows: Vec<v1::ImportRow>,
}

pub(super) struct Chunks {
    input: BoxStream<'static, ImportRow>,
    chunk_size: usize,
    /// Index of the first row of the next chunk.
    next_row: u64,
    rows: Vec<v1::ImportRow>,
    bytes: usize,
    done: bool,
}

impl Chunks {
    pub fn new(input: BoxStream<'static, ImportRow>, chunk_size: usize) -> Self {
        Self { input, chunk_size, next_row: 0, rows: Vec::new(), bytes: 0, done: false }
    }

    /// Returns the collected rows as a chunk.
    fn cut(&mut self) -> Chunk {
        self.bytes = 0;
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(self.chunk_size));
        let (first_row, row_count) = (self.next_row, rows.len() as u64);
        self.next_row += row_count;
        Chunk { first_row, row_count, rows }
    }
}

impl Stream for Chunks {
    type Item = Chunk;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Chunk>> {
        while !self.done {
            let Some(row) = ready!(self.input.poll_next_unpin(cx)) else {
                self.done = true;
                break;
            };
            let row: v1::ImportRow = row.into_proto();
            let size = size(&row);
            let too_large = !self.rows.is_empty() && self.bytes + size > MAX_BYTES;
            let before = too_large.then(|| self.cut());
            self.rows.push(row);
            self.bytes += size;
            if before.is_some() {
                return Poll::Ready(before);
            }
            if self.rows.len() == self.chunk_size {
                return Poll::Ready(Some(self.cut()));
            }
        }
        Poll::Ready((!self.rows.is_empty()).then(|| self.cut()))
    }
}

/// The size of the row within the chunk: the row itself, its tag and its length.
fn size(row: &v1::ImportRow) -> usize {
    row.encoded_len() + 6
}
