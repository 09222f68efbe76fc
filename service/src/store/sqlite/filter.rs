//! Filters as SQL: an expression on the row of `contact AS c`. Everything the
//! caller wrote is a bound value. Null counts as false.

use sqlx::{QueryBuilder, Sqlite};

use super::attribute_json::number_key;
use crate::domain::Time;
use crate::domain::consent::{MessageCategory, OptInStatus};
use crate::domain::filter::{Expr, Field, Predicate, Value};
use crate::store::Workspace;
use crate::store::common::{micros, status_code};

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
                self.sql.push("(");
                self.expr(inner);
                self.sql.push(") IS NOT TRUE");
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
                // The tag's key is looked up once for the whole statement.
                self.sql.push("instr(c.tags, (SELECT ',' || tag_key || ',' FROM tag");
                self.sql.push(" WHERE workspace_key = ").push_bind(self.workspace_key);
                self.sql.push(" AND tag_id = ").push_bind(tag.clone()).push(")) > 0");
            }
            Predicate::HasTagIn(tags) => {
                self.sql.push("c.seq IN (SELECT seq FROM contact_tag WHERE tag_key IN (");
                self.sql.push("SELECT tag_key FROM tag WHERE workspace_key = ");
                self.sql.push_bind(self.workspace_key).push(" AND tag_id IN (");
                self.list(tags.iter().map(|tag| Value::Text(tag.clone())));
                self.sql.push(")))");
            }
            Predicate::HasAnyTag => {
                self.sql.push("c.tags <> ','");
            }
            Predicate::OptIn { category, any_of } => self.opt_in(*category, any_of),
            Predicate::Compare { field, op, value } => {
                self.value(field);
                self.sql.push(" ").push(op.symbol()).push(" ");
                self.bind(value);
            }
            Predicate::In { field, values } => {
                self.value(field);
                self.sql.push(" IN (");
                self.list(values.iter().cloned());
                self.sql.push(")");
            }
            Predicate::Prefix { field, prefix } => {
                self.value(field);
                self.sql.push(" >= ").push_bind(prefix.clone());
                if let Some(after) = successor(prefix) {
                    self.sql.push(" AND ");
                    self.value(field);
                    self.sql.push(" < ").push_bind(after);
                }
            }
            Predicate::IsSet(field) => {
                self.value(field);
                self.sql.push(" IS NOT NULL");
            }
        }
    }

    /// The status at `now`: an expired opt-in counts as not asked.
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

    /// A field's value. Null if the contact has none, or an empty text.
    fn value(&mut self, field: &Field) {
        match field {
            Field::FirstName => self.sql.push("nullif(c.first_name, '')"),
            Field::LastName => self.sql.push("nullif(c.last_name, '')"),
            Field::Email => self.sql.push("nullif(c.email, '')"),
            Field::PhoneNumber => self.sql.push("nullif(c.phone_number, '')"),
            Field::CreateTime => self.sql.push("c.create_time"),
            Field::UpdateTime => self.sql.push("c.update_time"),
            Field::Attribute { id, .. } => {
                self.sql.push("(c.attributes ->> ").push_bind(id.clone()).push(")")
            }
        };
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
            Value::Number(number) => self.sql.push_bind(number_key(*number)),
            Value::Bool(bool) => self.sql.push_bind(i64::from(*bool)),
            Value::Time(time) => self.sql.push_bind(micros(*time)),
        };
    }
}

/// The first text after all that begin with `prefix`. None if there is none.
fn successor(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The code points in between are surrogates.
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            _ => char::from_u32(last as u32 + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}
