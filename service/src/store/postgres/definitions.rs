//! SQL of tags and attribute definitions.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::{ROWS, expect_rows, failure, micros, time};
use crate::domain::attribute::{AttributeDefinition, AttributeType};
use crate::domain::error::{Error, Result};
use crate::domain::tag::Tag;
use crate::store::Workspace;

pub(super) async fn tags(db: &mut PgConnection, workspace: &Workspace) -> Result<Vec<Tag>> {
    let rows = sqlx::query(
        "SELECT tag_id, display_name, description, color, create_time, update_time
         FROM tag WHERE workspace_id = $1 ORDER BY tag_id",
    )
    .bind(&workspace.workspace_id)
    .fetch_all(db)
    .await
    .map_err(failure)?;
    Ok(rows.iter().map(decode_tag).collect())
}

pub(super) async fn put_tags(
    db: &mut PgConnection,
    workspace: &Workspace,
    tags: &[Tag],
) -> Result<()> {
    for chunk in tags.chunks(ROWS) {
        let text = |of: fn(&Tag) -> &str| chunk.iter().map(of).collect::<Vec<_>>();
        let timestamp = |of: fn(&Tag) -> i64| chunk.iter().map(of).collect::<Vec<_>>();
        // A tag that is there with another time of creation is not the one that
        // was read, but one that somebody else made in between.
        let result = sqlx::query(
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
        .bind(timestamp(|tag| micros(tag.create_time)))
        .bind(timestamp(|tag| micros(tag.update_time)))
        .execute(&mut *db)
        .await
        .map_err(failure)?;
        expect_rows(result.rows_affected(), chunk.len())?;
    }
    Ok(())
}

pub(super) async fn delete_tag(
    db: &mut PgConnection,
    workspace: &Workspace,
    tag_id: &str,
) -> Result<()> {
    sqlx::query("DELETE FROM tag WHERE workspace_id = $1 AND tag_id = $2")
        .bind(&workspace.workspace_id)
        .bind(tag_id)
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

pub(super) async fn attributes(
    db: &mut PgConnection,
    workspace: &Workspace,
) -> Result<Vec<AttributeDefinition>> {
    let rows = sqlx::query(
        "SELECT attribute_id, display_name, attribute_type, enum_options, description,
             create_time, update_time
         FROM attribute WHERE workspace_id = $1 ORDER BY attribute_id",
    )
    .bind(&workspace.workspace_id)
    .fetch_all(db)
    .await
    .map_err(failure)?;
    rows.iter().map(decode_attribute).collect()
}

pub(super) async fn put_attribute(
    db: &mut PgConnection,
    workspace: &Workspace,
    attribute: &AttributeDefinition,
) -> Result<()> {
    let result = sqlx::query(
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
    .bind(micros(attribute.update_time))
    .execute(db)
    .await
    .map_err(failure)?;
    expect_rows(result.rows_affected(), 1)
}

pub(super) async fn delete_attribute(
    db: &mut PgConnection,
    workspace: &Workspace,
    attribute_id: &str,
) -> Result<()> {
    sqlx::query("DELETE FROM attribute WHERE workspace_id = $1 AND attribute_id = $2")
        .bind(&workspace.workspace_id)
        .bind(attribute_id)
        .execute(db)
        .await
        .map_err(failure)?;
    Ok(())
}

fn decode_tag(row: &PgRow) -> Tag {
    Tag {
        tag_id: row.get(0),
        display_name: row.get(1),
        description: row.get(2),
        color: row.get(3),
        create_time: time(row.get(4)),
        update_time: time(row.get(5)),
    }
}

fn decode_attribute(row: &PgRow) -> Result<AttributeDefinition> {
    let attribute_type: &str = row.get(2);
    Ok(AttributeDefinition {
        attribute_id: row.get(0),
        display_name: row.get(1),
        attribute_type: AttributeType::from_name(attribute_type)
            .ok_or_else(|| Error::internal("an attribute's stored type is unknown"))?,
        enum_options: row.get(3),
        description: row.get(4),
        create_time: time(row.get(5)),
        update_time: time(row.get(6)),
    })
}
