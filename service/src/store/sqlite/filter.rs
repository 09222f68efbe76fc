//! Filters as SQL: an expression on the row of `contact AS c`. Everything the
//! caller wrote is a bound value. Null counts as false.

use sqlx::{QueryBuilder, Sqlite};

use super::attribute_json::number_key;
use crate::domain::Time;
use crate::domain::consent::{ConsentState, MessageCategory, OptInStatus};
use crate::domain::filter::{ConsentTime, Expr, Field, Predicate, Value};
use crate::store::Workspace;
use crate::store::common::{SOURCE_SHIFT, STATE_MASK, micros};

/// Appends the condition that `expr` holds for `c` in this workspace at `now`.
pub(super) fn push(sql: &mut QueryBuilder<Sqlite>, workspace: &Workspace, now: Time, expr: &Expr) {
    Compiler { sql, workspace, now }.expr(expr);
}

struct Compiler<'a> {
    sql: &'a mut QueryBuilder<Sqlite>,
    workspace: &'a Workspace,
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
                self.sql.push(" WHERE workspace_key = ").push_bind(self.workspace.row_key);
                self.sql.push(" AND tag_id = ").push_bind(tag.clone()).push(")) > 0");
            }
            Predicate::HasTagIn(tags) => {
                self.sql.push("c.seq IN (SELECT seq FROM contact_tag WHERE tag_key IN (");
                self.sql.push("SELECT tag_key FROM tag WHERE workspace_key = ");
                self.sql.push_bind(self.workspace.row_key).push(" AND tag_id IN (");
                self.list(tags.iter().map(|tag| Value::Text(tag.clone())));
                self.sql.push(")))");
            }
            Predicate::HasAnyTag => {
                self.sql.push("c.tags <> ','");
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
                self.sql.push("c.opt_in_").push(category.name()).push(" >> ");
                self.sql.push(SOURCE_SHIFT).push(" IN (");
                for (index, source) in any_of.iter().enumerate() {
                    self.sql.push(if index > 0 { ", " } else { "" }).push(*source as i16);
                }
                self.sql.push(")");
            }
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

    /// The status at `now`: a permission that has ended counts as not asked.
    fn opt_in(&mut self, category: MessageCategory, any_of: &[OptInStatus]) {
        use ConsentState::{NotAsked, Objected, Permitted, Stopped, Withheld};
        self.sql.push("(");
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
        self.sql.push(")");
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
        self.sql.push("ifnull(");
        self.end(category);
        self.sql.push(" <= ").push_bind(micros(self.now)).push(", 0)");
    }

    /// When the permission ends, by the policy too. Null for never.
    fn end(&mut self, category: MessageCategory) {
        let name = category.name();
        match self.workspace.settings.opt_in_policy.max_age(category) {
            None => drop(self.sql.push("c.").push(name).push("_expire_time")),
            Some(age) => {
                self.sql.push("min(ifnull(c.").push(name).push("_expire_time, ");
                self.sql.push(i64::MAX).push("), ").push(counted_from(category)).push(" + ");
                self.sql.push_bind(age.num_microseconds().unwrap_or(0)).push(")");
            }
        }
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
            Field::Consent(category, ConsentTime::Said) => {
                self.sql.push("(CASE WHEN NOT ");
                self.state(*category, &[ConsentState::NotAsked]);
                self.sql.push(" THEN ifnull(c.").push(category.name());
                self.sql.push("_time, c.marketing_time) END)")
            }
            Field::Consent(category, ConsentTime::Ends) => {
                self.sql.push("(CASE WHEN ");
                self.state(*category, &[ConsentState::Permitted]);
                self.sql.push(" THEN ");
                self.end(*category);
                self.sql.push(" END)")
            }
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

/// From when the permission of a category ages. Null if nothing is known of it.
pub(super) fn counted_from(category: MessageCategory) -> &'static str {
    match category {
        MessageCategory::Marketing => "ifnull(c.marketing_counted_from, c.marketing_time)",
        MessageCategory::Utility => {
            "coalesce(c.utility_counted_from, c.utility_time, c.marketing_time)"
        }
        MessageCategory::Authentication => {
            "coalesce(c.authentication_counted_from, c.authentication_time, c.marketing_time)"
        }
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
