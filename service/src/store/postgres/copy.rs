//! The binary format of COPY.

use bytes::{BufMut, BytesMut};
use uuid::Uuid;

use super::session::{PostgresSession, ROWS, expect_rows};
use crate::domain::error::{Error, Result};

/// Adds a row for each item. `statement` is `COPY … FROM STDIN (FORMAT BINARY)`.
///
/// Only for many rows: the driver does not turn off Nagle's algorithm, which
/// delays the end of a short COPY by 40 ms.
pub(super) async fn copy<T>(
    db: &mut PostgresSession,
    statement: &'static str,
    items: &[T],
    push: impl Fn(&mut Rows, &T) -> Result<()>,
) -> Result<()> {
    let (connection, watch) = db.parts();
    let copied = async {
        let mut copy = connection.copy_in_raw(statement).await?;
        let mut rows = Rows::new();
        let mut chunks = items.chunks(ROWS).peekable();
        while let Some(chunk) = chunks.next() {
            for item in chunk {
                push(&mut rows, item)?;
            }
            if chunks.peek().is_none() {
                rows.0.put_i16(-1);
            }
            copy.send(rows.0.split()).await?;
        }
        Ok(copy.finish().await?)
    };
    expect_rows(watch.over::<_, Error>(copied).await?, items.len())
}

/// Rows, written value by value.
pub(super) struct Rows(BytesMut);

impl Rows {
    fn new() -> Self {
        let mut data = BytesMut::new();
        data.put_slice(b"PGCOPY\n\xff\r\n\0");
        // No flags, no extension of this header.
        data.put_bytes(0, 8);
        Self(data)
    }

    /// Begins a row with this number of values.
    pub(super) fn row(&mut self, values: i16) -> &mut Self {
        self.0.put_i16(values);
        self
    }

    pub(super) fn id(&mut self, id: Uuid) -> &mut Self {
        self.bytes(id.as_bytes())
    }

    pub(super) fn bigint(&mut self, number: i64) -> &mut Self {
        self.bytes(number.to_be_bytes())
    }

    pub(super) fn bigint_or_null(&mut self, number: Option<i64>) -> &mut Self {
        match number {
            Some(number) => self.bigint(number),
            None => self.null(),
        }
    }

    pub(super) fn smallint(&mut self, number: i16) -> &mut Self {
        self.bytes(number.to_be_bytes())
    }

    /// For `text` and `bytea`.
    pub(super) fn bytes(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.measured(|data| data.put_slice(bytes.as_ref()))
    }

    pub(super) fn jsonb(&mut self, json: &str) -> &mut Self {
        self.measured(|data| {
            // The version of the format.
            data.put_u8(1);
            data.put_slice(json.as_bytes());
        })
    }

    pub(super) fn texts(&mut self, texts: &[String]) -> &mut Self {
        /// The type of the elements.
        const TEXT: i32 = 25;
        self.measured(|data| {
            // An empty array has no dimension. None of its elements is null.
            data.put_i32(i32::from(!texts.is_empty()));
            data.put_i32(0);
            data.put_i32(TEXT);
            if !texts.is_empty() {
                data.put_i32(length(texts.len()));
                // Its lower bound.
                data.put_i32(1);
            }
            for text in texts {
                data.put_i32(length(text.len()));
                data.put_slice(text.as_bytes());
            }
        })
    }

    /// Distinct words, without positions.
    pub(super) fn tsvector<'a>(
        &mut self,
        words: impl Iterator<Item = &'a str> + Clone,
    ) -> &mut Self {
        self.measured(|data| {
            data.put_i32(length(words.clone().count()));
            for word in words {
                data.put_slice(word.as_bytes());
                data.put_slice(&[0, 0, 0]);
            }
        })
    }

    fn null(&mut self) -> &mut Self {
        self.0.put_i32(-1);
        self
    }

    /// Writes a value after its length.
    fn measured(&mut self, write: impl FnOnce(&mut BytesMut)) -> &mut Self {
        let at = self.0.len();
        self.0.put_i32(0);
        write(&mut self.0);
        let value = length(self.0.len() - at - 4);
        self.0[at..at + 4].copy_from_slice(&value.to_be_bytes());
        self
    }
}

fn length(length: usize) -> i32 {
    // The domain limits every value to far less.
    i32::try_from(length).unwrap_or(i32::MAX)
}
