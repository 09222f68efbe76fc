//! The transactions of an import.

use std::sync::Arc;

use crate::domain::error::{Error, Reason, Result};
use crate::domain::import::{ChunkOutcome, ImportOptions};
use crate::operations::import::{ImportChunks, ValidRows, takes_fewer_rows, weight};
use crate::store::{GivenUp, LongWork, Store, Workspace};

/// Stores chunks, in as many transactions as it takes for none to be long.
pub(super) async fn write(
    store: &Store,
    workspace: &Workspace,
    options: &ImportOptions,
    chunks: Vec<ValidRows>,
) -> Result<Vec<ChunkOutcome>> {
    let mut outcomes: Vec<_> = chunks.iter().map(|_| ChunkOutcome::default()).collect();
    let mut import = ImportChunks {
        workspace_id: workspace.workspace_id.clone(),
        began_in: Some(workspace.clone()),
        options: options.clone(),
        chunks: Arc::new(chunks),
        others_object: false,
        given_up: GivenUp::IsDivided,
    };
    import.others_object = import.any_objects();
    let mut left = Arc::unwrap_or_clone(std::mem::take(&mut import.chunks));
    let (mut first, mut most) = (0, usize::MAX);
    loop {
        // Of the same length, so that the last one is not short.
        let all = weight(&left);
        let rows = store.rows_of(LongWork::Import).min(most);
        let transactions = all.div_ceil(rows).max(1);
        let mut chunks = left;
        let rest = take_after(&mut chunks, all.div_ceil(transactions));
        let chunks = Arc::new(chunks);
        let next = ImportChunks { chunks: Arc::clone(&chunks), ..import.clone() };
        let written = next.weight();
        let is_several = chunks.iter().map(Vec::len).sum::<usize>() > 1;
        match store.write(next).await {
            Err(error) if takes_fewer_rows(&error) && is_several => {
                most = written / 2;
                left = put_back(Arc::unwrap_or_clone(chunks), rest);
                continue;
            }
            // Somebody else writes, so as many rows as before are too many. The next ones are not given up: the
            // import goes on, however many others write.
            Err(error) if is_given_up(&error) && import.given_up == GivenUp::IsDivided => {
                import.given_up = GivenUp::Never;
                left = put_back(Arc::unwrap_or_clone(chunks), rest);
                continue;
            }
            parts => {
                import.given_up = GivenUp::IsDivided;
                for (outcome, part) in outcomes[first..].iter_mut().zip(parts?) {
                    outcome.created += part.created;
                    outcome.updated += part.updated;
                    outcome.unchanged += part.unchanged;
                    outcome.failures.extend(part.failures);
                }
            }
        }
        let Some(rest) = rest else { return Ok(outcomes) };
        // The chunk that was cut is the first of the next ones.
        first += chunks.len() - 1;
        left = rest;
    }
}

fn is_given_up(error: &Error) -> bool {
    error.reason() == Reason::WriteConflict
}

/// Takes what follows rows of this weight, or the first one. What is left ends with a part of the chunk that
/// what is taken begins with. None if there are no more rows.
fn take_after(chunks: &mut Vec<ValidRows>, weight: usize) -> Option<Vec<ValidRows>> {
    let (mut left, mut is_first) = (weight, true);
    let (cut, row) = chunks.iter().enumerate().find_map(|(index, chunk)| {
        let row = chunk.iter().position(|(_, row)| {
            let fits = is_first || row.weight() <= left;
            is_first = false;
            left = left.saturating_sub(row.weight());
            !fits
        });
        Some((index, row?))
    })?;
    let mut rest = chunks.split_off(cut);
    let after = rest[0].split_off(row);
    chunks.push(std::mem::replace(&mut rest[0], after));
    Some(rest)
}

/// Undoes [`take_after`].
fn put_back(mut chunks: Vec<ValidRows>, rest: Option<Vec<ValidRows>>) -> Vec<ValidRows> {
    let mut rest = rest.into_iter().flatten();
    if let (Some(cut), Some(after)) = (chunks.last_mut(), rest.next()) {
        cut.extend(after);
    }
    chunks.extend(rest);
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact::Profile;
    use crate::domain::import::{ImportRow, OnConflict};
    use crate::domain::phone::{PhoneNumber, WhatsAppUserId};
    use crate::operations::workspaces;
    use crate::store::sqlite;

    #[test]
    fn chunks_are_cut_where_a_transaction_is_full() {
        let row = |index| {
            let profile = Default::default();
            (index, ImportRow { profile, consent: None, fault: None })
        };
        for sizes in [&[5_usize, 0, 3][..], &[0, 0], &[], &[1], &[3, 3, 3], &[4, 1], &[9, 0]] {
            for limit in [0, 1, 2, 3, 4, 8, 100] {
                let mut chunks: Vec<ValidRows> =
                    sizes.iter().map(|size| (0..*size).map(row).collect()).collect();
                let mut found: Vec<Vec<usize>> = sizes.iter().map(|_| Vec::new()).collect();
                let (mut first, mut transactions) = (0, 0);
                loop {
                    let before = indexes(&chunks);
                    let rest = take_after(&mut chunks, limit);
                    assert_eq!(indexes(&put_back(chunks.clone(), rest.clone())), before);
                    let rows: usize = chunks.iter().map(Vec::len).sum();
                    assert!(rows <= limit.max(1), "{sizes:?} {limit}");
                    for (found, part) in found[first..].iter_mut().zip(&chunks) {
                        found.extend(part.iter().map(|(index, _)| *index));
                    }
                    transactions += 1;
                    let Some(rest) = rest else { break };
                    assert_eq!(rows, limit.max(1), "{sizes:?} {limit}");
                    first += chunks.len() - 1;
                    chunks = rest;
                }
                let expected: Vec<Vec<usize>> =
                    sizes.iter().map(|size| (0..*size).collect()).collect();
                assert_eq!(found, expected, "{sizes:?} {limit}");
                let all: usize = sizes.iter().sum();
                assert_eq!(transactions, all.div_ceil(limit.max(1)).max(1), "{sizes:?} {limit}");
            }
        }
    }

    /// Each of its transactions is given up, and written in smaller ones then.
    #[tokio::test]
    async fn an_import_comes_to_its_end_however_many_others_write() {
        let (_directory, store) = sqlite::store_for_tests().await;
        workspaces::ensure_default(&store).await.expect("a workspace");
        let workspace = workspaces::get(&store, "").await.expect("a workspace");
        let row = |index| {
            let number = PhoneNumber::from_integer(15_550_000_000 + index as u64);
            let phone_number = Some(number.expect("a number"));
            let profile = Profile { phone_number, ..Profile::default() };
            (index, ImportRow { profile, consent: None, fault: None })
        };
        let sizes = [150..1150, 0..0, 0..150, 1150..1500];
        let chunks = || sizes.iter().map(|rows| rows.clone().map(row).collect()).collect();
        let options = ImportOptions {
            on_conflict: OnConflict::Merge,
            create_missing_tags: false,
            add_tags: Vec::new(),
            consent: None,
        };
        let waits = store.objecting();
        let counted = async || {
            let written = write(&store, &workspace, &options, chunks()).await.expect("written");
            let counts = |it: &ChunkOutcome| (it.created, it.updated, it.unchanged);
            written.iter().map(counts).collect::<Vec<_>>()
        };
        assert_eq!(counted().await, [(1000, 0, 0), (0, 0, 0), (150, 0, 0), (350, 0, 0)]);
        assert_eq!(counted().await, [(0, 0, 1000), (0, 0, 0), (0, 0, 150), (0, 0, 350)]);
        drop(waits);
        store.close().await;
    }

    #[test]
    fn rows_of_many_ids_count_for_several() {
        let id = |n: usize| WhatsAppUserId::parse(&format!("US.{n}")).expect("an id");
        let row = |index| {
            let whatsapp_user_ids = (0..8).map(|n| id(10 * index + n)).collect();
            let profile = Profile { whatsapp_user_ids, ..Profile::default() };
            (index, ImportRow { profile, consent: None, fault: None })
        };
        for (limit, expected) in [(1, 1), (15, 1), (16, 2), (24, 3)] {
            let mut chunks: Vec<ValidRows> = vec![(0..3).map(row).collect()];
            let rest = take_after(&mut chunks, limit);
            assert_eq!((chunks[0].len(), rest.is_some()), (expected, expected < 3), "{limit}");
        }
    }

    fn indexes(chunks: &[ValidRows]) -> Vec<Vec<usize>> {
        chunks.iter().map(|rows| rows.iter().map(|(index, _)| *index).collect()).collect()
    }
}
