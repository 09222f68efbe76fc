//! Field masks: which fields a request changes.

use std::str::FromStr;

use contacts_proto::FieldMask;
use strum::VariantArray;

use crate::domain::error::{Error, Reason, Result};

/// An enum of the fields that a mask can name. Its strings are the paths, and
/// `*` stands for all its variants.
pub(super) trait MaskField: Copy + FromStr + Into<&'static str> + VariantArray {}

impl<F: Copy + FromStr + Into<&'static str> + VariantArray> MaskField for F {}

/// The paths of a mask. None if there is no mask, or an empty one, which means
/// the populated fields.
pub(super) fn paths(mask: Option<FieldMask>) -> Option<Vec<String>> {
    mask.map(|mask| mask.paths).filter(|paths| !paths.is_empty())
}

/// The fields that change: those in the mask, or the populated ones if there is
/// no mask.
pub(super) fn fields<F: MaskField>(
    mask: Option<FieldMask>,
    is_populated: impl Fn(F) -> bool,
) -> Result<Vec<F>> {
    let Some(paths) = paths(mask) else {
        return Ok(F::VARIANTS.iter().copied().filter(|field| is_populated(*field)).collect());
    };
    let mut fields = Vec::new();
    for path in paths {
        match path.parse() {
            Ok(field) => fields.push(field),
            Err(_) if path == "*" => fields.extend(F::VARIANTS),
            Err(_) => return Err(unknown(&path, &names::<F>())),
        }
    }
    Ok(fields)
}

/// The paths of all fields, for messages.
pub(super) fn names<F: MaskField>() -> String {
    F::VARIANTS.iter().map(|field| (*field).into()).collect::<Vec<&str>>().join(", ")
}

/// The error for a path that names no field.
pub(super) fn unknown(path: &str, valid: &str) -> Error {
    let shown: String = path.chars().take(64).collect();
    let message = format!("no field {shown:?} to update; the paths are {valid}");
    Error::invalid(Reason::InvalidUpdateMask, "update_mask", message).with_metadata("path", shown)
}

#[cfg(test)]
mod tests {
    use prost::{Message, Name};
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::domain::attribute::AttributeField;
    use crate::domain::contact::ContactField;
    use crate::domain::tag::TagField;
    use crate::domain::workspace::WorkspaceField;

    fn mask(paths: &[&str]) -> Option<FieldMask> {
        Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
    }

    #[test]
    fn no_mask_means_the_populated_fields() {
        let chosen = |mask| fields(mask, |field: TagField| field == TagField::DisplayName);
        assert_eq!(chosen(mask(&["color"])).expect("a path"), [TagField::Color]);
        assert_eq!(chosen(mask(&["*"])).expect("all"), TagField::VARIANTS);
        for absent in [None, mask(&[])] {
            assert_eq!(chosen(absent).expect("populated"), [TagField::DisplayName]);
        }
    }

    #[test]
    fn an_unknown_path_is_answered_with_the_known_ones() {
        let error = fields(mask(&["colour"]), |_: TagField| true).expect_err("unknown");
        assert_eq!(error.reason(), Reason::InvalidUpdateMask);
        assert!(error.message().contains("display_name, description, color"), "{error}");
    }

    /// The fields of a message, as its `.proto` file declares them.
    fn declared<M: Name>() -> Vec<String> {
        let set = FileDescriptorSet::decode(contacts_proto::FILE_DESCRIPTOR_SET).expect("a set");
        let messages = set.file.iter().flat_map(|file| &file.message_type);
        let message = messages.into_iter().find(|message| message.name() == M::NAME);
        let fields = message.expect("a message").field.iter();
        fields.map(|field| field.name().to_owned()).collect()
    }

    #[test]
    fn every_field_of_the_api_is_writable_or_listed_here() {
        fn sorted(mut names: Vec<String>) -> Vec<String> {
            names.sort();
            names
        }
        fn expected<F: MaskField>(not_writable: &[&'static str]) -> Vec<String> {
            let writable = F::VARIANTS.iter().map(|field| (*field).into());
            sorted(writable.chain(not_writable.iter().copied()).map(str::to_owned).collect())
        }
        use contacts_proto::v1::{Attribute, Contact, Tag, Workspace, WorkspaceSettings};
        let times = ["create_time", "update_time"];
        let tag = expected::<TagField>(&[&["tag_id", "contact_count"][..], &times].concat());
        assert_eq!(sorted(declared::<Tag>()), tag);
        let attribute = ["attribute_id", "type", "contact_count"];
        let attribute = expected::<AttributeField>(&[&attribute[..], &times].concat());
        assert_eq!(sorted(declared::<Attribute>()), attribute);
        let contact = [
            "contact_id",
            "phone_number",
            "opt_in",
            "etag",
            "former_phone_numbers",
            "former_whatsapp_user_ids",
            "merged_contact_ids",
            "merged_external_ids",
            "identities",
        ];
        let contact = expected::<ContactField>(&[&contact[..], &times].concat());
        assert_eq!(sorted(declared::<Contact>()), contact);
        // The settings are paths of their own.
        let settings = declared::<WorkspaceSettings>();
        let settings = settings.into_iter().map(|field| format!("settings.{field}"));
        let paths = settings.chain(["display_name".to_owned()]).collect();
        let writable = WorkspaceField::VARIANTS.iter().map(|field| <&str>::from(*field).to_owned());
        assert_eq!(sorted(paths), sorted(writable.collect()));
        let workspace = ["workspace_id", "display_name", "create_time", "settings"];
        assert_eq!(sorted(declared::<Workspace>()), sorted(workspace.map(str::to_owned).to_vec()));
    }
}
