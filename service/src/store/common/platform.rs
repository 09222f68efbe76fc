//! The platform preferences of a consent row: a JSON array of
//! `[sender, stopped, microseconds since 1970, event]`.

use uuid::Uuid;

use crate::domain::consent::{PlatformEntry, PlatformPreferences};
use crate::domain::error::{Error, Result};
use crate::store::common::{micros, time};

/// Encodes the column. None if the person has no preferences, as nearly
/// everybody.
pub(in crate::store) fn encode(preferences: &PlatformPreferences) -> Result<Option<String>> {
    if preferences.entries().is_empty() {
        return Ok(None);
    }
    let stored = |entry: &PlatformEntry| {
        let sender = entry.sender_phone_number_id.clone();
        (sender, entry.stopped, micros(entry.occurred_time), entry.event_id.to_string())
    };
    let stored: Vec<_> = preferences.entries().iter().map(stored).collect();
    serde_json::to_string(&stored).map(Some).map_err(Error::internal)
}

/// Decodes what [`encode`] wrote.
pub(super) fn decode(text: Option<&str>) -> Result<PlatformPreferences> {
    let Some(text) = text else { return Ok(PlatformPreferences::default()) };
    let stored: Vec<(String, bool, i64, String)> =
        serde_json::from_str(text).map_err(Error::internal)?;
    let entry = |(sender_phone_number_id, stopped, micros, event): (_, _, _, String)| {
        Ok(PlatformEntry {
            sender_phone_number_id,
            stopped,
            occurred_time: time(micros),
            event_id: Uuid::try_parse(&event).map_err(Error::internal)?,
        })
    };
    Ok(PlatformPreferences::new(stored.into_iter().map(entry).collect::<Result<_>>()?))
}
