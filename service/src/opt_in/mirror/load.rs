//! Reading a workspace's consent into memory.

use std::sync::Arc;
use std::time::Instant;

use super::table::{Kept, Table};
use super::{Content, Held, Mirror, PAUSE, Point, State, lock};
use crate::domain::error::{Error, Result};
use crate::operations::workspaces;
use crate::store::{ConsentRow, loggable};

/// Rows read at once: a few milliseconds.
const PAGE: usize = 1000;

impl Mirror {
    /// Reads a workspace. Meanwhile its checks read the database.
    pub(super) async fn load(self, held: Arc<Held>) {
        let began = Instant::now();
        let outcome = self.read_all(&held).await;
        let mut state = lock(&held.state);
        match outcome {
            Ok(Some(content)) => {
                held.measure(&content);
                tracing::debug!(
                    workspace.id = held.workspace_id,
                    identities = content.table.len(),
                    bytes = content.table.bytes(),
                    milliseconds = began.elapsed().as_millis() as u64,
                    "consent is in memory"
                );
                *state = State::Kept(content);
            }
            Ok(None) => {
                tracing::warn!(
                    workspace.id = held.workspace_id,
                    "consent does not fit into --mirror-memory; checks read the database"
                );
                held.forget(&mut state, Some(Instant::now() + 60 * PAUSE));
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(loggable);
                tracing::debug!(error.cause = cause, "consent was not read into memory");
                held.forget(&mut state, Some(Instant::now() + PAUSE));
            }
        }
    }

    /// None if there is no room for it.
    async fn read_all(&self, held: &Held) -> Result<Option<Content>> {
        let id = held.workspace_id.as_str();
        let workspace = self.store.read_of(id).await?.workspace(id).await?;
        let workspace = workspace.ok_or_else(|| workspaces::missing(id))?;
        let as_of = self.store.validity(id).await?.ok_or_else(|| workspaces::missing(id))?;
        let mut content = Content {
            at: Point { incarnation: workspace.token_key, ..Point::of(&as_of) },
            table: Table::new(self.store.keyring().tagger(id)),
        };
        let mut after = String::new();
        loop {
            // Read after the revision, so that changes since are caught up with. Not on a connection of
            // lists, which give way to checks: those cost less once this is done.
            let mut db = self.store.read_of(id).await?;
            db.enter(&workspace).await?;
            let page = db.consent_page(&workspace, &after, PAGE).await?;
            drop(db);
            for row in &page {
                let ConsentRow { match_key: key, identity_id, is_former, consent, .. } = row;
                let Some(contact_id) = row.contact_id else { continue };
                let (identity_id, is_former) = (*identity_id, *is_former);
                let kept = Kept { key, contact_id, identity_id, is_former, consent };
                if !content.table.insert(&kept) {
                    return Ok(None);
                }
            }
            held.measure(&content);
            if !self.fits(held) {
                return Ok(None);
            }
            if page.len() < PAGE {
                break;
            }
            let Some(last) = page.last() else { break };
            last.match_key.as_str().clone_into(&mut after);
            // Changes are kept for an hour, and a check catches up with a thousand at most.
            self.catch_up(&mut content, id).await?;
        }
        Ok(Some(content))
    }

    /// Forgets of what is being read what changed meanwhile.
    async fn catch_up(&self, content: &mut Content, workspace_id: &str) -> Result<()> {
        let limit = super::MAX_CATCH_UP;
        let changes = self.store.consent_changes(workspace_id, content.at.revision, limit).await?;
        match content.apply(&changes) {
            true => Ok(()),
            false => Err(Error::internal("changes of consent are missing")),
        }
    }
}
