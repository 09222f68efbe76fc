//! Recording what people say.

use super::refusal::only_of;
use super::{EntryId, UnitOfWork, consent_conflict, evidence_required};
use crate::domain::Time;
use crate::domain::consent::fold::{self, Objections, Word};
use crate::domain::consent::{
    ConsentEvent, EventChange, EventKind, Evidence, IdentityId, MessageCategory, NoEffect,
    OptInStatus, Outcome, Person, PlatformStatement, Said, Source, Statement,
};
use crate::domain::error::{Error, Result};
use crate::domain::phone::MatchKey;
use crate::store::Transaction;

/// Whom a statement names.
#[derive(Clone, Debug)]
pub enum Named {
    /// These identities.
    Keys(Vec<MatchKey>),
    /// The contact: for a permission those of its identities that were there by then.
    Contact,
    /// The contact, by the id of one that was merged into it. A permission from before the merge
    /// was of that one, not of the identities there are.
    Merged,
}

/// A statement and what would come of it. Nothing is changed before it is accepted.
pub struct Recording {
    pub(super) entry: EntryId,
    person: Person,
    event: ConsentEvent,
    /// What comes of it, by category.
    pub outcomes: Vec<(MessageCategory, Outcome)>,
}

impl Recording {
    /// Whether it changes what counts in any category.
    pub fn is_effective(&self) -> bool {
        self.outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Effective)
    }

    /// The error if it does not count in some category, for one of these reasons. It is refused as a whole
    /// then, and the error says for which categories.
    pub fn conflict(&self, is_refused: impl Fn(NoEffect) -> bool) -> Option<Error> {
        let refused = self.outcomes.iter().filter_map(|(category, outcome)| match outcome {
            Outcome::NoEffect(why) if is_refused(*why) => Some((*category, *why)),
            _ => None,
        });
        let (categories, reasons): (Vec<_>, Vec<_>) = refused.unzip();
        let error = consent_conflict(*reasons.first()?);
        Some(match categories.len() == self.outcomes.len() {
            true => error,
            false => only_of(error, &categories),
        })
    }
}

/// A statement of either layer, as the ledger tells it.
struct Spoken {
    kind: EventKind,
    categories: Vec<MessageCategory>,
    source: Source,
    evidence: Evidence,
    reason_text: String,
    is_reported: bool,
    sender_phone_number_id: String,
    expire_time: Option<Time>,
    said: Said,
    word: Word,
}

impl UnitOfWork<'_> {
    /// Refuses an opt-in without what the workspace's policy requires of its evidence. An
    /// objection never is.
    pub fn require_evidence(&self, statement: &Statement) -> Result<()> {
        if statement.status != OptInStatus::OptedIn {
            return Ok(());
        }
        let missing = self.workspace.settings.opt_in_policy.missing(&statement.evidence);
        if missing.is_empty() { Ok(()) } else { Err(evidence_required(&missing)) }
    }

    /// What would come of a statement. `is_reported` makes it one that others report,
    /// whatever its source.
    ///
    /// # Errors
    /// When its time is refused.
    pub fn consider(
        &mut self,
        tx: &Transaction,
        entry: EntryId,
        named: &Named,
        statement: &Statement,
        is_reported: bool,
    ) -> Result<Recording> {
        let spoken = Spoken {
            kind: match statement.word(is_reported) {
                Word::OptIn { .. } => EventKind::OptIn,
                _ => EventKind::OptOut,
            },
            categories: statement.categories.clone(),
            source: statement.source,
            evidence: statement.evidence.clone(),
            reason_text: statement.reason_text.clone(),
            is_reported,
            sender_phone_number_id: String::new(),
            expire_time: statement.expire_time,
            said: statement.said(tx.now)?,
            word: statement.word(is_reported),
        };
        let mut recording = self.apply(tx, entry, named, spoken)?;
        if is_reported || !statement.source.is_the_person() {
            self.refuse_younger(&mut recording, tx.now);
        }
        Ok(recording)
    }

    /// A report does not make a permission younger: of one that is too old for the policy,
    /// a later report has no effect.
    fn refuse_younger(&self, recording: &mut Recording, now: Time) {
        let EventChange::Said { named, .. } = &recording.event.change else { return };
        let (before, after) = (&self.entries[recording.entry.0].person, &recording.person);
        let policy = &self.workspace.settings.opt_in_policy;
        for (category, outcome) in &mut recording.outcomes {
            let Some(max_age) = policy.max_age(*category) else { continue };
            let known = |person: &Person, id| person.row(id)?.permission(*category);
            let is_later = |id: &IdentityId| {
                known(before, *id).is_none_or(|known| known.time < recording.event.occurred_time)
            };
            let is_too_old = |id: &&IdentityId| {
                let end = known(after, **id).and_then(|known| known.expire_under(Some(max_age)));
                end.is_some_and(|end| end <= now)
            };
            if *outcome == Outcome::AlreadySo && named.iter().filter(is_too_old).any(is_later) {
                *outcome = Outcome::NoEffect(NoEffect::DoesNotWiden);
            }
        }
    }

    /// The same of what a person told WhatsApp.
    ///
    /// # Errors
    /// When the time of a resume is refused.
    pub fn consider_on_platform(
        &mut self,
        tx: &Transaction,
        entry: EntryId,
        named: &Named,
        statement: &PlatformStatement,
    ) -> Result<Recording> {
        let spoken = Spoken {
            kind: match statement.stopped {
                true => EventKind::PlatformStop,
                false => EventKind::PlatformResume,
            },
            categories: vec![MessageCategory::Marketing],
            source: Source::Platform,
            evidence: statement.evidence.clone(),
            reason_text: String::new(),
            is_reported: false,
            sender_phone_number_id: statement.sender_phone_number_id.clone(),
            expire_time: None,
            said: statement.said(tx.now)?,
            word: statement.word(),
        };
        self.apply(tx, entry, named, spoken)
    }

    fn apply(
        &mut self,
        tx: &Transaction,
        entry: EntryId,
        named: &Named,
        spoken: Spoken,
    ) -> Result<Recording> {
        let is_permission = matches!(spoken.kind, EventKind::OptIn | EventKind::PlatformResume);
        let (ids, key) = self.named(entry, named, Some((spoken.said, is_permission)))?;
        let mut person = self.entries[entry.0].person.clone();
        let event_id = tx.new_id();
        let recorded = person.record(&fold::Statement {
            event: event_id,
            named: ids.clone(),
            said: spoken.said,
            word: spoken.word,
        });
        let contact_id = self.entries[entry.0].contact_id();
        // Of somebody who was erased and is no contact, no more is kept than that they objected:
        // requests that are sent again would bring back the words that were erased.
        let was_erased = contact_id.is_none()
            && MessageCategory::ALL.into_iter().any(|c| person.objections().erasure(c).is_some());
        let (evidence, reason_text) = match was_erased || tx.without_words {
            true => (Evidence::default(), String::new()),
            false => (spoken.evidence, spoken.reason_text),
        };
        let effective =
            recorded.outcomes.iter().filter(|(_, outcome)| *outcome == Outcome::Effective);
        let event = ConsentEvent {
            event_id,
            contact_id,
            match_key: match contact_id {
                Some(_) => key,
                None => tx.keyring().hashed(&self.workspace.workspace_id, &key),
            },
            change: EventChange::Said {
                kind: spoken.kind,
                named: ids,
                clock: spoken.said.clock,
                is_reported: spoken.is_reported,
                sender_phone_number_id: spoken.sender_phone_number_id,
                expire_time: spoken.expire_time,
            },
            categories: spoken.categories,
            source: Some(spoken.source),
            evidence,
            reason_text,
            occurred_time: recorded.time,
            record_time: tx.now,
            changed_categories: effective.map(|(category, _)| *category).collect(),
        };
        Ok(Recording { entry, person, event, outcomes: recorded.outcomes })
    }

    /// The identities that a statement names, and the key of the first. Of one, its time, and whether it permits.
    fn named(
        &mut self,
        entry: EntryId,
        named: &Named,
        spoken: Option<(Said, bool)>,
    ) -> Result<(Vec<IdentityId>, MatchKey)> {
        let target = &mut self.entries[entry.0];
        let keys = target.keys();
        let first = keys.first().cloned().ok_or_else(|| Error::internal("nobody is named"))?;
        match named {
            Named::Keys(asked) => {
                let here: Vec<_> = asked.iter().filter(|key| keys.contains(key)).collect();
                let key = here.first().map_or(first, |key| (*key).clone());
                Ok((here.into_iter().map(|key| target.id(key)).collect(), key))
            }
            Named::Contact | Named::Merged => {
                let person = &target.person;
                let current = || person.current();
                let all = || person.members().iter().map(|member| member.id).collect();
                let ids = match (spoken, named, target.last_merge) {
                    (None, _, _) => current(),
                    (Some((said, true)), Named::Merged, merged)
                        if merged.is_none_or(|merged| said.time <= merged) =>
                    {
                        Vec::new()
                    }
                    (Some((said, true)), _, _) => person.there_at(said.time),
                    (Some((said, false)), Named::Contact, _) if !said.after_all_known => {
                        let there = person.there_at(said.time);
                        // No objection is lost: if nobody was there, it names everybody who is.
                        if there.is_empty() { current() } else { there }
                    }
                    // That of the merged one has to be among them, a former one today or not: no permission
                    // from before the merge lifts it there.
                    (Some((said, false)), Named::Merged, _) if !said.after_all_known => all(),
                    (Some((_, false)), _, _) => current(),
                };
                Ok((ids, first))
            }
        }
    }

    /// Whether anybody whom an opt-in would be for was asked before.
    pub fn was_ever_asked(&mut self, tx: &Transaction, entry: EntryId, named: &Named) -> bool {
        match self.named(entry, named, None) {
            Ok((ids, _)) => self.entries[entry.0].person.was_ever_asked(&ids, tx.now),
            Err(_) => true,
        }
    }

    /// Whether everybody named is permitted now what an opt-in claims; else why not.
    pub fn holds(
        &mut self,
        tx: &Transaction,
        entry: EntryId,
        named: &Named,
        claim: &Statement,
    ) -> std::result::Result<(), NoEffect> {
        let Ok((ids, _)) = self.named(entry, named, None) else {
            return Err(NoEffect::NotOfThisPerson);
        };
        for id in ids {
            let Some(row) = self.entries[entry.0].person.row(id) else { continue };
            for category in &claim.categories {
                if let Some(objection) = row.objections.opt_out(*category) {
                    return Err(NoEffect::Objected { event: objection.event });
                }
                if let Some(erasure) = row.objections.erasure(*category) {
                    return Err(NoEffect::Erased { event: erasure.event });
                }
                let max_age = self.workspace.settings.opt_in_policy.max_age(*category);
                let permission = row.permission(*category);
                let expire = permission.map(|permission| permission.expire_under(max_age));
                match expire {
                    Some(expire) if expire.is_none_or(|expire| expire > tx.now) => {}
                    Some(_) => return Err(NoEffect::DoesNotWiden),
                    // Of this one nothing is known, and without a time it cannot count.
                    None => return Err(NoEffect::OlderThanKnown),
                }
            }
        }
        Ok(())
    }

    /// Makes it count, and returns its event.
    pub fn accept(&mut self, recording: Recording) -> &ConsentEvent {
        let Recording { entry, person, event, .. } = recording;
        let target = &mut self.entries[entry.0];
        target.person = person;
        if !event.changed_categories.is_empty() {
            target.update_time = Some(event.record_time);
        }
        self.events.push(event);
        &self.events[self.events.len() - 1]
    }

    /// The same for what has no effect. It is recorded unless the ledger has it already:
    /// see [`drop_known_history`](Self::drop_known_history).
    pub fn accept_history(&mut self, recording: Recording) {
        let event_id = self.accept(recording).event_id;
        self.history.push(event_id);
    }

    /// Whether an opt-out stands in all these categories, and nothing was said since.
    pub fn stands_last(&self, entry: EntryId, categories: &[MessageCategory]) -> bool {
        let person = &self.entries[entry.0].person;
        let latest = person.latest();
        categories.iter().all(|category| {
            let objection = person.objections().opt_out(*category);
            objection.is_some_and(|objection| Some(objection.after()) >= latest)
        })
    }

    /// What stands against a person.
    pub fn objections(&self, entry: EntryId) -> &Objections {
        self.entries[entry.0].person.objections()
    }

    /// Adds a non-contact, to hold an objection.
    pub fn add_non_contact(&mut self, key: MatchKey) -> EntryId {
        let id = super::persons::new_identity();
        self.add(super::persons::Entry::of_non_contact(key, id, Default::default()))
    }
}
