//! Reading the consent of people: of memory where that is valid, otherwise of the database.

use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument;

use super::Checker;
use super::mirror::Held;
use crate::domain::contact::Recipient;
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::operations::{workspace, workspaces};
use crate::store::{CheckRow, CheckRows, Checked, ContactRow, Store, Validity};
use crate::telemetry::call;

/// From this number of people on, a read leaves some connections to others. With the ids of one
/// person, a check asks for fewer.
pub(super) const MANY: usize = 64;

/// Reads of the database that checks share.
pub(super) trait Reads: Clone + Send + Sync + 'static {
    /// Reads the consent of these keys in one statement, and the validity if that is asked for; of
    /// no keys, only the validity.
    fn read(
        &self,
        workspace_id: &str,
        keys: &[MatchKey],
        with_validity: bool,
    ) -> impl Future<Output = Result<Checked>> + Send;
}

/// Those of a store. They fail with UNAVAILABLE if they take longer than this.
#[derive(Clone)]
pub(super) struct StoreReads {
    pub(super) store: Store,
    pub(super) timeout: Duration,
}

impl StoreReads {
    /// Finds contacts.
    pub(super) async fn contacts(
        &self,
        workspace_id: &str,
        recipients: &[Recipient],
    ) -> Result<Vec<Option<ContactRow>>> {
        let find = async {
            let mut db = self.store.read_check(workspace_id).await?;
            let workspace = workspace(&mut *db, workspace_id).await?;
            db.find_contacts(&workspace, recipients).await
        };
        tokio::time::timeout(self.timeout, find).await.map_err(Error::unavailable)?
    }
}

impl Reads for StoreReads {
    async fn read(
        &self,
        workspace_id: &str,
        keys: &[MatchKey],
        with_validity: bool,
    ) -> Result<Checked> {
        let read = async {
            match keys {
                [] => {
                    let rows = CheckRows::default();
                    let read =
                        |validity| Checked { rows, validity: Some(validity), is_exact: true };
                    Ok(self.store.validity(workspace_id).await?.map(read))
                }
                _ => self.store.check(workspace_id, keys, with_validity).await,
            }
        };
        let read = tokio::time::timeout(self.timeout, read).await;
        read.map_err(Error::unavailable)??.ok_or_else(|| workspaces::missing(workspace_id))
    }
}

impl Checker {
    /// The workspace in memory, and the validity up to which it was brought. None if it is
    /// not in memory.
    pub(super) async fn held(&self, workspace_id: &str) -> Result<Option<(Arc<Held>, Validity)>> {
        let Some(held) = self.mirror.held(workspace_id) else { return Ok(None) };
        let floor = held.floor();
        let validity = self.validity(workspace_id).await?;
        let is_valid = self.bring_up(&held, floor, &validity).await?;
        Ok(is_valid.then_some((held, validity)))
    }

    /// In the same way, with what is seen in memory while the database is asked for the validity.
    /// Memory may be brought up to that afterwards.
    pub(super) async fn held_while<T>(
        &self,
        workspace_id: &str,
        look: impl FnOnce(&Held) -> T,
    ) -> Result<Option<(Arc<Held>, Validity, T)>> {
        let Some(held) = self.mirror.held(workspace_id) else { return Ok(None) };
        let floor = held.floor();
        let look = async {
            // The task that asks the database comes first.
            if !self.store.validates_in_place() {
                tokio::task::yield_now().await;
            }
            look(&held)
        };
        let (validity, seen) = tokio::join!(self.validity(workspace_id), look);
        let validity = validity?;
        let is_valid = self.bring_up(&held, floor, &validity).await?;
        Ok(is_valid.then_some((held, validity, seen)))
    }

    async fn bring_up(&self, held: &Held, floor: i64, validity: &Validity) -> Result<bool> {
        held.refuse_older(floor, validity);
        let bring_up = self.mirror.bring_up(held, validity);
        tokio::time::timeout(self.reads.timeout, bring_up).await.map_err(Error::unavailable)?
    }

    pub(super) async fn validity(&self, workspace_id: &str) -> Result<Validity> {
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
        if keys.len() < MANY {
            return self.reads.read(workspace_id, keys, with_validity).await;
        }
        let (reads, workspace_id, keys) =
            (self.reads.clone(), workspace_id.to_owned(), keys.to_vec());
        self.batch(async move { reads.read(&workspace_id, &keys, with_validity).await }).await
    }

    /// A read of many people. It leaves some connections to others, and goes on to its end when the
    /// caller goes away: the connection is busy until then.
    pub(super) async fn batch<T: Send + 'static>(
        &self,
        read: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let place = self.batches.enter().await?;
        let read = call::outliving(async move {
            let _place = place;
            read.await
        });
        tokio::spawn(read.in_current_span()).await.map_err(Error::internal)?
    }
}
