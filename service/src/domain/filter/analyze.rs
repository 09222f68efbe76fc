//! Semantic analysis: resolves the names of a parsed filter and type-checks its literals.

use strum::VariantArray;

use super::ast::{CompareOp, ConsentTime, Expr, Field, Predicate, Value, source_name, status_name};
use super::field_type::{FieldType, phone_digits};
use super::lexer::{Literal, Star};
use super::parse::{Comparison, Test, Tree, quotable};
use super::suggest::{listed, no_such, unknown_attribute, unknown_field};
use super::{Definitions, FilterError, FilterErrorKind};
use crate::domain::Time;
use crate::domain::attribute::AttributeType;
use crate::domain::consent::{MessageCategory, OptInStatus, Source};
use crate::domain::ids::closest;
use crate::domain::phone::PhoneNumber;

const STATUSES: [OptInStatus; 3] =
    [OptInStatus::NotAsked, OptInStatus::OptedIn, OptInStatus::OptedOut];

pub(super) fn analyze(
    tree: Tree,
    definitions: &Definitions,
    now: Time,
) -> Result<Expr, FilterError> {
    let all = |trees: Vec<Tree>| {
        let each = trees.into_iter().map(|tree| analyze(tree, definitions, now));
        each.collect::<Result<Vec<_>, _>>()
    };
    match tree {
        Tree::And(trees) => all(trees).map(Expr::and),
        Tree::Or(trees) => all(trees).map(Expr::or),
        Tree::Not(tree) => analyze(*tree, definitions, now).map(Expr::negate),
        Tree::Comparison(comparison) => {
            let operand = Operand::resolve(&comparison, definitions)?;
            let analyzer = Analyzer { comparison: &comparison, definitions, now };
            analyzer.predicate(operand).map(of_all_forms)
        }
    }
}

/// What the left-hand side of a comparison names.
enum Operand<'v> {
    Tags,
    OptIn(MessageCategory),
    Sendable(MessageCategory),
    ConsentSource(MessageCategory),
    Field(Field, FieldType<'v>),
}

impl<'v> Operand<'v> {
    fn resolve(comparison: &Comparison, definitions: &'v Definitions) -> Result<Self, FilterError> {
        let name = &comparison.field;
        Ok(match name.text.as_str() {
            "tags" => Self::Tags,
            "opt_in" | "opt_in.marketing" => Self::OptIn(MessageCategory::Marketing),
            "opt_in.utility" => Self::OptIn(MessageCategory::Utility),
            "opt_in.authentication" => Self::OptIn(MessageCategory::Authentication),
            "first_name" => Self::Field(Field::FirstName, FieldType::ProfileText),
            "last_name" => Self::Field(Field::LastName, FieldType::ProfileText),
            "email" => Self::Field(Field::Email, FieldType::ProfileText),
            "phone_number" => Self::Field(Field::PhoneNumber, FieldType::Phone),
            "create_time" => Self::Field(Field::CreateTime, FieldType::Time),
            "update_time" => Self::Field(Field::UpdateTime, FieldType::Time),
            other => match other.strip_prefix("attributes.") {
                Some(id) => Self::attribute(id, name.column, definitions)?,
                None => {
                    let operand = Self::of_category(other);
                    operand.ok_or_else(|| unknown_field(comparison, definitions))?
                }
            },
        })
    }

    /// What is named as `sendable.marketing` or `consent.marketing.time`.
    fn of_category(name: &str) -> Option<Self> {
        let (parent, rest) = name.split_once('.')?;
        let (category, child) = rest.split_once('.').unwrap_or((rest, ""));
        let category = MessageCategory::ALL.into_iter().find(|known| known.name() == category)?;
        let time = |time| Self::Field(Field::Consent(category, time), FieldType::Time);
        match (parent, child) {
            ("sendable", "") if rest == category.name() => Some(Self::Sendable(category)),
            ("consent", "time") => Some(time(ConsentTime::Said)),
            ("consent", "expire_time") => Some(time(ConsentTime::Ends)),
            ("consent", "source") => Some(Self::ConsentSource(category)),
            _ => None,
        }
    }

    fn attribute(
        id: &str,
        column: usize,
        definitions: &'v Definitions,
    ) -> Result<Self, FilterError> {
        let Some(definition) = definitions.attributes.get(id) else {
            return Err(unknown_attribute(id, column, definitions));
        };
        let field_type = match definition.attribute_type {
            AttributeType::String => FieldType::Text,
            AttributeType::Number => FieldType::Number,
            AttributeType::Boolean => FieldType::Bool,
            AttributeType::Timestamp => FieldType::Time,
            AttributeType::Enum => FieldType::Option(&definition.enum_options),
        };
        let attribute_type = definition.attribute_type;
        Ok(Self::Field(Field::Attribute { id: id.to_owned(), attribute_type }, field_type))
    }
}

/// Turns one comparison into a [`Predicate`].
struct Analyzer<'c> {
    comparison: &'c Comparison,
    definitions: &'c Definitions,
    now: Time,
}

impl Analyzer<'_> {
    fn predicate(&self, operand: Operand<'_>) -> Result<Predicate, FilterError> {
        match operand {
            Operand::Tags => self.tags(),
            Operand::OptIn(category) => self.opt_in(category),
            Operand::Sendable(category) => self.sendable(category),
            Operand::ConsentSource(category) => self.consent_source(category),
            Operand::Field(field, field_type) => self.field(field, field_type),
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
                let known = self.definitions.tags.contains(&literal.text);
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
        if self.definitions.tags.contains(&literal.text) {
            return Ok(literal.text.clone());
        }
        let advice = match closest(&literal.text, self.definitions.tags.iter()) {
            Some(tag) => format!("did you mean tags:{tag}?"),
            None => listed("tags", self.definitions.tags.iter(), "TagService.ListTags"),
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

    fn sendable(&self, category: MessageCategory) -> Result<Predicate, FilterError> {
        let name = &self.comparison.field.text;
        let example = format!("write {name} = true, or {name} = false for those a check denies");
        let (literal, is_equal) = match &self.comparison.test {
            Test::Has(literal) | Test::Compare(CompareOp::Eq, literal) => (literal, true),
            Test::Compare(CompareOp::Ne, literal) => (literal, false),
            Test::Missing => return Err(self.no_operator(&format!("{name} = true"))),
            Test::IsSet | Test::In(_) | Test::Compare(..) => {
                return Err(self.wrong_operator(format!("{name} is true or false: {example}")));
            }
        };
        let said = !literal.quoted && literal.star == Star::None;
        match literal.text.parse::<bool>() {
            Ok(value) if said => Ok(Predicate::Sendable { category, allows: value == is_equal }),
            _ => {
                let message = format!("{name} needs true or false without quotes: {example}");
                Err(FilterError::new(FilterErrorKind::WrongType, literal.column, message))
            }
        }
    }

    fn consent_source(&self, category: MessageCategory) -> Result<Predicate, FilterError> {
        let name = &self.comparison.field.text;
        let mut any_of = match &self.comparison.test {
            Test::IsSet => Source::VARIANTS.to_vec(),
            Test::Has(literal) | Test::Compare(CompareOp::Eq, literal) => {
                vec![self.source(literal)?]
            }
            // A missing value is not different from any.
            Test::Compare(CompareOp::Ne, literal) => {
                let excluded = self.source(literal)?;
                Source::VARIANTS.iter().copied().filter(|source| *source != excluded).collect()
            }
            Test::In(literals) => distinct(literals, |literal| self.source(literal))?,
            Test::Compare(..) => {
                return Err(self.wrong_operator(format!(
                    "sources have no order: write {name} = WEB_FORM or \
                     {name} IN (WEB_FORM, PAPER)"
                )));
            }
            Test::Missing => return Err(self.no_operator(&format!("{name} = WEB_FORM"))),
        };
        any_of.sort_unstable();
        Ok(Predicate::ConsentSource { category, any_of })
    }

    fn source(&self, literal: &Literal) -> Result<Source, FilterError> {
        let short = literal.text.strip_prefix("OPT_IN_SOURCE_").unwrap_or(&literal.text);
        let found = Source::VARIANTS.iter().copied().find(|source| source_name(*source) == short);
        if let (Some(source), Star::None) = (found, literal.star) {
            return Ok(source);
        }
        let names: Vec<_> = Source::VARIANTS.iter().map(|source| source_name(*source)).collect();
        let advice = match closest(short, names.iter()) {
            Some(name) => format!("did you mean {name}?"),
            None => format!("write for example {} = WEB_FORM", self.comparison.field.text),
        };
        let message = format!("a source is one of {} (upper case): {advice}", names.join(", "));
        Err(FilterError::new(FilterErrorKind::UnknownOption, literal.column, message))
    }

    fn field(&self, field: Field, field_type: FieldType<'_>) -> Result<Predicate, FilterError> {
        let (op, literal) = match &self.comparison.test {
            Test::IsSet => return Ok(Predicate::IsSet(field)),
            Test::Missing => return Err(self.no_operator(&field_type.example(&field))),
            Test::In(_) if matches!(field_type, FieldType::Bool) => {
                let message = format!("{field} is true or false: write {field} = true");
                return Err(self.wrong_operator(message));
            }
            Test::In(literals) => {
                let mut values = distinct(literals, |literal| {
                    field_type.whole_value(&field, literal, self.now)
                })?;
                return Ok(match values.len() {
                    1 => Predicate::Compare { field, op: CompareOp::Eq, value: values.remove(0) },
                    _ => Predicate::In { field, values },
                });
            }
            Test::Has(literal) => (CompareOp::Eq, literal),
            Test::Compare(op, literal) => (*op, literal),
        };
        let ordering = !matches!(op, CompareOp::Eq | CompareOp::Ne);
        if ordering && matches!(field_type, FieldType::Bool | FieldType::Option(_)) {
            let message = format!("{field} has no order: write {}", field_type.example(&field));
            return Err(self.wrong_operator(message));
        }
        if literal.star == Star::Trailing && field_type.supports_prefix() {
            return match (op, field_type) {
                (CompareOp::Eq, FieldType::Phone) => {
                    let prefix = phone_digits(&literal.text)
                        .ok_or_else(|| field_type.wrong_type(&field, literal.column))?;
                    Ok(Predicate::Prefix { field, prefix })
                }
                (CompareOp::Eq, _) => Ok(Predicate::Prefix { field, prefix: literal.text.clone() }),
                _ => Err(self.wrong_operator(format!(
                    "a prefix test is written with =, as in {field} = \"Mar*\" or \
                     NOT {field} = \"Mar*\"; write \\* in quotes for the character itself"
                ))),
            };
        }
        let value = match ordering {
            true => field_type.value(&field, literal, self.now)?,
            false => field_type.whole_value(&field, literal, self.now)?,
        };
        Ok(Predicate::Compare { field, op, value })
    }
}

/// The same of all forms of a phone number: each is the same number everywhere.
fn of_all_forms(predicate: Predicate) -> Expr {
    let field = Field::PhoneNumber;
    let (values, is_excluded) = match &predicate {
        Predicate::Compare { field: Field::PhoneNumber, op: CompareOp::Eq, value } => {
            (vec![value.clone()], false)
        }
        Predicate::Compare { field: Field::PhoneNumber, op: CompareOp::Ne, value } => {
            (vec![value.clone()], true)
        }
        Predicate::In { field: Field::PhoneNumber, values } => (values.clone(), false),
        _ => return Expr::Is(predicate),
    };
    let mut all = values.clone();
    for value in &values {
        let Value::Text(digits) = value else { continue };
        let forms = PhoneNumber::parse(digits).into_iter().flat_map(|number| number.variants());
        for form in forms.map(|form| Value::Text(form.as_str().to_owned())) {
            if !all.contains(&form) {
                all.push(form);
            }
        }
    }
    if all.len() == values.len() {
        return Expr::Is(predicate);
    }
    let any = Expr::Is(Predicate::In { field: field.clone(), values: all });
    match is_excluded {
        true => Expr::and(vec![Expr::Is(Predicate::IsSet(field)), Expr::negate(any)]),
        false => any,
    }
}

/// Reads the literals in order and drops repeated values. Returns the first error.
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
