#![expect(clippy::disallowed_methods, reason = "ids of events, which no test compares")]

use chrono::{DateTime, TimeDelta};

use super::*;
use crate::domain::phone::MatchKey;

mod order;

fn at(seconds: i64) -> Time {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

fn statement(status: OptInStatus, occurred: i64) -> Statement {
    Statement {
        status,
        categories: MessageCategory::ALL.to_vec(),
        source: Source::WebForm,
        evidence: Evidence::default(),
        reason_text: String::new(),
        occurred_time: Some(at(occurred)),
        expire_time: None,
    }
}

fn event(status: OptInStatus, occurred: i64) -> ConsentEvent {
    let key = MatchKey::from_stored("p15551234567".to_owned());
    statement(status, occurred).event(Uuid::new_v4(), None, key, at(1000))
}

#[test]
fn the_latest_statement_wins_and_ties_go_to_the_opt_out() {
    use OptInStatus::{OptedIn, OptedOut};
    for (first, second, result) in [
        ((OptedIn, 1), (OptedOut, 2), OptedOut),
        ((OptedOut, 1), (OptedIn, 2), OptedIn),
        ((OptedOut, 2), (OptedIn, 1), OptedOut),
        ((OptedIn, 2), (OptedOut, 1), OptedIn),
        ((OptedIn, 1), (OptedOut, 1), OptedOut),
        ((OptedOut, 1), (OptedIn, 1), OptedOut),
    ] {
        let mut state = ConsentState::default();
        state.apply(&event(first.0, first.1));
        state.apply(&event(second.0, second.1));
        assert_eq!(state.get(MessageCategory::Marketing).status, result, "{first:?} {second:?}");
    }
}

#[test]
fn only_an_opt_in_that_holds_allows() {
    let consent = |status, expire: Option<i64>| CategoryConsent {
        status,
        occurred_time: Some(at(0)),
        expire_time: expire.map(at),
        event_id: None,
    };
    let now = at(10);
    for (known, is_contact, reason) in [
        (None, true, CheckReason::UnknownContact),
        (None, false, CheckReason::UnknownContact),
        (Some(consent(OptInStatus::NotAsked, None)), true, CheckReason::NotAsked),
        (Some(consent(OptInStatus::OptedIn, None)), true, CheckReason::OptedIn),
        (Some(consent(OptInStatus::OptedIn, Some(11))), true, CheckReason::OptedIn),
        (Some(consent(OptInStatus::OptedIn, Some(10))), true, CheckReason::Expired),
        (Some(consent(OptInStatus::OptedIn, None)), false, CheckReason::UnknownContact),
        (Some(consent(OptInStatus::OptedOut, None)), true, CheckReason::OptedOut),
        (Some(consent(OptInStatus::OptedOut, None)), false, CheckReason::OptedOut),
    ] {
        let state = known
            .map(|consent| ConsentState::new([consent; 3], PlatformPreferences::default(), None));
        let sending = Sending { category: MessageCategory::Marketing, sender_phone_number_id: "1" };
        let decided = decide(state.as_ref(), is_contact, &sending, now);
        assert_eq!(decided, reason, "{known:?} {is_contact}");
        assert_eq!(decided.decision() == Decision::Allow, reason == CheckReason::OptedIn);
    }
}

#[test]
fn the_future_is_refused() {
    let now = at(0);
    assert!(statement(OptInStatus::OptedIn, 299).validate(now).is_ok());
    assert!(statement(OptInStatus::OptedIn, 301).validate(now).is_err());
    let mut ended = statement(OptInStatus::OptedIn, 0);
    ended.expire_time = Some(at(0) - TimeDelta::seconds(1));
    assert!(ended.validate(now).is_err());
}
