//! The consent of a workspace's identities, in memory.
//!
//! An identity takes a slot of 16 bytes, two thirds of which are used on average, and its record:
//! 61 bytes for somebody who opted in in all categories at once.

use hashbrown::HashTable;
use uuid::Uuid;

use crate::domain::consent::{CheckReason, IdentityConsent, IdentityId, MessageCategory, settled};
use crate::domain::error::{Error, Result};
use crate::domain::keyring::Tagger;
use crate::domain::phone::MatchKey;
use crate::store::{CheckRow, Validity};

/// An identity that is a contact's.
pub(super) struct Kept<'a> {
    pub(super) key: &'a MatchKey,
    pub(super) contact_id: Uuid,
    pub(super) identity_id: IdentityId,
    pub(super) is_former: bool,
    pub(super) consent: &'a IdentityConsent,
}

/// Where an identity's record is, and the answers that do not depend on it.
#[derive(Clone, Copy)]
struct Slot {
    /// The digits of a phone number. 0 for others, whose record has the key.
    digits: u64,
    at: u32,
    settled: [u8; 3],
    is_former: bool,
}

/// Where to look for a key.
struct Place<'k> {
    key: &'k str,
    tag: u64,
    digits: u64,
}

/// Not settled.
const OPEN: u8 = u8::MAX;
const SETTLED: [CheckReason; 5] = [
    CheckReason::OptedIn,
    CheckReason::NotAsked,
    CheckReason::OptedOut,
    CheckReason::Erased,
    CheckReason::FormerIdentity,
];

/// See the module.
pub(super) struct Table {
    tagger: Tagger,
    slots: HashTable<Slot>,
    /// The records: the length of a key that is no number, that key, the contact's id, the
    /// identity's, the length of the consent, and the consent.
    records: Vec<u8>,
    /// Bytes of records without a slot.
    dead: usize,
}

impl Table {
    pub(super) fn new(tagger: Tagger) -> Self {
        Self { tagger, slots: HashTable::new(), records: Vec::new(), dead: 0 }
    }

    /// How many identities there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.slots.allocation_size() + self.records.capacity()
    }

    /// The version of the key of its tags.
    pub(super) fn key_version(&self) -> u32 {
        self.tagger.key_version()
    }

    /// The answers of identities, where they depend on nothing else but the policy of the workspace,
    /// by which permissions may end. None if the identity is not there, or has to be looked at.
    pub(super) fn settled<'k>(
        &self,
        keys: impl Iterator<Item = Option<&'k MatchKey>>,
        category: MessageCategory,
    ) -> Vec<Option<CheckReason>> {
        // All places first: the processor then waits for the slots of several at a time. In one go, it
        // hashed the next key only when the slot before had come from memory, five times as slow.
        let places: Vec<_> = keys.map(|key| key.map(|key| self.place(key))).collect();
        let reason = |place: &Option<Place<'_>>| {
            let slot = self.find(place.as_ref()?)?;
            SETTLED.get(usize::from(slot.settled[category as usize])).copied()
        };
        places.iter().map(reason).collect()
    }

    /// The row of an identity.
    pub(super) fn row(&self, key: &MatchKey, validity: &Validity) -> Result<Option<CheckRow>> {
        let Some(slot) = self.find(&self.place(key)) else { return Ok(None) };
        let record = self.record(slot).ok_or_else(|| Error::internal("a record is cut off"))?;
        let identity_id = IdentityId(Uuid::from_bytes(record.identity_id));
        let consent = IdentityConsent::decode(identity_id, record.consent);
        Ok(Some(CheckRow {
            identity_id,
            contact_id: Some(Uuid::from_bytes(record.contact_id)),
            is_former: slot.is_former,
            consent: consent.map_err(Error::internal)?,
            max_ages: validity.max_ages,
        }))
    }

    /// Adds an identity, or replaces it. False if there is no room for its address.
    pub(super) fn insert(&mut self, kept: &Kept<'_>) -> bool {
        let Ok(at) = u32::try_from(self.records.len()) else { return false };
        self.remove(self.tagger.tag(kept.key.as_str()));
        let digits = digits(kept.key);
        let text = if digits == 0 { kept.key.as_str() } else { "" };
        let consent = kept.consent.encode(kept.identity_id);
        let Ok(length) = u8::try_from(text.len()) else { return true };
        let Ok(consent_length) = u16::try_from(consent.len()) else { return true };
        self.make_room(RECORD + text.len() + consent.len());
        self.records.push(length);
        self.records.extend_from_slice(text.as_bytes());
        self.records.extend_from_slice(kept.contact_id.as_bytes());
        self.records.extend_from_slice(kept.identity_id.0.as_bytes());
        self.records.extend_from_slice(&consent_length.to_le_bytes());
        self.records.extend_from_slice(&consent);
        let settled = MessageCategory::ALL.map(|category| {
            let reason = settled(kept.consent, kept.is_former, category);
            let code = |reason| SETTLED.iter().position(|known| *known == reason);
            reason.and_then(code).and_then(|code| u8::try_from(code).ok()).unwrap_or(OPEN)
        });
        let slot = Slot { digits, at, settled, is_former: kept.is_former };
        let (tagger, records) = (self.tagger, &self.records);
        let tag = tag_of(&tagger, records, &slot);
        self.slots.insert_unique(tag, slot, |slot| tag_of(&tagger, records, slot));
        true
    }

    /// Grows by an eighth: what doubling would leave unused is a third of the records on average.
    fn make_room(&mut self, size: usize) {
        if self.records.capacity() - self.records.len() < size {
            self.records.reserve_exact(size.max(self.records.len() / 8));
        }
    }

    /// Removes the identities with this tag.
    pub(super) fn remove(&mut self, tag: u64) {
        let (tagger, records) = (self.tagger, &self.records);
        while let Ok(found) =
            self.slots.find_entry(tag, |slot| tag_of(&tagger, records, slot) == tag)
        {
            let (slot, _) = found.remove();
            self.dead += Record::read(records, &slot).map_or(0, |record| record.size);
        }
    }

    /// Whether removed identities take much of the memory.
    pub(super) fn is_sparse(&self) -> bool {
        self.dead > (1 << 20) && self.dead > self.records.len() / 4
    }

    fn place<'k>(&self, key: &'k MatchKey) -> Place<'k> {
        Place { key: key.as_str(), tag: self.tagger.tag(key.as_str()), digits: digits(key) }
    }

    fn find(&self, place: &Place<'_>) -> Option<&Slot> {
        self.slots.find(place.tag, |slot| match place.digits {
            0 => slot.digits == 0 && key_of(&self.records, slot) == Some(place.key),
            digits => slot.digits == digits,
        })
    }

    fn record(&self, slot: &Slot) -> Option<Record<'_>> {
        Record::read(&self.records, slot)
    }
}

/// The digits of a phone number's key. 0 for other keys. Numbers do not begin with a zero.
fn digits(key: &MatchKey) -> u64 {
    let number = key.as_str().strip_prefix('p');
    number
        .filter(|digits| !digits.starts_with(['0', '+']))
        .and_then(|d| d.parse().ok())
        .unwrap_or(0)
}

fn key_of<'r>(records: &'r [u8], slot: &Slot) -> Option<&'r str> {
    let (&length, rest) = records.get(slot.at as usize..)?.split_first()?;
    str::from_utf8(rest.get(..usize::from(length))?).ok()
}

fn tag_of(tagger: &Tagger, records: &[u8], slot: &Slot) -> u64 {
    if slot.digits == 0 {
        return tagger.tag(key_of(records, slot).unwrap_or_default());
    }
    let mut text = [b'p'; 21];
    let mut at = text.len();
    let mut rest = slot.digits;
    while rest > 0 {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    tagger.tag(str::from_utf8(&text[at - 1..]).unwrap_or_default())
}

/// The bytes of a record beside its key and its consent.
const RECORD: usize = 1 + 16 + 16 + 2;

struct Record<'r> {
    contact_id: [u8; 16],
    identity_id: [u8; 16],
    consent: &'r [u8],
    size: usize,
}

impl<'r> Record<'r> {
    fn read(records: &'r [u8], slot: &Slot) -> Option<Self> {
        let whole = records.get(slot.at as usize..)?;
        let (&length, rest) = whole.split_first()?;
        let rest = rest.get(usize::from(length)..)?;
        let (contact_id, rest) = rest.split_first_chunk()?;
        let (identity_id, rest) = rest.split_first_chunk()?;
        let (&length, rest) = rest.split_first_chunk()?;
        let (consent, after) = rest.split_at_checked(usize::from(u16::from_le_bytes(length)))?;
        let size = whole.len() - after.len();
        Some(Self { contact_id: *contact_id, identity_id: *identity_id, consent, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::keyring::Keyring;

    fn kept<'a>(key: &'a MatchKey, consent: &'a IdentityConsent) -> Kept<'a> {
        Kept {
            key,
            contact_id: Uuid::from_u128(7),
            identity_id: IdentityId(Uuid::from_u128(8)),
            is_former: false,
            consent,
        }
    }

    #[test]
    fn identities_are_found_until_their_tag_is_removed() {
        let tagger = Keyring::new(&[1; 32]).tagger("acme");
        let mut table = Table::new(tagger);
        let validity =
            Validity { incarnation: [0; 32], revision: 1, stamp: 1, max_ages: [None; 3] };
        let consent = IdentityConsent::default();
        let keys: Vec<_> = (0..2000_u64)
            .map(|n| match n % 3 {
                0 => format!("uUS.{n}"),
                _ => format!("p4915{n:08}"),
            })
            .map(MatchKey::from_stored)
            .collect();
        for key in keys.iter().chain(&keys) {
            assert!(table.insert(&kept(key, &consent)));
        }
        assert_eq!(table.len(), keys.len());
        let unused = table.records.capacity() - table.records.len();
        assert!(unused <= table.records.len() / 8, "{unused} of {}", table.records.len());
        for key in &keys {
            let row = table.row(key, &validity).expect("a record").expect("a row");
            assert_eq!(row.contact_id, Some(Uuid::from_u128(7)));
        }
        let unknown = MatchKey::from_stored("p4915".into());
        let asked = || keys.iter().map(Some).chain([None, Some(&unknown)]);
        let settled = table.settled(asked(), MessageCategory::Marketing);
        let (of_keys, of_others) = settled.split_at(keys.len());
        assert!(of_keys.iter().all(|reason| *reason == Some(CheckReason::NotAsked)));
        assert_eq!(of_others, [None, None]);
        let dead = table.dead;
        for key in keys.iter().step_by(2) {
            table.remove(tagger.tag(key.as_str()));
        }
        for (index, key) in keys.iter().enumerate() {
            let row = table.row(key, &validity).expect("a record");
            assert_eq!(row.is_some(), index % 2 == 1);
        }
        let settled = table.settled(asked(), MessageCategory::Marketing);
        for (index, reason) in settled.iter().enumerate() {
            assert_eq!(reason.is_some(), index < keys.len() && index % 2 == 1);
        }
        assert!(table.dead > dead);
        assert!(table.row(&unknown, &validity).expect("ok").is_none());
    }
}
