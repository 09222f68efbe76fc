//! Attribute definitions and values.

use contacts_proto::{FieldMask, v1};

use super::{decode_enum, mask, output_only, time};
use crate::domain::Time;
use crate::domain::attribute::{
    AttributeDefinition, AttributeField, AttributeType, AttributeValue,
};
use crate::domain::error::{Error, Reason, Result};
use crate::operations::attributes::{AttributeChange, UpdateAttribute};
use crate::store::{Counted, timestamp};

const TYPE_FIELD: &str = "attribute.type";

/// Decodes a definition to create. The transaction sets its times.
pub(crate) fn decode(attribute: Option<v1::Attribute>) -> Result<AttributeDefinition> {
    let attribute = attribute.ok_or_else(|| Error::required("attribute"))?;
    for (field, set) in [
        ("contact_count", attribute.contact_count != 0),
        ("create_time", attribute.create_time.is_some()),
        ("update_time", attribute.update_time.is_some()),
    ] {
        if set {
            return Err(output_only(format_args!("attribute.{field}"), "leave it out"));
        }
    }
    let attribute_type = decode_type(attribute.r#type)?.ok_or_else(|| {
        let message = "attribute.type is required: STRING, NUMBER, BOOLEAN, TIMESTAMP or ENUM, \
                       each with the prefix ATTRIBUTE_TYPE_";
        Error::invalid(Reason::RequiredFieldMissing, TYPE_FIELD, message)
    })?;
    Ok(AttributeDefinition {
        attribute_id: attribute.attribute_id,
        display_name: attribute.display_name,
        attribute_type,
        enum_options: attribute.enum_options,
        description: attribute.description,
        create_time: Time::default(),
        update_time: Time::default(),
    })
}

/// Decodes an update. Fields that only the server sets are ignored, so that a
/// definition can be sent back as it was read.
pub(crate) fn decode_update(request: v1::UpdateAttributeRequest) -> Result<UpdateAttribute> {
    let v1::UpdateAttributeRequest { workspace_id, attribute, update_mask, .. } = request;
    let attribute = attribute.ok_or_else(|| Error::required("attribute"))?;
    if attribute.attribute_id.is_empty() {
        return Err(Error::required("attribute.attribute_id"));
    }
    let is_type = |path: &String| path == "type";
    let update_mask = match mask::paths(update_mask) {
        None => None,
        Some(paths) if paths.iter().any(is_type) => {
            let message = "a type never changes: make another attribute, of the new type";
            return Err(Error::invalid(Reason::ImmutableField, TYPE_FIELD, message));
        }
        Some(paths) => Some(FieldMask { paths }),
    };
    // Without a mask the type is only compared with the stored one.
    let attribute_type = match update_mask {
        None => decode_type(attribute.r#type)?,
        Some(_) => None,
    };
    let is_populated = |field| match field {
        AttributeField::DisplayName => !attribute.display_name.is_empty(),
        AttributeField::Description => !attribute.description.is_empty(),
        AttributeField::EnumOptions => !attribute.enum_options.is_empty(),
    };
    let fields = mask::fields(update_mask, is_populated)?;
    let changes = fields.into_iter().map(|field| match field {
        AttributeField::DisplayName => AttributeChange::DisplayName(attribute.display_name.clone()),
        AttributeField::Description => AttributeChange::Description(attribute.description.clone()),
        AttributeField::EnumOptions => AttributeChange::EnumOptions(attribute.enum_options.clone()),
    });
    Ok(UpdateAttribute {
        workspace_id,
        attribute_id: attribute.attribute_id.clone(),
        attribute_type,
        changes: changes.collect(),
    })
}

/// Encodes a definition.
pub(crate) fn encode(counted: Counted<AttributeDefinition>) -> v1::Attribute {
    let Counted { definition, contact_count } = counted;
    v1::Attribute {
        attribute_id: definition.attribute_id,
        display_name: definition.display_name,
        r#type: match definition.attribute_type {
            AttributeType::String => v1::AttributeType::String,
            AttributeType::Number => v1::AttributeType::Number,
            AttributeType::Boolean => v1::AttributeType::Boolean,
            AttributeType::Timestamp => v1::AttributeType::Timestamp,
            AttributeType::Enum => v1::AttributeType::Enum,
        }
        .into(),
        enum_options: definition.enum_options,
        description: definition.description,
        contact_count,
        create_time: Some(timestamp(definition.create_time)),
        update_time: Some(timestamp(definition.update_time)),
    }
}

/// Decodes a type. None if it is UNSPECIFIED.
fn decode_type(number: i32) -> Result<Option<AttributeType>> {
    Ok(match decode_enum(TYPE_FIELD, number)? {
        v1::AttributeType::Unspecified => None,
        v1::AttributeType::String => Some(AttributeType::String),
        v1::AttributeType::Number => Some(AttributeType::Number),
        v1::AttributeType::Boolean => Some(AttributeType::Boolean),
        v1::AttributeType::Timestamp => Some(AttributeType::Timestamp),
        v1::AttributeType::Enum => Some(AttributeType::Enum),
    })
}

/// Decodes the value of an attribute. None if no case is set.
pub(super) fn decode_value(
    field: &str,
    value: v1::AttributeValue,
) -> Result<Option<AttributeValue>> {
    use v1::attribute_value::Value;
    Ok(match value.value {
        None => None,
        Some(Value::String(string)) => Some(AttributeValue::String(string)),
        Some(Value::Number(number)) => Some(AttributeValue::Number(number)),
        Some(Value::Bool(bool)) => Some(AttributeValue::Boolean(bool)),
        Some(Value::Timestamp(timestamp)) => {
            Some(AttributeValue::Timestamp(time::decode(field, timestamp)?))
        }
    })
}

/// The path of one attribute of a contact, for errors. A long id is truncated.
pub(super) fn value_field(attribute_id: &str) -> String {
    let shown: String = attribute_id.chars().take(64).collect();
    format!("contact.attributes.{shown}")
}

/// Decodes the value of an attribute that has to have one.
pub(super) fn decode_required_value(
    attribute_id: &str,
    value: v1::AttributeValue,
) -> Result<AttributeValue> {
    let field = value_field(attribute_id);
    decode_value(&field, value)?.ok_or_else(|| {
        let message = format!("{field} has no value: send string, number, bool or timestamp");
        Error::invalid(Reason::WrongAttributeType, field, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(r#type: v1::AttributeType) -> v1::UpdateAttributeRequest {
        let attribute = v1::Attribute {
            attribute_id: "city".to_owned(),
            display_name: "City".to_owned(),
            r#type: r#type.into(),
            contact_count: 3,
            ..v1::Attribute::default()
        };
        v1::UpdateAttributeRequest { attribute: Some(attribute), ..Default::default() }
    }

    #[test]
    fn a_definition_can_be_sent_back_as_it_was_read() {
        let update = decode_update(sent(v1::AttributeType::String)).expect("an update");
        assert_eq!(update.attribute_type, Some(AttributeType::String));
        assert!(
            matches!(&update.changes[..], [AttributeChange::DisplayName(name)] if name == "City")
        );
    }

    #[test]
    fn a_type_in_the_mask_is_refused() {
        let update_mask = Some(FieldMask { paths: vec!["type".to_owned()] });
        let request = sent(v1::AttributeType::Number);
        let update = decode_update(v1::UpdateAttributeRequest { update_mask, ..request });
        assert_eq!(update.expect_err("immutable").reason(), Reason::ImmutableField);
    }

    #[test]
    fn a_new_definition_needs_a_type_and_cannot_have_a_count() {
        let attribute = |r#type, contact_count| {
            decode(Some(v1::Attribute { r#type, contact_count, ..v1::Attribute::default() }))
                .map_err(|error| error.reason())
        };
        assert_eq!(attribute(0, 0).expect_err("none"), Reason::RequiredFieldMissing);
        assert_eq!(attribute(99, 0).expect_err("unknown"), Reason::InvalidArgument);
        assert_eq!(attribute(1, 1).expect_err("a count"), Reason::OutputOnlyField);
    }
}
