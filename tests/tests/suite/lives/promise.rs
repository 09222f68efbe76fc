//! What no step may do, whatever the ledger amounts to: a check before and one after it are enough to see
//! it. The naive definition reads the ledger, so it cannot see what was not recorded.

use contacts_sdk::CheckReason;

use super::look::{Look, QUESTIONS};
use super::step::{CATEGORIES, KEYS, Step, When, Who};

/// Whether a request was answered before, under the same id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    No,
    Answered,
    /// The answer may have been erased with the person.
    AnsweredBeforeAnErasure,
}

/// The promise that a step broke. Its request could name so many contacts.
pub fn broken(
    (step, known): (&Step, usize),
    repeated: Repeated,
    accepted: bool,
    before: &Look,
    after: &Look,
) -> Option<String> {
    let allows = |look: &Look, key: usize, question: usize| {
        look.reasons[key][question] == CheckReason::OptedIn
    };
    let all = || (0..KEYS.len()).flat_map(|key| (0..QUESTIONS.len()).map(move |q| (key, q)));
    let may_change = accepted && repeated == Repeated::No;
    // Of somebody who was erased since, an objection is recorded again.
    let objects_again = accepted
        && repeated == Repeated::AnsweredBeforeAnErasure
        && matches!(step, Step::OptOut { .. } | Step::Stop { .. });
    if !may_change
        && !objects_again
        && let Some((key, _)) =
            all().find(|(key, q)| before.reasons[*key][*q] != after.reasons[*key][*q])
    {
        return Some(format!("{} changed, although nothing was accepted", KEYS[key]));
    }
    let mut newly = all().filter(|(key, q)| allows(after, *key, *q) && !allows(before, *key, *q));
    if let Some((key, question)) =
        newly.find(|(key, question)| !may_allow(step, *key, *question, before, after))
    {
        return Some(format!("{} is allowed {:?} by this", KEYS[key], QUESTIONS[question]));
    }
    if !may_change {
        return None;
    }
    objected((step, known), before, after)
}

/// Whether the step says that somebody may be sent to.
fn may_allow(step: &Step, key: usize, question: usize, before: &Look, after: &Look) -> bool {
    match step {
        Step::OptIn { who, about, .. } => {
            let asked = QUESTIONS[question].0;
            before.person(*who).contains(&key) && about.iter().any(|at| CATEGORIES[*at] == asked)
        }
        Step::Resume { who, .. } => before.person(*who).contains(&key) && question < 4,
        Step::Link(link) => {
            let is_new =
                |new: Option<usize>| new.is_some_and(|new| new == key || new < 2 && key < 2);
            // The id that names them may be released by the same call.
            let is_theirs = after.owner(Who::Key(key)) == before.owner(link.who);
            // What was permitted under the id that is named as the replaced one, and nothing else.
            let was = |key: usize| before.reasons[key][question];
            let is_carried = match link.replaces {
                Some(old) if link.user == Some(key) => {
                    [was(old), was(key)].contains(&CheckReason::FormerIdentity)
                        || was(old) == CheckReason::OptedIn
                }
                _ => true,
            };
            link.carries.is_some()
                && is_theirs
                && is_carried
                && (is_new(link.phone) || is_new(link.user))
        }
        Step::Import { rows, all, .. } => rows.iter().any(|(row, consent)| {
            let agrees = consent.as_ref().or(all.as_ref()).is_some_and(|consent| consent.agrees);
            let mut named = row.phone.iter().chain(&row.users);
            // What is said under one id is said under those that had joined by then.
            let of_theirs = |named: &usize| after.person(Who::Key(*named)).contains(&key);
            agrees && (named.any(of_theirs) || row.external.is_some())
        }),
        // A permission may be younger than the new age.
        Step::Policy(_) => true,
        _ => false,
    }
}

/// An objection that counts as said now, and an erasure, deny everybody they are of.
fn objected((step, known): (&Step, usize), before: &Look, after: &Look) -> Option<String> {
    let is_now = |when: &When| matches!(when, When::Now | When::Ahead(_) | When::In2008);
    let (people, denied): (Vec<Who>, Vec<usize>) = match step {
        Step::OptOut { who, also, about, when } if is_now(when) => {
            let asked = |q: &usize| about.iter().any(|at| CATEGORIES[*at] == QUESTIONS[*q].0);
            (
                also.iter().chain([who]).copied().collect(),
                (0..QUESTIONS.len()).filter(asked).collect(),
            )
        }
        Step::Stop { who, also, sender, when } if is_now(when) => {
            let asked = |q: &usize| {
                let (_, from) = QUESTIONS[*q];
                *q == 0 || *q < 4 && (sender.is_empty() || from == *sender)
            };
            (
                also.iter().chain([who]).copied().collect(),
                (0..QUESTIONS.len()).filter(asked).collect(),
            )
        }
        Step::Erase(who) => (vec![*who], (0..QUESTIONS.len()).collect()),
        _ => return None,
    };
    let is_no = |reason| match step {
        Step::OptOut { .. } => reason == CheckReason::OptedOut,
        Step::Stop { .. } => matches!(
            reason,
            CheckReason::PlatformOptedOut | CheckReason::OptedOut | CheckReason::Erased
        ),
        _ => matches!(reason, CheckReason::OptedOut | CheckReason::Erased),
    };
    // A contact that did not exist yet is nobody, also when the request is sent again.
    let exists = |who: &Who| !matches!(who, Who::Contact(index) if *index >= known);
    for who in people.into_iter().filter(exists) {
        for key in before.person(who) {
            for question in &denied {
                let reason = after.reasons[key][*question];
                if !is_no(reason) {
                    let question = QUESTIONS[*question];
                    return Some(format!("{} {question:?} is {reason:?} after a no", KEYS[key]));
                }
            }
        }
    }
    None
}

/// Whether a refusal of the step breaks a promise: no objection of somebody with a number or user id is
/// ever refused.
pub fn may_be_refused(step: &Step) -> bool {
    match step {
        Step::OptOut { who, also, .. } | Step::Stop { who, also, .. } => {
            also.iter().chain([who]).all(|who| !matches!(who, Who::Key(_)))
        }
        _ => true,
    }
}
