//! Applying some statements of a webhook in one transaction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::ids::{IdChange, Links};
use super::left::Left;
use super::outcome::{Outcome, Why};
use super::same_person;
use crate::domain::Time;
use crate::domain::consent::{
    ConsentEvent, Evidence, MessageCategory, OptInStatus, PlatformStatement, Source, Statement,
};
use crate::domain::contact::Recipient;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::keyring::Keyring;
use crate::domain::phone::MatchKey;
use crate::domain::webhook::{Action, Identity, MessageId, left_ids};
use crate::operations::opt_in::{objected, record, record_on_platform};
use crate::operations::unit_of_work::{EntryId, UnitOfWork};
use crate::operations::{ensure_same, lock_workspace};
use crate::store::{Lock, Operation, Transaction, WebhookRecord, Workspace};

/// Applies statements, and remembers which.
pub(super) struct ApplyActions {
    /// The workspace as it was when the webhook arrived.
    pub(super) workspace: Workspace,
    pub(super) actions: Vec<Action>,
}

impl Operation for ApplyActions {
    /// What became of each.
    type Output = Vec<Outcome>;

    /// What else a webhook says is applied together with the objections in it.
    fn is_objection(&self) -> bool {
        true
    }

    async fn run(&self, tx: &mut Transaction) -> Result<Vec<Outcome>> {
        let workspace = lock_workspace(tx, &self.workspace.workspace_id, Lock::Shared).await?;
        ensure_same(&self.workspace, Some(&workspace))?;
        let keyring = tx.keyring();
        let ids: Vec<_> = self.actions.iter().map(|action| action.ids(&keyring)).collect();
        let moves = || self.actions.iter().filter(|action| changes_ids(action));
        let keys: HashSet<MatchKey> = moves().flat_map(Action::match_keys).collect();
        let left: Vec<_> = keys.into_iter().map(|key| (left_ids(&key, &keyring), key)).collect();
        let asked: Vec<Uuid> =
            ids.iter().chain(left.iter().map(|(ids, _)| ids)).flatten().copied().collect();
        let stored = match asked.is_empty() {
            true => HashMap::new(),
            false => tx.db.webhook_records(&workspace, &asked).await?,
        };
        let left = Left::load(left, &stored);
        let applied: HashSet<Uuid> = stored.into_keys().collect();

        let is_open = |ids: &Vec<Uuid>| !ids.iter().any(|id| applied.contains(id));
        let open = self.actions.iter().zip(&ids).filter(|(_, ids)| is_open(ids));
        let recipients: Vec<_> =
            open.flat_map(|(action, _)| action.match_keys()).map(Recipient::Key).collect();
        let mut unit = UnitOfWork::load(tx, &workspace, &recipients).await?;
        let objections = self.actions.iter().filter_map(|action| {
            let said = objected(!action.can_permit(), action.occurred_time(), tx.now)?;
            Some((action.match_keys(), said))
        });
        let objections: Vec<_> = objections.collect();
        let mut keys = Vec::new();
        for (named, said) in &objections {
            keys.extend(named.iter().map(|key| (key, *said)));
        }
        unit.load_earlier_holders(tx, &keys).await?;
        let (outcomes, records, unit, left) = {
            let mut applying = Applying { unit, tx, left, keyring };
            let (outcomes, records) = applying.apply_all(&self.actions, &ids, applied)?;
            (outcomes, records, applying.unit, applying.left)
        };
        // Before what comes of them, so that another server that applies the same waits here, and
        // starts again.
        if !records.is_empty() {
            tx.db.add_webhook_records(&workspace, &records).await?;
        }
        let left = left.into_records();
        if !left.is_empty() {
            tx.db.set_webhook_records(&workspace, &left).await?;
        }
        unit.write(tx).await?;
        Ok(outcomes)
    }
}

/// Whether it is about whose identities are whose.
fn changes_ids(action: &Action) -> bool {
    matches!(
        action,
        Action::NumberChanged { .. } | Action::UserIdChanged { .. } | Action::Pair { .. }
    )
}

/// A transaction that applies statements.
struct Applying<'a, 'w> {
    unit: UnitOfWork<'w>,
    tx: &'a Transaction,
    left: Left,
    keyring: Arc<Keyring>,
}

impl<'w> Applying<'_, 'w> {
    /// What becomes of each statement, and the records of those that were applied.
    fn apply_all(
        &mut self,
        actions: &[Action],
        ids: &[Vec<Uuid>],
        mut applied: HashSet<Uuid>,
    ) -> Result<(Vec<Outcome>, Vec<WebhookRecord>)> {
        let mut records = Vec::new();
        let mut outcomes = Vec::with_capacity(actions.len());
        for (action, ids) in actions.iter().zip(ids) {
            if ids.iter().any(|id| applied.contains(id)) {
                outcomes.push(Outcome::AlreadyApplied);
                continue;
            }
            let outcome = self.apply_or_refuse(action)?;
            if matches!(outcome, Outcome::Recorded { .. } | Outcome::Linked { .. }) {
                applied.extend(ids);
                let time = self.tx.now;
                records.extend(ids.last().map(|id| WebhookRecord { record_id: *id, time }));
            }
            outcomes.push(outcome);
        }
        records.sort_unstable();
        Ok((outcomes, records))
    }

    /// Applies a statement as a whole or not at all, so that one does not lose the others.
    ///
    /// # Errors
    /// When the database fails.
    fn apply_or_refuse(&mut self, action: &Action) -> Result<Outcome> {
        let named: Vec<_> = action.match_keys().into_iter().map(Recipient::Key).collect();
        let savepoint = self.unit.savepoint(&named);
        match self.apply(action) {
            Ok(outcome) => Ok(outcome),
            Err(error) => match error.reason() {
                Reason::Internal | Reason::WriteConflict | Reason::DatabaseUnavailable => {
                    Err(error)
                }
                _ => {
                    self.unit.roll_back(savepoint);
                    Ok(Outcome::Refused { message: error.message().to_owned() })
                }
            },
        }
    }

    fn apply(&mut self, action: &Action) -> Result<Outcome> {
        match action {
            Action::PlatformStop {
                sender_phone_number_id,
                identities,
                occurred_time,
                message_id,
            } => {
                let statement = PlatformStatement {
                    stopped: true,
                    sender_phone_number_id: sender_phone_number_id.clone(),
                    evidence: evidence(message_id.as_ref()),
                    occurred_time: *occurred_time,
                };
                self.record_on_platform(&recipients(identities), &statement)
            }
            Action::PlatformResume { sender_phone_number_id, identities, occurred_time } => {
                let mut people = recipients(identities);
                // Meta keeps it for the user id: under its parent, somebody else may be known.
                let plain = recipients(identities.iter().filter(|id| !id.is_parent()));
                if !plain.is_empty() && self.contradiction(&people).is_some() {
                    people = plain;
                }
                if let Some(outcome) = self.contradiction(&people) {
                    return Ok(outcome);
                }
                let statement = PlatformStatement {
                    stopped: false,
                    sender_phone_number_id: sender_phone_number_id.clone(),
                    evidence: Evidence::default(),
                    occurred_time: Some(*occurred_time),
                };
                self.record_on_platform(&people, &statement)
            }
            Action::OptOutWord { identities, text, message_id, occurred_time } => {
                let statement = Statement {
                    status: OptInStatus::OptedOut,
                    categories: MessageCategory::ALL.to_vec(),
                    source: Source::InboundMessage,
                    evidence: evidence(message_id.as_ref()),
                    reason_text: text.clone(),
                    occurred_time: *occurred_time,
                    expire_time: None,
                };
                let people = recipients(identities);
                recorded(record(&mut self.unit, self.tx, &people, &statement)?)
            }
            Action::NumberChanged {
                old,
                new_phone_number,
                new_user_id,
                occurred_time,
                message_id,
            } => {
                let change = IdChange::of_number(old, *new_phone_number, new_user_id.as_ref());
                self.change_ids(&change, *occurred_time, message_id.as_ref())
            }
            Action::UserIdChanged { previous, new, phone_number, occurred_time, message_id } => {
                let change = IdChange {
                    old_phone: None,
                    old_user: Some(previous),
                    same_phone: *phone_number,
                    new_phone: None,
                    new_user: Some(new),
                };
                self.change_ids(&change, *occurred_time, message_id.as_ref())
            }
            Action::Pair { phone_number, user_id, occurred_time, message_id } => {
                let mut links = self.links(*occurred_time, message_id.as_ref());
                match links.refused_time() {
                    Some(why) => Ok(Outcome::Refused { message: why.to_string() }),
                    None => same_person::link(&mut links, *phone_number, user_id),
                }
            }
        }
    }

    fn record_on_platform(
        &mut self,
        people: &[Recipient],
        statement: &PlatformStatement,
    ) -> Result<Outcome> {
        recorded(record_on_platform(&mut self.unit, self.tx, people, statement)?)
    }

    fn change_ids(
        &mut self,
        change: &IdChange<'_>,
        occurred_time: Time,
        message_id: Option<&MessageId>,
    ) -> Result<Outcome> {
        if let Some(why) = self.links(occurred_time, message_id).refused_time() {
            return Ok(Outcome::Refused { message: why.to_string() });
        }
        // Also if nobody has the ids: what was said before may arrive later.
        for key in change.left() {
            self.left.add(key, occurred_time, &self.keyring);
        }
        change.apply(&mut self.links(occurred_time, message_id))
    }

    fn links<'a>(
        &'a mut self,
        occurred_time: Time,
        message_id: Option<&'a MessageId>,
    ) -> Links<'a, 'w> {
        let link_before = self.unit.latest_link();
        let (unit, left) = (&mut self.unit, &self.left);
        Links { unit, tx: self.tx, left, occurred_time, message_id, link_before }
    }

    /// A permission that names two contacts, or a former identity, is nobody's.
    fn contradiction(&self, people: &[Recipient]) -> Option<Outcome> {
        let contacts = || people.iter().filter_map(|person| self.unit.find_contact(person));
        let first = contacts().next()?;
        let contact = self.unit.contact(first)?;
        let other = contacts().find(|other| *other != first);
        let other = other.and_then(|other| self.unit.contact(other));
        let is_former = |key: &MatchKey| contact.profile.is_former(key);
        let why = match other {
            Some(_) => Why::TwoContacts,
            None if people.iter().filter_map(Recipient::key).any(is_former) => Why::Former,
            None => return None,
        };
        Some(Outcome::Contradicts {
            contact_id: contact.contact_id,
            other_contact_id: other.map(|other| other.contact_id),
            why,
        })
    }
}

fn recipients<'i>(identities: impl IntoIterator<Item = &'i Identity>) -> Vec<Recipient> {
    identities.into_iter().map(|identity| Recipient::Key(identity.match_key())).collect()
}

fn evidence(message_id: Option<&MessageId>) -> Evidence {
    let message_id = message_id.map(|id| id.as_str().to_owned()).unwrap_or_default();
    Evidence { message_id, ..Evidence::default() }
}

/// Of several persons, the first that is a contact.
fn recorded(events: Vec<(ConsentEvent, EntryId)>) -> Result<Outcome> {
    let of_contact = events.iter().find(|(event, _)| event.contact_id.is_some());
    let (event, _) = of_contact.or(events.first()).ok_or_else(Error::contact_not_found)?;
    Ok(Outcome::Recorded { contact_id: event.contact_id, event_id: event.event_id })
}
