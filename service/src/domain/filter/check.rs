//! Looks up the names of a parsed filter and gives its literals their types.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};

use super::ast::{CompareOp, Expr, Field, Predicate, Value, status_name};
use super::lexer::{Literal, Star};
use super::parse::{Comparison, Test, Tree, quotable};
use super::{FilterError, FilterErrorKind, Vocabulary};
use crate::domain::attribute::AttributeType;
use crate::domain::consent::{MessageCategory, OptInStatus};

const STATUSES: [OptInStatus; 3] =
    [OptInStatus::NotAsked, OptInStatus::OptedIn, OptInStatus::OptedOut];
const FIELDS: [&str; 10] = [
    "tags",
    "opt_in",
    "opt_in.utility",
    "opt_in.authentication",
    "first_name",
    "last_name",
    "email",
    "phone_number",
    "create_time",
    "update_time",
];
/// How many names an error lists; it travels in a gRPC trailer.
const LISTED_NAMES: usize = 8;

pub(super) fn check(tree: Tree, vocabulary: &Vocabulary) -> Result<Expr, FilterError> {
    let all = |trees: Vec<Tree>| {
        trees.into_iter().map(|tree| check(tree, vocabulary)).collect::<Result<Vec<_>, _>>()
    };
    match tree {
        Tree::And(trees) => all(trees).map(Expr::and),
        Tree::Or(trees) => all(trees).map(Expr::or),
        Tree::Not(tree) => check(*tree, vocabulary).map(Expr::negate),
        Tree::Comparison(comparison) => {
            let subject = Subject::resolve(&comparison, vocabulary)?;
            let check = Check { comparison: &comparison, vocabulary };
            check.predicate(subject).map(Expr::Is)
        }
    }
}

enum Subject<'v> {
    Tags,
    OptIn(MessageCategory),
    Field(Field, Kind<'v>),
}

/// What a field's literals have to be.
#[derive(Clone, Copy)]
enum Kind<'v> {
    ProfileText,
    Phone,
    Text,
    Number,
    Bool,
    Time,
    Option(&'v [String]),
}

impl<'v> Subject<'v> {
    fn resolve(comparison: &Comparison, vocabulary: &'v Vocabulary) -> Result<Self, FilterError> {
        let name = &comparison.field;
        Ok(match name.text.as_str() {
            "tags" => Self::Tags,
            "opt_in" | "opt_in.marketing" => Self::OptIn(MessageCategory::Marketing),
            "opt_in.utility" => Self::OptIn(MessageCategory::Utility),
            "opt_in.authentication" => Self::OptIn(MessageCategory::Authentication),
            "first_name" => Self::Field(Field::FirstName, Kind::ProfileText),
            "last_name" => Self::Field(Field::LastName, Kind::ProfileText),
            "email" => Self::Field(Field::Email, Kind::ProfileText),
            "phone_number" => Self::Field(Field::PhoneNumber, Kind::Phone),
            "create_time" => Self::Field(Field::CreateTime, Kind::Time),
            "update_time" => Self::Field(Field::UpdateTime, Kind::Time),
            other => match other.strip_prefix("attributes.") {
                Some(id) => Self::attribute(id, name.column, vocabulary)?,
                None => return Err(unknown_field(comparison, vocabulary)),
            },
        })
    }

    fn attribute(id: &str, column: usize, vocabulary: &'v Vocabulary) -> Result<Self, FilterError> {
        let Some(definition) = vocabulary.attributes.get(id) else {
            return Err(unknown_attribute(id, column, vocabulary));
        };
        let kind = match definition.attribute_type {
            AttributeType::String => Kind::Text,
            AttributeType::Number => Kind::Number,
            AttributeType::Boolean => Kind::Bool,
            AttributeType::Timestamp => Kind::Time,
            AttributeType::Enum => Kind::Option(&definition.enum_options),
        };
        let attribute_type = definition.attribute_type;
        Ok(Self::Field(Field::Attribute { id: id.to_owned(), attribute_type }, kind))
    }
}

struct Check<'c> {
    comparison: &'c Comparison,
    vocabulary: &'c Vocabulary,
}

impl Check<'_> {
    fn predicate(&self, subject: Subject<'_>) -> Result<Predicate, FilterError> {
        match subject {
            Subject::Tags => self.tags(),
            Subject::OptIn(category) => self.opt_in(category),
            Subject::Field(field, kind) => self.field(field, kind),
        }
    }

    fn wrong_operator(&self, message: impl Into<String>) -> FilterError {
        FilterError::new(FilterErrorKind::WrongOperator, self.comparison.column, message)
    }

    fn no_operator(&self, example: &str) -> FilterError {
        let field = &self.comparison.field;
        let message = format!("{} needs an operator and a value: {example}", field.text);
        FilterError::syntax(field.column, message)
    }

    fn tags(&self) -> Result<Predicate, FilterError> {
        match &self.comparison.test {
            Test::IsSet => Ok(Predicate::HasAnyTag),
            Test::Has(literal) => self.tag(literal).map(Predicate::HasTag),
            Test::In(literals) => {
                let mut ids = distinct(literals, |literal| self.tag(literal))?;
                match ids.len() {
                    1 => Ok(Predicate::HasTag(ids.remove(0))),
                    _ => Ok(Predicate::HasTagIn(ids)),
                }
            }
            Test::Compare(op, literal) => {
                let known = self.vocabulary.tags.contains(&literal.text);
                let tag = if known { literal.text.as_str() } else { "<tag id>" };
                Err(self.wrong_operator(match op {
                    CompareOp::Eq => format!("a contact has many tags: write tags:{tag}"),
                    CompareOp::Ne => format!("a contact has many tags: write NOT tags:{tag}"),
                    _ => format!("tags have no order: write tags:{tag}"),
                }))
            }
            Test::Missing => Err(self.no_operator("tags:<tag id>, or tags:* for any tag")),
        }
    }

    fn tag(&self, literal: &Literal) -> Result<String, FilterError> {
        if literal.star != Star::None {
            let message =
                "a tag is named in full; tags:* is any tag, and tags IN (a, b) one of several";
            return Err(FilterError::new(FilterErrorKind::WrongType, literal.column, message));
        }
        if self.vocabulary.tags.contains(&literal.text) {
            return Ok(literal.text.clone());
        }
        let advice = match closest(&literal.text, self.vocabulary.tags.iter()) {
            Some(tag) => format!("did you mean tags:{tag}?"),
            None => listed("tags", self.vocabulary.tags.iter(), "TagService.ListTags"),
        };
        let message = format!("{}: {advice}", no_such("tag", quotable(&literal.text)));
        Err(FilterError::new(FilterErrorKind::UnknownTag, literal.column, message))
    }

    fn opt_in(&self, category: MessageCategory) -> Result<Predicate, FilterError> {
        let name = &self.comparison.field.text;
        let mut any_of = match &self.comparison.test {
            Test::Has(literal) | Test::Compare(CompareOp::Eq, literal) => {
                vec![self.status(literal)?]
            }
            Test::Compare(CompareOp::Ne, literal) => {
                let excluded = self.status(literal)?;
                STATUSES.into_iter().filter(|status| *status != excluded).collect()
            }
            Test::In(literals) => distinct(literals, |literal| self.status(literal))?,
            Test::IsSet => {
                return Err(self.wrong_operator(format!(
                    "every contact has an opt-in status: write {name} = OPTED_IN, or \
                     {name} != NOT_ASKED for those who were asked"
                )));
            }
            Test::Compare(..) => {
                return Err(self.wrong_operator(format!(
                    "opt-in statuses have no order: write {name} = OPTED_IN or \
                     {name} IN (NOT_ASKED, OPTED_IN)"
                )));
            }
            Test::Missing => return Err(self.no_operator(&format!("{name} = OPTED_IN"))),
        };
        any_of.sort_by_key(|status| STATUSES.iter().position(|known| known == status));
        Ok(Predicate::OptIn { category, any_of })
    }

    fn status(&self, literal: &Literal) -> Result<OptInStatus, FilterError> {
        let short = literal.text.strip_prefix("OPT_IN_STATUS_").unwrap_or(&literal.text);
        let found = STATUSES.into_iter().find(|status| status_name(*status) == short);
        if let (Some(status), Star::None) = (found, literal.star) {
            return Ok(status);
        }
        let advice = match closest(short, STATUSES.map(status_name).iter()) {
            Some(name) => format!("did you mean {name}?"),
            None => format!("write for example {} = OPTED_IN", self.comparison.field.text),
        };
        let message =
            format!("an opt-in status is OPTED_IN, OPTED_OUT or NOT_ASKED (upper case): {advice}");
        Err(FilterError::new(FilterErrorKind::UnknownOption, literal.column, message))
    }

    fn field(&self, field: Field, kind: Kind<'_>) -> Result<Predicate, FilterError> {
        let (op, literal) = match &self.comparison.test {
            Test::IsSet => return Ok(Predicate::IsSet(field)),
            Test::Missing => return Err(self.no_operator(&kind.example(&field))),
            Test::In(_) if matches!(kind, Kind::Bool) => {
                let message = format!("{field} is true or false: write {field} = true");
                return Err(self.wrong_operator(message));
            }
            Test::In(literals) => {
                let mut values = distinct(literals, |literal| kind.value(&field, literal))?;
                return Ok(match values.len() {
                    1 => Predicate::Compare { field, op: CompareOp::Eq, value: values.remove(0) },
                    _ => Predicate::In { field, values },
                });
            }
            Test::Has(literal) => (CompareOp::Eq, literal),
            Test::Compare(op, literal) => (*op, literal),
        };
        let ordering = !matches!(op, CompareOp::Eq | CompareOp::Ne);
        if ordering && matches!(kind, Kind::Bool | Kind::Option(_)) {
            let message = format!("{field} has no order: write {}", kind.example(&field));
            return Err(self.wrong_operator(message));
        }
        if literal.star == Star::Trailing && kind.has_prefixes() {
            return match (op, kind) {
                (CompareOp::Eq, Kind::Phone) => {
                    let prefix = phone_digits(&literal.text)
                        .ok_or_else(|| kind.wrong_type(&field, literal.column))?;
                    Ok(Predicate::Prefix { field, prefix })
                }
                (CompareOp::Eq, _) => Ok(Predicate::Prefix { field, prefix: literal.text.clone() }),
                _ => Err(self.wrong_operator(format!(
                    "a prefix test is written with =, as in {field} = \"Mar*\" or \
                     NOT {field} = \"Mar*\"; write \\* in quotes for the character itself"
                ))),
            };
        }
        let value = kind.value(&field, literal)?;
        Ok(Predicate::Compare { field, op, value })
    }
}

impl Kind<'_> {
    fn has_prefixes(self) -> bool {
        matches!(self, Self::ProfileText | Self::Phone | Self::Text)
    }

    fn example(self, field: &Field) -> String {
        match self {
            Self::ProfileText if *field == Field::Email => "email = \"m@example.com\"".to_owned(),
            Self::ProfileText => format!("{field} = \"Maria\""),
            Self::Text => format!("{field} = \"California\""),
            Self::Phone => format!("{field} = \"+1 555 123 4567\" or {field} = \"+1555*\""),
            Self::Number => format!("{field} >= 42.5"),
            Self::Bool => format!("{field} = true"),
            Self::Time => format!("{field} >= \"2026-01-31T09:30:00Z\" or {field} >= 2026-01-31"),
            Self::Option([option, ..]) => {
                format!("{field} = {}", Value::Text(shortened(option)))
            }
            Self::Option([]) => format!("{field}:*"),
        }
    }

    fn wrong_type(self, field: &Field, column: usize) -> FilterError {
        let expected = match self {
            Self::ProfileText | Self::Text => "text",
            Self::Phone => "a phone number",
            Self::Number => "a finite decimal number without quotes",
            Self::Bool => "true or false without quotes",
            Self::Time => {
                "a time in RFC 3339 with Z or an offset, in quotes, or a date (midnight UTC)"
            }
            Self::Option(_) => "one of its options",
        };
        let message = format!("{field} needs {expected}, for example {}", self.example(field));
        FilterError::new(FilterErrorKind::WrongType, column, message)
    }

    fn value(self, field: &Field, literal: &Literal) -> Result<Value, FilterError> {
        let wrong =
            |message: String| FilterError::new(FilterErrorKind::WrongType, literal.column, message);
        let text = literal.text.as_str();
        let bare = !literal.quoted;
        if self.has_prefixes() {
            match literal.star {
                Star::None => {}
                Star::Trailing => {
                    return Err(wrong(format!(
                        "IN takes whole values and no prefixes: write {field} = \"Mar*\" OR \
                         {field} = \"Jo*\"; write \\* in quotes for the character itself"
                    )));
                }
                Star::Leading => {
                    return Err(wrong(format!(
                        "only a * at the end has a meaning, as in {field} = \"Mar*\" for a prefix; \
                         write {field}:* for any value, and \\* for the character itself"
                    )));
                }
            }
        } else if literal.star != Star::None {
            return Err(wrong(format!(
                "{field} has no prefixes: write a whole value, for example {}",
                self.example(field)
            )));
        }
        if bare && text.eq_ignore_ascii_case("null") {
            return Err(wrong(format!(
                "there is no null: write NOT {field}:* for contacts without it"
            )));
        }
        let value = match self {
            Self::ProfileText if text.is_empty() => {
                return Err(wrong(format!(
                    "an empty {field} counts as missing: write {field}:* for contacts with it, \
                     NOT {field}:* for those without"
                )));
            }
            Self::ProfileText | Self::Text
                if bare && (FIELDS.contains(&text) || text.starts_with("attributes.")) =>
            {
                return Err(wrong(
                    "a field is compared with a literal and not with another field; text that \
                     looks like a field needs quotes"
                        .to_owned(),
                ));
            }
            Self::ProfileText | Self::Text => Some(Value::Text(text.to_owned())),
            Self::Phone => phone_digits(text).map(Value::Text),
            Self::Number if bare => number(text).map(Value::Number),
            Self::Bool if bare => text.parse().ok().map(Value::Bool),
            Self::Number | Self::Bool => None,
            Self::Time => time(text).map(Value::Time),
            Self::Option(options) if options.iter().any(|option| option == text) => {
                Some(Value::Text(text.to_owned()))
            }
            Self::Option(options) => {
                return Err(unknown_option(field, options, literal));
            }
        };
        value.ok_or_else(|| self.wrong_type(field, literal.column))
    }
}

/// The first error, or the values without repetitions in the order in which they were written.
fn distinct<T: PartialEq>(
    literals: &[Literal],
    read: impl Fn(&Literal) -> Result<T, FilterError>,
) -> Result<Vec<T>, FilterError> {
    let mut values = Vec::with_capacity(literals.len());
    for literal in literals {
        let value = read(literal)?;
        if !values.contains(&value) {
            values.push(value);
        }
    }
    Ok(values)
}

fn number(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    if !text.chars().all(plain) {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    // Adding zero turns the negative zero into the positive one.
    number.is_finite().then_some(number + 0.0)
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    let looks_like_date = text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let time = if looks_like_date {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN).and_utc()
    } else {
        DateTime::parse_from_rfc3339(text).ok()?.to_utc()
    };
    let time = DateTime::from_timestamp_micros(time.timestamp_micros())?;
    (1..=9999).contains(&time.year()).then_some(time)
}

fn phone_digits(text: &str) -> Option<String> {
    let ignored = |c: char| {
        c.is_whitespace() || matches!(c, '+' | '-' | '.' | '(' | ')' | '\u{2010}'..='\u{2015}')
    };
    let digits: String = text.chars().filter(|c| !ignored(*c)).collect();
    (!digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())).then_some(digits)
}

fn unknown_option(field: &Field, options: &[String], literal: &Literal) -> FilterError {
    let advice = match closest(&literal.text, options.iter()) {
        Some(option) => format!("did you mean {}?", Value::Text(shortened(option))),
        None => listed("options", options.iter(), "AttributeService.GetAttribute"),
    };
    let message = format!("{field} has no such option: {advice}");
    FilterError::new(FilterErrorKind::UnknownOption, literal.column, message)
}

fn unknown_attribute(id: &str, column: usize, vocabulary: &Vocabulary) -> FilterError {
    let advice = if means_consent(id) {
        CONSENT_ADVICE.to_owned()
    } else if let Some(close) = closest(id, vocabulary.attributes.keys()) {
        format!("did you mean attributes.{close}?")
    } else {
        let names = vocabulary.attributes.keys();
        listed("attributes", names, "AttributeService.ListAttributes")
    };
    let message = format!("{}: {advice}", no_such("attribute", quotable(id)));
    FilterError::new(FilterErrorKind::UnknownAttribute, column, message)
}

fn unknown_field(comparison: &Comparison, vocabulary: &Vocabulary) -> FilterError {
    let name = &comparison.field;
    let alone = matches!(comparison.test, Test::Missing);
    let lower = name.text.to_ascii_lowercase();
    let attribute = |id: &str| vocabulary.attributes.contains_key(id);
    let (parent, child) = lower.split_once('.').unwrap_or(("", ""));
    let advice = if attribute(&lower) {
        format!("{lower} is an attribute, write attributes.{lower}")
    } else if vocabulary.tags.contains(&lower) {
        format!("{lower} is a tag, write tags:{lower}")
    } else if parent.starts_with("tag") && vocabulary.tags.contains(child) {
        format!("write tags:{child}")
    } else if means_consent(&lower) {
        CONSENT_ADVICE.to_owned()
    } else if parent.starts_with("attr") {
        let id = closest(child, vocabulary.attributes.keys()).unwrap_or("<attribute id>");
        format!("write attributes.{id}")
    } else if let Some(advice) = usual_guess(&lower) {
        advice.to_owned()
    } else if let Some(field) = closest(&lower, FIELDS.iter()) {
        format!("did you mean {field}?")
    } else if let Some(id) = closest(&lower, vocabulary.attributes.keys()) {
        format!("did you mean attributes.{id}?")
    } else if let Some(id) = closest(&lower, vocabulary.tags.iter()) {
        format!("did you mean tags:{id}?")
    } else if alone {
        "write a comparison such as first_name = \"Maria\" or tags:vip; free text is searched with \
         the request's query and not with its filter"
            .to_owned()
    } else {
        format!("the fields are {} and attributes.<attribute id>", FIELDS.join(", "))
    };
    // A word that stands alone is often a person's name in the wrong place.
    let shown = if alone { None } else { quotable(&name.text) };
    let message = format!("{}: {advice}", no_such("field", shown));
    FilterError::new(FilterErrorKind::UnknownField, name.column, message)
}

fn no_such(what: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("there is no {what} {name}"),
        None => format!("there is no such {what}"),
    }
}

const CONSENT_ADVICE: &str = "consent is the field opt_in: write opt_in = OPTED_IN (marketing), \
                              opt_in.utility = OPTED_IN or opt_in.authentication = OPTED_IN";

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

/// The name that was probably meant: near in spelling, whatever its case, spaces and dashes.
fn closest<'a, S: AsRef<str> + ?Sized + 'a>(
    written: &str,
    names: impl Iterator<Item = &'a S>,
) -> Option<&'a str> {
    let fold = |text: &str| text.to_lowercase().replace([' ', '-'], "_");
    let written = fold(written);
    let length = written.chars().count();
    let allowed = if length < 3 { 0 } else { (length / 3).max(1) };
    names
        .map(AsRef::as_ref)
        // The distance is never below the difference in length, which is cheaper to find.
        .filter(|name| name.chars().count().abs_diff(length) <= allowed)
        .map(|name| (strsim::osa_distance(&written, &fold(name)), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn listed<'a>(what: &str, names: impl ExactSizeIterator<Item = &'a String>, rpc: &str) -> String {
    match names.len() {
        0 => format!("the workspace has no {what}"),
        1..=LISTED_NAMES => {
            let names: Vec<_> = names.map(|name| shortened(name)).collect();
            format!("the {what} are {}", names.join(", "))
        }
        count => format!("there are {count} {what}, listed by {rpc}"),
    }
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
