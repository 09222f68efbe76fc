//! How domain values are stored in columns.

use crate::domain::Time;
use crate::domain::contact::Profile;
use crate::domain::search;

/// Longest sort key, in bytes: it has to fit into a page token.
const MAX_SORT_KEY: usize = 200;

/// The key a list of names is ordered by, from the normalised words of a name.
/// Contacts without a name come last.
pub fn sort_key(words: String) -> String {
    let mut key = words;
    if key.is_empty() {
        key.push_str(search::IN_NO_NAME);
    }
    key.truncate(key.floor_char_boundary(MAX_SORT_KEY));
    key
}

/// The columns that search and order a contact by name.
#[derive(Default)]
pub(in crate::store) struct NameKeys {
    /// The words of the name, for the search index.
    pub(in crate::store) words: String,
    pub(in crate::store) first_name_key: String,
    pub(in crate::store) last_name_key: String,
}

/// Normalises the name of a profile.
pub(in crate::store) fn name_keys(profile: &Profile) -> NameKeys {
    let (first, last) = (profile.first_name.as_str(), profile.last_name.as_str());
    let words = search::normalised(first, last);
    NameKeys {
        first_name_key: sort_key(words.clone()),
        last_name_key: sort_key(search::normalised(last, first)),
        words,
    }
}

/// Microseconds since 1970.
pub(in crate::store) fn micros(time: Time) -> i64 {
    time.timestamp_micros()
}

/// The time from microseconds since 1970.
pub(in crate::store) fn time(micros: i64) -> Time {
    Time::from_timestamp_micros(micros).unwrap_or_default()
}
