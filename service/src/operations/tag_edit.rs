//! Adding tags to many contacts, and removing them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::domain::contact::{Contact, Profile, Recipient, validate_tags};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::filter::{self, Definitions};
use crate::domain::tag::MAX_TAGS_PER_CONTACT;
use crate::store::{
    Bulk, GivenUp, Lock, Operation, Selection, Store, Transaction, Workspace, decode_profile,
};

use super::contact_scan::{ContactScan, Edited, rewrite_selected};
use super::read::filter_error;
use super::unit_of_work::UnitOfWork;
use super::{definitions, lock_workspace, workspace};

/// Adds tags to contacts and removes others.
#[derive(Debug)]
pub struct EditTags {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// The contacts to change.
    pub target: TagTarget,
    /// The tags to add and remove.
    pub tags: TagChanges,
    /// Only counts what would change.
    pub validate_only: bool,
    /// What was done of a filter before the transaction that ends the edit.
    pub edited: Mutex<Edited>,
}

/// Tags to add to contacts, and others to remove.
#[derive(Clone, Debug, Default)]
pub struct TagChanges {
    /// The tags to add.
    pub add: BTreeSet<String>,
    /// The tags to remove.
    pub remove: BTreeSet<String>,
}

/// The contacts whose tags change.
#[derive(Debug)]
pub enum TagTarget {
    /// These contacts, with their index in the request.
    People(Vec<(usize, Recipient)>),
    /// All contacts that a filter selects.
    Filter {
        /// A filter expression.
        filter: String,
        /// How many contacts the caller expects the filter to select.
        expected_count: i64,
    },
}

/// The result of an [`EditTags`].
#[derive(Debug, Default)]
pub struct EditTagsOutcome {
    /// How many contacts were selected and changed.
    pub edited: Edited,
    /// Contacts that were not found or not changed, by index in the request.
    pub failures: Vec<(usize, Error)>,
}

impl Operation for EditTags {
    type Output = EditTagsOutcome;

    fn bulk(&self) -> Option<Bulk<'_>> {
        Some(Bulk { workspace_id: &self.workspace_id, rows: None, given_up: GivenUp::RunsAgain })
    }

    fn needs_preparation(&self) -> bool {
        matches!(self.target, TagTarget::Filter { .. })
    }

    /// Edits what a filter selects, which may be millions. Nothing is written before it is clear
    /// that every contact can be edited.
    async fn prepare(&self, store: &Store) -> Result<()> {
        let TagTarget::Filter { filter, expected_count } = &self.target else { return Ok(()) };
        let mut db = store.read_scan().await?;
        let workspace = workspace(&mut *db, &self.workspace_id).await?;
        let definitions = definitions(&mut *db, &workspace).await?;
        self.validate(&definitions)?;
        let now = store.now_for_expiry();
        let filter = filter::compile(filter, &definitions, now).map_err(filter_error)?;
        let selection = Selection { filter, words: Vec::new(), now };
        let count = db.count_contacts(&workspace, &selection).await?;
        drop(db);
        if count != *expected_count {
            return Err(count_mismatch(*expected_count, count));
        }
        let mut edited = self.rehearse(store, &workspace, selection.clone()).await?;
        if !self.validate_only {
            let tags = self.tags.clone();
            let edit = move |contact: &mut Contact| tags.edit(&mut contact.profile);
            edited = rewrite_selected(store, &workspace, selection.filter, edit).await?;
        }
        *self.edited.lock().unwrap_or_else(PoisonError::into_inner) = edited;
        Ok(())
    }

    async fn run(&self, tx: &mut Transaction) -> Result<EditTagsOutcome> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        match &self.target {
            TagTarget::People(people) => {
                self.validate(&definitions(&mut *tx.db, &workspace).await?)?;
                self.edit_people(tx, &workspace, people).await
            }
            TagTarget::Filter { .. } => {
                let edited = *self.edited.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(EditTagsOutcome { edited, failures: Vec::new() })
            }
        }
    }
}

impl EditTags {
    fn validate(&self, definitions: &Definitions) -> Result<()> {
        validate_tags(&self.tags.add, definitions).map_err(|error| error.with_field("add_tags"))?;
        validate_tags(&self.tags.remove, definitions)
            .map_err(|error| error.with_field("remove_tags"))
    }

    /// Edits the selected contacts without writing.
    async fn rehearse(
        &self,
        store: &Store,
        workspace: &Workspace,
        selection: Selection,
    ) -> Result<Edited> {
        let mut scan = ContactScan::new(store.clone(), workspace.clone(), selection, None);
        let mut edited = Edited::default();
        loop {
            let page = scan.next_page().await?;
            if page.is_empty() {
                return Ok(edited);
            }
            for row in &page {
                let changed = self.tags.edit(&mut decode_profile(row)?.profile)?;
                edited.matched += 1;
                edited.changed += i64::from(changed);
            }
            tokio::task::yield_now().await;
        }
    }

    async fn edit_people(
        &self,
        tx: &mut Transaction,
        workspace: &Workspace,
        people: &[(usize, Recipient)],
    ) -> Result<EditTagsOutcome> {
        let names: Vec<_> = people.iter().map(|(_, person)| person.clone()).collect();
        let mut unit = UnitOfWork::load(tx, workspace, &names).await?;
        let mut outcome = EditTagsOutcome::default();
        let mut seen = BTreeSet::new();
        for (index, person) in people {
            let entry = unit.find_contact(person);
            let Some((entry, contact)) = entry.and_then(|e| Some((e, unit.contact(e)?))) else {
                outcome.failures.push((*index, Error::contact_not_found()));
                continue;
            };
            if !seen.insert(contact.contact_id) {
                continue;
            }
            let mut profile = contact.profile.clone();
            match self.tags.edit(&mut profile).and_then(|_| unit.update(tx, entry, profile, None)) {
                Ok(changed) => {
                    outcome.edited.matched += 1;
                    outcome.edited.changed += i64::from(changed);
                }
                Err(error) => outcome.failures.push((*index, error)),
            }
        }
        if !self.validate_only {
            unit.write(tx).await?;
        }
        Ok(outcome)
    }
}

impl TagChanges {
    /// Returns whether it changed the contact.
    fn edit(&self, profile: &mut Profile) -> Result<bool> {
        let before = profile.tags.clone();
        profile.tags.extend(self.add.iter().cloned());
        profile.tags.retain(|tag| !self.remove.contains(tag));
        if profile.tags.len() > MAX_TAGS_PER_CONTACT {
            return Err(Error::limit("tags", MAX_TAGS_PER_CONTACT, profile.tags.len()));
        }
        Ok(profile.tags != before)
    }
}

fn count_mismatch(expected: i64, count: i64) -> Error {
    let message = format!(
        "the filter selects {count} contacts, not {expected}; nothing was changed: \
         look at them with ListContacts and send expected_count: {count} if they are right"
    );
    Error::invalid(Reason::CountMismatch, "expected_count", message)
        .with_metadata("expected_count", expected.to_string())
        .with_metadata("count", count.to_string())
}
