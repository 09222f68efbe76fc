//! Statements without effect that are sent again.

use std::collections::HashSet;

use super::UnitOfWork;
use crate::domain::consent::ConsentEvent;
use crate::domain::error::Result;
use crate::domain::ledger::Fact;
use crate::store::{Subjects, Transaction};

/// How many of a person's latest events are compared.
const COMPARED: usize = 200;

impl UnitOfWork<'_> {
    /// Drops what has no effect and is in the ledger already, so that a chunk that is
    /// sent again adds nothing.
    pub async fn drop_known_history(&mut self, tx: &mut Transaction) -> Result<()> {
        let history: HashSet<_> = self.history.drain(..).collect();
        let mut known = HashSet::new();
        for event in self.events.iter().filter(|event| history.contains(&event.event_id)) {
            let subjects = Subjects {
                contact_ids: event.contact_id.into_iter().collect(),
                keys: vec![event.match_key.clone()],
                ..Subjects::default()
            };
            let found =
                tx.db.ledger_entries_about(self.workspace, &subjects, i64::MAX, COMPARED).await?;
            if found.iter().any(|entry| is_same(&entry.fact, event)) {
                known.insert(event.event_id);
            }
        }
        self.events.retain(|event| !known.contains(&event.event_id));
        Ok(())
    }
}

fn is_same(known: &Fact, event: &ConsentEvent) -> bool {
    let fact = Fact::of(event);
    (known.kind, known.categories, known.occurred_time, &known.identities)
        == (fact.kind, fact.categories, fact.occurred_time, &fact.identities)
}
