use contacts_proto::v1;

use super::{FromProto, IntoProto, all, all_into, count, time};
use crate::model::{Attribute, AttributeType, OptInPolicy, OptInPolicyPeriod, Tag, Workspace};

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
        let v1::WorkspaceSettings { stop_words, opt_in_policy } =
            message.settings.unwrap_or_default();
        Self {
            stop_words,
            opt_in_policy: OptInPolicy::from_proto(opt_in_policy.unwrap_or_default()),
            workspace_id: message.workspace_id,
            display_name: message.display_name,
            create_time: time(message.create_time),
        }
    }
}

impl FromProto<v1::OptInPolicy> for OptInPolicy {
    fn from_proto(message: v1::OptInPolicy) -> Self {
        let v1::MaxAgeDays { marketing, utility, authentication } =
            message.max_age_days.unwrap_or_default();
        let days = |days: i32| days.try_into().unwrap_or_default();
        Self {
            required_evidence: all(message.required_evidence),
            max_age_days: [marketing, utility, authentication].map(days),
        }
    }
}

impl IntoProto<v1::OptInPolicy> for OptInPolicy {
    fn into_proto(self) -> v1::OptInPolicy {
        let days = |days: u32| days.try_into().unwrap_or(i32::MAX);
        let [marketing, utility, authentication] = self.max_age_days.map(days);
        v1::OptInPolicy {
            required_evidence: all_into(self.required_evidence),
            max_age_days: Some(v1::MaxAgeDays { marketing, utility, authentication }),
        }
    }
}

impl FromProto<v1::OptInPolicyPeriod> for OptInPolicyPeriod {
    fn from_proto(message: v1::OptInPolicyPeriod) -> Self {
        Self {
            policy: OptInPolicy::from_proto(message.policy.unwrap_or_default()),
            begin_time: time(message.begin_time),
        }
    }
}
