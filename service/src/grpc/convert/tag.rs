//! Tags.

use contacts_proto::{FieldMask, v1};

use super::{mask, output_only};
use crate::domain::Time;
use crate::domain::error::{Error, Result};
use crate::domain::tag::Tag;
use crate::operations::tags::TagChange;
use crate::store::{Counted, timestamp};

/// Reads one to be made. Its times are the transaction's.
pub fn decode(tag: Option<v1::Tag>) -> Result<Tag> {
    let tag = tag.ok_or_else(|| Error::required("tag"))?;
    refuse_output_only(&tag)?;
    Ok(Tag {
        tag_id: tag.tag_id,
        display_name: tag.display_name,
        description: tag.description,
        color: tag.color,
        create_time: Time::default(),
        update_time: Time::default(),
    })
}

/// Reads a change: the tag's id, and what changes. What only the server sets is
/// passed over, so that a tag can be sent back as it was read.
pub fn decode_changes(
    tag: Option<v1::Tag>,
    update_mask: Option<FieldMask>,
) -> Result<(String, Vec<TagChange>)> {
    let tag = tag.ok_or_else(|| Error::required("tag"))?;
    if tag.tag_id.is_empty() {
        return Err(Error::required("tag.tag_id"));
    }
    let writable = [
        ("display_name", !tag.display_name.is_empty()),
        ("description", !tag.description.is_empty()),
        ("color", !tag.color.is_empty()),
    ];
    let changes = mask::chosen(update_mask, &writable)?.into_iter().map(|field| match field {
        "display_name" => TagChange::DisplayName(tag.display_name.clone()),
        "description" => TagChange::Description(tag.description.clone()),
        _ => TagChange::Color(tag.color.clone()),
    });
    Ok((tag.tag_id.clone(), changes.collect()))
}

/// Writes one.
pub fn encode(Counted { definition, contact_count }: Counted<Tag>) -> v1::Tag {
    v1::Tag {
        tag_id: definition.tag_id,
        display_name: definition.display_name,
        description: definition.description,
        color: definition.color,
        contact_count,
        create_time: Some(timestamp(definition.create_time)),
        update_time: Some(timestamp(definition.update_time)),
    }
}

fn refuse_output_only(tag: &v1::Tag) -> Result<()> {
    for (field, set) in [
        ("contact_count", tag.contact_count != 0),
        ("create_time", tag.create_time.is_some()),
        ("update_time", tag.update_time.is_some()),
    ] {
        if set {
            return Err(output_only(format_args!("tag.{field}"), "leave it out"));
        }
    }
    Ok(())
}
