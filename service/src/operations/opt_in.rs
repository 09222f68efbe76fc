//! Recording consent, and reading the ledger.

use crate::domain::Time;
use crate::domain::consent::{
    ConsentEvent, NoEffect, OptInStatus, PlatformStatement, Said, ShownConsent, Statement,
};
use crate::domain::contact::Recipient;
use crate::domain::error::{Error, Result};
use crate::domain::ledger::Entry;
use crate::domain::phone::MatchKey;
use crate::store::{Lock, Operation, Store, Subjects, Transaction, decode_profile};

use super::contacts::refuse_former;
use super::unit_of_work::{EntryId, Named, UnitOfWork};
use super::{lock_workspace, workspace};

/// Records that a person opted in or out.
#[derive(Debug)]
pub struct RecordConsent {
    /// The workspace.
    pub workspace_id: String,
    /// The person. An objection may name several identities.
    pub recipients: Vec<Recipient>,
    /// What they said.
    pub statement: Statement,
}

impl Operation for RecordConsent {
    /// Of an objection against several persons, that of the first.
    type Output = (ConsentEvent, ShownConsent);

    fn is_objection(&self) -> bool {
        self.statement.status == OptInStatus::OptedOut
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Self::Output> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let mut unit = UnitOfWork::load(tx, &workspace, &self.recipients).await?;
        let said = objected(self.is_objection(), self.statement.occurred_time, tx.now);
        unit.load_earlier_holders(tx, &keys_at(&self.recipients, said)).await?;
        let events = record(&mut unit, tx, &self.recipients, &self.statement)?;
        let (event, entry) = events.into_iter().next().ok_or_else(Error::contact_not_found)?;
        let shown = unit.shown(entry);
        unit.write(tx).await?;
        Ok((event, shown))
    }
}

/// Records a statement: one event for each person that the recipients name.
pub(super) fn record(
    unit: &mut UnitOfWork<'_>,
    tx: &Transaction,
    recipients: &[Recipient],
    statement: &Statement,
) -> Result<Vec<(ConsentEvent, EntryId)>> {
    let objects = statement.status == OptInStatus::OptedOut;
    if !objects {
        refuse_former(unit, recipients)?;
        unit.require_evidence(statement)?;
    }
    let mut events = Vec::new();
    for (entry, named) in persons(unit, recipients, objects)? {
        let recording = unit.consider(tx, entry, &named, statement, false)?;
        // Others claim what does not count. What a person said themselves is history even if it does not.
        if !objects
            && !statement.source.is_the_person()
            && let Some(conflict) = recording.conflict(|why| why != NoEffect::OlderThanKnown)
        {
            return Err(conflict);
        }
        events.push((unit.accept(recording).clone(), entry));
    }
    let said = objected(objects, statement.occurred_time, tx.now);
    for (entry, named, released) in earlier_holders(unit, recipients, said) {
        let statement = Statement { occurred_time: Some(released), ..statement.clone() };
        let recording = unit.consider(tx, entry, &named, &statement, false)?;
        events.push((unit.accept(recording).clone(), entry));
    }
    Ok(events)
}

/// Records that a person told WhatsApp to stop or resume marketing.
#[derive(Debug)]
pub struct RecordPlatformPreference {
    /// The workspace.
    pub workspace_id: String,
    /// The person. A stop may name several identities.
    pub recipients: Vec<Recipient>,
    /// What they told it.
    pub statement: PlatformStatement,
}

impl Operation for RecordPlatformPreference {
    type Output = (ConsentEvent, ShownConsent);

    fn is_objection(&self) -> bool {
        self.statement.stopped
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Self::Output> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let mut unit = UnitOfWork::load(tx, &workspace, &self.recipients).await?;
        let said = objected(self.is_objection(), self.statement.occurred_time, tx.now);
        unit.load_earlier_holders(tx, &keys_at(&self.recipients, said)).await?;
        let events = record_on_platform(&mut unit, tx, &self.recipients, &self.statement)?;
        let (event, entry) = events.into_iter().next().ok_or_else(Error::contact_not_found)?;
        let shown = unit.shown(entry);
        unit.write(tx).await?;
        Ok((event, shown))
    }
}

/// Records what a person told WhatsApp: one event for each person that the recipients name.
pub(super) fn record_on_platform(
    unit: &mut UnitOfWork<'_>,
    tx: &Transaction,
    recipients: &[Recipient],
    statement: &PlatformStatement,
) -> Result<Vec<(ConsentEvent, EntryId)>> {
    if !statement.stopped {
        refuse_former(unit, recipients)?;
    }
    let mut events = Vec::new();
    // Taken from anybody, a resume too: the stop it lifts may arrive later.
    for (entry, named) in persons(unit, recipients, true)? {
        let recording = unit.consider_on_platform(tx, entry, &named, statement)?;
        events.push((unit.accept(recording).clone(), entry));
    }
    let said = objected(statement.stopped, statement.occurred_time, tx.now);
    for (entry, named, released) in earlier_holders(unit, recipients, said) {
        let statement = PlatformStatement { occurred_time: Some(released), ..statement.clone() };
        let recording = unit.consider_on_platform(tx, entry, &named, &statement)?;
        events.push((unit.accept(recording).clone(), entry));
    }
    Ok(events)
}

/// When an objection was said, if that is known. None for what does not object.
pub(super) fn objected(is_objection: bool, occurred: Option<Time>, now: Time) -> Option<Time> {
    let said = Said::objection(occurred, now);
    (is_objection && !said.after_all_known).then_some(said.time)
}

/// The keys among recipients, each with this time.
pub(super) fn keys_at(recipients: &[Recipient], time: Option<Time>) -> Vec<(&MatchKey, Time)> {
    let Some(time) = time else { return Vec::new() };
    recipients.iter().filter_map(Recipient::key).map(|key| (key, time)).collect()
}

/// The contacts that had the identities when an objection was said, or came to have them, and released
/// them, each with the last time.
pub(super) fn earlier_holders(
    unit: &UnitOfWork<'_>,
    recipients: &[Recipient],
    said: Option<Time>,
) -> Vec<(EntryId, Named, Time)> {
    let mut holders: Vec<(EntryId, Named, Time)> = Vec::new();
    for (key, said) in keys_at(recipients, said) {
        for (entry, named, released) in unit.earlier_holders(key, said) {
            match holders.iter_mut().find(|(known, ..)| *known == entry) {
                Some((.., last)) => *last = released.max(*last),
                None => holders.push((entry, named, released)),
            }
        }
    }
    holders
}

/// The persons that recipients name, each with the identities it is named by. With
/// `anybody`, keys that are nobody's are non-contacts.
fn persons(
    unit: &mut UnitOfWork<'_>,
    recipients: &[Recipient],
    anybody: bool,
) -> Result<Vec<(EntryId, Named)>> {
    let mut persons: Vec<(EntryId, Named)> = Vec::new();
    for recipient in recipients {
        let entry = match recipient {
            Recipient::Key(key) if anybody => {
                unit.find(recipient).unwrap_or_else(|| unit.add_non_contact(key.clone()))
            }
            _ => match unit.find_contact(recipient) {
                Some(entry) => entry,
                // The others it names may be known: no objection is lost.
                None if anybody && recipients.len() > 1 => continue,
                None if anybody => {
                    let advice = "or name the person by phone_number or whatsapp_user_id, whether or not \
                                  there is a contact";
                    return Err(Error::contact_not_found().with_advice(advice));
                }
                None => return Err(Error::contact_not_found()),
            },
        };
        let contact = if unit.is_merged(entry, recipient) { Named::Merged } else { Named::Contact };
        let known = persons.iter_mut().find(|(known, _)| *known == entry);
        match (known, recipient) {
            (None, Recipient::Key(key)) => persons.push((entry, Named::Keys(vec![key.clone()]))),
            (None, _) => persons.push((entry, contact)),
            (Some((_, Named::Keys(keys))), Recipient::Key(key)) => keys.push(key.clone()),
            (Some((_, Named::Contact | Named::Merged)), Recipient::Key(_)) => {}
            (Some((_, Named::Merged)), _) => {}
            (Some((_, named)), _) => *named = contact,
        }
    }
    Ok(persons)
}

/// The events of one person with their positions in the ledger, newest first,
/// from before the position `before`.
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
        (None, Recipient::Id(_) | Recipient::ExternalId(_)) => {
            return Err(Error::contact_not_found());
        }
    };
    let before = before.unwrap_or(i64::MAX);
    let entries = db.ledger_entries_about(&workspace, &subjects, before, limit).await?;
    let event = |entry: Entry| {
        let position = entry.position;
        Ok((position, entry.event()?))
    };
    entries.into_iter().map(event).collect()
}
