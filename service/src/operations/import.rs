//! Importing many rows in one transaction, each with its own result.

use std::collections::BTreeSet;

use crate::domain::consent::{OptInStatus, Statement};
use crate::domain::contact::{Recipient, validate_tags};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::filter::Definitions;
use crate::domain::ids;
use crate::domain::import::{ChunkOutcome, ImportOptions, ImportRow, OnConflict};
use crate::domain::tag::{MAX_TAGS, Tag};
use crate::store::{Lock, Operation, Transaction, Workspace};

use super::contacts::people;
use super::unit_of_work::{EntryId, UnitOfWork, already_exists, refuse_conflict};
use super::{definitions, lock_workspace};

/// How many rows one transaction stores, if that many have arrived. A transaction
/// writes each page of an index once, however many rows change it.
pub const ROWS_PER_TRANSACTION: usize = 5000;

/// Creates and updates the contacts of some chunks of an import.
#[derive(Debug)]
pub struct ImportChunks {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// The options of the import.
    pub options: ImportOptions,
    /// The valid rows of each chunk, with their index in it.
    pub chunks: Vec<Vec<(usize, ImportRow)>>,
}

/// The result of one row.
enum RowOutcome {
    Created,
    Updated,
    Unchanged,
}

impl Operation for ImportChunks {
    /// The result of each chunk.
    type Output = Vec<ChunkOutcome>;

    async fn run(&self, tx: &mut Transaction) -> Result<Vec<ChunkOutcome>> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let mut definitions = definitions(&mut *tx.db, &workspace).await?;
        if self.options.create_missing_tags {
            self.create_missing_tags(tx, &workspace, &mut definitions).await?;
        }
        self.validate(&definitions, tx)?;

        let people: Vec<Recipient> = self.rows().flat_map(|row| people(&row.profile)).collect();
        let mut unit = UnitOfWork::load(tx, &workspace, &people).await?;
        let mut outcomes = Vec::with_capacity(self.chunks.len());
        for chunk in &self.chunks {
            let mut outcome = ChunkOutcome::default();
            for (index, row) in chunk {
                match self.import_row(tx, &mut unit, &definitions, row) {
                    Ok(RowOutcome::Created) => outcome.created += 1,
                    Ok(RowOutcome::Updated) => outcome.updated += 1,
                    Ok(RowOutcome::Unchanged) => outcome.unchanged += 1,
                    Err(error) => {
                        let error = self.keep_objection(tx, &mut unit, row, error);
                        outcome.failures.push((*index, error));
                    }
                }
            }
            outcomes.push(outcome);
        }
        unit.write(tx).await?;
        Ok(outcomes)
    }
}

impl ImportChunks {
    fn rows(&self) -> impl Iterator<Item = &ImportRow> {
        self.chunks.iter().flatten().map(|(_, row)| row)
    }

    /// Validates the options, which all rows share.
    fn validate(&self, definitions: &Definitions, tx: &Transaction) -> Result<()> {
        let add_tags: BTreeSet<_> = self.options.add_tags.iter().cloned().collect();
        validate_tags(&add_tags, definitions).map_err(|error| error.with_field("add_tags"))?;
        match &self.options.consent {
            Some(statement) => {
                statement.validate(tx.now).map_err(|error| error.in_parent("consent"))
            }
            None => Ok(()),
        }
    }

    /// Everything that can fail comes before the first change of the unit of work, so
    /// that a row is imported as a whole or not at all.
    fn import_row(
        &self,
        tx: &Transaction,
        unit: &mut UnitOfWork<'_>,
        definitions: &Definitions,
        row: &ImportRow,
    ) -> Result<RowOutcome> {
        if let Some(fault) = &row.fault {
            return Err(fault.for_another_caller());
        }
        let below = |error: Error| error.in_parent("contact");
        let mut profile = row.profile.clone();
        profile.tags.extend(self.options.add_tags.iter().cloned());
        profile.validate().map_err(below)?;
        profile.validate_against(definitions).map_err(below)?;
        let statement = row.consent.as_ref().or(self.options.consent.as_ref());
        if let Some(statement) = &row.consent {
            statement.validate(tx.now).map_err(|error| error.in_parent("consent"))?;
        }
        let people = people(&profile);
        if let Some(claim) = statement.filter(|said| said.status == OptInStatus::OptedIn) {
            for known in people.iter().filter_map(|person| unit.find(person)) {
                refuse_conflict(unit.consent(known), claim).map_err(|e| e.with_field("consent"))?;
            }
        }

        // If a row has both, the phone number identifies the contact.
        let Some(entry) = people.iter().find_map(|person| unit.find_contact(person)) else {
            let entry = unit.create(tx, profile).map_err(below)?;
            record_if_news(tx, unit, entry, statement);
            return Ok(RowOutcome::Created);
        };
        let existing = unit.contact(entry).ok_or_else(Error::contact_not_found)?;
        let objects = statement.is_some_and(|s| s.status == OptInStatus::OptedOut);
        let changed = match self.options.on_conflict {
            OnConflict::Fail => {
                let keys = profile.match_keys();
                let theirs = existing.profile.match_keys();
                let taken = keys.iter().find(|key| theirs.contains(key)).or(keys.first());
                let error = match taken {
                    Some(key) => {
                        below(already_exists(key, existing, "change it with UpdateContact"))
                    }
                    None => Error::contact_not_found(),
                };
                return Err(error);
            }
            OnConflict::Skip => false,
            OnConflict::Merge => {
                let mut merged = existing.profile.clone();
                merged.merge(&profile);
                merged.validate().map_err(below)?;
                unit.update(tx, entry, merged).map_err(below)?
            }
        };
        let skipped = self.options.on_conflict == OnConflict::Skip && !objects;
        let said = !skipped && record_if_news(tx, unit, entry, statement);
        Ok(if changed || said { RowOutcome::Updated } else { RowOutcome::Unchanged })
    }

    /// Records the opt-out of a row that failed, so that it is not lost with the row.
    fn keep_objection(
        &self,
        tx: &Transaction,
        unit: &mut UnitOfWork<'_>,
        row: &ImportRow,
        error: Error,
    ) -> Error {
        let statement = row.consent.as_ref().or(self.options.consent.as_ref());
        let objects = |statement: &&Statement| {
            statement.status == OptInStatus::OptedOut && statement.validate(tx.now).is_ok()
        };
        let Some(objection) = statement.filter(objects) else { return error };
        for key in row.profile.match_keys() {
            let known = unit.find(&Recipient::Key(key.clone()));
            let entry = known.unwrap_or_else(|| unit.add_non_contact(key));
            record_if_news(tx, unit, entry, Some(objection));
        }
        error
            .with_advice("the row's opt-out counts all the same")
            .with_metadata("opt_out", "recorded")
    }

    /// Creates the tags of rows that do not exist. An invalid tag id later fails its
    /// row.
    async fn create_missing_tags(
        &self,
        tx: &mut Transaction,
        workspace: &Workspace,
        definitions: &mut Definitions,
    ) -> Result<()> {
        let named = self.rows().flat_map(|row| &row.profile.tags);
        let missing: BTreeSet<&String> = named
            .chain(&self.options.add_tags)
            .filter(|id| !definitions.tags.contains(*id) && ids::validate_slug("tags", id).is_ok())
            .collect();
        let total = definitions.tags.len() + missing.len();
        if total > MAX_TAGS {
            return Err(Error::limit("tags", MAX_TAGS, total));
        }
        if missing.is_empty() {
            return Ok(());
        }
        let tags: Vec<_> = missing.into_iter().map(|id| Tag::bare(id, tx.now)).collect();
        tx.db.upsert_tags(workspace, &tags).await?;
        definitions.tags.extend(tags.into_iter().map(|tag| tag.tag_id));
        Ok(())
    }
}

/// Records a statement, unless the same or a later one is already recorded. So
/// sending a chunk again changes nothing.
fn record_if_news(
    tx: &Transaction,
    unit: &mut UnitOfWork<'_>,
    entry: EntryId,
    statement: Option<&Statement>,
) -> bool {
    let Some(statement) = statement else { return false };
    let objects = statement.status == OptInStatus::OptedOut;
    let known = unit.consent(entry);
    let news = statement.categories.iter().map(|category| known.get(*category)).any(|known| {
        match (statement.occurred_time, known.occurred_time) {
            (Some(said), Some(known_since)) if said < known_since => false,
            // Of two statements at the same time, the opt-out wins.
            (Some(said), Some(known_since)) if said == known_since => {
                objects && known.status != OptInStatus::OptedOut
            }
            (Some(_), _) => true,
            (None, _) => known.status_at(tx.now) != statement.status,
        }
    });
    if news {
        unit.record(tx, entry, statement);
    }
    news
}

/// The error for a row without a contact.
pub fn empty_row() -> Error {
    Error::invalid(Reason::RequiredFieldMissing, "contact", "the row has no contact")
}
