//! What is remembered of webhooks, so that one that is sent again changes nothing.

use std::collections::HashMap;

use async_trait::async_trait;
use uuid::Uuid;

use super::Workspace;
use crate::domain::Time;
use crate::domain::error::Result;

/// A record of something a webhook said. Its id is a keyed hash, see
/// [`Action::id`](crate::domain::webhook::Action::id); nothing else is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WebhookRecord {
    /// The keyed hash.
    pub record_id: Uuid,
    /// Of what was applied: when that was. Of an id that its person left: when they did.
    pub time: Time,
}

/// Reads records of webhooks.
#[async_trait]
pub trait WebhookReader {
    /// Returns the times of those of these records that are stored.
    async fn webhook_records(
        &mut self,
        workspace: &Workspace,
        record_ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Time>>;
    /// Returns records with ids greater than `after`, ordered by id.
    async fn webhook_record_page(
        &mut self,
        workspace: &Workspace,
        after: Uuid,
        limit: usize,
    ) -> Result<Vec<WebhookRecord>>;
}

/// Writes records of webhooks. Slices are sorted and have no duplicates.
#[async_trait]
pub trait WebhookWriter {
    /// Adds records of what was applied. A write conflict if one of them was added since it was
    /// looked for.
    async fn add_webhook_records(
        &mut self,
        workspace: &Workspace,
        records: &[WebhookRecord],
    ) -> Result<()>;
    /// Stores records of ids that their persons left. Of each the latest time is kept.
    async fn set_webhook_records(
        &mut self,
        workspace: &Workspace,
        records: &[WebhookRecord],
    ) -> Result<()>;
    /// Deletes up to `limit` records of before this time. Returns how many.
    async fn delete_webhook_records(
        &mut self,
        workspace: &Workspace,
        before: Time,
        limit: usize,
    ) -> Result<u64>;
}
