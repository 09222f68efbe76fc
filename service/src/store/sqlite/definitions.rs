//! SQL of tags and attribute definitions.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::Row;

use super::session::SqliteSession;
use super::values::json;
use crate::domain::attribute::AttributeDefinition;
use crate::domain::error::{Error, Result};
use crate::domain::tag::Tag;
use crate::store::common::{attribute, micros, tag};
use crate::store::{DefinitionReader, DefinitionWriter, Workspace};

#[async_trait]
impl DefinitionReader for SqliteSession {
    async fn tags(&mut self, workspace: &Workspace) -> Result<Vec<Tag>> {
        let query = sqlx::query(
            "SELECT tag_id, display_name, description, color, create_time, update_time
             FROM tag WHERE workspace_key = ? ORDER BY tag_id",
        );
        let rows = self.fetch_all(query.bind(workspace.row_key)).await?;
        Ok(rows.iter().map(tag).collect())
    }

    async fn tag_counts(&mut self, workspace: &Workspace, tag_ids: &[&str]) -> Result<Vec<i64>> {
        let sql = "SELECT tag_id, contact_count FROM tag WHERE workspace_key = ?";
        counts(self, workspace, sql, tag_ids).await
    }

    async fn attributes(&mut self, workspace: &Workspace) -> Result<Vec<AttributeDefinition>> {
        let query = sqlx::query(
            "SELECT attribute_id, display_name, attribute_type, description, create_time,
                 update_time, enum_options
             FROM attribute WHERE workspace_key = ? ORDER BY attribute_id",
        );
        let rows = self.fetch_all(query.bind(workspace.row_key)).await?;
        let definition = |row| {
            let options = serde_json::from_str(Row::get(row, 6)).map_err(Error::internal)?;
            attribute(row, options)
        };
        rows.iter().map(definition).collect()
    }

    async fn attribute_counts(
        &mut self,
        workspace: &Workspace,
        attribute_ids: &[&str],
    ) -> Result<Vec<i64>> {
        let sql = "SELECT attribute_id, contact_count FROM attribute WHERE workspace_key = ?";
        counts(self, workspace, sql, attribute_ids).await
    }
}

async fn counts(
    db: &mut SqliteSession,
    workspace: &Workspace,
    sql: &'static str,
    ids: &[&str],
) -> Result<Vec<i64>> {
    let rows = db.fetch_all(sqlx::query(sql).bind(workspace.row_key)).await?;
    let counts: HashMap<&str, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(ids.iter().map(|id| counts.get(id).copied().unwrap_or(0)).collect())
}

#[async_trait]
impl DefinitionWriter for SqliteSession {
    async fn upsert_tags(&mut self, workspace: &Workspace, tags: &[Tag]) -> Result<()> {
        let sql = "INSERT INTO tag (workspace_key, tag_id, display_name, description, color,
                 create_time, update_time)
             VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (workspace_key, tag_id) DO UPDATE SET
                 display_name = excluded.display_name, description = excluded.description,
                 color = excluded.color, update_time = excluded.update_time";
        self.for_each(sql, tags, |values, tag| {
            values
                .bind(workspace.row_key)?
                .bind(tag.tag_id.as_str())?
                .bind(tag.display_name.as_str())?
                .bind(tag.description.as_str())?
                .bind(tag.color.as_str())?
                .bind(micros(tag.create_time))?
                .bind(micros(tag.update_time))
                .map(drop)
        })
        .await
    }

    async fn delete_tag(&mut self, workspace: &Workspace, tag_id: &str) -> Result<()> {
        let query = sqlx::query("DELETE FROM tag WHERE workspace_key = ? AND tag_id = ?");
        self.execute(query.bind(workspace.row_key).bind(tag_id)).await?;
        Ok(())
    }

    async fn upsert_attribute(
        &mut self,
        workspace: &Workspace,
        attribute: &AttributeDefinition,
    ) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO attribute (workspace_key, attribute_id, display_name, attribute_type,
                                    enum_options, description, create_time, update_time)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (workspace_key, attribute_id) DO UPDATE SET
                 display_name = excluded.display_name, enum_options = excluded.enum_options,
                 description = excluded.description, update_time = excluded.update_time",
        )
        .bind(workspace.row_key)
        .bind(&attribute.attribute_id)
        .bind(&attribute.display_name)
        .bind(attribute.attribute_type.name())
        .bind(json(&attribute.enum_options)?)
        .bind(&attribute.description)
        .bind(micros(attribute.create_time))
        .bind(micros(attribute.update_time));
        self.execute(query).await?;
        Ok(())
    }

    async fn delete_attribute(&mut self, workspace: &Workspace, attribute_id: &str) -> Result<()> {
        let query =
            sqlx::query("DELETE FROM attribute WHERE workspace_key = ? AND attribute_id = ?");
        self.execute(query.bind(workspace.row_key).bind(attribute_id)).await?;
        Ok(())
    }
}
