//! Recording consent, and reading the ledger.

use uuid::Uuid;

use crate::domain::consent::{ConsentEvent, ConsentSummary, OptInStatus, Statement};
use crate::domain::contact::Person;
use crate::domain::error::{Error, Result};
use crate::store::{Lock, Operation, Store, Subjects, Transaction, decode_profile};

use super::draft::Draft;
use super::workspace;

/// Records that a person agreed or objected.
#[derive(Debug)]
pub struct RecordConsent {
    /// Where.
    pub workspace_id: String,
    /// Who.
    pub person: Person,
    /// What they said.
    pub statement: Statement,
}

impl Operation for RecordConsent {
    type Output = (ConsentEvent, ConsentSummary);

    async fn run(&self, tx: &mut Transaction) -> Result<Self::Output> {
        let workspace = workspace(&mut *tx.session, &self.workspace_id, Lock::Shared).await?;
        self.statement.check(tx.now)?;
        let mut draft = Draft::load(tx, &workspace, std::slice::from_ref(&self.person)).await?;
        // An objection is taken from anybody; agreeing takes a contact.
        let entry = match (&self.person, self.statement.status) {
            (Person::Key(key), OptInStatus::OptedOut) => {
                draft.find(&self.person).unwrap_or_else(|| draft.add_stranger(key.clone()))
            }
            _ => draft.find_contact(&self.person).ok_or_else(Error::contact_not_found)?,
        };
        let event = draft.record(tx, entry, &self.statement);
        let summary = draft.consent(entry).summary();
        draft.write(tx).await?;
        Ok((event, summary))
    }
}

/// The events of one person, newest first, from before `before`.
pub async fn events(
    store: &Store,
    workspace_id: &str,
    person: &Person,
    before: Option<Uuid>,
    limit: usize,
) -> Result<Vec<ConsentEvent>> {
    let mut session = store.read().await?;
    let workspace = workspace(&mut *session, workspace_id, Lock::None).await?;
    let found = session.find_contacts(&workspace, std::slice::from_ref(person)).await?;
    let subjects = match (found.into_iter().flatten().next(), person) {
        (Some(row), _) => Subjects::of(&decode_profile(&row)?),
        (None, Person::Key(key)) => Subjects { contact_ids: Vec::new(), keys: vec![key.clone()] },
        (None, Person::Id(_)) => return Err(Error::contact_not_found()),
    };
    session.events(&workspace, &subjects, before, limit).await
}
