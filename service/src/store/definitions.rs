//! Tags and attribute definitions.

use async_trait::async_trait;

use super::Workspace;
use crate::domain::attribute::AttributeDefinition;
use crate::domain::error::Result;
use crate::domain::tag::Tag;

/// A definition with the number of contacts that use it.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted<T> {
    /// The tag or attribute definition.
    pub definition: T,
    /// How many contacts use it.
    pub contact_count: i64,
}

/// Reads tags and attribute definitions.
#[async_trait]
pub trait DefinitionReader {
    /// Returns all tags, ordered by id.
    async fn tags(&mut self, workspace: &Workspace) -> Result<Vec<Tag>>;
    /// Returns how many contacts have each of these tags, in the order of
    /// `tag_ids`.
    async fn tag_counts(&mut self, workspace: &Workspace, tag_ids: &[&str]) -> Result<Vec<i64>>;
    /// Returns all attribute definitions, ordered by id.
    async fn attributes(&mut self, workspace: &Workspace) -> Result<Vec<AttributeDefinition>>;
    /// Returns how many contacts have a value of each of these attributes, in
    /// the order of `attribute_ids`.
    async fn attribute_counts(
        &mut self,
        workspace: &Workspace,
        attribute_ids: &[&str],
    ) -> Result<Vec<i64>>;
}

/// Writes tags and attribute definitions.
#[async_trait]
pub trait DefinitionWriter {
    /// Adds tags, or replaces those with the same id.
    async fn upsert_tags(&mut self, workspace: &Workspace, tags: &[Tag]) -> Result<()>;
    /// Deletes a tag that no contact has.
    async fn delete_tag(&mut self, workspace: &Workspace, tag_id: &str) -> Result<()>;
    /// Adds a definition, or replaces the one with the same id.
    async fn upsert_attribute(
        &mut self,
        workspace: &Workspace,
        attribute: &AttributeDefinition,
    ) -> Result<()>;
    /// Deletes a definition that no contact has a value of.
    async fn delete_attribute(&mut self, workspace: &Workspace, attribute_id: &str) -> Result<()>;
}
