//! Suppressions: what is stored of erased people and of non-contacts who opted out,
//! under keyed hashes.

use super::workspaces;
use crate::domain::error::Result;
use crate::store::Store;

/// Returns how many suppressions use each version of the key, oldest first.
pub async fn count_by_key(store: &Store) -> Result<Vec<(u32, i64)>> {
    let mut counts: Vec<_> = store.keyring().ids().map(|key| (key.version, 0)).collect();
    for found in workspaces::list(store, "", usize::MAX >> 1).await? {
        let mut db = store.read().await?;
        db.enter(&found).await?;
        for (version, rows) in &mut counts {
            *rows += db.count_suppressed(&found, *version).await?;
        }
    }
    Ok(counts)
}
