//! Tags.

use contacts_proto::v1;

use super::{mask, output_only};
use crate::domain::Time;
use crate::domain::error::{Error, Result};
use crate::domain::tag::{Tag, TagField};
use crate::operations::tags::{TagChange, UpdateTag};
use crate::store::{Counted, timestamp};

/// Decodes a tag to create. The transaction sets its times.
pub(crate) fn decode(tag: Option<v1::Tag>) -> Result<Tag> {
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

/// Decodes an update. Fields that only the server sets are ignored, so that a
/// tag can be sent back as it was read.
pub(crate) fn decode_update(request: v1::UpdateTagRequest) -> Result<UpdateTag> {
    let v1::UpdateTagRequest { workspace_id, tag, update_mask, .. } = request;
    let tag = tag.ok_or_else(|| Error::required("tag"))?;
    if tag.tag_id.is_empty() {
        return Err(Error::required("tag.tag_id"));
    }
    let is_populated = |field| match field {
        TagField::DisplayName => !tag.display_name.is_empty(),
        TagField::Description => !tag.description.is_empty(),
        TagField::Color => !tag.color.is_empty(),
    };
    let fields = mask::fields(update_mask, is_populated)?;
    let changes = fields.into_iter().map(|field| match field {
        TagField::DisplayName => TagChange::DisplayName(tag.display_name.clone()),
        TagField::Description => TagChange::Description(tag.description.clone()),
        TagField::Color => TagChange::Color(tag.color.clone()),
    });
    let changes = changes.collect();
    Ok(UpdateTag { workspace_id, tag_id: tag.tag_id, changes })
}

/// Encodes a tag.
pub(crate) fn encode(Counted { definition, contact_count }: Counted<Tag>) -> v1::Tag {
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
