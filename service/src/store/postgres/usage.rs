//! How many contacts carry a tag, or have a value of an attribute.
//!
//! Counting them takes a second per million, so the numbers are kept. In parts:
//! a transaction changes one of them, chosen at random and at its very end,
//! since two that change the same part wait for each other.

use std::collections::{BTreeMap, HashMap};

use sqlx::PgConnection;
use uuid::Uuid;

use super::{expect_rows, failure};
use crate::domain::contact::Profile;
use crate::domain::error::Result;
use crate::store::Workspace;

/// Parts of a number. More would be more to add up, fewer more to wait for.
const PARTS: u8 = 16;

/// What a transaction changes of the numbers, by id. In order: whoever changes
/// several numbers changes them in this one.
#[derive(Default)]
pub(super) struct Usage {
    workspace_id: String,
    tags: BTreeMap<String, i64>,
    attributes: BTreeMap<String, i64>,
}

/// What is counted.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Tag,
    Attribute,
}

/// As stored. No tag id ends in `=`.
fn term(kind: Kind, id: &str) -> String {
    match kind {
        Kind::Tag => id.to_owned(),
        Kind::Attribute => format!("{id}="),
    }
}

fn add(numbers: &mut BTreeMap<String, i64>, id: &str, change: i64) {
    match numbers.get_mut(id) {
        Some(number) => *number += change,
        None => drop(numbers.insert(id.to_owned(), change)),
    }
}

impl Usage {
    /// Takes note of a contact that changed.
    pub(super) fn change(
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

    fn changes(&mut self, kind: Kind) -> &mut BTreeMap<String, i64> {
        match kind {
            Kind::Tag => &mut self.tags,
            Kind::Attribute => &mut self.attributes,
        }
    }

    /// Writes the changes.
    pub(super) async fn write(&mut self, db: &mut PgConnection) -> Result<()> {
        let (mut terms, mut changes) = (Vec::new(), Vec::new());
        for kind in [Kind::Tag, Kind::Attribute] {
            for (id, change) in std::mem::take(self.changes(kind)) {
                if change != 0 {
                    terms.push(term(kind, &id));
                    changes.push(change);
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
        let result = sqlx::query(
            "INSERT INTO usage_count (workspace_id, term, part, contacts)
             SELECT w.workspace_id, u.term, $2, u.change
             FROM workspace AS w CROSS JOIN unnest($3, $4) AS u (term, change)
             WHERE w.workspace_id = $1
             ON CONFLICT (workspace_id, term, part) DO UPDATE SET
                 contacts = usage_count.contacts + excluded.contacts",
        )
        .bind(&self.workspace_id)
        .bind(i16::from(part))
        .bind(&terms)
        .bind(changes)
        .execute(db)
        .await
        .map_err(failure)?;
        expect_rows(result.rows_affected(), terms.len())
    }

    /// Drops the number of what is deleted.
    pub(super) async fn delete(
        &mut self,
        db: &mut PgConnection,
        workspace: &Workspace,
        kind: Kind,
        id: &str,
    ) -> Result<()> {
        self.changes(kind).remove(id);
        sqlx::query("DELETE FROM usage_count WHERE workspace_id = $1 AND term = $2")
            .bind(&workspace.workspace_id)
            .bind(term(kind, id))
            .execute(db)
            .await
            .map_err(failure)?;
        Ok(())
    }

    /// The numbers as of this transaction, id by id.
    pub(super) async fn read(
        &mut self,
        db: &mut PgConnection,
        workspace: &Workspace,
        kind: Kind,
        ids: &[&str],
    ) -> Result<Vec<i64>> {
        let terms: Vec<_> = ids.iter().map(|id| term(kind, id)).collect();
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT term, sum(contacts)::bigint FROM usage_count
             WHERE workspace_id = $1 AND term = ANY($2) GROUP BY term",
        )
        .bind(&workspace.workspace_id)
        .bind(&terms)
        .fetch_all(db)
        .await
        .map_err(failure)?;
        let stored: HashMap<_, _> = rows.into_iter().collect();
        let changes = self.changes(kind);
        let number = |(id, term): (&&str, &String)| {
            stored.get(term).copied().unwrap_or(0) + changes.get(*id).copied().unwrap_or(0)
        };
        Ok(ids.iter().zip(&terms).map(number).collect())
    }
}
