//! Whatever is said, in whatever order it arrives, the decision is the one that
//! follows from the whole list of what was said.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

const NOW: i64 = 10;
const SENDERS: [&str; 3] = ["", "1", "2"];

#[derive(Clone, Debug)]
enum Said {
    Agreed { categories: Vec<MessageCategory>, when: i64, until: Option<i64> },
    Objected { categories: Vec<MessageCategory>, when: i64 },
    OnPlatform { stopped: bool, sender: &'static str, when: i64 },
}

/// Few moments, so that statements meet.
fn said() -> impl Strategy<Value = Said> {
    let categories = || subsequence(MessageCategory::ALL.to_vec(), 1..=3);
    let when = || 0..4_i64;
    let until = prop::option::of(8..13_i64);
    let on_platform = (any::<bool>(), prop::sample::select(SENDERS.to_vec()), when());
    prop_oneof![
        3 => (categories(), when(), until)
            .prop_map(|(categories, when, until)| Said::Agreed { categories, when, until }),
        2 => (categories(), when()).prop_map(|(categories, when)| Said::Objected { categories, when }),
        2 => on_platform
            .prop_map(|(stopped, sender, when)| Said::OnPlatform { stopped, sender, when }),
    ]
}

fn applied(all: &[Said]) -> ConsentState {
    let mut state = ConsentState::default();
    for said in all {
        let key = MatchKey::from_stored("p15551234567".to_owned());
        let event = match said.clone() {
            Said::Agreed { categories, when, until } => Statement {
                categories,
                expire_time: until.map(at),
                ..statement(OptInStatus::OptedIn, when)
            }
            .event(Uuid::new_v4(), None, key, at(NOW)),
            Said::Objected { categories, when } => {
                Statement { categories, ..statement(OptInStatus::OptedOut, when) }.event(
                    Uuid::new_v4(),
                    None,
                    key,
                    at(NOW),
                )
            }
            Said::OnPlatform { stopped, sender, when } => PlatformStatement {
                stopped,
                sender_phone_number_id: sender.to_owned(),
                evidence: Evidence::default(),
                occurred_time: Some(at(when)),
            }
            .event(Uuid::new_v4(), None, key, at(NOW)),
        };
        state.apply(&event);
    }
    state
}

/// Whether a sender is stopped: the latest of what was said of it or of all,
/// and of several at that time a stop.
fn stopped(all: &[Said], sender: &str) -> bool {
    let about: Vec<_> = all
        .iter()
        .filter_map(|said| match said {
            Said::OnPlatform { stopped, sender: of, when } if *of == sender || of.is_empty() => {
                Some((*when, *stopped))
            }
            _ => None,
        })
        .collect();
    let latest = about.iter().map(|(when, _)| *when).max();
    about.iter().any(|(when, stopped)| Some(*when) == latest && *stopped)
}

/// The rule as docs/consent.md has it, over the whole list.
fn expected(
    all: &[Said],
    is_contact: bool,
    category: MessageCategory,
    sender: &str,
) -> CheckReason {
    let about: Vec<_> = all
        .iter()
        .filter_map(|said| match said {
            Said::Agreed { categories, when, until } if categories.contains(&category) => {
                Some((*when, true, *until))
            }
            Said::Objected { categories, when } if categories.contains(&category) => {
                Some((*when, false, None))
            }
            _ => None,
        })
        .collect();
    let latest = about.iter().map(|(when, ..)| *when).max();
    let latest: Vec<_> = about.iter().filter(|(when, ..)| Some(*when) == latest).collect();
    if latest.iter().any(|(_, agreed, _)| !agreed) {
        return CheckReason::OptedOut;
    }
    let is_stopped = match sender {
        "" => SENDERS.iter().any(|sender| stopped(all, sender)),
        sender => stopped(all, sender),
    };
    if category == MessageCategory::Marketing && is_stopped {
        return CheckReason::PlatformOptedOut;
    }
    if !is_contact {
        return CheckReason::UnknownContact;
    }
    match latest.iter().filter_map(|(.., until)| *until).min() {
        _ if latest.is_empty() => CheckReason::NotAsked,
        Some(until) if until <= NOW => CheckReason::Expired,
        _ => CheckReason::OptedIn,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_decision_follows_from_the_whole_list(
        all in prop::collection::vec(said(), 0..8),
        is_contact: bool,
    ) {
        let state = applied(&all);
        for category in MessageCategory::ALL {
            // The last was never heard of.
            for sender in ["", "1", "2", "3"] {
                let sending = Sending { category, sender_phone_number_id: sender };
                prop_assert_eq!(
                    decide(Some(&state), is_contact, &sending, at(NOW)),
                    expected(&all, is_contact, category, sender),
                    "{:?} from {:?}", category, sender
                );
            }
        }
    }

    #[test]
    fn the_order_of_arrival_changes_no_decision(
        all in prop::collection::vec(said(), 0..8),
        shuffled in prop::collection::vec(any::<prop::sample::Index>(), 8),
    ) {
        let mut other = all.clone();
        for (at, index) in shuffled.iter().enumerate().take(all.len()) {
            other.swap(at, index.index(all.len()));
        }
        let (one, two) = (applied(&all), applied(&other));
        for category in MessageCategory::ALL {
            for sender in SENDERS {
                for is_contact in [true, false] {
                    let sending = Sending { category, sender_phone_number_id: sender };
                    prop_assert_eq!(
                        decide(Some(&one), is_contact, &sending, at(NOW)),
                        decide(Some(&two), is_contact, &sending, at(NOW))
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_said_on_the_platform_allows_nothing(
        all in prop::collection::vec(said(), 0..8),
        on_platform in prop::collection::vec(
            (any::<bool>(), prop::sample::select(SENDERS.to_vec()), 0..9_i64), 1..4),
    ) {
        let without: Vec<_> =
            all.into_iter().filter(|said| !matches!(said, Said::OnPlatform { .. })).collect();
        let on_platform = on_platform
            .into_iter()
            .map(|(stopped, sender, when)| Said::OnPlatform { stopped, sender, when });
        let with: Vec<_> = without.iter().cloned().chain(on_platform).collect();
        for category in MessageCategory::ALL {
            for sender in SENDERS {
                let sending = Sending { category, sender_phone_number_id: sender };
                let before = decide(Some(&applied(&without)), true, &sending, at(NOW));
                let after = decide(Some(&applied(&with)), true, &sending, at(NOW));
                prop_assert!(after == before || after == CheckReason::PlatformOptedOut);
            }
        }
    }
}

#[test]
fn two_names_of_one_person_count_as_the_stricter() {
    let platform = |stopped, sender, when| Said::OnPlatform { stopped, sender, when };
    let sending = |sender_phone_number_id| Sending {
        category: MessageCategory::Marketing,
        sender_phone_number_id,
    };
    let phone = applied(&[platform(true, "1", 1), platform(false, "2", 1)]);
    let user_id = applied(&[platform(false, "1", 2), platform(false, "3", 1)]);
    for merged in [phone.clone().stricter(user_id.clone()), user_id.stricter(phone)] {
        assert!(sending("1").platform_stop(&merged).is_some());
        assert!(sending("2").platform_stop(&merged).is_none());
        assert!(sending("").platform_stop(&merged).is_some());
        assert_eq!(merged.platform.entries().len(), 3);
    }
}

#[test]
fn what_is_kept_of_somebody_who_is_no_contact_are_objections() {
    let platform = |stopped, sender, when| Said::OnPlatform { stopped, sender, when };
    let agreed = Said::Agreed { categories: MessageCategory::ALL.to_vec(), when: 1, until: None };
    let resumed = applied(&[agreed.clone(), platform(true, "1", 1), platform(false, "1", 2)]);
    assert!(!resumed.is_suppressed());
    assert!(resumed.only_suppressions().platform.entries().is_empty());

    let stopped = applied(&[agreed, platform(true, "", 1), platform(false, "1", 2)]);
    assert!(stopped.is_suppressed());
    assert_eq!(stopped.summary().categories[0], (OptInStatus::OptedOut, None));
    assert_eq!(stopped.summary().categories[1].0, OptInStatus::OptedIn);
    let kept = stopped.only_suppressions();
    assert_eq!(kept.get(MessageCategory::Utility).status, OptInStatus::NotAsked);
    let from = |sender_phone_number_id| Sending {
        category: MessageCategory::Marketing,
        sender_phone_number_id,
    };
    assert!(from("2").platform_stop(&kept).is_some());
    assert!(from("1").platform_stop(&kept).is_none(), "the person allowed this one again");
}
