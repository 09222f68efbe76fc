//! Reading the consent of people: of memory where that is valid, otherwise of the database.

use std::sync::Arc;
use std::time::Duration;

use super::Checker;
use super::mirror::Held;
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::operations::workspaces;
use crate::store::{CheckRow, CheckRows, Checked, Store, Validity};

/// From this number of people on, a read leaves some connections to others. With the ids of one
/// person, a check asks for fewer.
const MANY: usize = 64;

/// Reads the consent of these keys in one statement, and the validity if that is asked for; of no
/// keys, only the validity. Fails with UNAVAILABLE if that takes longer than `timeout`.
pub(super) async fn read_rows(
    store: &Store,
    timeout: Duration,
    workspace_id: &str,
    keys: &[MatchKey],
    with_validity: bool,
) -> Result<Checked> {
    let read = async {
        match keys {
            [] => {
                let rows = CheckRows::default();
                let read = |validity| Checked { rows, validity: Some(validity), is_exact: true };
                Ok(store.validity(workspace_id).await?.map(read))
            }
            _ => store.check(workspace_id, keys, with_validity).await,
        }
    };
    let read = tokio::time::timeout(timeout, read).await;
    read.map_err(Error::unavailable)??.ok_or_else(|| workspaces::missing(workspace_id))
}

impl Checker {
    /// The workspace in memory, and the validity up to which it was brought. None if it is
    /// not in memory.
    pub(super) async fn held(&self, workspace_id: &str) -> Result<Option<(Arc<Held>, Validity)>> {
        let Some(held) = self.mirror.held(workspace_id) else { return Ok(None) };
        let floor = held.floor();
        let validity = self.validity(workspace_id).await?;
        held.refuse_older(floor, &validity);
        let bring_up = self.mirror.bring_up(&held, &validity);
        let is_valid =
            tokio::time::timeout(self.timeout, bring_up).await.map_err(Error::unavailable)??;
        Ok(is_valid.then_some((held, validity)))
    }

    async fn validity(&self, workspace_id: &str) -> Result<Validity> {
        if !self.store.validates_in_place() {
            return self.coalescer.validity(workspace_id).await;
        }
        let validity = self.store.validity(workspace_id).await?;
        validity.ok_or_else(|| workspaces::missing(workspace_id))
    }

    /// Reads the row of one identity.
    pub(super) async fn read_key(
        &self,
        workspace_id: &str,
        key: &MatchKey,
    ) -> Result<Option<CheckRow>> {
        let held = self.held(workspace_id).await?;
        if let Some((held, validity)) = &held
            && let Some(Some(row)) = held.row(key, validity)?
        {
            self.mirror.used(1);
            return Ok(Some(row));
        }
        let read = self.coalescer.read(workspace_id, key.clone(), held.is_some()).await?;
        match (held, &read.as_of) {
            (Some((held, _)), Some(as_of)) => {
                self.mirror.keep(&held, read.row.iter().map(|row| (key, row)), as_of);
            }
            (Some(_), None) => {}
            (None, _) => self.mirror.count(workspace_id, 1),
        }
        Ok(read.row)
    }

    /// Reads rows. Many are read apart from single checks, which they would delay.
    pub(super) async fn read_keys(
        &self,
        workspace_id: &str,
        keys: &[MatchKey],
    ) -> Result<CheckRows> {
        match keys {
            [] => return Ok(CheckRows::default()),
            [key] => {
                let row = self.read_key(workspace_id, key).await?;
                return Ok(row.map(|row| (key.clone(), row)).into_iter().collect());
            }
            _ => {}
        }
        let held = self.held(workspace_id).await?;
        let Some((held, validity)) = held else {
            let checked = self.read_many(workspace_id, keys, false).await?;
            self.mirror.count(workspace_id, keys.len());
            return Ok(checked.rows);
        };
        let (mut rows, missing) = match held.rows(keys, &validity)? {
            Some(found) => found,
            None => (CheckRows::default(), keys.to_vec()),
        };
        self.mirror.used(rows.len());
        if !missing.is_empty() {
            let checked = self.read_many(workspace_id, &missing, true).await?;
            if let Some(as_of) = checked.as_of() {
                self.mirror.keep(&held, checked.rows.iter(), as_of);
            }
            rows.extend(checked.rows);
        }
        Ok(rows)
    }

    async fn read_many(
        &self,
        workspace_id: &str,
        keys: &[MatchKey],
        with_validity: bool,
    ) -> Result<Checked> {
        let _place = match keys.len() < MANY {
            true => None,
            false => Some(self.batches.enter().await?),
        };
        read_rows(&self.store, self.timeout, workspace_id, keys, with_validity).await
    }
}
