//! More cases of the kind, by rule.

use super::super::CheckReason::*;
use super::super::{NoEffect, Outcome};
use super::story::*;
use crate::domain::consent::{ALL_SENDERS, MessageCategory};

#[test]
fn time() {
    check("a tie is an objection", &[(0.0, no(A, 0.0)), (9.0, yes(A, 0.0))], &[(A, OptedOut)]);
    check("in either order", &[(0.0, yes(A, 0.0)), (9.0, no(A, 0.0))], &[(A, OptedOut)]);
    check("without times", &[(0.0, yes(A, None)), (0.0, no(A, None))], &[(A, OptedOut)]);
    check("a yes after a no", &[(0.0, no(A, 0.0)), (9.0, yes(A, 1.0))], &[(A, OptedIn)]);
    // The skew only counts where the objection arrived last.
    check("a yes by the other clock", &[(0.0, no(A, 0.0)), (1.0, yes(A, None))], &[(A, OptedIn)]);
    let skewed = [(300.0, yes(A, None)), (301.0, no(A, 0.0))];
    check("exactly five minutes are not enough", &skewed, &[(A, OptedOut)]);
    let beyond = [(300.1, yes(A, None)), (301.0, no(A, 0.0))];
    check("more are", &beyond, &[(A, OptedIn)]);
    let same_clock = [(9.0, yes(A, 2.0)), (10.0, no(A, 1.0))];
    check("one clock is compared to the second", &same_clock, &[(A, OptedIn)]);
    let other_way = [(600.0, yes(A, 200.0)), (700.0, no(A, None))];
    check("a no without a time is the last word", &other_way, &[(A, OptedOut)]);
    let clock_back = [(900.0, yes(A, 900.0)), (5.0, no(A, None))];
    check("also where the server's clock went back", &clock_back, &[(A, OptedOut)]);
    let cut = [(0.0, yes(A, 240.0)), (61.0, no(A, 60.0))];
    check("a yes is not later than its recording", &cut, &[(A, OptedOut)]);
    let ancient = [(0.0, yes(A, 0.0)), (5.0, no(A, -1.8e9))];
    check("a no of 1970 has no time", &ancient, &[(A, OptedOut)]);
    let both = [(0.0, yes(A, None)), (400.0, yes(A, 100.0)), (401.0, no(A, 50.0))];
    check("an older yes of the server's clock does not hide a later one", &both, &[(A, OptedIn)]);
}

#[test]
fn objections_stand_against_the_person() {
    let later = [(0.0, no(A, 0.0)), (5.0, link(B, A)), (9.0, yes(B, 4.0))];
    check("of an identity that joins later", &later, &[(A, OptedOut), (B, OptedOut)]);
    let lifted = [(0.0, no(A, 0.0)), (5.0, link(B, A)), (9.0, yes(B, 8.0))];
    check("lifted by any identity that was there", &lifted, &[(A, OptedIn), (B, OptedIn)]);
    let claimed = [(0.0, no(B, 0.0)), (5.0, create(&[A, B])), (6.0, report(A, 6.0))];
    check("a new contact claims what stood", &claimed, &[(A, OptedOut), (B, OptedOut)]);
    let report = [(0.0, no(A, 0.0)), (9.0, report(A, 8.0))];
    check("a report lifts nothing", &report, &[(A, OptedOut)]);
    let resumed = [(0.0, no(A, 0.0)), (9.0, resume(A, ALL, 8.0))];
    check("a resume lifts no opt-out", &resumed, &[(A, OptedOut)]);
    let agreed = [(0.0, stop(A, "X", 0.0)), (9.0, yes(A, 8.0))];
    check("an opt-in lifts no stop", &agreed, &[(A, PlatformOptedOut)]);
    let again = [(0.0, yes(A, 5.0 - 5.0)), (8.0, no(A, 7.0)), (9.0, yes(A, 0.0))];
    check("a yes from before delivered again", &again, &[(A, OptedOut)]);
    let hidden = [(4.0, yes(A, 4.0)), (5.0, no(A, 5.0)), (6.0, merge(B, A)), (9.0, yes(B, 8.0))];
    check("lifted for the merged person", &hidden, &[(A, OptedIn), (B, OptedIn)]);
    let not_there = [(0.0, no(A, 0.0)), (9.0, merge(B, A)), (12.0, yes(B, 5.0))];
    check("not by words from before the merge", &not_there, &[(A, OptedOut), (B, OptedOut)]);
}

#[test]
fn senders() {
    let one = [(0.0, yes(A, 0.0)), (1.0, stop(A, "Y", 1.0))];
    check_from("a stop of one leaves others", &one, "X", &[(A, OptedIn)]);
    check_from("and counts where no sender is told", &one, ALL, &[(A, PlatformOptedOut)]);
    let except = [(0.0, yes(A, 0.0)), (1.0, stop(A, ALL, 1.0)), (2.0, resume(A, "X", 2.0))];
    check_from("a resume of one, of a stop of all", &except, "X", &[(A, OptedIn)]);
    check_from("leaves the others stopped", &except, "Z", &[(A, PlatformOptedOut)]);
    check_from("and the unknown one", &except, ALL, &[(A, PlatformOptedOut)]);
    let again = [except[0].clone(), except[1].clone(), except[2].clone(), (3.0, stop(A, ALL, 3.0))];
    check_from("stopped again", &again, "X", &[(A, PlatformOptedOut)]);
    let late = [except[0].clone(), (2.0, resume(A, "X", 2.0)), (3.0, stop(A, ALL, 1.0))];
    check_from("a late stop of all, after a resume of one", &late, "X", &[(A, OptedIn)]);
    check_from("stops the others", &late, "Y", &[(A, PlatformOptedOut)]);
    let by_all = [except[0].clone(), (1.0, stop(A, "X", 1.0)), (2.0, resume(A, ALL, 2.0))];
    check_from("a resume of all lifts each", &by_all, ALL, &[(A, OptedIn)]);
    let tie = [except[0].clone(), (1.0, resume(A, "X", 1.0)), (2.0, stop(A, "X", 1.0))];
    check_from("a tie is a stop", &tie, "X", &[(A, PlatformOptedOut)]);
    // The earlier stop arrived after the resume and by another clock.
    let earlier = [
        (0.0, yes(A, 0.0)),
        (20.0, stop(A, ALL, 20.0)),
        (30.0, resume(A, "X", 30.0)),
        (31.0, Act::Say(vec![A], crossed(), None)),
    ];
    check_from("a stop without a time after a resume", &earlier, "X", &[(A, PlatformOptedOut)]);
    let crossing = [
        (0.0, yes(A, 0.0)),
        (20.0, stop(A, ALL, 20.0)),
        (30.0, resume(A, "X", None)),
        (40.0, stop(A, ALL, 10.0)),
    ];
    check_from(
        "an earlier stop may stand where the later is lifted",
        &crossing,
        "X",
        &[(A, PlatformOptedOut)],
    );
}

fn crossed() -> super::super::Word {
    super::super::Word::Stop { sender: ALL.to_owned() }
}

#[test]
fn parting() {
    let pair = || vec![(0.0, create(&[A, B])), (1.0, yes(A, 1.0))];
    let and = |more: &[(f64, Act)]| [pair().as_slice(), more].concat();
    check("a yes reaches who was there", &pair(), &[(A, OptedIn), (B, OptedIn)]);
    let released = and(&[(5.0, release(A))]);
    check("a released one was not asked", &released, &[(A, NotAsked), (B, OptedIn)]);
    let late = and(&[(5.0, release(A)), (9.0, yes(A, 4.0))]);
    check("what is said before is not the next holder's", &late, &[(A, NotAsked)]);
    let kept = and(&[(3.0, no(A, 3.0)), (5.0, release(A))]);
    check("both keep an objection", &kept, &[(A, OptedOut), (B, OptedOut)]);
    let old = and(&[(3.0, no(A, 3.0)), (5.0, release(A)), (9.0, yes(B, 4.0))]);
    check("what is said before the parting lifts none of the other's", &old, &[(B, OptedOut)]);
    let anew = and(&[(3.0, no(A, 3.0)), (5.0, release(A)), (9.0, yes(B, 8.0))]);
    check("what is said after it does, for this side", &anew, &[(A, OptedOut), (B, OptedIn)]);
    let other = and(&[(3.0, no(B, 3.0)), (5.0, release(A)), (9.0, yes(A, 8.0))]);
    check("and for the other side", &other, &[(A, OptedIn), (B, OptedOut)]);
    let rejoined =
        and(&[(3.0, no(A, 3.0)), (5.0, release(A)), (8.0, yes(B, 7.0)), (9.0, link(A, B))]);
    check("what one side still had comes back", &rejoined, &[(A, OptedOut), (B, OptedOut)]);
    let elsewhere = and(&[(5.0, release(B)), (6.0, create(&[B, C])), (9.0, yes(C, 4.0))]);
    check("a new contact of a used number", &elsewhere, &[(B, NotAsked), (C, OptedIn)]);
    let erased = and(&[(3.0, no(B, 3.0)), (5.0, erase(A)), (9.0, yes(A, 8.0))]);
    check("erased, and agreed anew", &erased, &[(A, OptedIn), (B, OptedOut)]);
    let back = [(0.0, yes(A, 0.0)), (5.0, replace(A, B)), (8.0, link(A, B)), (9.0, yes(A, 0.0))];
    check(
        "what was said before has ended for who comes back",
        &back,
        &[(A, Expired), (B, NotAsked)],
    );
    let then = |late: Act, link: Act| {
        [
            (0.0, yes(A, 0.0)),
            (1.0, resume(A, "X", 0.0)),
            (5.0, replace(A, B)),
            (8.0, link),
            (9.0, late),
        ]
    };
    check("and lifts what was said before it", &then(no(A, -1.0), link(A, B)), &[(A, Expired)]);
    let carried = then(no(A, -1.0), carry(B, A));
    check("as it did before, if it is carried", &carried, &[(A, OptedIn), (B, FormerIdentity)]);
    let stopped = then(stop(A, "X", -1.0), carry(B, A));
    check("and so does a resume", &stopped, &[(A, OptedIn)]);
    let objected = then(no(A, 1.0), carry(B, A));
    check("but nothing that was said later", &objected, &[(A, OptedOut), (B, OptedOut)]);
    let left = |more: &[(f64, Act)]| {
        let gone = [(1.0, yes_until(A, 1.0, 6.0)), (2.0, replace(A, B)), (3.0, report(B, 0.5))];
        [gone.as_slice(), more].concat()
    };
    let reported = left(&[(8.0, link(A, B)), (9.0, report(A, 8.5))]);
    check("and no report revives it", &reported, &[(A, Expired)]);
    assert_eq!(outcome(&reported), Outcome::NoEffect(NoEffect::DoesNotWiden));
    let older = left(&[(8.0, carry(B, A))]);
    check("nor one that is carried", &older, &[(A, Expired)]);
    let agreed = left(&[(8.0, link(A, B)), (9.0, yes(A, 8.5))]);
    check("the person does", &agreed, &[(A, OptedIn)]);
    let both_ways = [(0.0, yes(A, 0.0)), (5.0, carry(A, B)), (8.0, carry(B, A))];
    check("what is carried both ways holds", &both_ways, &[(A, OptedIn), (B, FormerIdentity)]);
    let frozen = [(5.0, yes(A, None)), (5.0, link(B, A)), (6.0, yes(A, 5.0))];
    check("a link is after what was known", &frozen, &[(A, OptedIn), (B, NotAsked)]);
    let clock_back = [(5.0, yes(A, None)), (4.0, link(B, A)), (6.0, yes(A, 5.0))];
    check("also where the clock went back", &clock_back, &[(A, OptedIn), (B, NotAsked)]);
    let reset = [(5.0, yes(A, None)), (4.0, release(A)), (6.0, yes(A, 5.0))];
    check("and so is a release", &reset, &[(A, NotAsked)]);
    let gone = [(5.0, yes(A, None)), (4.0, erase(A)), (6.0, yes(A, 5.0))];
    check("and an erasure", &gone, &[(A, Erased)]);
}

#[test]
fn carrying() {
    let untouched = [(0.0, no(B, 0.0)), (1.0, yes(A, 1.0)), (5.0, carry(A, B))];
    check("a carried yes lifts nothing", &untouched, &[(B, OptedOut)]);
    let late = |said| [(5.0, carry(A, B)), (9.0, yes(A, said))];
    check("said of the contact while it had the number", &late(4.0), &[(B, OptedIn)]);
    check("of the time since, it is refused", &late(5.0), &[(B, NotAsked)]);
    let scope = [(1.0, yes(A, 1.0)), (5.0, carry(A, B)), (8.0, no(A, 3.0)), (9.0, yes(B, 4.0))];
    check("an opt-in of before the link lifts no other's no", &scope, &[(B, OptedOut)]);
    let after = [(1.0, yes(A, 1.0)), (5.0, carry(A, B)), (8.0, no(A, 3.0)), (9.0, yes(B, 6.0))];
    check("one of after it does", &after, &[(B, OptedIn)]);
    let others = [(0.0, create(&[A, C])), (5.0, carry(A, B)), (9.0, yes(B, 4.0))];
    check("nor is it for another identity", &others, &[(B, OptedIn), (C, NotAsked)]);
    let held = [(0.0, release(B)), (1.0, yes(A, 1.0)), (5.0, carry(A, B)), (9.0, yes(B, -1.0))];
    check("its previous holder's words do not count", &held, &[(B, OptedIn)]);
    let previous = [(3.0, release(B)), (5.0, carry(A, B)), (9.0, yes(B, 2.0))];
    check("nor where nothing was carried", &previous, &[(B, NotAsked)]);
    let stopped = [(1.0, yes(A, 1.0)), (2.0, stop(A, "X", 2.0)), (5.0, carry(A, B))];
    check("a stop stands against the new number", &stopped, &[(B, PlatformOptedOut)]);
    let later = [(1.0, yes(A, 1.0)), (5.0, carry(A, B)), (9.0, no(B, 0.0))];
    check("nor does it lift what arrives after it", &later, &[(B, OptedOut)]);
    let own = [(1.0, yes(A, 1.0)), (5.0, carry(A, B)), (6.0, yes(B, 5.5)), (9.0, no(B, 0.0))];
    check("what was said under the new number does", &own, &[(B, OptedIn)]);
    let again = [(1.0, yes(A, 1.0)), (5.0, carry(A, B)), (6.0, carry(B, C)), (9.0, no(C, 0.0))];
    check("carried on, it lifts nothing either", &again, &[(C, OptedOut)]);
    let resumed = [(1.0, resume(A, "X", 1.0)), (5.0, carry(A, B)), (9.0, stop(B, "X", 0.0))];
    check("nor does a resume", &resumed, &[(B, PlatformOptedOut)]);
    let told_late =
        |late: Act| [(0.0, create(&[A, C])), (1.0, yes(A, 1.0)), (5.0, carry(A, B)), (9.0, late)];
    let shorter = told_late(yes_until(C, 2.0, 6.0));
    check(
        "what shortens it is carried also if it is late",
        &shorter,
        &[(B, Expired), (C, Expired)],
    );
    let reported = told_late(report_until(C, 2.0, 6.0));
    check("and what somebody reports", &reported, &[(B, Expired)]);
    let without = [(0.0, create(&[A, C])), (5.0, carry(A, B)), (9.0, yes(C, 2.0))];
    check("and what permits", &without, &[(B, OptedIn)]);
    let not_carried = [(0.0, create(&[A, C])), (5.0, replace(A, B)), (9.0, yes(C, 2.0))];
    check("unless the link did not carry", &not_carried, &[(B, NotAsked)]);
    let objected =
        [(0.0, create(&[A, C])), (1.0, no(B, 1.0)), (5.0, carry(A, B)), (9.0, yes(C, 2.0))];
    check("but it lifts nothing there", &objected, &[(B, OptedOut), (C, OptedOut)]);
    let late_no =
        [(0.0, create(&[A, C])), (5.0, carry(A, B)), (8.0, yes(C, 2.0)), (9.0, no(B, 1.0))];
    check("nor what arrives after it", &late_no, &[(B, OptedOut)]);
    let before_all = [(2.0, link(C, A)), (5.0, carry(C, B)), (9.0, yes(A, 1.0))];
    check("from before the other was there it is not", &before_all, &[(A, OptedIn), (B, NotAsked)]);
    let held_before =
        [(0.0, release(A)), (1.0, create(&[A, C])), (5.0, carry(A, B)), (9.0, yes(C, -1.0))];
    check("nor from before it was this holder's", &held_before, &[(B, NotAsked), (C, OptedIn)]);
    let merged = [(0.0, yes(A, 0.0)), (5.0, merge(B, A)), (8.0, merge(C, A))];
    check("two merges", &merged, &[(A, OptedIn), (B, NotAsked), (C, NotAsked)]);
}

#[test]
fn reports() {
    let first = [(0.0, report_until(A, 0.0, 5.0)), (9.0, report(A, 8.0))];
    check("a report does not revive a report", &first, &[(A, Expired)]);
    let late = [(8.0, report(A, 8.0)), (9.0, report_until(A, 0.0, 5.0))];
    check("in either order", &late, &[(A, Expired)]);
    let before = [(5.0, yes(A, 5.0)), (9.0, report_until(A, 4.0, 6.0))];
    check("a report of before shortens nothing", &before, &[(A, OptedIn)]);
    let tie = [(5.0, yes(A, 5.0)), (9.0, report_until(A, 5.0, 6.0))];
    check("of two at one time the one that ends first", &tie, &[(A, Expired)]);
    let forgotten = [(0.0, report_until(A, 0.0, 5.0)), (9.0, yes(A, 8.0))];
    check("the person revives", &forgotten, &[(A, OptedIn)]);
    let stairs = [(1.0, report_until(A, 1.0, 2.0)), (3.0, report(A, 3.0)), (9.0, yes(A, 2.0))];
    check("what is older than the person's word no longer shortens it", &stairs, &[(A, OptedIn)]);
    let personal_tie = [(0.0, yes_until(A, 0.0, 5.0)), (9.0, yes(A, 0.0))];
    check("a tie of the person's own", &personal_tie, &[(A, Expired)]);
}

/// Of several objections that stand, a check names the same one in every database: identity ids are random.
#[test]
fn which_objection_decides_does_not_depend_on_identity_ids() {
    let named = |acts: &[(f64, Act)]| {
        let row = told(acts).row(C).expect("a row");
        let opt_out = row.objections.opt_out(MessageCategory::Marketing);
        let stop = row.objections.stops().standing(ALL_SENDERS);
        opt_out.or(stop).map(|objection| objection.event)
    };
    let all = || (0.0, create(&[A, B, C]));
    for (one, other) in [(A, B), (B, A)] {
        let kept = [all(), (1.0, no(one, 1.0)), (2.0, no(other, 2.0)), (3.0, erase(A))];
        assert_eq!(named(&kept), Some(event_of(2)), "the last, of those that C kept");
        let stops =
            [all(), (1.0, stop(one, ALL, 1.0)), (2.0, stop(other, "X", 2.0)), (3.0, erase(A))];
        assert_eq!(named(&stops), Some(event_of(2)), "of stops, too");
        let at_once = [all(), (1.0, no(one, 1.0)), (2.0, no(other, 1.0))];
        assert_eq!(named(&at_once), Some(event_of(1)), "the first recorded, of one time");
    }
}
