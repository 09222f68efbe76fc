//! Filters as SQL: a condition on `contact c`, true or false and never null,
//! with everything the caller wrote as bound values.

use sqlx::{QueryBuilder, Sqlite};

use super::contacts::status_code;
use super::micros;
use crate::domain::Time;
use crate::domain::consent::{MessageCategory, OptInStatus};
use crate::domain::filter::{Expr, Field, Predicate, Value};
use crate::store::Workspace;

/// Appends the condition that `expr` holds for `c` in this workspace at `now`.
pub(super) fn push(sql: &mut QueryBuilder<Sqlite>, workspace: &Workspace, now: Time, expr: &Expr) {
    Compiler { sql, workspace_key: workspace.row_key, now }.expr(expr);
}

struct Compiler<'a> {
    sql: &'a mut QueryBuilder<Sqlite>,
    workspace_key: i64,
    now: Time,
}

impl Compiler<'_> {
    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::And(all) => self.joined(all, " AND "),
            Expr::Or(any) => self.joined(any, " OR "),
            Expr::Not(inner) => {
                self.sql.push("NOT ");
                self.expr(inner);
            }
            Expr::Is(predicate) => self.predicate(predicate),
        }
    }

    fn joined(&mut self, operands: &[Expr], operator: &str) {
        self.sql.push("(");
        for (index, operand) in operands.iter().enumerate() {
            if index > 0 {
                self.sql.push(operator);
            }
            self.expr(operand);
        }
        self.sql.push(")");
    }

    fn predicate(&mut self, predicate: &Predicate) {
        match predicate {
            Predicate::HasTag(tag) => {
                self.sql.push("EXISTS (SELECT 1 FROM contact_tag t WHERE t.tag_key = ");
                self.tag_key(tag);
                self.sql.push(" AND t.seq = c.seq)");
            }
            Predicate::HasTagIn(tags) => {
                self.sql.push("EXISTS (SELECT 1 FROM contact_tag t WHERE t.tag_key IN (");
                self.sql.push("SELECT tag_key FROM tag WHERE workspace_key = ");
                self.sql.push_bind(self.workspace_key).push(" AND tag_id IN (");
                self.list(tags.iter().map(|tag| Value::Text(tag.clone())));
                self.sql.push(")) AND t.seq = c.seq)");
            }
            Predicate::HasAnyTag => {
                self.sql.push("EXISTS (SELECT 1 FROM contact_tag t WHERE t.tag_key IN (");
                self.sql.push("SELECT tag_key FROM tag WHERE workspace_key = ");
                self.sql.push_bind(self.workspace_key).push(") AND t.seq = c.seq)");
            }
            Predicate::OptIn { category, any_of } => self.opt_in(*category, any_of),
            Predicate::Compare { field, op, value } => self.value(field, |compiler| {
                compiler.sql.push(" ").push(op.symbol()).push(" ");
                compiler.bind(value);
            }),
            Predicate::In { field, values } => self.value(field, |compiler| {
                compiler.sql.push(" IN (");
                compiler.list(values.iter().cloned());
                compiler.sql.push(")");
            }),
            Predicate::Prefix { field, prefix } => {
                let after = successor(prefix);
                self.value(field, |compiler| {
                    compiler.sql.push(" >= ").push_bind(prefix.clone());
                });
                // Two conditions on one value are one condition: it has but one.
                if let Some(after) = after {
                    self.sql.push(" AND ");
                    self.value(field, |compiler| {
                        compiler.sql.push(" < ").push_bind(after);
                    });
                }
            }
            Predicate::IsSet(field) => match column(field) {
                Some(column) => {
                    self.sql.push("c.").push(column).push(" <> ''");
                }
                None => self.value(field, |compiler| {
                    compiler.sql.push(" IS NOT NULL");
                }),
            },
        }
    }

    fn tag_key(&mut self, tag: &str) {
        self.sql.push("(SELECT tag_key FROM tag WHERE workspace_key = ");
        self.sql.push_bind(self.workspace_key).push(" AND tag_id = ");
        self.sql.push_bind(tag.to_owned()).push(")");
    }

    /// The status in effect: an opt-in that ran out counts as never asked.
    fn opt_in(&mut self, category: MessageCategory, any_of: &[OptInStatus]) {
        let name = match category {
            MessageCategory::Marketing => "marketing",
            MessageCategory::Utility => "utility",
            MessageCategory::Authentication => "authentication",
        };
        let now = micros(self.now);
        self.sql.push("(CASE WHEN c.opt_in_").push(name).push(" = 2 AND c.").push(name);
        self.sql.push("_expire_time <= ").push_bind(now).push(" THEN 1 ELSE c.opt_in_");
        self.sql.push(name).push(" END) IN (");
        for (index, status) in any_of.iter().enumerate() {
            self.sql.push(if index > 0 { ", " } else { "" }).push(status_code(*status));
        }
        self.sql.push(")");
    }

    /// A condition on a field's value; false where there is none.
    fn value(&mut self, field: &Field, condition: impl FnOnce(&mut Self)) {
        match (field, column(field)) {
            (Field::Attribute { id, .. }, _) => {
                self.sql.push("EXISTS (SELECT 1 FROM contact_attribute a WHERE a.seq = c.seq");
                self.sql.push(" AND a.attribute_key = (SELECT attribute_key FROM attribute");
                self.sql.push(" WHERE workspace_key = ").push_bind(self.workspace_key);
                self.sql.push(" AND attribute_id = ").push_bind(id.clone()).push(") AND a.value");
                condition(self);
                self.sql.push(")");
            }
            (_, Some(text)) => {
                self.sql.push("(c.").push(text).push(" <> '' AND c.").push(text);
                condition(self);
                self.sql.push(")");
            }
            (Field::UpdateTime, None) => {
                self.sql.push("c.update_time");
                condition(self);
            }
            (_, None) => {
                self.sql.push("c.create_time");
                condition(self);
            }
        }
    }

    fn list(&mut self, values: impl Iterator<Item = Value>) {
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.sql.push(", ");
            }
            self.bind(&value);
        }
    }

    fn bind(&mut self, value: &Value) {
        match value {
            Value::Text(text) => self.sql.push_bind(text.clone()),
            Value::Number(number) => self.sql.push_bind(*number),
            Value::Bool(bool) => self.sql.push_bind(*bool),
            Value::Time(time) => self.sql.push_bind(micros(*time)),
        };
    }
}

/// The column of a text field, where empty means missing.
fn column(field: &Field) -> Option<&'static str> {
    match field {
        Field::FirstName => Some("first_name"),
        Field::LastName => Some("last_name"),
        Field::Email => Some("email"),
        Field::PhoneNumber => Some("phone_number"),
        Field::CreateTime | Field::UpdateTime | Field::Attribute { .. } => None,
    }
}

/// The first text behind all that begin with `prefix`; None if there is none.
fn successor(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The code points between are no characters.
        let next =
            if last == '\u{D7FF}' { Some('\u{E000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}
