//! Recording consent, and reading the ledger.

use crate::domain::consent::{
    ConsentEvent, ConsentSummary, OptInStatus, PlatformStatement, Statement,
};
use crate::domain::contact::Recipient;
use crate::domain::error::{Error, Result};
use crate::domain::ledger::Entry;
use crate::store::{Lock, Operation, Store, Subjects, Transaction, decode_profile};

use super::unit_of_work::{UnitOfWork, refuse_conflict};
use super::{lock_workspace, workspace};

/// Records that a person opted in or out.
#[derive(Debug)]
pub struct RecordConsent {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// Identifies the person.
    pub person: Recipient,
    /// What the person agreed or objected to.
    pub statement: Statement,
}

impl Operation for RecordConsent {
    type Output = (ConsentEvent, ConsentSummary);

    async fn run(&self, tx: &mut Transaction) -> Result<Self::Output> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        self.statement.validate(tx.now)?;
        let mut unit = UnitOfWork::load(tx, &workspace, std::slice::from_ref(&self.person)).await?;
        // Anybody can opt out. Only a contact can opt in.
        let entry = match (&self.person, self.statement.status) {
            (Recipient::Key(key), OptInStatus::OptedOut) => {
                unit.find(&self.person).unwrap_or_else(|| unit.add_non_contact(key.clone()))
            }
            _ => unit.find_contact(&self.person).ok_or_else(Error::contact_not_found)?,
        };
        let claims = self.statement.status == OptInStatus::OptedIn;
        if claims && !self.statement.source.is_the_person() {
            refuse_conflict(unit.consent(entry), &self.statement)?;
        }
        let event = unit.record(tx, entry, &self.statement);
        let summary = unit.consent(entry).summary();
        unit.write(tx).await?;
        Ok((event, summary))
    }
}

/// Records that a person told WhatsApp to stop or resume marketing.
#[derive(Debug)]
pub struct RecordPlatformPreference {
    /// The workspace of the request. Empty stands for the default one.
    pub workspace_id: String,
    /// Identifies the person.
    pub person: Recipient,
    /// The preference.
    pub statement: PlatformStatement,
}

impl Operation for RecordPlatformPreference {
    type Output = (ConsentEvent, ConsentSummary);

    async fn run(&self, tx: &mut Transaction) -> Result<Self::Output> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        self.statement.validate(tx.now)?;
        let mut unit = UnitOfWork::load(tx, &workspace, std::slice::from_ref(&self.person)).await?;
        // From anybody, including a resume: the stop before it may arrive later.
        let entry = match &self.person {
            Recipient::Key(key) => {
                unit.find(&self.person).unwrap_or_else(|| unit.add_non_contact(key.clone()))
            }
            Recipient::Id(_) => {
                unit.find_contact(&self.person).ok_or_else(Error::contact_not_found)?
            }
        };
        let event = unit.record_on_platform(tx, entry, &self.statement);
        let summary = unit.consent(entry).summary();
        unit.write(tx).await?;
        Ok((event, summary))
    }
}

/// Returns the events of one person before the position `before`, newest first, with
/// their positions in the ledger.
pub async fn events(
    store: &Store,
    workspace_id: &str,
    person: &Recipient,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<(i64, ConsentEvent)>> {
    let mut db = store.read().await?;
    let workspace = workspace(&mut *db, workspace_id).await?;
    let found = db.find_contacts(&workspace, std::slice::from_ref(person)).await?;
    let subjects = match (found.into_iter().flatten().next(), person) {
        (Some(row), _) => Subjects::of(&decode_profile(&row)?, store.keyring(), &workspace),
        (None, Recipient::Key(key)) => Subjects::of_non_contact(key, store.keyring(), &workspace),
        (None, Recipient::Id(_)) => return Err(Error::contact_not_found()),
    };
    let before = before.unwrap_or(i64::MAX);
    let entries = db.ledger_entries_about(&workspace, &subjects, before, limit).await?;
    let event = |entry: Entry| {
        let position = entry.position;
        Ok(entry.event()?.map(|event| (position, event)))
    };
    entries.into_iter().filter_map(|entry| event(entry).transpose()).collect()
}
