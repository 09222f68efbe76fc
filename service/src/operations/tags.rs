//! Creating, reading, changing and deleting tags.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::contact::Contact;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::filter::{Expr, Predicate};
use crate::domain::tag::{MAX_TAGS, Tag};
use crate::store::{Counted, Lock, Operation, Reader, Store, Transaction, Workspace};

use super::contact_scan::{each_selected, rewrite_selected};
use super::definition::{self, ensure_unique, find};
use super::{lock_workspace, workspace};

/// Creates a tag.
#[derive(Debug)]
pub struct CreateTag {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// The tag. Its times, and an empty id, are set when it is stored.
    pub tag: Tag,
}

impl Operation for CreateTag {
    type Output = Counted<Tag>;

    async fn run(&self, tx: &mut Transaction) -> Result<Counted<Tag>> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let tag = Tag { create_time: tx.now, update_time: tx.now, ..self.tag.clone() };
        let tag = tag.completed().map_err(|error| error.in_parent("tag"))?;
        let existing = tx.db.tags(&workspace).await?;
        if existing.len() >= MAX_TAGS {
            return Err(Error::limit("tag", MAX_TAGS, existing.len() + 1));
        }
        ensure_unique(&tag, &existing, true)?;
        tx.db.upsert_tags(&workspace, std::slice::from_ref(&tag)).await?;
        Ok(Counted { definition: tag, contact_count: 0 })
    }
}

/// One field of an update mask with its new value.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the field it sets")]
pub enum TagChange {
    DisplayName(String),
    Description(String),
    Color(String),
}

/// Changes a tag.
#[derive(Debug)]
pub struct UpdateTag {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// The tag to change.
    pub tag_id: String,
    /// The changes, in order.
    pub changes: Vec<TagChange>,
}

impl Operation for UpdateTag {
    type Output = Counted<Tag>;

    async fn run(&self, tx: &mut Transaction) -> Result<Counted<Tag>> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let existing = tx.db.tags(&workspace).await?;
        let before = find(&existing, &self.tag_id)?;
        let mut tag = before.clone();
        for change in &self.changes {
            match change.clone() {
                TagChange::DisplayName(name) => tag.display_name = name,
                TagChange::Description(description) => tag.description = description,
                TagChange::Color(color) => tag.color = color,
            }
        }
        let mut tag = tag.completed().map_err(|error| error.in_parent("tag"))?;
        if tag != *before {
            tag.update_time = tx.now;
            ensure_unique(&tag, &existing, false)?;
            tx.db.upsert_tags(&workspace, std::slice::from_ref(&tag)).await?;
        }
        counted(&mut *tx.db, &workspace, tag).await
    }
}

/// Deletes a tag. Returns how many contacts had it.
#[derive(Debug)]
pub struct DeleteTag {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// The tag to delete.
    pub tag_id: String,
    /// Also removes the tag from contacts. Without it, contacts with the tag are an
    /// error.
    pub force: bool,
    /// From how many contacts it was removed before the tag itself goes.
    pub removed: AtomicI64,
}

impl Operation for DeleteTag {
    type Output = i64;

    fn needs_preparation(&self) -> bool {
        self.force
    }

    async fn prepare(&self, store: &Store) -> Result<()> {
        let mut db = store.read().await?;
        let workspace = workspace(&mut *db, &self.workspace_id).await?;
        find(&db.tags(&workspace).await?, &self.tag_id)?;
        drop(db);
        let (carries, id) = (carries(&self.tag_id), self.tag_id.clone());
        let remove = move |contact: &mut Contact| Ok(contact.profile.tags.remove(&id));
        let edited = rewrite_selected(store, &workspace, Some(carries), remove).await?;
        self.removed.store(edited.changed, Ordering::Relaxed);
        Ok(())
    }

    async fn run(&self, tx: &mut Transaction) -> Result<i64> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Exclusive).await?;
        let id = self.tag_id.as_str();
        find(&tx.db.tags(&workspace).await?, id)?;
        let count = tx.db.tag_counts(&workspace, &[id]).await?.first().copied().unwrap_or(0);
        if count > 0 && !self.force {
            let message = format!(
                "{count} contacts carry {id}; take it off them with \
                 ContactService.UpdateContactTags, or send force: true"
            );
            return Err(Error::new(Reason::TagInUse, message)
                .with_resource("tag", id)
                .with_metadata("tag_id", id)
                .with_metadata("contact_count", count.to_string()));
        }
        if count > 0 {
            // Added while it was removed from the others.
            let remove = |contact: &mut Contact| contact.profile.tags.remove(id);
            each_selected(tx, &workspace, carries(id), remove).await?;
        }
        tx.db.delete_tag(&workspace, id).await?;
        Ok(count + self.removed.load(Ordering::Relaxed))
    }
}

fn carries(tag_id: &str) -> Expr {
    Expr::Is(Predicate::HasTag(tag_id.to_owned()))
}

/// Returns one tag.
pub async fn get(store: &Store, workspace_id: &str, tag_id: &str) -> Result<Counted<Tag>> {
    let mut db = store.read().await?;
    let workspace = workspace(&mut *db, workspace_id).await?;
    let tag = find(&db.tags(&workspace).await?, tag_id)?.clone();
    counted(&mut *db, &workspace, tag).await
}

/// Returns tags with ids greater than `after`, ordered by id.
pub async fn list(
    store: &Store,
    workspace_id: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<Counted<Tag>>> {
    let mut db = store.read().await?;
    let workspace = workspace(&mut *db, workspace_id).await?;
    let tags = definition::page(db.tags(&workspace).await?, after, limit);
    let ids: Vec<_> = tags.iter().map(|tag| tag.tag_id.as_str()).collect();
    let counts = db.tag_counts(&workspace, &ids).await?;
    Ok(definition::counted(tags, counts))
}

async fn counted(db: &mut dyn Reader, workspace: &Workspace, tag: Tag) -> Result<Counted<Tag>> {
    let counts = db.tag_counts(workspace, &[&tag.tag_id]).await?;
    Ok(Counted { definition: tag, contact_count: counts.first().copied().unwrap_or(0) })
}
