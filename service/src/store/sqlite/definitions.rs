//! SQL of tags and attribute definitions.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::contacts::Change;
use super::{failure, micros, time};
use crate::domain::attribute::{AttributeDefinition, AttributeType};
use crate::domain::error::{Error, Result};
use crate::domain::tag::Tag;
use crate::store::Workspace;

pub(super) async fn tags(db: &mut SqliteConnection, workspace: &Workspace) -> Result<Vec<Tag>> {
    let rows = sqlx::query("SELECT * FROM tag WHERE workspace_key = ? ORDER BY tag_id")
        .bind(workspace.row_key)
        .fetch_all(db)
        .await
        .map_err(failure)?;
    Ok(rows.iter().map(decode_tag).collect())
}

/// The short keys of tags, by id.
pub(super) async fn tag_keys(
    db: &mut SqliteConnection,
    workspace: &Workspace,
) -> Result<HashMap<String, i64>> {
    let rows = sqlx::query_as("SELECT tag_id, tag_key FROM tag WHERE workspace_key = ?")
        .bind(workspace.row_key)
        .fetch_all(db)
        .await
        .map_err(failure)?;
    Ok(rows.into_iter().collect())
}

pub(super) async fn tag_counts(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    tag_ids: &[&str],
) -> Result<Vec<i64>> {
    let rows = sqlx::query_as("SELECT tag_id, contact_count FROM tag WHERE workspace_key = ?")
        .bind(workspace.row_key)
        .fetch_all(db)
        .await
        .map_err(failure)?;
    let counts: HashMap<String, i64> = rows.into_iter().collect();
    Ok(tag_ids.iter().map(|id| counts.get(*id).copied().unwrap_or(0)).collect())
}

pub(super) async fn put_tags(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    tags: &[Tag],
) -> Result<()> {
    for chunk in tags.chunks(super::ROWS) {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "INSERT INTO tag (workspace_key, tag_id, display_name, description, color,
                              create_time, update_time) ",
        );
        sql.push_values(chunk, |mut row, tag| {
            row.push_bind(workspace.row_key)
                .push_bind(&tag.tag_id)
                .push_bind(&tag.display_name)
                .push_bind(&tag.description)
                .push_bind(&tag.color)
                .push_bind(micros(tag.create_time))
                .push_bind(micros(tag.update_time));
        });
        sql.push(
            " ON CONFLICT (workspace_key, tag_id) DO UPDATE SET
                  display_name = excluded.display_name, description = excluded.description,
                  color = excluded.color, update_time = excluded.update_time",
        );
        sql.build().execute(&mut *db).await.map_err(failure)?;
    }
    Ok(())
}

pub(super) async fn delete_tag(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    tag_id: &str,
) -> Result<()> {
    sqlx::query("DELETE FROM tag WHERE workspace_key = ? AND tag_id = ?")
        .bind(workspace.row_key)
        .bind(tag_id)
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

pub(super) async fn attributes(
    db: &mut SqliteConnection,
    workspace: &Workspace,
) -> Result<Vec<AttributeDefinition>> {
    let rows = sqlx::query("SELECT * FROM attribute WHERE workspace_key = ? ORDER BY attribute_id")
        .bind(workspace.row_key)
        .fetch_all(db)
        .await
        .map_err(failure)?;
    rows.iter().map(decode_attribute).collect()
}

/// Counts contacts in and out of attributes. There is one writer: nobody waits
/// for the counter.
pub(super) async fn count_attributes(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    changes: &[Change<'_>],
) -> Result<()> {
    let mut counts: HashMap<&str, i64> = HashMap::new();
    for (_, before, after) in changes {
        for id in after.attributes.keys().filter(|id| !before.attributes.contains_key(*id)) {
            *counts.entry(id).or_default() += 1;
        }
        for id in before.attributes.keys().filter(|id| !after.attributes.contains_key(*id)) {
            *counts.entry(id).or_default() -= 1;
        }
    }
    for (id, change) in counts {
        sqlx::query(
            "UPDATE attribute SET contact_count = contact_count + ?
             WHERE workspace_key = ? AND attribute_id = ?",
        )
        .bind(change)
        .bind(workspace.row_key)
        .bind(id)
        .execute(&mut *db)
        .await
        .map_err(failure)?;
    }
    Ok(())
}

/// The same for tags, by their short keys.
pub(super) async fn count_tags(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    counts: &HashMap<i64, i64>,
) -> Result<()> {
    for (key, change) in counts {
        sqlx::query(
            "UPDATE tag SET contact_count = contact_count + ?
             WHERE workspace_key = ? AND tag_key = ?",
        )
        .bind(change)
        .bind(workspace.row_key)
        .bind(key)
        .execute(&mut *db)
        .await
        .map_err(failure)?;
    }
    Ok(())
}

pub(super) async fn attribute_counts(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    attribute_ids: &[&str],
) -> Result<Vec<i64>> {
    let rows =
        sqlx::query_as("SELECT attribute_id, contact_count FROM attribute WHERE workspace_key = ?")
            .bind(workspace.row_key)
            .fetch_all(db)
            .await
            .map_err(failure)?;
    let counts: HashMap<String, i64> = rows.into_iter().collect();
    Ok(attribute_ids.iter().map(|id| counts.get(*id).copied().unwrap_or(0)).collect())
}

pub(super) async fn put_attribute(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    attribute: &AttributeDefinition,
) -> Result<()> {
    let options = serde_json::to_string(&attribute.enum_options).map_err(Error::internal)?;
    sqlx::query(
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
    .bind(options)
    .bind(&attribute.description)
    .bind(micros(attribute.create_time))
    .bind(micros(attribute.update_time))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(super) async fn delete_attribute(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    attribute_id: &str,
) -> Result<()> {
    sqlx::query("DELETE FROM attribute WHERE workspace_key = ? AND attribute_id = ?")
        .bind(workspace.row_key)
        .bind(attribute_id)
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

fn decode_tag(row: &SqliteRow) -> Tag {
    Tag {
        tag_id: row.get("tag_id"),
        display_name: row.get("display_name"),
        description: row.get("description"),
        color: row.get("color"),
        create_time: time(row.get("create_time")),
        update_time: time(row.get("update_time")),
    }
}

fn decode_attribute(row: &SqliteRow) -> Result<AttributeDefinition> {
    let options: &str = row.get("enum_options");
    let attribute_type: &str = row.get("attribute_type");
    Ok(AttributeDefinition {
        attribute_id: row.get("attribute_id"),
        display_name: row.get("display_name"),
        attribute_type: AttributeType::from_name(attribute_type)
            .ok_or_else(|| Error::internal("an attribute's stored type is unknown"))?,
        enum_options: serde_json::from_str(options).map_err(Error::internal)?,
        description: row.get("description"),
        create_time: time(row.get("create_time")),
        update_time: time(row.get("update_time")),
    })
}
