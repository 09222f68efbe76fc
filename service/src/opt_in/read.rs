//! The read behind every check.

use std::time::Duration;

use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::operations::workspaces;
use crate::store::{CheckRows, Store};

/// A read that takes longer fails with UNAVAILABLE.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the consent of these keys in one statement.
pub(super) async fn read_rows(
    store: &Store,
    workspace_id: &str,
    keys: &[MatchKey],
) -> Result<CheckRows> {
    tokio::time::timeout(READ_TIMEOUT, store.check(workspace_id, keys))
        .await
        .map_err(Error::unavailable)??
        .ok_or_else(|| workspaces::missing(workspace_id))
}
