//! UpdateContact: the changes that a contact and an update mask describe.

use contacts_proto::v1;
use strum::VariantArray;

use super::{attribute, contact, mask, output_only, recipient};
use crate::domain::contact::{Change, ContactField, Profile, Recipient};
use crate::domain::error::{Error, Reason, Result};
use crate::operations::contacts::UpdateContact;

/// A path of a mask over the fields of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path<'a> {
    /// `*`
    All,
    /// `phone_number`, which no update changes.
    PhoneNumber,
    /// A whole field.
    Field(ContactField),
    /// `attributes.<id>`: one attribute, by its id.
    Attribute(&'a str),
}

impl<'a> Path<'a> {
    /// None for a path that names nothing a caller can set.
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        match path {
            "*" => Some(Self::All),
            "phone_number" => Some(Self::PhoneNumber),
            path => match (path.parse(), path.strip_prefix("attributes.")) {
                (Ok(field), _) => Some(Self::Field(field)),
                (Err(_), Some(id)) if !id.is_empty() => Some(Self::Attribute(id)),
                (Err(_), _) => None,
            },
        }
    }
}

/// The valid paths, for messages.
pub(super) fn valid_paths() -> String {
    format!("{}, attributes.<id>", mask::names::<ContactField>())
}

/// Decodes an update.
pub(crate) fn decode(request: v1::UpdateContactRequest) -> Result<UpdateContact> {
    let sent = request.contact.ok_or_else(|| Error::required("contact"))?;
    let phone_number = contact::decode_phone(&sent)?;
    let whatsapp_user_ids = contact::decode_user_ids(&sent)?;
    let external_id = contact::decode_external_id(&sent)?;
    let paths = mask::paths(request.update_mask);
    let is_masked = |wanted: fn(Path<'_>) -> bool| {
        let is_wanted = |path: &String| Path::parse(path).is_some_and(wanted);
        paths.as_ref().map(|paths| paths.iter().any(is_wanted))
    };
    let sends_phone = is_masked(|path| matches!(path, Path::PhoneNumber | Path::All));
    let changes_external_id =
        is_masked(|path| matches!(path, Path::Field(ContactField::ExternalId) | Path::All));
    let identity = Profile { phone_number, whatsapp_user_ids, external_id, ..Profile::default() };
    let names = names(&sent, &identity, changes_external_id == Some(true))?;
    let changes = match &paths {
        None => populated(&sent)?,
        Some(paths) => masked(&sent, paths)?,
    };
    Ok(UpdateContact {
        workspace_id: request.workspace_id,
        names,
        phone_number: phone_number.filter(|_| sends_phone.unwrap_or(true)),
        external_id: identity.external_id.clone().filter(|_| paths.is_none()),
        changes,
        etag: sent.etag,
        if_missing: request.allow_missing.then_some(identity),
    })
}

/// What names the contact, in the order in which it is looked for.
fn names(
    sent: &v1::Contact,
    identity: &Profile,
    changes_external_id: bool,
) -> Result<Vec<Recipient>> {
    if !sent.contact_id.is_empty() {
        let id = recipient::decode_contact_id("contact.contact_id", &sent.contact_id)?;
        return Ok(vec![Recipient::Id(id)]);
    }
    let external_id = identity.external_id.clone().filter(|_| !changes_external_id);
    let mut names: Vec<_> = external_id.into_iter().map(Recipient::ExternalId).collect();
    let keys = identity.match_keys();
    // One key: whose the others are is what an update may change.
    names.extend(keys.into_iter().take(1).map(Recipient::Key));
    if names.is_empty() {
        let message = "name the contact: send contact.contact_id, contact.external_id, \
                       contact.phone_number or contact.whatsapp_user_ids";
        let field = "contact.phone_number";
        return Err(Error::invalid(Reason::RequiredFieldMissing, field, message));
    }
    Ok(names)
}

/// Without a mask: the populated fields, attributes one by one.
fn populated(sent: &v1::Contact) -> Result<Vec<Change>> {
    contact::refuse_output_only(sent, "leave it out, or name what changes in update_mask")?;
    let mut changes = Vec::new();
    for field in ContactField::VARIANTS {
        let is_populated = match field {
            ContactField::FirstName => !sent.first_name.is_empty(),
            ContactField::LastName => !sent.last_name.is_empty(),
            ContactField::Email => !sent.email.is_empty(),
            ContactField::Tags => !sent.tags.is_empty(),
            // Added, and set if there is none, below.
            ContactField::WhatsAppUserIds | ContactField::ExternalId => false,
            // Set one by one below, so that the contact's other attributes stay.
            ContactField::Attributes => false,
        };
        if is_populated {
            changes.push(whole_field(sent, *field)?);
        }
    }
    match contact::decode_user_ids(sent)? {
        ids if ids.is_empty() => {}
        ids => changes.push(Change::AddWhatsAppUserIds(ids)),
    }
    for (id, value) in contact::decode_attributes(sent.attributes.clone())? {
        changes.push(Change::Attribute { id, value: Some(value) });
    }
    Ok(changes)
}

/// With a mask: the fields in it, and nothing else.
fn masked(sent: &v1::Contact, paths: &[String]) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for path in paths {
        match Path::parse(path).ok_or_else(|| not_writable(path))? {
            Path::All => {
                for field in ContactField::VARIANTS {
                    changes.push(whole_field(sent, *field)?);
                }
            }
            Path::PhoneNumber if sent.phone_number.is_empty() => {
                let message = "a phone number cannot be removed: it identifies the contact";
                let field = "contact.phone_number";
                return Err(Error::invalid(Reason::ImmutableField, field, message));
            }
            // The update refuses a number that is not the contact's.
            Path::PhoneNumber => {}
            Path::Field(field) => changes.push(whole_field(sent, field)?),
            Path::Attribute(id) => changes.push(one_attribute(sent, id)?),
        }
    }
    Ok(changes)
}

/// Sets a field to what was sent. Empty clears it.
fn whole_field(sent: &v1::Contact, field: ContactField) -> Result<Change> {
    Ok(match field {
        ContactField::FirstName => Change::FirstName(sent.first_name.clone()),
        ContactField::LastName => Change::LastName(sent.last_name.clone()),
        ContactField::Email => Change::Email(sent.email.clone()),
        ContactField::Tags => Change::Tags(sent.tags.iter().cloned().collect()),
        ContactField::Attributes => {
            Change::Attributes(contact::decode_attributes(sent.attributes.clone())?)
        }
        ContactField::WhatsAppUserIds => Change::WhatsAppUserIds(contact::decode_user_ids(sent)?),
        ContactField::ExternalId => Change::ExternalId(contact::decode_external_id(sent)?),
    })
}

fn one_attribute(sent: &v1::Contact, id: &str) -> Result<Change> {
    let value = match sent.attributes.get(id) {
        None => None,
        Some(value) => attribute::decode_value(&attribute::value_field(id), value.clone())?,
    };
    Ok(Change::Attribute { id: id.to_owned(), value })
}

fn not_writable(path: &str) -> Error {
    let (top, _) = path.split_once('.').unwrap_or((path, ""));
    match top {
        "opt_in" => contact::opt_in_is_elsewhere(),
        "contact_id"
        | "create_time"
        | "update_time"
        | "etag"
        | "former_phone_numbers"
        | "former_whatsapp_user_ids"
        | "merged_contact_ids"
        | "merged_external_ids"
        | "identities" => output_only(format_args!("contact.{top}"), "leave it out of update_mask"),
        _ => mask::unknown(path, &valid_paths()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use contacts_proto::FieldMask;

    use super::*;
    use crate::domain::attribute::AttributeValue;

    fn sent() -> v1::Contact {
        let city = v1::attribute_value::Value::String("Lisboa".to_owned());
        v1::Contact {
            phone_number: "15551234567".to_owned(),
            first_name: "Ana".to_owned(),
            tags: vec!["vip".to_owned()],
            attributes: BTreeMap::from([(
                "city".to_owned(),
                v1::AttributeValue { value: Some(city) },
            )]),
            ..v1::Contact::default()
        }
    }

    fn update(contact: v1::Contact, paths: Option<&[&str]>) -> Result<UpdateContact> {
        let paths = paths.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect());
        decode(v1::UpdateContactRequest {
            contact: Some(contact),
            update_mask: paths.map(|paths| FieldMask { paths }),
            ..v1::UpdateContactRequest::default()
        })
    }

    fn changes(contact: v1::Contact, paths: Option<&[&str]>) -> Vec<Change> {
        update(contact, paths).expect("an update").changes
    }

    fn refused(contact: v1::Contact, paths: Option<&[&str]>) -> (Reason, String) {
        let error = update(contact, paths).expect_err("refused");
        (error.reason(), error.field().unwrap_or_default().to_owned())
    }

    fn lisboa() -> Change {
        let value = Some(AttributeValue::String("Lisboa".to_owned()));
        Change::Attribute { id: "city".to_owned(), value }
    }

    #[test]
    fn without_a_mask_the_populated_fields_change() {
        let expected = [
            Change::FirstName("Ana".to_owned()),
            Change::Tags(BTreeSet::from(["vip".to_owned()])),
            lisboa(),
        ];
        assert_eq!(changes(sent(), None), expected);
        assert_eq!(changes(sent(), Some(&[])), expected);
    }

    #[test]
    fn a_mask_clears_what_is_empty_and_leaves_the_rest() {
        let mask: &[&str] = &["last_name", "attributes.state", "attributes.city"];
        let clear = Change::Attribute { id: "state".to_owned(), value: None };
        assert_eq!(changes(sent(), Some(mask)), [Change::LastName(String::new()), clear, lisboa()],);
        let none = v1::Contact { attributes: BTreeMap::new(), ..sent() };
        assert_eq!(changes(none, Some(&["attributes"])), [Change::Attributes(BTreeMap::new())],);
        assert_eq!(changes(sent(), Some(&["*"])).len(), ContactField::VARIANTS.len());
    }

    #[test]
    fn the_contact_is_addressed_by_id_then_external_id_then_phone_then_user_id() {
        let id = "01920c5e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";
        let both = v1::Contact {
            contact_id: id.to_owned(),
            whatsapp_user_ids: vec!["US.123456".to_owned()],
            external_id: "7781".to_owned(),
            ..sent()
        };
        let by_id = update(both.clone(), None).expect("an update");
        assert!(matches!(by_id.names[..], [Recipient::Id(_)]));
        assert!(by_id.phone_number.is_some());
        let unnamed = v1::Contact { contact_id: String::new(), ..both };
        let by_external_id = update(unnamed.clone(), None).expect("an update");
        let [Recipient::ExternalId(_), Recipient::Key(key)] = &by_external_id.names[..] else {
            panic!("{:?}", by_external_id.names);
        };
        assert!(key.is_phone());
        assert!(by_external_id.external_id.is_some(), "set if the contact has none");
        // A mask that names the external id changes it, so it does not address the contact.
        let by_phone = update(unnamed.clone(), Some(&["external_id"])).expect("an update");
        assert!(matches!(&by_phone.names[..], [Recipient::Key(key)] if key.is_phone()));
        assert!(matches!(&by_phone.changes[..], [Change::ExternalId(Some(_))]));
        let user =
            v1::Contact { phone_number: String::new(), external_id: String::new(), ..unnamed };
        let by_user = update(user, None).expect("an update");
        assert!(matches!(&by_user.names[..], [Recipient::Key(key)] if !key.is_phone()));
        let adds = |change: &Change| matches!(change, Change::AddWhatsAppUserIds(_));
        assert!(by_user.changes.iter().any(adds));
        let nobody = v1::Contact { phone_number: String::new(), ..sent() };
        let expected = (Reason::RequiredFieldMissing, "contact.phone_number".to_owned());
        assert_eq!(refused(nobody, None), expected);
    }

    #[test]
    fn a_number_outside_the_mask_only_addresses_the_contact() {
        let update = |paths| update(sent(), Some(paths)).expect("an update").phone_number;
        assert!(update(&["first_name"]).is_none());
        assert!(update(&["phone_number"]).is_some());
    }

    #[test]
    fn a_field_that_cannot_change_is_refused_with_a_reason() {
        let opt_in = v1::Contact { opt_in: Some(v1::OptInSummary::default()), ..sent() };
        let output_only = |field: &str| (Reason::OutputOnlyField, field.to_owned());
        assert_eq!(refused(opt_in.clone(), None), output_only("contact.opt_in"));
        assert!(update(opt_in, Some(&["first_name"])).is_ok());
        assert_eq!(refused(sent(), Some(&["opt_in.marketing"])), output_only("contact.opt_in"));
        assert_eq!(refused(sent(), Some(&["etag"])), output_only("contact.etag"));
        for path in ["name", "attributes.", "firstName", ""] {
            let (reason, field) = refused(sent(), Some(&[path]));
            assert_eq!((reason, &*field), (Reason::InvalidUpdateMask, "update_mask"), "{path}");
        }
        let by_id = v1::Contact {
            contact_id: "01920c5e-7b1a-7c3d-9e4f-5a6b7c8d9e0f".to_owned(),
            phone_number: String::new(),
            ..sent()
        };
        let (reason, _) = refused(by_id, Some(&["phone_number"]));
        assert_eq!(reason, Reason::ImmutableField);
    }

    #[test]
    fn a_missing_contact_is_created_from_its_number_or_user_id() {
        let request = |contact| v1::UpdateContactRequest {
            contact: Some(contact),
            allow_missing: true,
            ..v1::UpdateContactRequest::default()
        };
        let update = decode(request(sent())).expect("an update");
        assert_eq!(update.if_missing.expect("a profile").match_keys().len(), 1);
    }
}
