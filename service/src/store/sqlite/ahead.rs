//! Rows that are encoded on another thread while those before them are written: of a row of an
//! import, encoding takes as long as half of the writing, and on one thread the one waits for the
//! other.

use std::sync::mpsc::{channel, sync_channel};
use std::thread;

/// From this number of rows on, a thread costs less than it saves.
const MANY: usize = 200;
/// Rows that are handed over at a time.
const BATCH: usize = 64;
/// Batches that are encoded ahead. Their buffers are used again.
const AHEAD: usize = 4;

/// Writes rows in their order, each with what `encode` made of it. It gets what it made of another
/// row, to use its buffers.
///
/// # Errors
/// The first that `write` returns; nothing is written after it.
pub(super) fn for_each_encoded<T: Sync, E: Default + Send, F>(
    rows: &[T],
    encode: impl Fn(&T, &mut E) + Sync,
    mut write: impl FnMut(&T, &E) -> Result<(), F>,
) -> Result<(), F> {
    let (filled, batches) = sync_channel::<Vec<E>>(AHEAD);
    let (done, emptied) = channel::<Vec<E>>();
    let encode = &encode;
    let encoder = move || {
        for (place, chunk) in rows.chunks(BATCH).enumerate() {
            let mut batch = match place > AHEAD {
                true => emptied.recv().unwrap_or_default(),
                false => Vec::new(),
            };
            batch.resize_with(chunk.len(), E::default);
            chunk.iter().zip(&mut batch).for_each(|(row, encoded)| encode(row, encoded));
            if filled.send(batch).is_err() {
                // A row was not written.
                return;
            }
        }
    };
    // Should the encoder panic, the scope does when it ends, so that what was written before is
    // not committed. It waits for the encoder, which waits for these channels: they have to be gone.
    thread::scope(move |scope| {
        let thread = thread::Builder::new().name("encoder".to_owned());
        if rows.len() < MANY || thread.spawn_scoped(scope, encoder).is_err() {
            let mut encoded = E::default();
            return rows.iter().try_for_each(|row| {
                encode(row, &mut encoded);
                write(row, &encoded)
            });
        }
        for (chunk, batch) in rows.chunks(BATCH).zip(batches) {
            chunk.iter().zip(&batch).try_for_each(|(row, encoded)| write(row, encoded))?;
            // The encoder may have come to its end.
            drop(done.send(batch));
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(row: &usize, encoded: &mut String) {
        encoded.clear();
        encoded.push_str(&row.to_string());
    }

    #[test]
    fn rows_are_written_in_their_order_each_with_its_own() {
        for count in [0, 1, MANY - 1, MANY, MANY + 1, 20 * BATCH, 20 * BATCH + 1] {
            let rows: Vec<_> = (0..count).collect();
            let mut written = Vec::new();
            let done: Result<(), ()> = for_each_encoded(&rows, encode, |row, encoded| {
                assert_eq!(*encoded, row.to_string());
                written.push(*row);
                Ok(())
            });
            assert_eq!((done, written), (Ok(()), rows));
        }
    }

    #[test]
    fn nothing_is_written_after_an_error() {
        let rows: Vec<_> = (0..50 * BATCH).collect();
        for failing in [0, 3, BATCH, 30 * BATCH + 1, 50 * BATCH - 1] {
            let mut written = 0;
            let done = for_each_encoded(&rows, encode, |row, _| {
                written += 1;
                if *row == failing { Err(*row) } else { Ok(()) }
            });
            assert_eq!((done, written), (Err(failing), failing + 1));
        }
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn an_encoder_that_panics_ends_the_writer() {
        let rows: Vec<_> = (0..50 * BATCH).collect();
        let panicking = |row: &usize, _: &mut String| assert!(*row < 20 * BATCH, "as a test wants");
        let _ = for_each_encoded(&rows, panicking, |_, _| Ok::<_, ()>(()));
    }
}
