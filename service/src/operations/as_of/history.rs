//! All entries of the ledger that concern some people, at any time.

use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

use crate::domain::consent::{Change, EventChange, IdentityId};
use crate::domain::error::{Error, Result};
use crate::domain::ledger::{Entry, Fact};
use crate::store::{Reader, Subjects, Workspace};

/// Most entries that are read.
const MAX_ENTRIES: usize = 10_000;
/// How many are read at a time.
const PAGE: usize = 1000;

/// Reads the entries of people who are found by these subjects, and of all whose identities
/// were of one person with theirs, in the order of positions.
///
/// A contact's entries are found by its id as long as they have details, then by its
/// erasure; and an identity's former contacts by the entries that let it go.
///
/// # Errors
/// When there are more than [`MAX_ENTRIES`].
pub(super) async fn history(
    db: &mut dyn Reader,
    workspace: &Workspace,
    start: Subjects,
) -> Result<Vec<Entry>> {
    let mut history = History::default();
    let mut next = history.unseen(start);
    while !is_empty(&next) {
        let mut found = history.about(db, workspace, &next).await?;
        found.extend(history.erased(db, workspace, &found).await?);
        let mut more = Subjects::default();
        for entry in found {
            name_others(&entry.fact, &mut more)?;
            history.add(entry);
        }
        next = history.unseen(more);
    }
    Ok(history.entries.into_values().collect())
}

#[derive(Default)]
struct History {
    entries: BTreeMap<i64, Entry>,
    contact_ids: HashSet<Uuid>,
    identities: HashSet<IdentityId>,
}

impl History {
    /// The subjects that were not read yet.
    fn unseen(&mut self, mut subjects: Subjects) -> Subjects {
        subjects.contact_ids.retain(|id| self.contact_ids.insert(*id));
        subjects.identities.retain(|id| self.identities.insert(*id));
        subjects
    }

    async fn about(
        &self,
        db: &mut dyn Reader,
        workspace: &Workspace,
        subjects: &Subjects,
    ) -> Result<Vec<Entry>> {
        let mut found: Vec<Entry> = Vec::new();
        loop {
            let before = found.last().map_or(i64::MAX, |entry| entry.position);
            let page = db.ledger_entries_about(workspace, subjects, before, PAGE).await?;
            let is_last = page.len() < PAGE;
            found.extend(page);
            self.require_room(found.len())?;
            if is_last {
                return Ok(found);
            }
        }
    }

    /// The entries whose details were erased by those that were found.
    async fn erased(
        &self,
        db: &mut dyn Reader,
        workspace: &Workspace,
        found: &[Entry],
    ) -> Result<Vec<Entry>> {
        let erased = found.iter().filter_map(|entry| entry.fact.erased_positions.as_ref());
        let mut positions: Vec<_> = erased.flat_map(|positions| positions.iter()).collect();
        positions.retain(|position| !self.entries.contains_key(position));
        positions.sort_unstable();
        positions.dedup();
        self.require_room(found.len() + positions.len())?;
        let mut entries = Vec::with_capacity(positions.len());
        for chunk in positions.chunks(PAGE) {
            entries.extend(db.ledger_entries_at(workspace, chunk).await?);
        }
        Ok(entries)
    }

    fn require_room(&self, more: usize) -> Result<()> {
        let count = self.entries.len() + more;
        match count > MAX_ENTRIES {
            true => Err(Error::limit("as_of_time", MAX_ENTRIES, count)
                .with_advice("the ledger has too many events of these people to check the past")),
            false => Ok(()),
        }
    }

    /// Adds an entry, which may be known without its detail.
    fn add(&mut self, entry: Entry) {
        let known = self.entries.entry(entry.position).or_insert_with(|| entry.clone());
        if known.detail.is_none() {
            known.detail = entry.detail;
        }
    }
}

/// Adds the contacts and identities that a fact names.
fn name_others(fact: &Fact, subjects: &mut Subjects) -> Result<()> {
    subjects.contact_ids.extend(fact.contact_id);
    let identities = match fact.change()? {
        EventChange::Said { named, .. } => named,
        // The others have nothing to do with each other.
        EventChange::Forgotten(_) => return Ok(()),
        EventChange::Identities(change) => match change {
            Change::Created { identities } => identities,
            Change::Linked { identity, to, carry_from, replaces } => {
                [Some(identity), Some(to), carry_from, replaces].into_iter().flatten().collect()
            }
            Change::Merged { into, from, contact_id, retired } => {
                subjects.contact_ids.push(contact_id);
                [into, from].into_iter().chain(retired).collect()
            }
            Change::Retired { identity }
            | Change::Released { identity }
            | Change::Claimed { identity }
            | Change::Erased { identity } => vec![identity],
            Change::Said(statement) => statement.named,
        },
    };
    subjects.identities.extend(identities);
    Ok(())
}

fn is_empty(subjects: &Subjects) -> bool {
    let Subjects { contact_ids, keys, identities } = subjects;
    contact_ids.is_empty() && keys.is_empty() && identities.is_empty()
}
