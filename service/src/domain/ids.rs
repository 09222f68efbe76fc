//! Ids people choose, and ids the server makes.

use std::sync::Mutex;

use uuid::Uuid;

use super::Time;
use super::error::{Error, Reason, Result};

/// Longest id of a tag, an attribute or a workspace.
pub const MAX_SLUG: usize = 63;

/// Checks `[a-z][a-z0-9_]{0,62}`.
pub fn validate_slug(field: &str, id: &str) -> Result<()> {
    validate(
        field,
        id,
        |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_',
        "a-z, 0-9 and _",
    )
}

/// Checks `[a-z][a-z0-9_-]{0,62}`.
pub fn validate_workspace_id(id: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    validate("workspace_id", id, allowed, "a-z, 0-9, _ and -")
}

fn validate(field: &str, id: &str, allowed: impl Fn(char) -> bool, alphabet: &str) -> Result<()> {
    let starts_well = id.starts_with(|c: char| c.is_ascii_lowercase());
    if starts_well && id.len() <= MAX_SLUG && id.chars().all(allowed) {
        return Ok(());
    }
    let message = format!(
        "{field} has to start with a letter a-z and have at most {MAX_SLUG} characters of {alphabet}"
    );
    Err(Error::invalid(Reason::InvalidId, field, message))
}

/// Makes an id from free text: `Event attendee` becomes `event_attendee`.
/// None if nothing in the text can be part of an id.
pub fn slug(text: &str) -> Option<String> {
    let mut id = super::search::words(text)
        .iter()
        .map(|word| word.chars().filter(char::is_ascii_alphanumeric).collect::<String>())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("_");
    if id.starts_with(|c: char| c.is_ascii_digit()) {
        id.insert_str(0, "n_");
    }
    id.truncate(MAX_SLUG);
    (!id.is_empty()).then_some(id)
}

/// The name that was probably meant: near in spelling, whatever its case, spaces and dashes.
pub fn closest<'a, S: AsRef<str> + ?Sized + 'a>(
    written: &str,
    names: impl Iterator<Item = &'a S>,
) -> Option<&'a str> {
    let fold = |text: &str| text.to_lowercase().replace([' ', '-'], "_");
    let written = fold(written);
    let length = written.chars().count();
    let allowed = if length < 3 { 0 } else { (length / 3).max(1) };
    names
        .map(AsRef::as_ref)
        // The distance is never below the difference in length, which is cheaper to find.
        .filter(|name| name.chars().count().abs_diff(length) <= allowed)
        .map(|name| (strsim::osa_distance(&written, &fold(name)), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Makes UUIDv7 ids that grow within this process, whatever the clock does.
///
/// The first 60 of their free bits (milliseconds, then a counter) are unique by
/// themselves, see [`sequence`]: the SQLite store uses them as row keys.
#[derive(Debug)]
pub struct IdMaker {
    last: Mutex<u64>,
}

impl IdMaker {
    /// Ids greater than the one with this sequence.
    pub fn after(sequence: u64) -> Self {
        Self { last: Mutex::new(sequence) }
    }

    /// The next id, at `now`.
    pub fn next(&self, now: Time) -> Uuid {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        let sequence = {
            let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *last = (millis << 12).max(*last + 1);
            *last
        };
        #[expect(clippy::disallowed_methods, reason = "the random part of ids is made here")]
        let mut bytes = Uuid::new_v4().into_bytes();
        bytes[..6].copy_from_slice(&(sequence >> 12).to_be_bytes()[2..]);
        let counter = (sequence & 0xfff) as u16 | 0x7000;
        bytes[6..8].copy_from_slice(&counter.to_be_bytes());
        Uuid::from_bytes(bytes)
    }
}

/// The part of an id made by [`IdMaker`] that is unique and ordered by itself.
pub fn sequence(id: Uuid) -> u64 {
    let bits = id.as_u128();
    let millis = (bits >> 80) as u64;
    let counter = ((bits >> 64) & 0xfff) as u64;
    (millis << 12) | counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_come_from_display_names() {
        assert_eq!(slug("Event attendee").as_deref(), Some("event_attendee"));
        assert_eq!(slug("São Paulo – VIP!").as_deref(), Some("sao_paulo_vip"));
        assert_eq!(slug("2026 launch").as_deref(), Some("n_2026_launch"));
        assert_eq!(slug("東京"), None);
    }

    #[test]
    fn ids_grow_even_when_the_clock_goes_back() {
        let ids = IdMaker::after(0);
        let now = chrono::DateTime::from_timestamp_millis(1_700_000_000_000).expect("a time");
        let earlier = now - chrono::TimeDelta::hours(1);
        let made: Vec<_> = [now, now, earlier, now].into_iter().map(|t| ids.next(t)).collect();
        assert!(made.is_sorted_by(|a, b| a < b && sequence(*a) < sequence(*b)));
        assert!(made.iter().all(|id| id.get_version_num() == 7));
    }

    #[test]
    fn bad_ids_are_refused() {
        for id in ["", "Vip", "1st", "_x", "a b", "é", &"a".repeat(64)] {
            assert!(validate_slug("tag_id", id).is_err(), "{id}");
        }
        assert!(validate_slug("tag_id", "a_1").is_ok());
        assert!(validate_workspace_id("acme-eu").is_ok());
    }
}
