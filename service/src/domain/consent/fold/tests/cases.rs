//! The cases that an outside review turned into wrong answers. Those about requests, the
//! ledger's content and workspaces are in the conformance suite.

use super::super::CheckReason::*;
use super::super::*;
use super::story::*;

#[test]
fn case_1_a_resume_of_one_is_none_of_the_other() {
    let acts = [
        (0.0, yes(A, 0.0)),
        (0.0, yes(B, 0.0)),
        (10.0, stop(A, "X", 10.0)),
        (20.0, resume(B, ALL, 20.0)),
        (30.0, merge(A, B)),
    ];
    check("1", &acts, &[(A, PlatformOptedOut), (B, PlatformOptedOut)]);
}

#[test]
fn case_2_what_was_said_before_an_erasure_is_over() {
    let late_yes = [(0.0, no(A, 0.0)), (20.0, erase(A)), (30.0, yes(A, 10.0))];
    check("2", &late_yes, &[(A, OptedOut)]);
    let without_objection = [(0.0, yes(A, 0.0)), (20.0, erase(A)), (30.0, yes(A, 10.0))];
    check("2, erased only", &without_objection, &[(A, Erased)]);
    let new_yes = [(0.0, no(A, 0.0)), (20.0, erase(A)), (30.0, yes(A, 25.0))];
    check("2, agreed anew", &new_yes, &[(A, OptedIn)]);
}

#[test]
fn case_3_an_old_yes_delivered_again_lifts_nothing() {
    let merged = [(0.0, yes(A, 0.0)), (5.0, no(B, 5.0)), (10.0, merge(A, B)), (20.0, yes(A, 0.0))];
    check("3, merge", &merged, &[(A, OptedOut), (B, OptedOut)]);
    let linked =
        [(0.0, yes(A, 8.0 - 8.0)), (5.0, no(B, 5.0)), (10.0, link(B, A)), (20.0, yes(A, 0.0))];
    check("3, link", &linked, &[(A, OptedOut), (B, OptedOut)]);
    let dated_between = [(5.0, no(B, 5.0)), (10.0, link(B, A)), (20.0, yes(A, 7.0))];
    check("3, after the no and before the link", &dated_between, &[(A, OptedOut), (B, OptedOut)]);
}

#[test]
fn case_4_a_merge_widens_nothing_and_neither_does_what_was_said_before_it() {
    let again = [(0.0, report(A, 0.0)), (10.0, merge(B, A)), (20.0, report(A, 0.0))];
    check("4, the same row", &again, &[(A, OptedIn), (B, NotAsked)]);
    let before = [(0.0, yes(A, 0.0)), (10.0, merge(A, B)), (20.0, yes(A, 5.0))];
    check("4, dated before the merge", &before, &[(A, OptedIn), (B, NotAsked)]);
    let after = [(0.0, yes(A, 0.0)), (10.0, merge(A, B)), (20.0, yes(A, 15.0))];
    check("4, dated after the merge", &after, &[(A, OptedIn), (B, OptedIn)]);
}

#[test]
fn case_5_a_new_number_was_not_asked() {
    let linked = [(0.0, yes(A, 0.0)), (10.0, link(B, A))];
    check("5, link", &linked, &[(A, OptedIn), (B, NotAsked)]);
    let replaced = [(0.0, yes(A, 0.0)), (10.0, replace(A, B)), (20.0, yes(A, 0.0))];
    check("5, replaced", &replaced, &[(A, FormerIdentity), (B, NotAsked)]);
    let carried = [(0.0, yes(A, 0.0)), (10.0, carry(A, B))];
    check("5, carried", &carried, &[(A, FormerIdentity), (B, OptedIn)]);
}

#[test]
fn case_6_a_former_number_allows_nothing() {
    let acts = [(0.0, yes(A, 0.0)), (10.0, replace(A, B)), (20.0, yes(A, 15.0))];
    check("6", &acts, &[(A, FormerIdentity), (B, NotAsked)]);
    assert_eq!(outcome(&acts), Outcome::NoEffect(NoEffect::FormerIdentity));
    let objection = [(0.0, yes(A, 0.0)), (10.0, carry(A, B)), (20.0, no(A, 15.0))];
    check("6, an objection counts", &objection, &[(A, OptedOut), (B, OptedOut)]);
}

#[test]
fn case_7_clocks_differ() {
    let ahead = [(0.0, yes(A, 4.0 * MINUTE)), (1.0, no(A, None))];
    check("7, a yes ahead of the server", &ahead, &[(A, OptedOut)]);
    let whole_second = [(0.5, yes(A, None)), (0.6, no(A, 0.0))];
    check("7, a no of a whole second", &whole_second, &[(A, OptedOut)]);
    let platform = [(0.0, resume(A, "X", 4.0 * MINUTE)), (1.0, stop(A, "X", None))];
    check("7, a resume ahead", &platform, &[(A, PlatformOptedOut)]);
    let platform_second = [(0.5, resume(A, ALL, None)), (0.6, stop(A, "X", 0.0))];
    check("7, a stop of a whole second", &platform_second, &[(A, PlatformOptedOut)]);
    let late = [(6.0 * MINUTE, yes(A, None)), (7.0 * MINUTE, no(A, 0.0))];
    check("7, a no of long before", &late, &[(A, OptedIn)]);
}

#[test]
fn case_8_a_stop_names_both_ids() {
    let acts = [(0.0, yes(A, 0.0)), (10.0, no_of_all(&[B, A], 10.0))];
    check("8", &acts, &[(A, OptedOut), (B, OptedOut)]);
}

#[test]
fn case_9_a_no_in_a_row_that_cannot_be_merged_counts_for_every_id_of_the_row() {
    // A is the phone, C the contact's user id, B the row's.
    let acts = [(0.0, create(&[A, C])), (1.0, yes(A, 1.0)), (10.0, no_of_all(&[A, B], 10.0))];
    check("9", &acts, &[(A, OptedOut), (B, OptedOut), (C, OptedOut)]);
}

#[test]
fn case_10_an_objection_ahead_of_the_server_is_recorded() {
    let acts = [(0.0, yes(A, 0.0)), (10.0, no(A, 10.0 + 6.0 * MINUTE))];
    check("10", &acts, &[(A, OptedOut)]);
    assert_eq!(
        Said::permission(Some(at(301.0)), at(0.0)),
        Err(TimeRefused::TooFarAhead),
        "a yes is refused"
    );
}

#[test]
fn case_11_an_older_no_has_no_effect() {
    let acts = [(0.0, yes(A, 0.0)), (10.0, no(A, -10.0))];
    check("11", &acts, &[(A, OptedIn)]);
    assert_eq!(outcome(&acts), Outcome::NoEffect(NoEffect::OlderThanKnown));
}

#[test]
fn case_13_what_was_said_under_a_released_number_is_nobodys() {
    let acts = [
        (0.0, create(&[A, B])),
        (1.0, yes(A, 1.0)),
        (10.0, release(A)),
        (20.0, erase(B)),
        (30.0, yes(A, 5.0)),
    ];
    check("13", &acts, &[(A, NotAsked), (B, Erased)]);
}

#[test]
fn case_14_a_flipped_row_is_not_what_the_ledger_says() {
    let acts = [(0.0, no(A, 0.0))];
    let ledger = events(&acts);
    let flipped = told(&[(0.0, yes(A, 0.0))]).row(A);
    assert_ne!(fold(&ledger).row(A), flipped);
    assert_eq!(fold(&ledger).row(A), told(&acts).row(A));
}

#[test]
fn case_15_a_report_neither_extends_nor_revives() {
    let extended = [(0.0, yes_until(A, 0.0, 15.0)), (10.0, report(A, 10.0)), (20.0, erase(B))];
    check("15, extended", &extended, &[(A, Expired)]);
    let revived = [(0.0, yes_until(A, 0.0, 5.0)), (10.0, report(A, None))];
    check("15, revived", &revived, &[(A, Expired)]);
    assert_eq!(outcome(&revived), Outcome::NoEffect(NoEffect::DoesNotWiden));
    let shortened = [(0.0, yes(A, 0.0)), (10.0, report_until(A, 9.0, 10.5))];
    check("15, shortened", &shortened, &[(A, Expired)]);
    let by_the_person = [(0.0, yes_until(A, 0.0, 5.0)), (10.0, yes(A, 9.0))];
    check("15, the person may", &by_the_person, &[(A, OptedIn)]);
}
