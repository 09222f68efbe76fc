//! The read behind every check.

use std::time::Duration;

use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::operations::workspaces;
use crate::store::{CheckRows, Store};

/// Reads the consent of these keys in one statement. Fails with UNAVAILABLE if that
/// takes longer than `timeout`.
pub(super) async fn read_rows(
    store: &Store,
    timeout: Duration,
    workspace_id: &str,
    keys: &[MatchKey],
) -> Result<CheckRows> {
    tokio::time::timeout(timeout, store.check(workspace_id, keys))
        .await
        .map_err(Error::unavailable)??
        .ok_or_else(|| workspaces::missing(workspace_id))
}
