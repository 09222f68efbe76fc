use contacts_proto::v1;

use super::{FromProto, count, time};
use crate::model::{Attribute, AttributeType, Tag, Workspace};

impl FromProto<v1::Tag> for Tag {
    fn from_proto(message: v1::Tag) -> Self {
        Self {
            tag_id: message.tag_id,
            display_name: message.display_name,
            description: message.description,
            color: message.color,
            contact_count: count(message.contact_count),
            create_time: time(message.create_time),
            update_time: time(message.update_time),
        }
    }
}

impl FromProto<v1::Attribute> for Attribute {
    fn from_proto(message: v1::Attribute) -> Self {
        Self {
            attribute_id: message.attribute_id,
            display_name: message.display_name,
            attribute_type: AttributeType::from_proto(message.r#type),
            enum_options: message.enum_options,
            description: message.description,
            contact_count: count(message.contact_count),
            create_time: time(message.create_time),
            update_time: time(message.update_time),
        }
    }
}

impl FromProto<v1::Workspace> for Workspace {
    fn from_proto(message: v1::Workspace) -> Self {
        Self {
            workspace_id: message.workspace_id,
            display_name: message.display_name,
            create_time: time(message.create_time),
        }
    }
}
