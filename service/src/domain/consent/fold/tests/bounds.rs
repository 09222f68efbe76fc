//! Limits, sizes, and what is answered.

use chrono::TimeDelta;
use uuid::Uuid;

use super::super::*;
use super::life::id;
use super::story::*;
use crate::domain::Time;
use crate::domain::consent::{MessageCategory, Source};

const MARKETING: MessageCategory = MessageCategory::Marketing;

fn marketing(sender: &str, now: Time) -> Check<'_> {
    let (is_contact, is_former, max_age) = (true, false, None);
    Check { is_contact, is_former, category: MARKETING, sender, max_age, now }
}

#[test]
fn who_stops_more_senders_than_are_told_apart_stops_all() {
    let stops = |count: usize| -> Vec<_> {
        let mut acts = vec![(0.0, yes(A, 0.0))];
        acts.extend((0..count).map(|n| (1.0, stop(A, &format!("sender {n:03}"), 1.0))));
        acts
    };
    let answer = |acts: &[(f64, Act)]| {
        let row = told(acts).row(A).expect("a row");
        assert_eq!(IdentityConsent::decode(A, &row.encode(A)), Ok(row.clone()));
        decide(&row, &marketing("another", at(9.0))).reason
    };
    assert_eq!(answer(&stops(MAX_SENDERS)), CheckReason::OptedIn);
    assert_eq!(answer(&stops(MAX_SENDERS + 1)), CheckReason::PlatformOptedOut);
    // None that was stopped is forgotten, and none that was resumed is excepted any more.
    let mut resumed = stops(MAX_SENDERS);
    resumed.push((2.0, stop(A, ALL, 2.0)));
    resumed.push((3.0, resume(A, "another", 3.0)));
    assert_eq!(answer(&resumed), CheckReason::OptedIn);
    resumed.push((4.0, stop(A, "one more", 4.0)));
    assert_eq!(answer(&resumed), CheckReason::PlatformOptedOut);
    let mut lifted = stops(MAX_SENDERS + 1);
    lifted.push((2.0, resume(A, ALL, 2.0)));
    assert_eq!(answer(&lifted), CheckReason::OptedIn);
}

#[test]
fn a_merge_of_many_senders_stops_all() {
    let mut acts = vec![(0.0, yes(A, 0.0))];
    for n in 0..40 {
        acts.push((1.0, stop(A, &format!("a{n}"), 1.0)));
        acts.push((1.0, stop(B, &format!("b{n}"), 1.0)));
    }
    acts.push((2.0, merge(A, B)));
    let row = told(&acts).row(A).expect("a row");
    for sender in ["another", "a0", "a39", "b0", "b39"] {
        let reason = decide(&row, &marketing(sender, at(9.0))).reason;
        assert_eq!(reason, CheckReason::PlatformOptedOut, "{sender}");
    }
}

/// Of a contact of many identities each stop is of all of them, and on the row of each.
#[test]
fn stops_of_a_person_are_bounded() {
    let all: Vec<_> = (100..170).map(|n| IdentityId(Uuid::from_u128(n))).collect();
    let of_all = |word| Act::Say(all.clone(), word, None);
    let sender = |n: usize| format!("sender {n:03}");
    let mut acts = vec![(0.0, create(&all))];
    for n in 1..=MAX_SENDERS {
        acts.push((n as f64, of_all(Word::Stop { sender: sender(n) })));
        let row = taken(&acts, &all);
        let standing = |from: &str| row.objections.stops().standing(from).is_some();
        assert!((1..=n).all(|n| standing(&sender(n))), "{n}");
        // Seven are told apart.
        assert_eq!(standing("another"), n > MAX_STOPS / all.len(), "{n}");
    }
    acts.push((100.0, of_all(Word::Resume { sender: ALL.to_owned() })));
    acts.push((200.0, of_all(Word::Stop { sender: ALL.to_owned() })));
    for n in 1..=MAX_SENDERS {
        acts.push((200.0 + n as f64, of_all(Word::Resume { sender: sender(n) })));
        let row = taken(&acts, &all);
        let is_excepted = n <= (MAX_STOPS - all.len()) / all.len();
        assert_eq!(row.objections.stops().standing(&sender(n)).is_none(), is_excepted, "{n}");
    }
    // Stored rows and the ledger name the identities in other orders.
    let mut reversed = acts.clone();
    let back: Vec<_> = all.iter().rev().copied().collect();
    reversed[0].1 = create(&back);
    for at in [MAX_STOPS / all.len() + 2, MAX_SENDERS, acts.len()] {
        let (one, other) = (told(&acts[..at]), told(&reversed[..at]));
        assert!(all.iter().all(|id| one.row(*id) == other.row(*id)), "after {at} acts");
    }
    acts.push((300.0, merge(all[0], B)));
    acts.push((301.0, release(all[0])));
    let row = taken(&acts, &all[1..]);
    assert!(row.objections.stops().standing("another").is_some());
}

/// The row of the first identity, where the person has no more stops than it may.
fn taken(acts: &[(f64, Act)], all: &[IdentityId]) -> IdentityConsent {
    let row = told(acts).row(all[0]).expect("a row");
    assert_eq!(IdentityConsent::decode(all[0], &row.encode(all[0])), Ok(row.clone()));
    let taken: usize = row.objections.stops().iter().map(|stop| 1 + stop.except.len()).sum();
    assert!(taken <= MAX_STOPS + all.len(), "{taken}");
    row
}

#[test]
fn resumes_of_too_many_senders_are_forgotten_and_late_stops_stand() {
    let mut acts = vec![(0.0, yes(A, 0.0))];
    acts.extend((0..=MAX_SENDERS).map(|n| (5.0, resume(A, &format!("sender {n:03}"), 5.0))));
    acts.push((6.0, stop(A, "sender 000", 1.0)));
    acts.push((6.0, stop(A, "sender 064", 1.0)));
    let row = told(&acts).row(A).expect("a row");
    let reason = |sender| decide(&row, &marketing(sender, at(9.0))).reason;
    assert_eq!(reason("sender 000"), CheckReason::OptedIn);
    assert_eq!(reason("sender 064"), CheckReason::PlatformOptedOut);
}

#[test]
fn of_many_reports_the_stricter_are_kept() {
    let reports: Vec<_> =
        (0..20).map(|n| (60.0, report_until(A, f64::from(n), 100.0 + f64::from(n)))).collect();
    let expire = |acts: &[(f64, Act)]| {
        let row = told(acts).row(A).expect("a row");
        assert_eq!(IdentityConsent::decode(A, &row.encode(A)), Ok(row.clone()));
        row.permission(MARKETING).expect("a permission").expire
    };
    assert_eq!(expire(&reports), Some(at(100.0)));
    let mut person = reports.clone();
    person.push((60.0, yes(A, 10.0)));
    // The definition says 110; the reports of before were made one.
    assert_eq!(expire(&person), Some(at(100.0)));
    person.push((60.0, yes(A, 15.0)));
    assert_eq!(expire(&person), Some(at(115.0)));
    person.push((60.0, yes(A, 30.0)));
    assert_eq!(expire(&person), None);
}

#[test]
fn a_policy_counts_from_what_the_person_said_or_the_first_report() {
    let aged = |acts: &[(f64, Act)]| {
        let row = told(acts).row(A).expect("a row");
        let max_age = Some(TimeDelta::seconds(100));
        decide(&row, &Check { max_age, ..marketing("X", at(120.0)) }).reason
    };
    assert_eq!(aged(&[(0.0, yes(A, 0.0))]), CheckReason::Expired);
    assert_eq!(aged(&[(0.0, yes(A, 30.0 - 10.0))]), CheckReason::Expired);
    assert_eq!(aged(&[(30.0, yes(A, 21.0))]), CheckReason::OptedIn);
    assert_eq!(aged(&[(0.0, yes(A, 0.0)), (90.0, report(A, 90.0))]), CheckReason::Expired);
    assert_eq!(aged(&[(0.0, report(A, 0.0)), (90.0, report(A, 90.0))]), CheckReason::Expired);
    assert_eq!(aged(&[(0.0, report(A, 0.0)), (90.0, yes(A, 90.0))]), CheckReason::OptedIn);
    assert_eq!(aged(&[(90.0, report(A, 90.0)), (95.0, report(A, 0.0))]), CheckReason::Expired);
}

#[test]
fn rows_are_small() {
    let event = Uuid::from_u128(u128::MAX);
    let record = |word: Word| {
        let said = Said::recorded(at(0.123), Clock::Caller);
        let mut person = Person::create([(A, IdentityConsent::default())]);
        person.record(&Statement { event, named: vec![A], said, word });
        person
    };
    let size = |person: &Person| person.row(A).expect("a row").encode(A).len();
    let categories = MessageCategory::ALL.to_vec();
    let source = Source::WebForm;
    let opt_in =
        |expire| Word::OptIn { categories: categories.clone(), source, is_reported: false, expire };
    assert_eq!(size(&record(opt_in(None))), 27);
    assert_eq!(size(&record(opt_in(Some(at(9.0))))), 35);
    assert_eq!(size(&record(Word::OptOut { categories: categories.clone(), source })), 27);
    assert_eq!(size(&record(Word::Stop { sender: "106540352242922".to_owned() })), 42);
    let mut pair = record(opt_in(None));
    pair.join(B, IdentityConsent::default(), at(1.0), None, None);
    assert_eq!(pair.row(B).expect("a row").encode(B).len(), 10);
    let erased = record(opt_in(None)).erase(at(1.0), event);
    assert_eq!(size(&erased[0]), 36);
    assert_eq!(IdentityConsent::default().encode(A), [1]);
}

#[test]
fn links_that_carry_are_kept_within_bounds() {
    let number = |n: u8| id(100 + u128::from(n));
    let mut moved = vec![(0.0, create(&[number(0)]))];
    moved.extend((1..=40).map(|n| (f64::from(n), carry(number(n - 1), number(n)))));
    let last = told(&moved).row(number(40)).expect("a row");
    assert_eq!(last.own.carries.len(), 16);
    assert!(last.encode(number(40)).len() < 16 * 50);
    let again = (1..40).map(|n| (f64::from(n), carry_beside(A, B)));
    let acts: Vec<_> = std::iter::once((0.0, create(&[A]))).chain(again).collect();
    let carries = told(&acts).row(B).expect("a row").own.carries;
    assert_eq!(carries.len(), 1, "the same again carries nothing else");
}

#[test]
fn outcomes_say_why() {
    use super::super::NoEffect as No;
    use Outcome::{AlreadySo, Effective, NoEffect};
    let objected = No::Objected { event: event_of(0) };
    let erased = No::Erased { event: event_of(0) };
    for (acts, expected) in [
        (vec![(0.0, yes(A, 0.0))], Effective),
        (vec![(0.0, report(A, 0.0))], Effective),
        (vec![(0.0, no(A, 0.0)), (9.0, report(A, 8.0))], NoEffect(objected)),
        (vec![(0.0, no(A, 0.0)), (9.0, yes(A, 0.0))], NoEffect(objected)),
        (vec![(5.0, erase(A)), (9.0, yes(A, 4.0))], NoEffect(erased)),
        (vec![(5.0, erase(A)), (9.0, report(A, 8.0))], NoEffect(erased)),
        (vec![(5.0, release(A)), (9.0, yes(A, 4.0))], NoEffect(No::BeforeHolder)),
        (vec![(0.0, yes(A, 0.0)), (9.0, yes(A, 0.0))], AlreadySo),
        (vec![(0.0, yes(A, 0.0)), (9.0, report(A, 8.0))], AlreadySo),
        (vec![(0.0, report(A, 0.0)), (9.0, report(A, 0.0))], AlreadySo),
        (vec![(5.0, yes(A, 5.0)), (9.0, yes(A, 4.0))], NoEffect(No::OlderThanKnown)),
        (vec![(5.0, yes_until(A, 5.0, 99.0)), (9.0, report(A, 4.0))], NoEffect(No::OlderThanKnown)),
        (vec![(5.0, yes_until(A, 5.0, 99.0)), (9.0, report(A, 8.0))], NoEffect(No::DoesNotWiden)),
        (vec![(5.0, yes_until(A, 5.0, 99.0)), (9.0, report_until(A, 8.0, 50.0))], Effective),
        (vec![(0.0, no(A, 0.0)), (9.0, no(A, 0.0))], AlreadySo),
        (vec![(0.0, no(A, 0.0)), (9.0, no(A, 8.0))], Effective),
        (vec![(0.0, stop(A, "X", 0.0)), (9.0, resume(A, "X", 0.0))], NoEffect(objected)),
        (vec![(0.0, stop(A, "X", 0.0)), (9.0, resume(A, "X", 8.0))], Effective),
        (vec![(0.0, stop(A, "X", 0.0)), (9.0, resume(A, "Y", 8.0))], AlreadySo),
        (vec![(5.0, resume(A, "X", 5.0)), (9.0, stop(A, "X", 4.0))], NoEffect(No::OlderThanKnown)),
    ] {
        let last = acts.len() - 1;
        assert_eq!(outcome(&acts), expected, "{:?}", events(&acts)[last]);
    }
}

#[test]
fn an_import_without_a_time_is_for_who_was_never_asked() {
    let asked = |acts: &[(f64, Act)], id| {
        told(acts).person(id).expect("a person").was_ever_asked(&[id], at(99.0))
    };
    assert!(!asked(&[(0.0, create(&[A, B]))], A));
    assert!(asked(&[(0.0, create(&[A, B])), (1.0, yes(B, 1.0))], A));
    assert!(asked(&[(0.0, yes(A, 0.0)), (1.0, link(B, A))], B));
    assert!(asked(&[(0.0, no(A, 0.0)), (1.0, link(B, A))], B));
    assert!(asked(&[(0.0, stop(A, "X", 0.0))], A));
    assert!(asked(&[(0.0, resume(A, "X", 0.0))], A));
    assert!(asked(&[(0.0, release(A))], A));
}

#[test]
fn what_is_said_of_a_contact_names_who_was_there() {
    let world = told(&[(0.0, create(&[A, B])), (5.0, link(C, A)), (9.0, replace(B, C))]);
    let person = world.person(A).expect("a person");
    assert_eq!(person.there_at(at(3.0)), [A, B]);
    assert_eq!(person.there_at(at(6.0)), [A, B, C]);
    assert_eq!(person.there_at(at(9.0)), [A, C]);
    assert_eq!(person.current(), [A, C]);
    let back = told(&[(0.0, create(&[A, B])), (5.0, replace(B, C)), (9.0, link(B, A))]);
    let there = |second| back.person(A).expect("a person").there_at(at(second)).contains(&B);
    assert_eq!([4.0, 5.0, 8.0, 9.0].map(there), [true, false, false, true]);
}

#[test]
fn rows_that_disagree_are_taken_together() {
    let denied = told(&[(0.0, no(A, 0.0))]).row(A).expect("a row");
    let allowed = told(&[(0.0, yes(B, 0.0))]).row(B).expect("a row");
    let person = Person::load([(A, Role::Current, denied), (B, Role::Current, allowed)]);
    let row = person.row(B).expect("a row");
    assert_eq!(decide(&row, &marketing("X", at(1.0))).reason, CheckReason::OptedOut);
}

#[test]
fn an_objection_that_names_nobody_stands_against_all() {
    let mut person = told(&[(0.0, create(&[A, B]))]).person(A).expect("a person").clone();
    let word = Word::OptOut { categories: vec![MARKETING], source: Source::Api };
    let said = Said::objection(None, at(1.0));
    person.record(&Statement { event: Uuid::nil(), named: vec![C], said, word });
    for id in [A, B] {
        assert!(person.row(id).expect("a row").objections.opt_out(MARKETING).is_some());
    }
}

#[test]
fn the_order_of_the_decision() {
    let row = told(&[(0.0, stop(A, "X", 0.0)), (5.0, erase(A))]).row(A).expect("a row");
    let check = Check { is_former: true, is_contact: false, ..marketing("X", at(9.0)) };
    assert_eq!(decide(&row, &check).reason, CheckReason::Erased);
    let row = told(&[(0.0, stop(A, "X", 0.0))]).row(A).expect("a row");
    assert_eq!(decide(&row, &check).reason, CheckReason::PlatformOptedOut);
    let utility = Check { category: MessageCategory::Utility, ..check };
    assert_eq!(decide(&row, &utility).reason, CheckReason::FormerIdentity);
    let unknown = Check { is_former: false, ..utility };
    assert_eq!(decide(&row, &unknown).reason, CheckReason::UnknownContact);
    let known = Check { is_contact: true, ..unknown };
    assert_eq!(decide(&row, &known).reason, CheckReason::NotAsked);
    let row = told(&[(0.0, yes_until(A, 0.0, 9.0))]).row(A).expect("a row");
    let verdict = decide(&row, &marketing("X", at(9.0)));
    assert_eq!((verdict.reason, verdict.expire), (CheckReason::Expired, Some(at(9.0))));
    assert_eq!((verdict.event, verdict.time), (Some(event_of(0)), Some(at(0.0))));
}
