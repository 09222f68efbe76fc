//! What was said before a link that carries, and is recorded after it: it ends in the same answers as if it had
//! been recorded in time.

use proptest::prelude::*;

use super::story::*;
use crate::domain::consent::CheckReason::{self, *};
use crate::domain::consent::{Change, IdentityId};

/// Checks what each identity may be sent, the word recorded just before the link at the fifth second and
/// after everything.
fn told_with(
    name: &str,
    before: &[(f64, Act)],
    word: &Act,
    links: &[(f64, Act)],
    expected: &[(IdentityId, CheckReason)],
) {
    let word = |recorded| [(recorded, word.clone())];
    check(name, &[before, &word(4.5), links].concat(), expected);
    check(&format!("{name}, late"), &[before, links, &word(9.0)].concat(), expected);
}

#[test]
fn a_word_of_before_its_identity_came_goes_on_to_who_takes_over_from_it() {
    let added = [(0.0, create(&[A])), (0.0, yes(A, 0.0)), (2.0, carry_beside(A, B))];
    let replaced = [(0.0, create(&[A])), (0.0, yes(A, 0.0)), (2.0, carry(A, B))];
    let links = [(5.0, carry_beside(B, C)), (6.0, carry_beside(C, D))];
    for before in [&added, &replaced] {
        for word in [yes_until(B, 1.0, 3.0), report_until(B, 1.0, 3.0)] {
            let ended = [(B, Expired), (C, Expired), (D, Expired)];
            told_with("it ends", before, &word, &links, &ended);
        }
    }
    let as_a_word = [(0.0, create(&[A])), (2.0, replace(A, B))];
    let permitted = [(B, OptedIn), (C, OptedIn), (D, OptedIn)];
    told_with("it permits", &as_a_word, &yes(B, 1.0), &links, &permitted);
    let gone = [links.as_slice(), &[(7.0, release(C))]].concat();
    told_with("also over one who is gone", &as_a_word, &yes(B, 1.0), &gone, &[(D, OptedIn)]);
    let merged = [links.as_slice(), &[(7.0, merge(E, B))]].concat();
    told_with("and in a merged contact", &as_a_word, &yes(B, 1.0), &merged, &permitted);
}

#[test]
fn what_has_ended_for_an_identity_goes_on_as_ended() {
    let gone = [(0.0, create(&[A, D])), (2.0, replace(A, B)), (3.0, replace(B, A))];
    let links = [(5.0, carry_beside(A, C)), (7.0, report(C, 7.0))];
    for word in [yes(A, 1.0), yes(D, 1.0)] {
        told_with("a report does not revive it", &gone, &word, &links, &[(C, Expired)]);
    }
    // Of reports the shortest counts, also where the other has it itself.
    let (shared, ended) = ([(0.0, create(&[A, C]))], [(B, Expired), (C, Expired)]);
    let back = [
        (5.0, replace(A, B)),
        (6.0, link(A, B)),
        (7.0, carry_beside(A, C)),
        (8.0, carry_beside(A, B)),
    ];
    told_with("a report", &shared, &report(C, 1.0), &back, &ended);
    let away = [(5.0, carry_beside(A, C)), (6.0, replace(A, B)), (7.0, link(A, A))];
    let twice = [away.as_slice(), &[(8.0, carry_beside(C, D)), (8.5, carry_beside(A, D))]].concat();
    let alone = [(0.0, create(&[A]))];
    told_with("of a report", &alone, &report(A, 1.0), &twice, &[(C, OptedIn), (D, Expired)]);
    told_with("of a yes what came first", &alone, &yes(A, 1.0), &twice, &[(D, OptedIn)]);
    let turned =
        [away.as_slice(), &[(8.0, carry_beside(A, D)), (8.5, carry_beside(C, D))]].concat();
    told_with("turned round", &alone, &yes(A, 1.0), &turned, &[(C, OptedIn), (D, Expired)]);
    let again = [
        (5.0, replace(C, B)),
        (6.0, link(C, A)),
        (7.0, carry_beside(A, C)),
        (8.0, carry_beside(C, D)),
    ];
    let ended = [(A, OptedIn), (C, Expired), (D, Expired)];
    told_with("what it has itself goes before", &shared, &yes(A, 1.0), &again, &ended);
    told_with("what came since holds", &gone, &yes(D, 4.0), &links, &[(C, OptedIn)]);
    // The new one goes, and comes back as somebody's word.
    let agreed = [(0.0, create(&[A, D]))];
    let left = [(5.0, carry(A, C)), (6.0, replace(C, B)), (7.0, replace(B, C))];
    told_with("nor for whom it was carried to", &agreed, &yes(D, 1.0), &left, &[(C, Expired)]);
    let on = [left.as_slice(), &[(8.0, carry_beside(C, A))]].concat();
    told_with("nor the next", &[(0.0, create(&[C, D]))], &yes(D, 1.0), &on[1..], &[(A, Expired)]);
}

#[test]
fn what_was_said_after_the_link_or_by_another_holder_is_not_carried() {
    let alone = [(0.0, create(&[A])), (5.0, carry_beside(A, B)), (6.0, release(A))];
    let after = [alone.as_slice(), &[(8.0, link(A, B)), (9.0, yes(A, 7.0))]].concat();
    check("the next holder", &after, &[(A, OptedIn), (B, NotAsked)]);
    let merged = [(0.0, create(&[A])), (5.0, carry_beside(A, B)), (6.0, merge(C, A))];
    let of_other = [merged.as_slice(), &[(9.0, yes(C, 1.0))]].concat();
    check("another contact's", &of_other, &[(C, OptedIn), (A, NotAsked), (B, NotAsked)]);
}

/// Somebody says something; when, what, and if it arrives late, when.
fn statement() -> impl Strategy<Value = (f64, Act, Option<f64>)> {
    let id = || prop::sample::select(vec![A, B, C, D]);
    let said = (1_u32..400, id(), 0..8_u8, prop::option::of(41.0..49.0), 1_u32..60);
    said.prop_map(|(time, id, kind, late, length)| {
        let time = f64::from(time) / 10.0;
        let end = time + f64::from(length);
        let act = match kind {
            0 | 1 => yes(id, time),
            2 | 3 => yes_until(id, time, end),
            4 => report(id, time),
            5 => report_until(id, time, end),
            _ => no(id, time),
        };
        (time, act, late)
    })
}

/// When three identities come, one after the other, beside one of those that are there or in its place.
fn links() -> impl Strategy<Value = Vec<(f64, Act)>> {
    let one = (10_u32..400, any::<prop::sample::Index>(), 0..4_usize);
    prop::collection::vec(one, 3).prop_map(|mut links| {
        links.sort_by_key(|link| link.0);
        let all = [A, B, C, D];
        let link = |(place, (time, from, kind)): (usize, (u32, prop::sample::Index, usize))| {
            let (from, new) = (all[from.index(place + 1)], all[place + 1]);
            let act =
                [carry_beside(from, new), link(new, from), carry(from, new), replace(from, new)];
            (f64::from(time) / 10.0 + 0.05, act[kind].clone())
        };
        links.into_iter().enumerate().map(link).collect()
    })
}

/// When the first identity goes and comes back, with what was permitted under it or not.
fn absence() -> impl Strategy<Value = Option<[(f64, Act); 2]>> {
    let absence = (10_u32..390, 1_u32..100, any::<bool>());
    prop::option::of(absence.prop_map(|(from, length, carries)| {
        let retired = Act::Change(Change::Retired { identity: A });
        // To itself: the second one may not be there yet.
        let carry_from = carries.then_some(B);
        let back = Change::Linked { identity: A, to: A, carry_from, replaces: None };
        let from = f64::from(from) / 10.0 + 0.03;
        [(from, retired), ((from + f64::from(length) / 10.0).min(40.0), Act::Change(back))]
    }))
}

/// Links that carry among those who are there.
fn again() -> impl Strategy<Value = Vec<(f64, Act)>> {
    let ids = || prop::sample::select(vec![A, B, C, D]);
    let link = (0_u32..10, ids(), ids());
    let link =
        link.prop_map(|(time, from, to)| (f64::from(time) / 10.0 + 40.01, carry_beside(from, to)));
    prop::collection::vec(link, 0..3)
}

proptest! {
    #![proptest_config(super::properties::lives())]

    /// While no contact parts from an identity or another contact, it does not matter when a statement arrives.
    #[test]
    fn the_order_of_arrival_does_not_matter(
        said in prop::collection::vec(statement(), 1..8),
        links in links(),
        absence in absence(),
        again in again(),
    ) {
        // Of who was away twice, nothing that was said in between counts if it is late.
        let leaves = |act: &Act| matches!(act, Act::Change(Change::Linked { replaces: Some(A), .. }));
        let absence = absence.filter(|_| !links.iter().any(|(_, act)| leaves(act)));
        let delivered = |recorded: fn(&(f64, Act, Option<f64>)) -> f64| {
            let mut acts = vec![(0.0, create(&[A])), (50.0, release(E))];
            acts.extend(links.iter().chain(absence.iter().flatten()).chain(&again).cloned());
            acts.extend(said.iter().map(|said| (recorded(said), said.1.clone())));
            acts.sort_by(|a, b| a.0.total_cmp(&b.0));
            acts
        };
        let in_time = delivered(|(time, ..)| *time);
        let late = delivered(|(time, _, late)| late.unwrap_or(*time));
        for id in [A, B, C, D] {
            prop_assert_eq!(answer(&late, id), answer(&in_time, id), "{:?}", id);
        }
    }
}
