//! Adding tags to many contacts, and removing them.

use std::collections::BTreeSet;

use crate::domain::contact::{Contact, Profile, Recipient, validate_tags};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::filter;
use crate::domain::tag::MAX_TAGS_PER_CONTACT;
use crate::store::{Lock, Operation, Selection, Transaction, Workspace};

use super::contact_scan::{Edited, REWRITE_PAGE, try_each_selected};
use super::read::filter_error;
use super::unit_of_work::UnitOfWork;
use super::{definitions, lock_workspace};

/// Adds tags to contacts and removes others.
#[derive(Debug)]
pub struct EditTags {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// The contacts to change.
    pub target: TagTarget,
    /// The tags to add.
    pub add: BTreeSet<String>,
    /// The tags to remove.
    pub remove: BTreeSet<String>,
    /// Only counts what would change.
    pub validate_only: bool,
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

    fn is_bulk(&self) -> bool {
        true
    }

    async fn run(&self, tx: &mut Transaction) -> Result<EditTagsOutcome> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let definitions = definitions(&mut *tx.db, &workspace).await?;
        validate_tags(&self.add, &definitions).map_err(|error| error.with_field("add_tags"))?;
        validate_tags(&self.remove, &definitions)
            .map_err(|error| error.with_field("remove_tags"))?;
        match &self.target {
            TagTarget::People(people) => self.edit_people(tx, &workspace, people).await,
            TagTarget::Filter { filter, expected_count } => {
                let filter = filter::compile(filter, &definitions, tx.now).map_err(filter_error)?;
                let selection = Selection { filter, words: Vec::new(), now: tx.now };
                let count = tx.db.count_contacts(&workspace, &selection).await?;
                if count != *expected_count {
                    return Err(count_mismatch(*expected_count, count));
                }
                let write = !self.validate_only;
                let edit = |contact: &mut Contact| self.edit(&mut contact.profile);
                let filter = selection.filter;
                let edited =
                    try_each_selected(tx, &workspace, filter, REWRITE_PAGE, write, edit).await?;
                Ok(EditTagsOutcome { edited, failures: Vec::new() })
            }
        }
    }
}

impl EditTags {
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
            match self.edit(&mut profile).and_then(|_| unit.update(tx, entry, profile, None)) {
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
