//! Importing many rows in one transaction, each with its own result.

mod objections;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::Time;
use crate::domain::consent::{NoEffect, OptInStatus, Statement};
use crate::domain::contact::{Recipient, validate_tags};
use crate::domain::error::{Error, Reason, Result};
use crate::domain::filter::Definitions;
use crate::domain::ids;
use crate::domain::import::{ChunkOutcome, ImportOptions, ImportRow, OnConflict};
use crate::domain::phone::MatchKey;
use crate::domain::tag::{MAX_TAGS, Tag};
use crate::store::{Bulk, GivenUp, Lock, LongWork, Operation, Transaction, Workspace};

use self::objections::{divided, object, pass_on_objections, refuse_hidden_objection};
use super::contacts::{keep_external_id, keep_phone, people, refuse_former};
use super::opt_in::{keys_at, objected};
use super::unit_of_work::{
    EntryId, Named, UnitOfWork, already_exists, consent_conflict, external_id_exists,
};
use super::{definitions, ensure_same, lock_workspace};

/// The valid rows of a chunk, with their index in it.
pub type ValidRows = Vec<(usize, ImportRow)>;

/// What these rows cost to import, see [`ImportRow::weight`].
pub fn weight(chunks: &[ValidRows]) -> usize {
    chunks.iter().flatten().map(|(_, row)| row.weight()).sum()
}

/// Most identities, current and former, of the persons among whom the rows of a transaction divide ids so that
/// objections have to be passed on, counted for each row; and most of those that the events name which pass them
/// on. Each costs as much as some rows, and others wait for all.
const MAX_DIVIDED: usize = 1000;
const MAX_PASSED_ON: usize = 2000;

/// Creates and updates the contacts of some chunks of an import, or of parts of them.
#[derive(Clone, Debug)]
pub struct ImportChunks {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// The workspace in which the import began, for one of several chunks.
    pub began_in: Option<Workspace>,
    /// The options of the import.
    pub options: ImportOptions,
    /// The valid rows of each chunk, with their index in it.
    pub chunks: Arc<Vec<ValidRows>>,
    /// Whether a row of these chunks that another transaction stores objects.
    pub others_object: bool,
    /// What happens if they are given up for another write.
    pub given_up: GivenUp,
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

    fn bulk(&self) -> Option<Bulk<'_>> {
        let rows = Some((LongWork::Import, self.weight()));
        Some(Bulk { workspace_id: &self.workspace_id, rows, given_up: self.given_up })
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Vec<ChunkOutcome>> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        if let Some(began) = &self.began_in {
            ensure_same(began, Some(&workspace))?;
        }
        let mut definitions = definitions(&mut *tx.db, &workspace).await?;
        if self.options.create_missing_tags {
            self.create_missing_tags(tx, &workspace, &mut definitions).await?;
        }
        // What is wrong with the whole call fails each row, if one of them objects: no
        // objection is lost with the rest.
        let fault = match self.validate(&definitions, tx) {
            Err(error) if self.others_object || self.any_objects() => Some(error),
            validated => validated.map(|()| None)?,
        };

        // Whom all rows name, and how many each does.
        let mut all: Vec<Recipient> = Vec::with_capacity(self.rows().count());
        let mut counts = Vec::with_capacity(all.capacity());
        for row in self.rows() {
            let before = all.len();
            all.extend(people(&row.profile));
            counts.push(all.len() - before);
        }
        let mut unit = UnitOfWork::load(tx, &workspace, &all).await?;
        let objected = self.objected(&all, &counts, tx.now);
        unit.load_earlier_holders(tx, &objected).await?;
        let divided: Vec<_> =
            by_row(&all, &counts).flat_map(|named| divided(&unit, named)).collect();
        // Whatever one row takes is stored.
        let is_one = counts.len() == 1;
        let most = |limit| if is_one { usize::MAX } else { limit };
        let identities = divided.iter().map(|person| unit.count_identities(*person)).sum();
        ensure_at_most(most(MAX_DIVIDED), identities)?;
        unit.load_passed_on(tx, &divided.into_iter().collect()).await?;
        let mut by_row = by_row(&all, &counts);
        let mut outcomes = Vec::with_capacity(self.chunks.len());
        for chunk in self.chunks.iter() {
            let mut outcome = ChunkOutcome::default();
            for (index, row) in chunk {
                if tx.db.is_in_the_way() {
                    return Err(Error::write_conflict());
                }
                let named = by_row.next().unwrap_or_default();
                let savepoint = unit.savepoint(named);
                let imported = match &fault {
                    Some(fault) => Err(fault.for_another_caller()),
                    None => self.import_row(tx, &mut unit, &definitions, row, named),
                };
                match imported {
                    Ok(RowOutcome::Created) => outcome.created += 1,
                    Ok(RowOutcome::Updated) => outcome.updated += 1,
                    Ok(RowOutcome::Unchanged) => outcome.unchanged += 1,
                    Err(error) => {
                        unit.roll_back(savepoint);
                        let error = self.keep_objection(tx, &mut unit, row, error);
                        pass_on_objections(tx, &mut unit, named)?;
                        ensure_at_most(most(MAX_PASSED_ON), unit.count_passed_on())?;
                        outcome.failures.push((*index, error));
                    }
                }
            }
            outcomes.push(outcome);
        }
        unit.drop_known_history(tx).await?;
        unit.write(tx).await?;
        Ok(outcomes)
    }
}

/// Refuses rows that pass on more objections than fit in one transaction, or between more persons.
fn ensure_at_most(limit: usize, passed_on: usize) -> Result<()> {
    if passed_on <= limit {
        return Ok(());
    }
    let message = "rows: too many of them have ids of several persons of whom some objected, and what stands \
                   against one is recorded for the others; send fewer rows";
    Err(Error::invalid(Reason::LimitExceeded, FEWER_ROWS, message)
        .with_metadata("limit", limit.to_string()))
}

/// Field of the error of rows that are too many for one transaction.
const FEWER_ROWS: &str = "rows";

/// Whether a part of the rows is stored where all of them are not: nothing else is wrong with them.
pub fn takes_fewer_rows(error: &Error) -> bool {
    error.reason() == Reason::LimitExceeded && error.field() == Some(FEWER_ROWS)
}

impl ImportChunks {
    fn rows(&self) -> impl Iterator<Item = &ImportRow> {
        self.chunks.iter().flatten().map(|(_, row)| row)
    }

    /// What it costs, see [`weight`].
    pub fn weight(&self) -> usize {
        weight(&self.chunks)
    }

    /// Whether a row objects.
    pub fn any_objects(&self) -> bool {
        self.rows().any(|row| self.objection(row).is_some())
    }

    /// Whom rows object for, each with the time. `counts` tells how many of all each row names.
    fn objected<'p>(
        &self,
        all: &'p [Recipient],
        counts: &[usize],
        now: Time,
    ) -> Vec<(&'p MatchKey, Time)> {
        let mut said = Vec::new();
        for (row, named) in self.rows().zip(by_row(all, counts)) {
            if let Some(objection) = self.objection(row) {
                said.extend(keys_at(named, objected(true, objection.occurred_time, now)));
            }
        }
        said
    }

    /// Validates the options, which all rows share.
    fn validate(&self, definitions: &Definitions, tx: &Transaction) -> Result<()> {
        let add_tags: BTreeSet<_> = self.options.add_tags.iter().cloned().collect();
        validate_tags(&add_tags, definitions).map_err(|error| error.with_field("add_tags"))?;
        match &self.options.consent {
            Some(statement) => {
                statement.said(tx.now).map(drop).map_err(|error| error.in_parent("consent"))
            }
            None => Ok(()),
        }
    }

    /// Imports a row. After an error its changes are taken back.
    fn import_row(
        &self,
        tx: &Transaction,
        unit: &mut UnitOfWork<'_>,
        definitions: &Definitions,
        row: &ImportRow,
        people: &[Recipient],
    ) -> Result<RowOutcome> {
        if let Some(fault) = &row.fault {
            return Err(fault.for_another_caller());
        }
        let below = |error: Error| error.in_parent("contact");
        let mut profile = Cow::Borrowed(&row.profile);
        if !self.options.add_tags.is_empty() {
            profile.to_mut().tags.extend(self.options.add_tags.iter().cloned());
        }
        profile.validate_fields().map_err(below)?;
        profile.validate_against(definitions).map_err(below)?;
        let statement = self.statement(row);
        if let Some(statement) = &row.consent {
            statement.said(tx.now).map_err(|error| error.in_parent("consent"))?;
        }
        refuse_former(unit, people).map_err(below)?;
        let keys: Vec<_> = people.iter().filter_map(Recipient::key).cloned().collect();
        let mut named = match keys.is_empty() {
            true => Named::Contact,
            false => Named::Keys(keys),
        };
        let merged = |person: &Recipient| {
            unit.find_contact(person).is_some_and(|entry| unit.is_merged(entry, person))
        };
        if matches!(named, Named::Contact) && people.iter().any(merged) {
            named = Named::Merged;
        }

        // If a row has several, the external id identifies the contact, then the phone number.
        let Some(entry) = people.iter().find_map(|person| unit.find_contact(person)) else {
            profile.validate_identity().map_err(below)?;
            let entry = unit.create(tx, profile.into_owned()).map_err(below)?;
            state(tx, unit, entry, (&named, people), statement)?;
            return Ok(RowOutcome::Created);
        };
        let existing = unit.contact(entry).ok_or_else(Error::contact_not_found)?;
        let objects = statement.is_some_and(|s| s.status == OptInStatus::OptedOut);
        let changed = match self.options.on_conflict {
            OnConflict::Fail => {
                let keys = profile.match_keys();
                let theirs = existing.profile.match_keys();
                let taken = keys.iter().find(|key| theirs.contains(key)).or(keys.first());
                return Err(below(match taken {
                    Some(key) => already_exists(key, existing, "change it with UpdateContact"),
                    None => external_id_exists(existing),
                }));
            }
            OnConflict::Skip => false,
            OnConflict::Merge if existing.profile.has_all_of(&profile) => false,
            OnConflict::Merge => {
                let mut merged = existing.profile.clone();
                if let Some(number) = profile.phone_number {
                    keep_phone(&mut merged, number).map_err(below)?;
                }
                if let Some(id) = &profile.external_id {
                    keep_external_id(&mut merged, id).map_err(below)?;
                }
                merged.merge(&profile);
                merged.validate().map_err(below)?;
                unit.update(tx, entry, merged, None).map_err(below)?
            }
        };
        refuse_hidden_objection(unit, people).map_err(below)?;
        let skipped = self.options.on_conflict == OnConflict::Skip && !objects;
        if let Some(claim) = statement.filter(|_| skipped) {
            // Skipped, but not silently if it claims what the person objected to.
            let recording = unit.consider(tx, entry, &named, claim, true)?;
            let objected = |why| matches!(why, NoEffect::Objected { .. } | NoEffect::Erased { .. });
            if let Some(conflict) = recording.conflict(objected) {
                return Err(conflict.with_field("consent"));
            }
        }
        let said = !skipped && state(tx, unit, entry, (&named, people), statement)?;
        if objects {
            // It objects for all.
            refuse_hidden_objection(unit, people).map_err(below)?;
        }
        Ok(if changed || said { RowOutcome::Updated } else { RowOutcome::Unchanged })
    }

    /// What a row, or the call for it, says of consent.
    fn statement<'a>(&'a self, row: &'a ImportRow) -> Option<&'a Statement> {
        row.consent.as_ref().or(self.options.consent.as_ref())
    }

    /// The same, if it is that somebody objects.
    fn objection<'a>(&'a self, row: &'a ImportRow) -> Option<&'a Statement> {
        self.statement(row).filter(|statement| statement.status == OptInStatus::OptedOut)
    }

    /// Records the opt-out of a row that failed, so that it is not lost with the row.
    fn keep_objection(
        &self,
        tx: &Transaction,
        unit: &mut UnitOfWork<'_>,
        row: &ImportRow,
        error: Error,
    ) -> Error {
        let Some(objection) = self.objection(row) else { return error };
        match object(tx, unit, &people(&row.profile), objection) {
            Ok(recorded) if recorded.is_some() => error
                .with_advice("the row's opt-out counts all the same")
                .with_metadata("opt_out", "recorded"),
            _ => error,
        }
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

/// Whom each row names, of whom all name and how many each does.
fn by_row<'p>(all: &'p [Recipient], counts: &[usize]) -> impl Iterator<Item = &'p [Recipient]> {
    let mut rest = all;
    counts.iter().map(move |count| {
        let (named, others) = rest.split_at(*count);
        rest = others;
        named
    })
}

/// Records what a row says of consent. False if nothing came of it, so that sending a
/// chunk again changes nothing.
///
/// # Errors
/// CONSENT_CONFLICT for an opt-in that does not count.
fn state(
    tx: &Transaction,
    unit: &mut UnitOfWork<'_>,
    entry: EntryId,
    (named, people): (&Named, &[Recipient]),
    statement: Option<&Statement>,
) -> Result<bool> {
    match statement {
        None => Ok(false),
        Some(statement) if statement.status == OptInStatus::OptedOut => {
            Ok(object(tx, unit, people, statement)?.unwrap_or(false))
        }
        Some(claim) => claim_opt_in(tx, unit, entry, named, claim),
    }
}

/// Records the opt-in that a row claims. Imports report what others say, whatever their
/// source, and without a time they count only for people who were never asked.
fn claim_opt_in(
    tx: &Transaction,
    unit: &mut UnitOfWork<'_>,
    entry: EntryId,
    named: &Named,
    claim: &Statement,
) -> Result<bool> {
    unit.require_evidence(claim).map_err(|error| error.in_parent("consent"))?;
    if claim.occurred_time.is_none() && unit.was_ever_asked(tx, entry, named) {
        return match unit.holds(tx, entry, named, claim) {
            Ok(()) => Ok(false),
            Err(why) => Err(consent_conflict(why).with_field("consent")),
        };
    }
    let recording = unit.consider(tx, entry, named, claim, true)?;
    if let Some(conflict) = recording.conflict(|why| why != NoEffect::OlderThanKnown) {
        return Err(conflict.with_field("consent"));
    }
    let is_effective = recording.is_effective();
    if is_effective {
        unit.accept(recording);
    }
    Ok(is_effective)
}

/// The error for a row without a contact.
pub fn empty_row() -> Error {
    Error::invalid(Reason::RequiredFieldMissing, "contact", "the row has no contact")
}
