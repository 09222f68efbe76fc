//! A former identity that is linked again: what was said before counts for the others, and lifts, as if it
//! had stayed, whenever it is recorded. C is another identity of the same contact.

use super::story::*;
use crate::domain::consent::CheckReason::{self, *};

/// A becomes a former number in the fifth second, and is linked again in the eighth, by this link.
fn told_of(said: &[(f64, Act)], link: &Act, late: &[Act]) -> Vec<(f64, Act)> {
    let mut acts = vec![(0.0, create(&[A, C]))];
    acts.extend_from_slice(said);
    acts.extend([(5.0, replace(A, B)), (8.0, link.clone())]);
    acts.extend(late.iter().map(|act| (9.0, act.clone())));
    acts
}

/// Coming back as somebody's word, and with what was permitted.
fn links() -> [Act; 2] {
    [replace(B, A), carry(B, A)]
}

#[test]
fn what_is_recorded_late_counts_for_the_others_as_if_it_had_come_in_time() {
    let (opt_out, stopped) = ((3.0, no(A, 3.0)), (3.0, stop(A, "X", 3.0)));
    let others: [(&str, (f64, Act), Act); 4] = [
        ("a resume of the number", stopped.clone(), resume(A, "X", 4.0)),
        ("a yes of the number", opt_out.clone(), yes(A, 4.0)),
        ("a yes of another id, to a no of the number", opt_out, yes(C, 4.0)),
        ("a yes of the number, to a no of another id", (3.0, no(C, 3.0)), yes(A, 4.0)),
    ];
    let agreed = (0.5, yes(C, 0.5));
    for (name, objection, lifting) in others {
        for link in links() {
            let before = [agreed.clone(), objection.clone()];
            let in_time = [before.as_slice(), &[(4.5, lifting.clone())]].concat();
            check(name, &told_of(&in_time, &link, &[]), &[(C, OptedIn)]);
            let late = std::slice::from_ref(&lifting);
            check(name, &told_of(&before, &link, late), &[(C, OptedIn)]);
            let both_late = [lifting.clone(), objection.1.clone()];
            check(name, &told_of(&before[..1], &link, &both_late), &[(C, OptedIn)]);
        }
    }
    for link in links() {
        let agreed = told_of(&[(1.0, no(C, 1.0))], &link, &[yes(A, 4.0)]);
        check("a yes of the number permits the others", &agreed, &[(C, OptedIn)]);
    }
}

/// Nobody knows whose words those are.
#[test]
fn what_was_said_under_it_while_it_was_a_former_one_counts_for_nobody() {
    for link in links() {
        let agreed = told_of(&[(3.0, no(C, 3.0))], &link, &[yes(A, 6.0)]);
        check("a yes", &agreed, &[(A, OptedOut), (C, OptedOut)]);
        let first = told_of(&[(3.0, no(C, 3.0))], &link, &[yes(A, 5.0)]);
        check("from the first moment", &first, &[(C, OptedOut)]);
        let resumed = told_of(&[(3.0, stop(C, "X", 3.0))], &link, &[resume(A, "X", 6.0)]);
        check("a resume", &resumed, &[(C, PlatformOptedOut)]);
        let objected = told_of(&[], &link, &[no(A, 6.0)]);
        check("but a no does", &objected, &[(A, OptedOut), (C, OptedOut)]);
        let others = told_of(&[(3.0, no(A, 3.0))], &link, &[yes(C, 6.0)]);
        check("and a yes of another id lifts it", &others, &[(C, OptedIn)]);
        let since = told_of(&[(3.0, no(C, 3.0))], &link, &[yes(A, 8.5)]);
        check("and what is said since", &since, &[(A, OptedIn), (C, OptedIn)]);
    }
}

#[test]
fn its_own_permission_has_ended_unless_the_link_carries() {
    let [plain, carrying] = links();
    for late in [yes(A, 4.0), yes(C, 4.0), yes(C, 6.0)] {
        let said = std::slice::from_ref(&late);
        check("it has ended", &told_of(&[], &plain, said), &[(A, Expired), (C, OptedIn)]);
        check("it has not", &told_of(&[], &carrying, said), &[(A, OptedIn), (C, OptedIn)]);
    }
    let reported = told_of(&[], &plain, &[report(A, 4.0)]);
    check("a report neither", &reported, &[(A, Expired)]);
    // Nor does it hold for who takes its place later: it is carried on as ended.
    let mut moved = told_of(&[], &plain, &[]);
    moved.extend([(10.0, carry(A, B)), (11.0, yes(C, 4.0))]);
    check("it is carried on", &moved, &[(B, Expired), (C, OptedIn)]);
    // However often it comes and goes.
    let again = |first: Act, second: Act| {
        let mut acts = told_of(&[], &first, &[]);
        acts.extend([(10.0, replace(A, B)), (12.0, second), (13.0, yes(A, 4.0))]);
        acts
    };
    let twice =
        |first: usize, second: usize| again(links()[first].clone(), links()[second].clone());
    for (first, second, then) in
        [(0, 0, Expired), (0, 1, Expired), (1, 0, Expired), (1, 1, OptedIn)]
    {
        check("twice", &twice(first, second), &[(A, then), (C, OptedIn)]);
    }
}

#[test]
fn it_was_away_from_the_first_time_to_the_last() {
    for said in [6.0, 8.5, 11.0] {
        let mut acts = told_of(&[], &replace(B, A), &[]);
        acts.extend([(10.0, replace(A, B)), (12.0, replace(B, A)), (13.0, yes(A, said))]);
        check("nobody's", &acts, &[(A, NotAsked), (C, NotAsked)]);
    }
}

/// An import that does not say when is for who was never asked. Whose answer would it be?
#[test]
fn who_came_back_counts_as_asked() {
    let was_asked = |acts: &[(f64, Act)]| {
        told(acts).person(A).expect("a person").was_ever_asked(&[A], at(20.0))
    };
    let acts = told_of(&[], &replace(B, A), &[]);
    assert!(was_asked(&acts));
    assert!(!was_asked(&acts[..1]));
}

/// Two identities have one permission; that of the one has ended because it was away.
#[test]
fn what_has_ended_for_another_ends_nothing_that_it_has_itself() {
    let check = |name: &str, acts: &[(f64, Act)], expected: (_, CheckReason)| {
        check(name, acts, &[expected]);
    };
    let of_new = |said: fn(_, f64) -> Act| {
        let gone = [(0.0, create(&[A])), (1.0, replace(A, B)), (2.0, said(B, 2.0))];
        [gone.as_slice(), &[(3.0, replace(B, A)), (4.0, carry(A, B))]].concat()
    };
    check("its own", &of_new(yes), (B, OptedIn));
    check("of reports the shorter", &of_new(report), (B, Expired));
    let there_and_back =
        [(0.0, yes(A, 0.0)), (1.0, carry(A, B)), (2.0, carry(B, A)), (3.0, replace(A, B))];
    check("the other was away", &there_and_back, (B, Expired));
    let back = [there_and_back.as_slice(), &[(4.0, carry(B, A))]].concat();
    check("and gives nothing that ends it", &back, (A, OptedIn));
    let carried_before =
        [(0.0, yes(A, 0.0)), (1.0, carry(A, B)), (2.0, replace(B, A)), (3.0, carry(A, B))];
    check("nor what was carried to it before", &carried_before, (B, OptedIn));
    let ended = [(0.0, yes(A, 0.0)), (1.0, replace(A, B)), (2.0, replace(B, A))];
    let never = [ended.as_slice(), &[(3.0, replace(A, B)), (4.0, carry(B, A))]].concat();
    check("what has ended stays so", &never, (A, Expired));
}
