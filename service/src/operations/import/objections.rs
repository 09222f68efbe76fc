//! What rows object: recorded whatever becomes of the row, and against everybody whom the row says to be one person.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use crate::domain::consent::fold::Objections;
use crate::domain::consent::{
    ALL_SENDERS, MessageCategory, NoEffect, OptInStatus, Outcome, PlatformStatement, Source,
    Statement,
};
use crate::domain::contact::Recipient;
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;
use crate::operations::opt_in::{earlier_holders, objected};
use crate::operations::unit_of_work::{
    EntryId, Forbidden, Named, UnitOfWork, consent_conflict, id_of_all,
};
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
        true if is_effective => unit.accept_objection(recording),
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
            let advice = "it was said under one of the row's ids and counts for all its contacts; leave \
                          out of the row what is somebody else's";
            return Err(consent_conflict(why).with_advice(advice));
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
    let standing: Vec<_> =
        persons.iter().map(|person| standing(unit.objections(*person))).collect();
    let contacts = persons.iter().copied().filter(|person| unit.contact(*person).is_some());
    for to in contacts.collect::<Vec<_>>() {
        let others = persons.iter().copied().zip(&standing).filter(|(from, _)| *from != to);
        let found = unit.to_pass_on(others, to);
        pass_on(tx, unit, at_most(found, COPIES / persons.len()), to)?;
    }
    Ok(())
}

/// How many events pass objections on for one row, beside those that it takes. Of a row with many persons who
/// objected each contact gets the latest objection, and the others by the next import of the row: else there
/// were as many events as pairs.
const COPIES: usize = 64;
/// How many senders are stopped one by one. Whoever stopped more stops all.
const SENDERS: usize = 8;

/// What is passed on: an event, what it forbids, and what names it together with others.
type PassedOn = (Uuid, Forbidden, Option<Uuid>);

/// Of each thing that is forbidden the latest event, and so many others.
fn at_most(mut found: Vec<(Uuid, Forbidden)>, others: usize) -> Vec<PassedOn> {
    // By event, which grows with time; the latest first.
    found.sort_by(|one, other| other.cmp(one));
    let (mut seen, mut left) = (HashSet::new(), others);
    let mut latest_stops = Vec::new();
    found.retain(|(event, forbidden)| {
        let is_latest = seen.insert(forbidden.clone());
        if is_latest && is_stop(forbidden) {
            latest_stops.push((*event, forbidden.clone()));
        }
        let is_kept = is_latest || left > 0;
        left = left.saturating_sub(usize::from(!is_latest));
        is_kept
    });
    let stops_all = latest_stops.len() > SENDERS;
    found.retain(|(_, forbidden)| !(stops_all && is_stop(forbidden)));
    let mut kept: Vec<_> = found.into_iter().map(|(event, of)| (event, of, None)).collect();
    if stops_all && let Some((latest, _)) = latest_stops.first() {
        let all_senders = Forbidden::Sender(ALL_SENDERS.to_owned());
        kept.push((*latest, all_senders, Some(id_of_all(latest_stops))));
    }
    kept
}

fn is_stop(forbidden: &Forbidden) -> bool {
    matches!(forbidden, Forbidden::Sender(_))
}

/// What stands, with the events.
fn standing(objections: &Objections) -> Vec<(Uuid, Forbidden)> {
    let business = MessageCategory::ALL.into_iter().flat_map(|category| {
        let standing = objections.business(category);
        standing.map(move |objection| (objection.event, Forbidden::Category(category)))
    });
    let stops = objections.stops().iter();
    business
        .chain(stops.map(|stop| (stop.objection.event, Forbidden::Sender(stop.sender.clone()))))
        .collect()
}

fn pass_on(
    tx: &Transaction,
    unit: &mut UnitOfWork<'_>,
    found: Vec<PassedOn>,
    to: EntryId,
) -> Result<()> {
    let mut opt_outs: BTreeMap<Uuid, Vec<MessageCategory>> = BTreeMap::new();
    for (origin, forbidden, all_of) in found {
        if all_of.is_some_and(|all| unit.was_passed_on(to, all, &forbidden)) {
            continue;
        }
        match forbidden {
            Forbidden::Category(category) => opt_outs.entry(origin).or_default().push(category),
            Forbidden::Sender(sender_phone_number_id) => {
                let stop = PlatformStatement {
                    stopped: true,
                    sender_phone_number_id,
                    evidence: UnitOfWork::evidence_of(origin, all_of),
                    occurred_time: None,
                };
                let recording = unit.consider_on_platform(tx, to, &Named::Contact, &stop)?;
                unit.accept_passed_on(recording);
            }
        }
    }
    for (origin, mut categories) in opt_outs {
        categories.sort_unstable();
        let objection = Statement {
            status: OptInStatus::OptedOut,
            categories,
            source: Source::Import,
            evidence: UnitOfWork::evidence_of(origin, None),
            reason_text: String::new(),
            occurred_time: None,
            expire_time: None,
        };
        let recording = unit.consider(tx, to, &Named::Contact, &objection, true)?;
        unit.accept_passed_on(recording);
    }
    Ok(())
}
