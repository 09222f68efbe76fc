//! Creating, reading, changing and deleting attribute definitions.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::attribute::{AttributeDefinition, AttributeType, MAX_ATTRIBUTES};
use crate::domain::contact::Contact;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::filter::{Expr, Field, Predicate};
use crate::store::{Counted, Lock, Operation, Reader, Store, Transaction, Workspace};

use super::contact_scan::{each_selected, rewrite_selected};
use super::definition::{self, ensure_unique, find};
use super::{lock_workspace, workspace};

/// Defines an attribute.
#[derive(Debug)]
pub struct CreateAttribute {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// The definition. Its times, and an empty id, are set when it is stored.
    pub attribute: AttributeDefinition,
}

impl Operation for CreateAttribute {
    type Output = Counted<AttributeDefinition>;

    async fn run(&self, tx: &mut Transaction) -> Result<Self::Output> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let attribute = AttributeDefinition {
            create_time: tx.now,
            update_time: tx.now,
            ..self.attribute.clone()
        };
        let attribute = attribute.completed().map_err(|error| error.in_parent("attribute"))?;
        let existing = tx.db.attributes(&workspace).await?;
        if existing.len() >= MAX_ATTRIBUTES {
            return Err(Error::limit("attribute", MAX_ATTRIBUTES, existing.len() + 1));
        }
        ensure_unique(&attribute, &existing, true)?;
        tx.db.upsert_attribute(&workspace, &attribute).await?;
        Ok(Counted { definition: attribute, contact_count: 0 })
    }
}

/// One field of an update mask with its new value.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the field it sets")]
pub enum AttributeChange {
    DisplayName(String),
    Description(String),
    EnumOptions(Vec<String>),
}

/// Changes a definition.
#[derive(Debug)]
pub struct UpdateAttribute {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// The definition to change.
    pub attribute_id: String,
    /// The type in the request, which has to be the stored one.
    pub attribute_type: Option<AttributeType>,
    /// The changes, in order.
    pub changes: Vec<AttributeChange>,
}

impl Operation for UpdateAttribute {
    type Output = Counted<AttributeDefinition>;

    async fn run(&self, tx: &mut Transaction) -> Result<Self::Output> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let existing = tx.db.attributes(&workspace).await?;
        let before = find(&existing, &self.attribute_id)?;
        let mut attribute = before.clone();
        if self.attribute_type.is_some_and(|sent| sent != attribute.attribute_type) {
            let message = format!(
                "{} is of type {}, and a type never changes: make another attribute",
                attribute.attribute_id,
                attribute.attribute_type.name(),
            );
            return Err(Error::invalid(Reason::ImmutableField, "attribute.type", message));
        }
        for change in &self.changes {
            match change.clone() {
                AttributeChange::DisplayName(name) => attribute.display_name = name,
                AttributeChange::Description(text) => attribute.description = text,
                AttributeChange::EnumOptions(options) => {
                    refuse_fewer(&attribute.enum_options, &options)?;
                    attribute.enum_options = options;
                }
            }
        }
        let mut attribute = attribute.completed().map_err(|error| error.in_parent("attribute"))?;
        if attribute != *before {
            attribute.update_time = tx.now;
            ensure_unique(&attribute, &existing, false)?;
            tx.db.upsert_attribute(&workspace, &attribute).await?;
        }
        counted(&mut *tx.db, &workspace, attribute).await
    }
}

/// Deletes a definition. Returns how many contacts had a value.
#[derive(Debug)]
pub struct DeleteAttribute {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// The definition to delete.
    pub attribute_id: String,
    /// Also deletes the values that contacts have. Without it, these are an error.
    pub force: bool,
    /// From how many contacts the value was removed before the definition goes.
    pub removed: AtomicI64,
}

impl Operation for DeleteAttribute {
    type Output = i64;

    fn needs_preparation(&self) -> bool {
        self.force
    }

    async fn prepare(&self, store: &Store) -> Result<()> {
        let mut db = store.read().await?;
        let workspace = workspace(&mut *db, &self.workspace_id).await?;
        let has_value = has_value(find(&db.attributes(&workspace).await?, &self.attribute_id)?);
        drop(db);
        let id = self.attribute_id.clone();
        let remove =
            move |contact: &mut Contact| Ok(contact.profile.attributes.remove(&id).is_some());
        let edited = rewrite_selected(store, &workspace, Some(has_value), remove).await?;
        self.removed.store(edited.changed, Ordering::Relaxed);
        Ok(())
    }

    async fn run(&self, tx: &mut Transaction) -> Result<i64> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Exclusive).await?;
        let id = self.attribute_id.as_str();
        let definitions = tx.db.attributes(&workspace).await?;
        let definition = find(&definitions, id)?;
        let counts = tx.db.attribute_counts(&workspace, &[id]).await?;
        let count = counts.first().copied().unwrap_or(0);
        if count > 0 && !self.force {
            let message =
                format!("{count} contacts have a value of {id}; send force: true to delete them");
            return Err(Error::new(Reason::AttributeInUse, message)
                .with_resource("attribute", id)
                .with_metadata("attribute_id", id)
                .with_metadata("contact_count", count.to_string()));
        }
        if count > 0 {
            // Set while it was removed from the others.
            let remove = |contact: &mut Contact| contact.profile.attributes.remove(id).is_some();
            each_selected(tx, &workspace, has_value(definition), remove).await?;
        }
        tx.db.delete_attribute(&workspace, id).await?;
        Ok(count + self.removed.load(Ordering::Relaxed))
    }
}

fn has_value(definition: &AttributeDefinition) -> Expr {
    let AttributeDefinition { attribute_id, attribute_type, .. } = definition;
    let field = Field::Attribute { id: attribute_id.clone(), attribute_type: *attribute_type };
    Expr::Is(Predicate::IsSet(field))
}

/// Returns one definition.
pub async fn get(
    store: &Store,
    workspace_id: &str,
    attribute_id: &str,
) -> Result<Counted<AttributeDefinition>> {
    let mut db = store.read().await?;
    let workspace = workspace(&mut *db, workspace_id).await?;
    let attribute = find(&db.attributes(&workspace).await?, attribute_id)?.clone();
    counted(&mut *db, &workspace, attribute).await
}

/// Returns definitions with ids greater than `after`, ordered by id.
pub async fn list(
    store: &Store,
    workspace_id: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<Counted<AttributeDefinition>>> {
    let mut db = store.read().await?;
    let workspace = workspace(&mut *db, workspace_id).await?;
    let attributes = definition::page(db.attributes(&workspace).await?, after, limit);
    let ids: Vec<_> = attributes.iter().map(|attribute| attribute.attribute_id.as_str()).collect();
    let counts = db.attribute_counts(&workspace, &ids).await?;
    Ok(definition::counted(attributes, counts))
}

async fn counted(
    db: &mut dyn Reader,
    workspace: &Workspace,
    attribute: AttributeDefinition,
) -> Result<Counted<AttributeDefinition>> {
    let counts = db.attribute_counts(workspace, &[&attribute.attribute_id]).await?;
    Ok(Counted { definition: attribute, contact_count: counts.first().copied().unwrap_or(0) })
}

/// Options can be added, but not removed, because contacts may have them.
fn refuse_fewer(old: &[String], new: &[String]) -> Result<()> {
    match old.iter().find(|option| !new.contains(option)) {
        None => Ok(()),
        Some(missing) => {
            let message = format!("options cannot be removed, and {missing:?} is missing");
            let field = "attribute.enum_options";
            Err(Error::invalid(Reason::ImmutableField, field, message))
        }
    }
}
