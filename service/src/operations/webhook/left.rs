//! The ids that persons left, as far as webhooks told.
//!
//! Of two changes of a number, the second may arrive first. The first then leads to a number that is
//! somebody else's by now.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::domain::Time;
use crate::domain::keyring::Keyring;
use crate::domain::phone::MatchKey;
use crate::domain::webhook::left_ids;
use crate::store::WebhookRecord;

/// When the persons of identities left them.
#[derive(Default)]
pub(super) struct Left {
    /// As known before, and by this transaction.
    known: HashMap<MatchKey, Time>,
    /// By this transaction, under the id of the record.
    new: BTreeMap<Uuid, Time>,
}

impl Left {
    /// Takes what is stored of these keys, each with the ids of its record.
    pub(super) fn load(asked: Vec<(Vec<Uuid>, MatchKey)>, stored: &HashMap<Uuid, Time>) -> Self {
        let known = asked.into_iter().filter_map(|(ids, key)| {
            let time = ids.iter().filter_map(|id| stored.get(id)).max()?;
            Some((key, *time))
        });
        Self { known: known.collect(), new: BTreeMap::new() }
    }

    /// Notes that the person of an identity left it.
    pub(super) fn add(&mut self, key: MatchKey, time: Time, keyring: &Keyring) {
        if self.is_since(&key, time) {
            return;
        }
        if let Some(id) = left_ids(&key, keyring).pop() {
            self.new.insert(id, time);
        }
        self.known.insert(key, time);
    }

    /// Whether the person of an identity left it at this time or later.
    pub(super) fn is_since(&self, key: &MatchKey, time: Time) -> bool {
        self.known.get(key).is_some_and(|known| *known >= time)
    }

    /// What this transaction learned, to be stored.
    pub(super) fn into_records(self) -> Vec<WebhookRecord> {
        let record = |(record_id, time)| WebhookRecord { record_id, time };
        self.new.into_iter().map(record).collect()
    }
}
