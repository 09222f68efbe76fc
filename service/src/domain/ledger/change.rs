//! What an event does, as numbers and ids of a [`Fact`], and back: for readers of the
//! ledger and for the fold that recomputes what it amounts to.

use uuid::Uuid;

use super::{Fact, categories, time};
use crate::domain::consent::fold::{Event, Statement, Word};
use crate::domain::consent::{Change, Clock, EventChange, EventKind, IdentityId, Said, Source};
use crate::domain::error::{Error, Result};

const BY_CALLER: i64 = 1;
const REPORTED: i64 = 2;

impl Fact {
    /// Writes kind, flags and identities, in this order: of a link the identity, one of
    /// the contact, the one it carries from and the one it replaces, nil for none; of a
    /// merge one of each contact, the id of the contact that goes, then those that became
    /// former ones.
    pub(super) fn set_change(&mut self, change: EventChange) {
        self.kind = change.kind() as i64;
        let nil = IdentityId(Uuid::nil());
        let identities = match change {
            EventChange::Said {
                named,
                clock,
                is_reported,
                sender_phone_number_id,
                expire_time,
                ..
            } => {
                let by_caller = if clock == Clock::Caller { BY_CALLER } else { 0 };
                self.flags = by_caller | if is_reported { REPORTED } else { 0 };
                self.sender_phone_number_id =
                    Some(sender_phone_number_id).filter(|sender| !sender.is_empty());
                self.expire_time = expire_time.map(|time| time.timestamp_micros());
                named
            }
            EventChange::Forgotten(identities) => identities,
            EventChange::Identities(change) => match change {
                Change::Said(statement) => statement.named,
                Change::Created { identities } => identities,
                Change::Linked { identity, to, carry_from, replaces } => {
                    vec![identity, to, carry_from.unwrap_or(nil), replaces.unwrap_or(nil)]
                }
                Change::Merged { into, from, contact_id, retired } => {
                    [into, from, IdentityId(contact_id)].into_iter().chain(retired).collect()
                }
                Change::Retired { identity }
                | Change::Released { identity }
                | Change::Claimed { identity }
                | Change::Erased { identity } => vec![identity],
            },
        };
        self.identities = identities.iter().flat_map(|id| id.0.into_bytes()).collect();
    }

    /// What it does.
    ///
    /// # Errors
    /// When it was not written by this version.
    pub fn change(&self) -> Result<EventChange> {
        let malformed = || Error::internal("a stored opt-in event is malformed");
        let kind = EventKind::from_code(self.kind).ok_or_else(malformed)?;
        let mut ids = self.identity_ids().into_iter();
        let mut next = || ids.next().ok_or_else(malformed);
        let some = |id: IdentityId| (!id.0.is_nil()).then_some(id);
        let change = match kind {
            EventKind::OptIn
            | EventKind::OptOut
            | EventKind::PlatformStop
            | EventKind::PlatformResume => {
                return Ok(EventChange::Said {
                    kind,
                    named: ids.collect(),
                    clock: if self.flags & BY_CALLER == 0 { Clock::Server } else { Clock::Caller },
                    is_reported: self.flags & REPORTED != 0,
                    sender_phone_number_id: self.sender_phone_number_id.clone().unwrap_or_default(),
                    expire_time: self.expire_time.map(time),
                });
            }
            EventKind::Forgotten => return Ok(EventChange::Forgotten(ids.collect())),
            EventKind::Created => Change::Created { identities: ids.collect() },
            EventKind::Linked => Change::Linked {
                identity: next()?,
                to: next()?,
                carry_from: some(next()?),
                replaces: some(next()?),
            },
            EventKind::Merged => Change::Merged {
                into: next()?,
                from: next()?,
                contact_id: next()?.0,
                retired: ids.collect(),
            },
            EventKind::Retired => Change::Retired { identity: next()? },
            EventKind::Released => Change::Released { identity: next()? },
            EventKind::Claimed => Change::Claimed { identity: next()? },
            EventKind::Erased => Change::Erased { identity: next()? },
        };
        Ok(EventChange::Identities(change))
    }

    /// The event for the fold; None for one that it need not know.
    ///
    /// # Errors
    /// When it was not written by this version.
    pub fn fold_event(&self) -> Result<Option<Event>> {
        let occurred_time = time(self.occurred_time);
        let change = match self.change()? {
            EventChange::Forgotten(_) => return Ok(None),
            EventChange::Identities(change) => change,
            EventChange::Said {
                kind,
                named,
                clock,
                is_reported,
                sender_phone_number_id,
                expire_time,
            } => {
                let (sender, categories) = (sender_phone_number_id, categories(self.categories));
                let source = Source::from_code(self.source).unwrap_or(Source::Import);
                let word = match kind {
                    EventKind::OptIn => {
                        Word::OptIn { categories, source, is_reported, expire: expire_time }
                    }
                    EventKind::PlatformStop => Word::Stop { sender },
                    EventKind::PlatformResume => Word::Resume { sender },
                    _ => Word::OptOut { categories, source },
                };
                let said = Said::recorded(occurred_time, clock);
                Change::Said(Statement { event: self.event_id, named, said, word })
            }
        };
        Ok(Some(Event { id: self.event_id, record_time: occurred_time, change }))
    }

    /// The identities, as listed.
    pub fn identity_ids(&self) -> Vec<IdentityId> {
        let (ids, _) = self.identities.as_chunks();
        ids.iter().map(|id| IdentityId(Uuid::from_bytes(*id))).collect()
    }
}
