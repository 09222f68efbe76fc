//! SQL of tags and attribute definitions.

use async_trait::async_trait;
use sqlx::Row;

use super::session::{PostgresSession, ROWS};
use super::usage::Kind;
use crate::domain::attribute::AttributeDefinition;
use crate::domain::error::Result;
use crate::domain::tag::Tag;
use crate::store::common::{attribute, micros, tag};
use crate::store::{DefinitionReader, DefinitionWriter, Workspace};

#[async_trait]
impl DefinitionReader for PostgresSession {
    async fn tags(&mut self, workspace: &Workspace) -> Result<Vec<Tag>> {
        let query = sqlx::query(
            "SELECT tag_id, display_name, description, color, create_time, update_time
             FROM tag WHERE workspace_id = $1 ORDER BY tag_id",
        );
        let rows = self.fetch_all(query.bind(&workspace.workspace_id)).await?;
        Ok(rows.iter().map(tag).collect())
    }

    async fn tag_counts(&mut self, workspace: &Workspace, tag_ids: &[&str]) -> Result<Vec<i64>> {
        self.usage_counts(workspace, Kind::Tag, tag_ids).await
    }

    async fn attributes(&mut self, workspace: &Workspace) -> Result<Vec<AttributeDefinition>> {
        let query = sqlx::query(
            "SELECT attribute_id, display_name, attribute_type, description, create_time,
                 update_time, enum_options
             FROM attribute WHERE workspace_id = $1 ORDER BY attribute_id",
        );
        let rows = self.fetch_all(query.bind(&workspace.workspace_id)).await?;
        rows.iter().map(|row| attribute(row, row.get(6))).collect()
    }

    async fn attribute_counts(
        &mut self,
        workspace: &Workspace,
        attribute_ids: &[&str],
    ) -> Result<Vec<i64>> {
        self.usage_counts(workspace, Kind::Attribute, attribute_ids).await
    }
}

#[async_trait]
impl DefinitionWriter for PostgresSession {
    async fn upsert_tags(&mut self, workspace: &Workspace, tags: &[Tag]) -> Result<()> {
        for chunk in tags.chunks(ROWS) {
            let text = |of: fn(&Tag) -> &str| chunk.iter().map(of).collect::<Vec<_>>();
            let time = |of: fn(&Tag) -> i64| chunk.iter().map(of).collect::<Vec<_>>();
            // A stored tag with another create_time is not the one that was read, but
            // one that was created since.
            let query = sqlx::query(
                "INSERT INTO tag (workspace_id, tag_id, display_name, description, color,
                                  create_time, update_time)
                 SELECT w.workspace_id, u.*
                 FROM workspace AS w CROSS JOIN unnest($2, $3, $4, $5, $6, $7) AS u
                 WHERE w.workspace_id = $1
                 ON CONFLICT (workspace_id, tag_id) DO UPDATE SET
                     display_name = excluded.display_name, description = excluded.description,
                     color = excluded.color, update_time = excluded.update_time
                 WHERE tag.create_time = excluded.create_time",
            )
            .bind(&workspace.workspace_id)
            .bind(text(|tag| &tag.tag_id))
            .bind(text(|tag| &tag.display_name))
            .bind(text(|tag| &tag.description))
            .bind(text(|tag| &tag.color))
            .bind(time(|tag| micros(tag.create_time)))
            .bind(time(|tag| micros(tag.update_time)));
            self.execute_exactly(query, chunk.len()).await?;
        }
        Ok(())
    }

    async fn delete_tag(&mut self, workspace: &Workspace, tag_id: &str) -> Result<()> {
        let query = sqlx::query("DELETE FROM tag WHERE workspace_id = $1 AND tag_id = $2");
        self.execute(query.bind(&workspace.workspace_id).bind(tag_id)).await?;
        self.delete_usage(workspace, Kind::Tag, tag_id).await
    }

    async fn upsert_attribute(
        &mut self,
        workspace: &Workspace,
        attribute: &AttributeDefinition,
    ) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO attribute (workspace_id, attribute_id, display_name, attribute_type,
                                    enum_options, description, create_time, update_time)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (workspace_id, attribute_id) DO UPDATE SET
                 display_name = excluded.display_name, enum_options = excluded.enum_options,
                 description = excluded.description, update_time = excluded.update_time
             WHERE attribute.create_time = excluded.create_time",
        )
        .bind(&workspace.workspace_id)
        .bind(&attribute.attribute_id)
        .bind(&attribute.display_name)
        .bind(attribute.attribute_type.name())
        .bind(&attribute.enum_options)
        .bind(&attribute.description)
        .bind(micros(attribute.create_time))
        .bind(micros(attribute.update_time));
        self.execute_exactly(query, 1).await
    }

    async fn delete_attribute(&mut self, workspace: &Workspace, attribute_id: &str) -> Result<()> {
        let query =
            sqlx::query("DELETE FROM attribute WHERE workspace_id = $1 AND attribute_id = $2");
        self.execute(query.bind(&workspace.workspace_id).bind(attribute_id)).await?;
        self.delete_usage(workspace, Kind::Attribute, attribute_id).await
    }
}
