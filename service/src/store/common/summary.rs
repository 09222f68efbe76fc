//! The columns in which a contact repeats its consent.
//!
//! Filled sparingly, because every row of an import has them: the source is in the number
//! of the state, and a time is null where it repeats another. So that a person who agreed
//! to all at once costs one time.

use super::{micros, time};
use crate::domain::Time;
use crate::domain::consent::{
    CategoryConsent, ConsentState, ConsentSummary, MessageCategory, OptInPolicy, ShownConsent,
    Source,
};
use crate::domain::error::{Error, Result};

/// Where the source is in the number of a state.
pub(in crate::store) const SOURCE_SHIFT: i16 = 3;
/// The bits of the state itself.
pub(in crate::store) const STATE_MASK: i16 = 7;

/// The columns of one category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct ConsentColumns {
    /// `opt_in_…`: the state, and above its bits the source.
    pub(in crate::store) code: i16,
    /// `…_time`. Null for that of marketing.
    pub(in crate::store) time: Option<i64>,
    /// `…_expire_time`.
    pub(in crate::store) expire_time: Option<i64>,
    /// `…_counted_from`. Null for the time.
    pub(in crate::store) counted_from: Option<i64>,
}

/// The columns of a summary, by category.
pub(in crate::store) fn consent_columns(summary: &ConsentSummary) -> [ConsentColumns; 3] {
    let [marketing, others @ ..] = &summary.categories;
    let of = |consent: &CategoryConsent, default: Option<Time>| ConsentColumns {
        code: consent_code(consent.state, consent.source),
        time: consent.time.filter(|time| Some(*time) != default).map(micros),
        expire_time: consent.expire.map(micros),
        counted_from: consent.counted_from.filter(|from| Some(*from) != consent.time).map(micros),
    };
    let [utility, authentication] = others.each_ref().map(|consent| of(consent, marketing.time));
    [of(marketing, None), utility, authentication]
}

/// The number of a state and a source.
fn consent_code(state: ConsentState, source: Option<Source>) -> i16 {
    state as i16 | source.map_or(0, |source| source as i16) << SOURCE_SHIFT
}

/// The state of a number.
pub(in crate::store) fn state(code: i16) -> Result<ConsentState> {
    ConsentState::from_code((code & STATE_MASK).into())
        .ok_or_else(|| Error::internal("a stored consent state is unknown"))
}

/// What a contact shows under a policy: by category the number of its state and when its
/// permission expires, and from when that is counted if the policy limits ages.
pub(in crate::store) fn shown_consent(
    categories: [(i16, Option<Time>); 3],
    counted_from: [Option<Time>; 3],
    policy: &OptInPolicy,
    update_time: Option<Time>,
) -> Result<ShownConsent> {
    let mut shown = ShownConsent { update_time, ..ShownConsent::default() };
    for category in MessageCategory::ALL {
        let at = category as usize;
        let (code, expire) = categories[at];
        let consent = CategoryConsent {
            expire,
            counted_from: counted_from[at],
            ..CategoryConsent::default()
        };
        shown.categories[at] = (state(code)?.status(), consent.end(policy.max_age(category)));
    }
    Ok(shown)
}

/// The summary in these columns.
pub(in crate::store) fn consent_summary(
    columns: [ConsentColumns; 3],
    update_time: Option<Time>,
) -> Result<ConsentSummary> {
    let default = columns[0].time;
    let mut categories = [CategoryConsent::default(); 3];
    for (consent, columns) in categories.iter_mut().zip(columns) {
        let state = state(columns.code)?;
        let said = columns.time.or(default).filter(|_| state != ConsentState::NotAsked).map(time);
        let counts = matches!(state, ConsentState::Permitted | ConsentState::Stopped);
        *consent = CategoryConsent {
            state,
            time: said,
            source: Source::from_code((columns.code >> SOURCE_SHIFT).into()),
            expire: columns.expire_time.map(time),
            counted_from: columns.counted_from.map(time).or(said).filter(|_| counts),
        };
    }
    Ok(ConsentSummary { categories, update_time })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn consent() -> impl Strategy<Value = CategoryConsent> {
        let at = || (0_i64..3).prop_map(time);
        let source = prop::option::of(
            (1_i64..=8).prop_map(|code| Source::from_code(code).expect("a source")),
        );
        let state = (1_i64..=5).prop_map(|code| ConsentState::from_code(code).expect("a state"));
        (state, at(), source, prop::option::of(at()), at()).prop_map(
            |(state, said, source, expire, from)| {
                let counts = matches!(state, ConsentState::Permitted | ConsentState::Stopped);
                match state {
                    ConsentState::NotAsked => CategoryConsent::default(),
                    _ => CategoryConsent {
                        state,
                        time: Some(said),
                        source,
                        expire: expire.filter(|_| counts),
                        counted_from: Some(from).filter(|_| counts),
                    },
                }
            },
        )
    }

    proptest! {
        #[test]
        fn a_summary_is_stored_and_read(categories in [consent(), consent(), consent()]) {
            let summary = ConsentSummary { categories, update_time: None };
            let read = consent_summary(consent_columns(&summary), None).expect("a summary");
            prop_assert_eq!(read, summary);
        }
    }
}
