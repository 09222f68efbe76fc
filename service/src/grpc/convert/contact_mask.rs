//! Changes of a contact: what a contact and an update mask mean together.

use contacts_proto::v1;

use super::{attribute, contact, mask, output_only, recipient};
use crate::domain::contact::{Change, Profile, Recipient};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::MatchKey;
use crate::operations::contacts::UpdateContact;

/// What can be named, for people.
pub const PATHS: &str =
    "first_name, last_name, email, tags, attributes, attributes.<id>, whatsapp_user_id";
/// What `*` stands for.
pub const WRITABLE: [&str; 6] =
    ["first_name", "last_name", "email", "tags", "attributes", "whatsapp_user_id"];

/// Reads an update.
pub fn decode(request: v1::UpdateContactRequest) -> Result<UpdateContact> {
    let sent = request.contact.ok_or_else(|| Error::required("contact"))?;
    let phone_number = contact::decode_phone(&sent)?;
    let user_id = contact::decode_user_id(&sent)?;
    let person = if !sent.contact_id.is_empty() {
        Recipient::Id(recipient::contact_id("contact.contact_id", &sent.contact_id)?)
    } else if let Some(phone) = &phone_number {
        Recipient::Key(phone.match_key())
    } else if let Some(id) = &user_id {
        Recipient::Key(MatchKey::user(id))
    } else {
        let message = "name the contact: send contact.contact_id, contact.phone_number or \
                       contact.whatsapp_user_id";
        let field = "contact.phone_number";
        return Err(Error::invalid(Reason::RequiredFieldMissing, field, message));
    };
    let identity = Profile { phone_number, whatsapp_user_id: user_id, ..Profile::default() };
    let if_missing = match request.allow_missing {
        false => None,
        true if identity.match_keys().is_empty() => {
            let message = "allow_missing needs contact.phone_number or contact.whatsapp_user_id: \
                           a contact_id is made by the server";
            let field = "contact.phone_number";
            return Err(Error::invalid(Reason::RequiredFieldMissing, field, message));
        }
        true => Some(identity),
    };
    let (mut changes, sends_phone) = match mask::paths(request.update_mask) {
        None => (populated(&sent)?, true),
        Some(paths) => {
            let sends_phone = paths.iter().any(|path| path == "phone_number" || path == "*");
            (named(&sent, &paths)?, sends_phone)
        }
    };
    // Named by a former user id, the person does not get it back.
    let names = |id: &_| person == Recipient::Key(MatchKey::user(id));
    changes.retain(|c| !matches!(c, Change::WhatsAppUserId(Some(id)) if names(id)));
    Ok(UpdateContact {
        workspace_id: request.workspace_id,
        person,
        phone_number: phone_number.filter(|_| sends_phone),
        changes,
        etag: sent.etag,
        if_missing,
    })
}

/// Without a mask: the populated fields, attributes one by one.
fn populated(sent: &v1::Contact) -> Result<Vec<Change>> {
    contact::refuse_output_only(sent, "leave it out, or name what changes in update_mask")?;
    let mut changes = Vec::new();
    for (path, set) in [
        ("first_name", !sent.first_name.is_empty()),
        ("last_name", !sent.last_name.is_empty()),
        ("email", !sent.email.is_empty()),
        ("tags", !sent.tags.is_empty()),
        ("whatsapp_user_id", !sent.whatsapp_user_id.is_empty()),
    ] {
        if set {
            changes.push(field(sent, path)?);
        }
    }
    for (id, value) in contact::decode_attributes(sent.attributes.clone())? {
        changes.push(Change::Attribute { id, value: Some(value) });
    }
    Ok(changes)
}

/// With a mask: what it names, and nothing else.
fn named(sent: &v1::Contact, paths: &[String]) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for path in paths {
        match path.as_str() {
            "*" => {
                for path in WRITABLE {
                    changes.push(field(sent, path)?);
                }
            }
            "phone_number" if sent.phone_number.is_empty() => {
                let message = "a phone number is never taken off: it is who the contact is";
                let field = "contact.phone_number";
                return Err(Error::invalid(Reason::ImmutableField, field, message));
            }
            // That it is the same number is for the update to see.
            "phone_number" => {}
            path if WRITABLE.contains(&path) => changes.push(field(sent, path)?),
            path => match path.strip_prefix("attributes.") {
                Some(id) if !id.is_empty() => changes.push(one_attribute(sent, id)?),
                _ => return Err(not_writable(path)),
            },
        }
    }
    Ok(changes)
}

/// One of [`WRITABLE`], as sent: empty clears it.
fn field(sent: &v1::Contact, path: &str) -> Result<Change> {
    Ok(match path {
        "first_name" => Change::FirstName(sent.first_name.clone()),
        "last_name" => Change::LastName(sent.last_name.clone()),
        "email" => Change::Email(sent.email.clone()),
        "tags" => Change::Tags(sent.tags.iter().cloned().collect()),
        "attributes" => Change::Attributes(contact::decode_attributes(sent.attributes.clone())?),
        _ => Change::WhatsAppUserId(contact::decode_user_id(sent)?),
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
        | "merged_contact_ids" => {
            output_only(format_args!("contact.{top}"), "leave it out of update_mask")
        }
        _ => mask::unknown(path, PATHS),
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
        assert_eq!(changes(sent(), Some(&["*"])).len(), WRITABLE.len());
    }

    #[test]
    fn the_person_is_named_by_id_then_phone_then_user_id() {
        let id = "01920c5e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";
        let both = v1::Contact {
            contact_id: id.to_owned(),
            whatsapp_user_id: "US.123456".to_owned(),
            ..sent()
        };
        let by_id = update(both.clone(), None).expect("an update");
        assert!(matches!(by_id.person, Recipient::Id(_)));
        assert!(by_id.phone_number.is_some());
        let by_phone = update(v1::Contact { contact_id: String::new(), ..both.clone() }, None);
        let by_phone = by_phone.expect("an update");
        assert!(matches!(&by_phone.person, Recipient::Key(key) if key.is_phone()));
        assert!(by_phone.changes.iter().any(|c| matches!(c, Change::WhatsAppUserId(Some(_)))));
        let nobody = v1::Contact { phone_number: String::new(), ..sent() };
        let expected = (Reason::RequiredFieldMissing, "contact.phone_number".to_owned());
        assert_eq!(refused(nobody, None), expected);
    }

    #[test]
    fn a_number_outside_the_mask_is_only_a_name() {
        let update = |paths| update(sent(), Some(paths)).expect("an update").phone_number;
        assert!(update(&["first_name"]).is_none());
        assert!(update(&["phone_number"]).is_some());
    }

    #[test]
    fn what_cannot_change_says_why() {
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
    fn a_missing_contact_is_made_of_its_names() {
        let request = |contact| v1::UpdateContactRequest {
            contact: Some(contact),
            allow_missing: true,
            ..v1::UpdateContactRequest::default()
        };
        let update = decode(request(sent())).expect("an update");
        assert_eq!(update.if_missing.expect("a profile").match_keys().len(), 1);
        let by_id = v1::Contact {
            contact_id: "01920c5e-7b1a-7c3d-9e4f-5a6b7c8d9e0f".to_owned(),
            phone_number: String::new(),
            ..sent()
        };
        let error = decode(request(by_id)).expect_err("no name");
        assert_eq!(error.reason(), Reason::RequiredFieldMissing);
    }
}
