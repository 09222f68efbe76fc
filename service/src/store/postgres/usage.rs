//! SQL of the numbers of contacts that use a definition.
//!
//! Counting contacts takes a second per million, so the numbers are stored. Each is
//! the sum of several parts. Transactions that change the same part wait for each
//! other, so each changes a random part, right before it commits.

use std::collections::{BTreeMap, HashMap};

use sqlx::Row;
use uuid::Uuid;

use super::session::PostgresSession;
use crate::domain::contact::Profile;
use crate::domain::error::Result;
use crate::store::Workspace;

/// Parts of a count. With more there is more to add up, with fewer writers wait more
/// often.
const PARTS: u8 = 16;

/// What is counted.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Contacts with a tag.
    Tag,
    /// Contacts with a value of an attribute.
    Attribute,
}

/// The stored name of a count. No tag id ends in `=`.
fn term(kind: Kind, id: &str) -> String {
    match kind {
        Kind::Tag => id.to_owned(),
        Kind::Attribute => format!("{id}="),
    }
}

/// By how much a transaction changes each count, by id. Sorted, so that all
/// transactions update several counts in the same order.
#[derive(Default)]
pub(super) struct UsageChanges {
    workspace_id: String,
    tags: BTreeMap<String, i64>,
    attributes: BTreeMap<String, i64>,
}

impl UsageChanges {
    /// Counts the change of a contact from one profile to another.
    pub(super) fn add(
        &mut self,
        workspace: &Workspace,
        before: Option<&Profile>,
        after: Option<&Profile>,
    ) {
        self.workspace_id.clone_from(&workspace.workspace_id);
        for (profile, change) in [(after, 1), (before, -1)] {
            let Some(profile) = profile else { continue };
            profile.tags.iter().for_each(|id| add(&mut self.tags, id, change));
            profile.attributes.keys().for_each(|id| add(&mut self.attributes, id, change));
        }
    }

    fn of(&mut self, kind: Kind) -> &mut BTreeMap<String, i64> {
        match kind {
            Kind::Tag => &mut self.tags,
            Kind::Attribute => &mut self.attributes,
        }
    }
}

fn add(counts: &mut BTreeMap<String, i64>, id: &str, change: i64) {
    match counts.get_mut(id) {
        Some(count) => *count += change,
        None => drop(counts.insert(id.to_owned(), change)),
    }
}

impl PostgresSession {
    /// Writes the changes of the transaction, which ends next.
    pub(super) async fn write_usage(&mut self) -> Result<()> {
        let mut usage = std::mem::take(&mut self.usage);
        let (mut terms, mut changes) = (Vec::new(), Vec::new());
        for kind in [Kind::Tag, Kind::Attribute] {
            for (id, change) in usage.of(kind) {
                if *change != 0 {
                    terms.push(term(kind, id));
                    changes.push(*change);
                }
            }
        }
        if terms.is_empty() {
            return Ok(());
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "any part will do; it spreads writers over rows"
        )]
        let part = Uuid::new_v4().as_bytes()[0] % PARTS;
        let query = sqlx::query(
            "INSERT INTO usage_count (workspace_id, term, part, contacts)
             SELECT w.workspace_id, u.term, $2, u.change
             FROM workspace AS w CROSS JOIN unnest($3, $4) AS u (term, change)
             WHERE w.workspace_id = $1
             ON CONFLICT (workspace_id, term, part) DO UPDATE SET
                 contacts = usage_count.contacts + excluded.contacts",
        )
        .bind(&usage.workspace_id)
        .bind(i16::from(part))
        .bind(&terms)
        .bind(changes);
        self.execute_exactly(query, terms.len()).await
    }

    /// Deletes the count of a definition that is deleted.
    pub(super) async fn delete_usage(
        &mut self,
        workspace: &Workspace,
        kind: Kind,
        id: &str,
    ) -> Result<()> {
        self.usage.of(kind).remove(id);
        let query = sqlx::query("DELETE FROM usage_count WHERE workspace_id = $1 AND term = $2");
        self.execute(query.bind(&workspace.workspace_id).bind(term(kind, id))).await?;
        Ok(())
    }

    /// Returns the counts as this transaction sees them, in the order of `ids`.
    pub(super) async fn usage_counts(
        &mut self,
        workspace: &Workspace,
        kind: Kind,
        ids: &[&str],
    ) -> Result<Vec<i64>> {
        let terms: Vec<_> = ids.iter().map(|id| term(kind, id)).collect();
        let query = sqlx::query(
            "SELECT term, sum(contacts)::bigint FROM usage_count
             WHERE workspace_id = $1 AND term = ANY($2) GROUP BY term",
        );
        let rows = self.fetch_all(query.bind(&workspace.workspace_id).bind(&terms)).await?;
        let stored: HashMap<&str, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let changes = self.usage.of(kind);
        let count = |(id, term): (&&str, &String)| {
            stored.get(term.as_str()).copied().unwrap_or(0) + changes.get(*id).copied().unwrap_or(0)
        };
        Ok(ids.iter().zip(&terms).map(count).collect())
    }
}
