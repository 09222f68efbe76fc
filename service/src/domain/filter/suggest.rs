//! Error messages for unknown names, with suggestions of what was probably meant.

use super::super::ids::closest;
use super::parse::{Comparison, Test, quotable};
use super::{Definitions, FilterError, FilterErrorKind};

const FIELDS: [&str; 22] = [
    "tags",
    "opt_in",
    "opt_in.utility",
    "opt_in.authentication",
    "sendable.marketing",
    "sendable.utility",
    "sendable.authentication",
    "consent.marketing.time",
    "consent.marketing.source",
    "consent.marketing.expire_time",
    "consent.utility.time",
    "consent.utility.source",
    "consent.utility.expire_time",
    "consent.authentication.time",
    "consent.authentication.source",
    "consent.authentication.expire_time",
    "first_name",
    "last_name",
    "email",
    "phone_number",
    "create_time",
    "update_time",
];
/// The same, short enough for a message.
const LISTED_FIELDS: &str = "tags, opt_in, opt_in.utility, opt_in.authentication, \
                             sendable.<category>, consent.<category>.time, .source or \
                             .expire_time, first_name, last_name, email, phone_number, \
                             create_time, update_time and attributes.<attribute id>";
/// Maximum number of names that an error lists. Errors are sent in a gRPC trailer and have to be short.
const LISTED_NAMES: usize = 8;

pub(super) fn unknown_attribute(id: &str, column: usize, definitions: &Definitions) -> FilterError {
    let advice = if means_consent(id) {
        CONSENT_ADVICE.to_owned()
    } else if let Some(close) = closest(id, definitions.attributes.keys()) {
        format!("did you mean attributes.{close}?")
    } else {
        let names = definitions.attributes.keys();
        listed("attributes", names, "AttributeService.ListAttributes")
    };
    let message = format!("{}: {advice}", no_such("attribute", quotable(id)));
    FilterError::new(FilterErrorKind::UnknownAttribute, column, message)
}

pub(super) fn unknown_field(comparison: &Comparison, definitions: &Definitions) -> FilterError {
    let name = &comparison.field;
    let alone = matches!(comparison.test, Test::Missing);
    let lower = name.text.to_ascii_lowercase();
    let attribute = |id: &str| definitions.attributes.contains_key(id);
    let (parent, child) = lower.split_once('.').unwrap_or(("", ""));
    let advice = if attribute(&lower) {
        format!("{lower} is an attribute, write attributes.{lower}")
    } else if definitions.tags.contains(&lower) {
        format!("{lower} is a tag, write tags:{lower}")
    } else if parent.starts_with("tag") && definitions.tags.contains(child) {
        format!("write tags:{child}")
    } else if let Some(advice) = consent_field(&lower) {
        advice.to_owned()
    } else if means_consent(&lower) {
        CONSENT_ADVICE.to_owned()
    } else if parent.starts_with("attr") {
        let id = closest(child, definitions.attributes.keys()).unwrap_or("<attribute id>");
        format!("write attributes.{id}")
    } else if let Some(advice) = usual_guess(&lower) {
        advice.to_owned()
    } else if let Some(field) = closest(&lower, FIELDS.iter()) {
        format!("did you mean {field}?")
    } else if let Some(id) = closest(&lower, definitions.attributes.keys()) {
        format!("did you mean attributes.{id}?")
    } else if let Some(id) = closest(&lower, definitions.tags.iter()) {
        format!("did you mean tags:{id}?")
    } else if alone {
        "write a comparison such as first_name = \"Maria\" or tags:vip; free text is searched with \
         the request's query and not with its filter"
            .to_owned()
    } else {
        format!("the fields are {LISTED_FIELDS}")
    };
    // A word without an operator is often a person's name in the wrong field.
    let shown = if alone { None } else { quotable(&name.text) };
    let message = format!("{}: {advice}", no_such("field", shown));
    FilterError::new(FilterErrorKind::UnknownField, name.column, message)
}

/// Whether text is the name of a field, defined or not.
pub(super) fn is_field(text: &str) -> bool {
    FIELDS.contains(&text) || text.starts_with("attributes.")
}

/// Advice for a name that begins like one of the fields of a category.
fn consent_field(name: &str) -> Option<&'static str> {
    match name.split_once('.').map_or(name, |(parent, _)| parent) {
        "sendable" => Some(
            "write sendable.marketing = true, sendable.utility = true or \
             sendable.authentication = true",
        ),
        "consent" => Some(
            "write consent.marketing.time, consent.marketing.source or \
             consent.marketing.expire_time, or the same of utility or authentication; the status \
             is opt_in = OPTED_IN",
        ),
        _ => None,
    }
}

pub(super) fn no_such(what: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("there is no {what} {name}"),
        None => format!("there is no such {what}"),
    }
}

const CONSENT_ADVICE: &str = "consent is the field opt_in: write opt_in = OPTED_IN (marketing), \
                              opt_in.utility = OPTED_IN or opt_in.authentication = OPTED_IN; what \
                              a check would allow is sendable.marketing = true";

fn means_consent(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['_', '-', '.'], "");
    ["optin", "optedin", "optout", "optedout", "consent", "subscri"]
        .iter()
        .any(|stem| name.contains(stem))
}

fn usual_guess(name: &str) -> Option<&'static str> {
    Some(match name {
        "phone" | "mobile" | "msisdn" | "wa_id" | "number" => "did you mean phone_number?",
        "name" | "full_name" | "display_name" | "fullname" => {
            "write first_name or last_name; the request's query searches both"
        }
        "surname" | "family_name" => "did you mean last_name?",
        "given_name" => "did you mean first_name?",
        "mail" | "e_mail" | "email_address" => "did you mean email?",
        "tag" | "label" | "labels" | "segment" => "did you mean tags?",
        "created" | "created_at" | "creation_time" => "did you mean create_time?",
        "updated" | "updated_at" | "modified" | "modified_at" => "did you mean update_time?",
        "attributes" | "attribute" => "write attributes.<attribute id>",
        "id" | "contact_id" | "whatsapp_user_id" | "etag" => {
            "a filter cannot name single contacts: use GetContact or BatchGetContacts"
        }
        _ => return None,
    })
}

pub(super) fn listed<'a>(
    what: &str,
    names: impl ExactSizeIterator<Item = &'a String>,
    rpc: &str,
) -> String {
    match names.len() {
        0 => format!("the workspace has no {what}"),
        1..=LISTED_NAMES => {
            let names: Vec<_> = names.map(|name| shortened(name)).collect();
            format!("the {what} are {}", names.join(", "))
        }
        count => format!("there are {count} {what}, listed by {rpc}"),
    }
}

pub(super) fn shortened(name: &str) -> String {
    match name.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
