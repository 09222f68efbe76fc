//! What rows object: recorded whatever becomes of the row, and against everybody whom the row says to be one person.

use std::collections::HashMap;

use crate::domain::consent::{
    MessageCategory, NoEffect, OptInStatus, Outcome, PlatformStatement, Source, Statement,
};
use crate::domain::contact::Recipient;
use crate::domain::error::Result;
use crate::domain::import::ImportRow;
use crate::domain::phone::MatchKey;
use crate::operations::contacts::people;
use crate::operations::opt_in::{earlier_holders, objected};
use crate::operations::unit_of_work::{EntryId, Named, UnitOfWork, consent_conflict};
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

/// Refuses a row with an id that is not the contact's and under which somebody objected:
/// the row says that it is the same person.
pub(super) fn refuse_hidden_objection(
    unit: &UnitOfWork<'_>,
    entry: EntryId,
    people: &[Recipient],
) -> Result<()> {
    let others = people.iter().filter_map(|person| unit.find(person));
    for other in others.filter(|other| *other != entry) {
        let standing = unit.objections(other);
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

/// What stands against one id of a failed row stands against the contact that another of
/// its ids names: a no belongs to the person, and the row says that they are one.
pub(super) fn spread_objections(
    tx: &Transaction,
    unit: &mut UnitOfWork<'_>,
    row: &ImportRow,
) -> Result<()> {
    let people = people(&row.profile);
    let Some(entry) = people.iter().find_map(|person| unit.find_contact(person)) else {
        return Ok(());
    };
    let others: Vec<_> = people.iter().filter_map(|person| unit.find(person)).collect();
    for other in others.into_iter().filter(|other| *other != entry) {
        let standing = unit.objections(other).clone();
        for category in MessageCategory::ALL {
            let both = standing.opt_out(category).into_iter().chain(standing.erasure(category));
            let Some(time) = both.map(|objection| objection.time).max() else { continue };
            let objection = Statement {
                status: OptInStatus::OptedOut,
                categories: vec![category],
                source: Source::Import,
                evidence: Default::default(),
                reason_text: String::new(),
                occurred_time: Some(time),
                expire_time: None,
            };
            let recording = unit.consider(tx, entry, &Named::Contact, &objection, true)?;
            if recording.is_effective() {
                unit.accept(recording);
            }
        }
        for stop in standing.stops().iter() {
            let stop = PlatformStatement {
                stopped: true,
                sender_phone_number_id: stop.sender.clone(),
                evidence: Default::default(),
                occurred_time: Some(stop.objection.time),
            };
            let recording = unit.consider_on_platform(tx, entry, &Named::Contact, &stop)?;
            if recording.is_effective() {
                unit.accept(recording);
            }
        }
    }
    Ok(())
}
