//! Answers that depend on nothing but the row.

use super::{Check, CheckReason, IdentityConsent, decide};
use crate::domain::Time;
use crate::domain::consent::{ALL_SENDERS, MessageCategory};

/// The answer to every check of a contact's identity in a category, whenever and from whichever
/// number it is asked. None if there is none: a permission that ends, or a stop that may be of
/// some numbers only. A policy may still say that what is permitted has expired.
pub fn settled(
    row: &IdentityConsent,
    is_former: bool,
    category: MessageCategory,
) -> Option<CheckReason> {
    if row.objections.stops().iter().next().is_some() {
        return None;
    }
    let check = Check {
        is_contact: true,
        is_former,
        category,
        sender: ALL_SENDERS,
        max_age: None,
        now: Time::default(),
    };
    let verdict = decide(row, &check);
    verdict.expire.is_none().then_some(verdict.reason)
}
