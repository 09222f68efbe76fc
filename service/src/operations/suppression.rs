//! Suppressions: what is stored of erased people and of non-contacts who opted out,
//! under keyed hashes.

use super::workspaces;
use crate::domain::error::{Error, Result};
use crate::store::Store;

/// Returns how many suppressions use each version of the key, oldest first. Workspaces that cannot be
/// read are passed to `failed`: what they use is not in the result.
pub async fn count_by_key(
    store: &Store,
    failed: impl FnMut(&str, Error),
) -> Result<Vec<(u32, i64)>> {
    let mut counts: Vec<_> = store.keyring().ids().map(|key| (key.version, 0)).collect();
    let count = async |id: &str| {
        counts = count_in(store, id, &counts).await?;
        Ok(())
    };
    workspaces::for_each(store, count, failed).await?;
    Ok(counts)
}

/// Adds those of one workspace.
async fn count_in(store: &Store, id: &str, counts: &[(u32, i64)]) -> Result<Vec<(u32, i64)>> {
    let mut counts = counts.to_vec();
    let mut db = store.read().await?;
    // It may have been deleted meanwhile.
    if let Some(found) = db.workspace(id).await? {
        for (version, rows) in &mut counts {
            *rows += db.count_suppressed(&found, *version).await?;
        }
    }
    Ok(counts)
}
