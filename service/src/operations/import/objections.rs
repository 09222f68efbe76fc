//! What rows object: recorded whatever becomes of the row, and against everybody whom the row says to be one person.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::domain::consent::fold::Objections;
use crate::domain::consent::{
    Evidence, MessageCategory, NoEffect, OptInStatus, Outcome, PlatformStatement, Source, Statement,
};
use crate::domain::contact::Recipient;
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;
use crate::operations::opt_in::{earlier_holders, objected};
use crate::operations::unit_of_work::{EntryId, Named, Recording, UnitOfWork, consent_conflict};
use crate::store::Transaction;

/// Records the objection of a row against the persons of all ids that it names, without
/// effect too: an older one that is known nowhere else is history. Returns whether
/// anything changed, or None if the row names nobody.
pub(super) fn object(
    tx: &Transaction,
    unit: &mut UnitOfWork<'_>,
    people: &[Recipient],
    objection: &Statement,
) -> Result<Option<bool>> {
    // One event for each person, with all ids of it that the row names.
    let mut persons: Vec<(EntryId, Vec<MatchKey>)> = Vec::new();
    let mut places: HashMap<EntryId, usize> = HashMap::new();
    for person in people {
        let entry = match (unit.find(person), person) {
            (Some(entry), _) => entry,
            (None, Recipient::Key(key)) => unit.add_non_contact(key.clone()),
            (None, Recipient::Id(_) | Recipient::ExternalId(_)) => continue,
        };
        let key = person.key().cloned();
        let place = *places.entry(entry).or_insert(persons.len());
        match persons.get_mut(place) {
            Some((_, keys)) => keys.extend(key),
            None => persons.push((entry, key.into_iter().collect())),
        }
    }
    let mut changed = None;
    for (entry, keys) in persons {
        let named = match keys.is_empty() {
            true => Named::Contact,
            false => Named::Keys(keys),
        };
        let one = object_one(tx, unit, entry, &named, objection)?;
        changed = Some(changed.unwrap_or(false) | one);
    }
    let said = objected(true, objection.occurred_time, tx.now);
    for (entry, named, released) in earlier_holders(unit, people, said) {
        let objection = Statement { occurred_time: Some(released), ..objection.clone() };
        let one = object_one(tx, unit, entry, &named, &objection)?;
        changed = Some(changed.unwrap_or(false) | one);
    }
    Ok(changed)
}

fn object_one(
    tx: &Transaction,
    unit: &mut UnitOfWork<'_>,
    entry: EntryId,
    named: &Named,
    objection: &Statement,
) -> Result<bool> {
    // Said again without a time, it is said now: an opt-in from before may be on its way. But
    // nothing else changes.
    let stood = objection.occurred_time.is_none() && unit.stands_last(entry, &objection.categories);
    let recording = unit.consider(tx, entry, named, objection, true)?;
    let is_effective = recording.is_effective();
    let is_known = recording.outcomes.iter().all(|(_, outcome)| *outcome == Outcome::AlreadySo);
    match is_effective || !is_known {
        true if is_effective => drop(unit.accept(recording)),
        true => unit.accept_history(recording),
        false => {}
    }
    Ok(is_effective && !stood)
}

/// Those whom a row names, contacts or not, each once.
fn named(unit: &UnitOfWork<'_>, people: &[Recipient]) -> Vec<EntryId> {
    let mut persons: Vec<_> = people.iter().filter_map(|person| unit.find(person)).collect();
    persons.sort_unstable();
    persons.dedup();
    persons
}

/// Those among whom a row has objections to pass on: it says that they are one person, and one of them
/// objected, or was erased, and another is a contact. Empty if there are none.
pub(super) fn divided(unit: &UnitOfWork<'_>, people: &[Recipient]) -> Vec<EntryId> {
    // Of nearly all rows. They name nobody else.
    if people.len() < 2 {
        return Vec::new();
    }
    let persons = named(unit, people);
    let objects = |other: &EntryId| !unit.objections(*other).is_empty();
    let is_divided = |person: &EntryId| {
        unit.contact(*person).is_some()
            && persons.iter().any(|other| other != person && objects(other))
    };
    if persons.iter().any(is_divided) { persons } else { Vec::new() }
}

/// Refuses a row that names somebody who objected, as another person.
pub(super) fn refuse_hidden_objection(unit: &UnitOfWork<'_>, people: &[Recipient]) -> Result<()> {
    for person in divided(unit, people) {
        let standing = unit.objections(person);
        let stopped = || {
            let stop = standing.stops().iter().next()?;
            Some(NoEffect::Objected { event: stop.objection.event })
        };
        if let Some(why) =
            MessageCategory::ALL.into_iter().find_map(|c| standing.standing(c)).or_else(stopped)
        {
            return Err(consent_conflict(why));
        }
    }
    Ok(())
}

/// What stands against one person of a failed row stands against the contacts that its other ids name:
/// a no belongs to the person, and the row says that they are one. Nothing that a contact agreed to before
/// lifts it there, because the id under which it was said is none of the contact's.
pub(super) fn pass_on_objections(
    tx: &Transaction,
    unit: &mut UnitOfWork<'_>,
    people: &[Recipient],
) -> Result<()> {
    let persons = divided(unit, people);
    let objections: Vec<_> =
        persons.iter().map(|person| unit.objections(*person).clone()).collect();
    for to in persons.iter().copied().filter(|to| unit.contact(*to).is_some()).collect::<Vec<_>>() {
        for (_, objections) in persons.iter().zip(&objections).filter(|(of, _)| **of != to) {
            pass_on(tx, unit, objections, to)?;
        }
    }
    Ok(())
}

fn pass_on(
    tx: &Transaction,
    unit: &mut UnitOfWork<'_>,
    objections: &Objections,
    to: EntryId,
) -> Result<()> {
    let mut opt_outs: BTreeMap<Uuid, Vec<MessageCategory>> = BTreeMap::new();
    for category in MessageCategory::ALL {
        for objection in objections.business(category) {
            let categories = opt_outs.entry(objection.event).or_default();
            if !categories.contains(&category) {
                categories.push(category);
            }
        }
    }
    for (event, categories) in opt_outs {
        let Some(evidence) = unit.pass_on(event, to) else { continue };
        let objection = Statement {
            status: OptInStatus::OptedOut,
            categories,
            source: Source::Import,
            evidence: evidence.clone(),
            reason_text: String::new(),
            occurred_time: None,
            expire_time: None,
        };
        let recording = unit.consider(tx, to, &Named::Contact, &objection, true)?;
        accept(unit, recording, &evidence);
    }
    let mut stops: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
    for stop in objections.stops().iter() {
        let senders = stops.entry(stop.objection.event).or_default();
        if !senders.contains(&stop.sender) {
            senders.push(stop.sender.clone());
        }
    }
    for (event, senders) in stops {
        let Some(evidence) = unit.pass_on(event, to) else { continue };
        for sender_phone_number_id in senders {
            let evidence = evidence.clone();
            let stop = PlatformStatement {
                stopped: true,
                sender_phone_number_id,
                evidence: evidence.clone(),
                occurred_time: None,
            };
            let recording = unit.consider_on_platform(tx, to, &Named::Contact, &stop)?;
            accept(unit, recording, &evidence);
        }
    }
    Ok(())
}

/// Without effect too: the contact knows it from then on.
fn accept(unit: &mut UnitOfWork<'_>, recording: Recording, evidence: &Evidence) {
    let event = unit.accept(recording).event_id;
    unit.passed_on(event, evidence);
}
