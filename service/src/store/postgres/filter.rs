//! Filters as SQL: a condition on `contact AS c` that is true or false, never null.
//! Everything the caller wrote is a bound value.

use serde_json::Value as Json;
use sqlx::{Postgres, QueryBuilder};

use super::terms;
use crate::domain::Time;
use crate::domain::consent::{ConsentState, MessageCategory, OptInPolicy, OptInStatus};
use crate::domain::filter::{CompareOp, ConsentTime, Expr, Field, Predicate, Value};
use crate::store::common::{SOURCE_SHIFT, STATE_MASK, micros};

/// Appends the condition that `expr` holds for `c` at `now` under a policy.
pub(super) fn push(sql: &mut QueryBuilder<Postgres>, policy: &OptInPolicy, now: Time, expr: &Expr) {
    Compiler { sql, policy, now }.expr(expr);
}

/// Whether an index finds the contacts that `expr` holds for, possibly with others.
pub(super) fn is_indexed(expr: &Expr) -> bool {
    match expr {
        Expr::And(all) => all.iter().any(is_indexed),
        Expr::Or(any) => any.iter().all(is_indexed),
        Expr::Not(_) => false,
        Expr::Is(Predicate::HasTagIn(_)) => true,
        Expr::Is(Predicate::In { field: Field::Attribute { id, .. }, values }) => {
            values.iter().all(|value| terms::of_literal(id, value).is_some())
        }
        Expr::Is(_) => term(expr).is_some(),
    }
}

/// The term that a contact has if and only if `expr` holds for it.
fn term(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Is(Predicate::HasTag(tag)) => Some(tag.clone()),
        Expr::Is(Predicate::Compare {
            field: Field::Attribute { id, .. },
            op: CompareOp::Eq,
            value,
        }) => terms::of_literal(id, value),
        _ => None,
    }
}

struct Compiler<'a> {
    sql: &'a mut QueryBuilder<Postgres>,
    policy: &'a OptInPolicy,
    now: Time,
}

impl Compiler<'_> {
    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::And(all) => self.all(all),
            Expr::Or(any) => self.joined(any.iter(), " OR "),
            Expr::Not(inner) => {
                self.sql.push("NOT ");
                self.expr(inner);
            }
            Expr::Is(predicate) => {
                self.sql.push("(");
                self.predicate(predicate);
                self.sql.push(")");
            }
        }
    }

    /// Joins operands. Those that are a term each become one condition, which takes
    /// half the time of several.
    fn all(&mut self, operands: &[Expr]) {
        let (single, others): (Vec<_>, Vec<_>) =
            operands.iter().partition(|operand| term(operand).is_some());
        self.sql.push("(");
        if !single.is_empty() {
            self.terms(" @> ", single.into_iter().filter_map(term).collect());
            self.sql.push(" AND ");
        }
        match others.as_slice() {
            [] => drop(self.sql.push("true")),
            _ => self.joined(others.into_iter(), " AND "),
        }
        self.sql.push(")");
    }

    fn joined<'a>(&mut self, operands: impl Iterator<Item = &'a Expr>, operator: &str) {
        self.sql.push("(");
        for (index, operand) in operands.enumerate() {
            if index > 0 {
                self.sql.push(operator);
            }
            self.expr(operand);
        }
        self.sql.push(")");
    }

    fn predicate(&mut self, predicate: &Predicate) {
        match predicate {
            Predicate::HasTag(tag) => self.terms(" @> ", vec![tag.clone()]),
            Predicate::HasTagIn(tags) => self.terms(" && ", tags.clone()),
            Predicate::HasAnyTag => {
                self.sql.push("EXISTS (SELECT FROM unnest(c.terms) AS t WHERE strpos(t, '=') = 0)");
            }
            Predicate::OptIn { category, any_of } => self.opt_in(*category, any_of),
            Predicate::Sendable { category, allows } => {
                self.sql.push(if *allows { "(" } else { "NOT (" });
                self.state(*category, &[ConsentState::Permitted]);
                self.sql.push(" AND NOT ");
                self.has_ended(*category);
                self.sql.push(")");
            }
            Predicate::ConsentSource { category, any_of } => {
                self.sql.push("(c.opt_in_").push(category.name()).push(" >> ");
                self.sql.push(SOURCE_SHIFT).push(") IN (");
                for (index, source) in any_of.iter().enumerate() {
                    self.sql.push(if index > 0 { ", " } else { "" }).push(*source as i16);
                }
                self.sql.push(")");
            }
            Predicate::Compare { field, op, value } => match field {
                Field::Attribute { id, .. } => self.compare_attribute(id, *op, value),
                Field::Consent(category, time) => {
                    self.sql.push("coalesce(");
                    self.consent_time(*category, *time);
                    self.sql.push(" ").push(op.symbol()).push(" ");
                    self.sql.push_bind(times(std::slice::from_ref(value)).first().copied());
                    self.sql.push(", false)");
                }
                _ => self.column(field, |sql| {
                    sql.push(" ").push(op.symbol()).push(" ");
                    match value {
                        Value::Time(time) => sql.push_bind(micros(*time)),
                        Value::Text(text) => sql.push_bind(text.clone()),
                        // No column has these types.
                        Value::Number(_) | Value::Bool(_) => sql.push("NULL IS NULL"),
                    };
                }),
            },
            Predicate::In { field, values } => match field {
                Field::Attribute { id, .. } => self.attribute_in(id, values),
                Field::Consent(category, time) => {
                    self.sql.push("coalesce(");
                    self.consent_time(*category, *time);
                    self.sql.push(" = ANY(").push_bind(times(values)).push("), false)");
                }
                Field::CreateTime | Field::UpdateTime => self.column(field, |sql| {
                    sql.push(" = ANY(").push_bind(times(values)).push(")");
                }),
                _ => self.column(field, |sql| {
                    sql.push(" = ANY(").push_bind(texts(values)).push(")");
                }),
            },
            Predicate::Prefix { field, prefix } => {
                self.sql.push("starts_with(");
                match field {
                    Field::Attribute { id, .. } => {
                        self.sql.push("coalesce(c.attributes ->> ").push_bind(id.clone());
                        self.sql.push(", '')");
                    }
                    _ => drop(self.sql.push("c.").push(column(field))),
                }
                self.sql.push(", ").push_bind(prefix.clone()).push(")");
            }
            Predicate::IsSet(field) => match field {
                Field::Attribute { id, .. } => {
                    self.sql.push("c.attributes ? ").push_bind(id.clone());
                }
                Field::CreateTime | Field::UpdateTime => drop(self.sql.push("true")),
                Field::Consent(category, time) => {
                    self.consent_time(*category, *time);
                    self.sql.push(" IS NOT NULL");
                }
                _ => drop(self.sql.push("c.").push(column(field)).push(" <> ''")),
            },
        }
    }

    fn terms(&mut self, operator: &str, terms: Vec<String>) {
        self.sql.push("c.terms").push(operator).push_bind(terms);
    }

    /// The status at `now`: a permission that has ended counts as not asked.
    fn opt_in(&mut self, category: MessageCategory, any_of: &[OptInStatus]) {
        use ConsentState::{NotAsked, Objected, Permitted, Stopped, Withheld};
        for (index, status) in any_of.iter().enumerate() {
            self.sql.push(if index > 0 { " OR " } else { "" });
            match status {
                OptInStatus::OptedOut => self.state(category, &[Objected]),
                OptInStatus::OptedIn => {
                    self.state(category, &[Permitted, Stopped]);
                    self.sql.push(" AND NOT ");
                    self.has_ended(category);
                }
                OptInStatus::NotAsked => {
                    self.state(category, &[NotAsked, Withheld]);
                    self.sql.push(" OR ");
                    self.state(category, &[Permitted, Stopped]);
                    self.sql.push(" AND ");
                    self.has_ended(category);
                }
            }
        }
    }

    fn state(&mut self, category: MessageCategory, any_of: &[ConsentState]) {
        self.sql.push("(c.opt_in_").push(category.name()).push(" & ").push(STATE_MASK);
        self.sql.push(") IN (");
        for (index, state) in any_of.iter().enumerate() {
            self.sql.push(if index > 0 { ", " } else { "" }).push(*state as i16);
        }
        self.sql.push(")");
    }

    /// Whether the permission has ended at `now`. Never null.
    fn has_ended(&mut self, category: MessageCategory) {
        self.sql.push("coalesce(");
        self.end(category);
        self.sql.push(" <= ").push_bind(micros(self.now)).push(", false)");
    }

    /// When the permission ends, by the policy too. Null for never.
    fn end(&mut self, category: MessageCategory) {
        let name = category.name();
        match self.policy.max_age(category) {
            None => drop(self.sql.push("c.").push(name).push("_expire_time")),
            // Nulls are left out.
            Some(age) => {
                self.sql.push("least(c.").push(name).push("_expire_time, coalesce(c.").push(name);
                self.sql.push("_counted_from, c.").push(name).push("_time, c.marketing_time) + ");
                self.sql.push_bind(age.num_microseconds().unwrap_or(0)).push(")");
            }
        }
    }

    /// A time of what decides. Null if it is not set.
    fn consent_time(&mut self, category: MessageCategory, time: ConsentTime) {
        self.sql.push("(CASE WHEN ");
        match time {
            ConsentTime::Said => {
                self.state(category, &[ConsentState::NotAsked]);
                self.sql.push(" THEN NULL ELSE coalesce(c.").push(category.name());
                self.sql.push("_time, c.marketing_time)");
            }
            ConsentTime::Ends => {
                self.state(category, &[ConsentState::Permitted]);
                self.sql.push(" THEN ");
                self.end(category);
            }
        }
        self.sql.push(" END)");
    }

    fn compare_attribute(&mut self, id: &str, op: CompareOp, value: &Value) {
        match (op, value, terms::of_literal(id, value)) {
            (CompareOp::Eq, _, Some(term)) => self.terms(" @> ", vec![term]),
            (CompareOp::Ne, _, Some(term)) => {
                self.sql.push("c.attributes ? ").push_bind(id.to_owned());
                self.sql.push(" AND NOT ");
                self.terms(" @> ", vec![term]);
            }
            (_, Value::Text(text), _) => {
                self.sql.push("coalesce((c.attributes ->> ").push_bind(id.to_owned());
                self.sql.push(") COLLATE \"C\" ").push(op.symbol()).push(" ");
                self.sql.push_bind(text.clone()).push(", false)");
            }
            // Numbers in jsonb are decimal. They compare like the doubles they were
            // written from, because their text is exact enough to read the double back.
            (_, value, _) => {
                self.sql.push("coalesce((c.attributes -> ").push_bind(id.to_owned());
                self.sql.push(") ").push(op.symbol()).push(" ");
                self.sql.push_bind(json(value).to_string()).push("::jsonb, false)");
            }
        }
    }

    fn attribute_in(&mut self, id: &str, values: &[Value]) {
        let terms: Option<Vec<_>> = values.iter().map(|v| terms::of_literal(id, v)).collect();
        if let Some(terms) = terms {
            return self.terms(" && ", terms);
        }
        let values: Vec<_> = values.iter().map(|value| json(value).to_string()).collect();
        self.sql.push("coalesce((c.attributes -> ").push_bind(id.to_owned());
        self.sql.push(") = ANY(").push_bind(values).push("::jsonb[]), false)");
    }

    /// A condition on a column. False if the contact has no such text.
    fn column(&mut self, field: &Field, condition: impl FnOnce(&mut QueryBuilder<Postgres>)) {
        let name = column(field);
        if !matches!(field, Field::CreateTime | Field::UpdateTime) {
            self.sql.push("c.").push(name).push(" <> '' AND ");
        }
        self.sql.push("c.").push(name);
        condition(self.sql);
    }
}

fn column(field: &Field) -> &'static str {
    match field {
        Field::FirstName => "first_name",
        Field::LastName => "last_name",
        Field::Email => "email",
        Field::PhoneNumber => "phone_number",
        Field::CreateTime => "create_time",
        Field::UpdateTime => "update_time",
        Field::Consent(..) => "marketing_time",
        Field::Attribute { .. } => "attributes",
    }
}

fn texts(values: &[Value]) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) | Value::Time(_) => None,
    };
    values.iter().filter_map(text).collect()
}

fn times(values: &[Value]) -> Vec<i64> {
    let time = |value: &Value| match value {
        Value::Time(time) => Some(micros(*time)),
        Value::Text(_) | Value::Number(_) | Value::Bool(_) => None,
    };
    values.iter().filter_map(time).collect()
}

fn json(value: &Value) -> Json {
    match value {
        Value::Text(text) => Json::from(text.as_str()),
        Value::Number(number) => Json::from(*number),
        Value::Bool(bool) => Json::from(*bool),
        Value::Time(time) => Json::from(micros(*time)),
    }
}
