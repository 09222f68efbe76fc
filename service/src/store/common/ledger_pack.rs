//! The bytes of a pack: a row with consecutive entries of the ledger. What an import
//! appends takes one statement for many entries, and a row's costs once for all of
//! them. The facts and the details of a pack are in two rows, so that only the row of
//! details changes when a person is erased.
//!
//! A pack that was tampered with may hold anything. Bytes that are no pack are read as
//! an empty one, and fields out of range as the default: the chain then shows the damage.

use std::collections::{HashMap, HashSet};

use prost::Message;
use uuid::Uuid;

use crate::domain::ledger::{Detail, Entry, Fact, Positions};

/// Entries in one pack: so few that reading a single one, or erasing its detail, stays
/// cheap; so many that what a row costs by itself no longer counts.
pub const PACK: usize = 64;

#[derive(Clone, PartialEq, Message)]
struct FactPack {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<FactRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct FactRecord {
    #[prost(int64, tag = "1")]
    position: i64,
    #[prost(bytes = "vec", tag = "2")]
    event_id: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "3")]
    contact_id: Option<Vec<u8>>,
    #[prost(int64, tag = "4")]
    kind: i64,
    #[prost(int64, tag = "5")]
    categories: i64,
    #[prost(int64, tag = "6")]
    changed_categories: i64,
    #[prost(int64, tag = "7")]
    source: i64,
    #[prost(string, tag = "8")]
    wording_version: String,
    #[prost(string, optional, tag = "9")]
    sender_phone_number_id: Option<String>,
    #[prost(sfixed64, tag = "10")]
    occurred_time: i64,
    #[prost(sfixed64, tag = "11")]
    record_time: i64,
    #[prost(sfixed64, optional, tag = "12")]
    expire_time: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "13")]
    erased_positions: Option<Vec<u8>>,
    #[prost(int64, tag = "14")]
    flags: i64,
    #[prost(bytes = "vec", tag = "15")]
    identities: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "16")]
    detail_hash: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "17")]
    hash: Option<Vec<u8>>,
}

/// The details of a pack that are not erased. Texts that several of them share, as those
/// of an import do, are there once.
#[derive(Clone, PartialEq, Message)]
struct DetailPack {
    #[prost(string, repeated, tag = "1")]
    texts: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    details: Vec<DetailRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct DetailRecord {
    #[prost(int64, tag = "1")]
    position: i64,
    #[prost(bytes = "vec", tag = "2")]
    salt: Vec<u8>,
    /// Where the texts are: of `match_key`, `wording`, `business_name`, `url`,
    /// `message_id`, `actor`, `reason_text`.
    #[prost(uint32, repeated, tag = "3")]
    texts: Vec<u32>,
}

/// Encodes the facts of consecutive entries.
pub fn encode_facts(entries: &[Entry]) -> Vec<u8> {
    FactPack { entries: entries.iter().map(FactRecord::of).collect() }.encode_to_vec()
}

/// Decodes the entries of a pack, without their details.
pub fn decode_facts(bytes: &[u8]) -> Vec<Entry> {
    let pack = FactPack::decode(bytes).unwrap_or_default();
    pack.entries.into_iter().map(FactRecord::entry).collect()
}

/// The entries that have a detail.
pub fn details(entries: &[Entry]) -> impl Iterator<Item = (&Entry, &Detail)> {
    entries.iter().filter_map(|entry| Some((entry, entry.detail.as_ref()?)))
}

/// Encodes the details of consecutive entries. `None` if they have none.
pub fn encode_details_of(entries: &[Entry]) -> Option<Vec<u8>> {
    details(entries).next()?;
    Some(encode_details(details(entries).map(|(entry, detail)| (entry.position, detail))))
}

/// Encodes details with their positions.
pub fn encode_details<'a>(details: impl IntoIterator<Item = (i64, &'a Detail)>) -> Vec<u8> {
    let mut pack = DetailPack::default();
    let mut known = HashMap::new();
    for (position, detail) in details {
        let texts = texts(detail).map(|text| {
            *known.entry(text).or_insert_with(|| {
                pack.texts.push(text.to_owned());
                pack.texts.len() as u32 - 1
            })
        });
        let salt = detail.salt.to_vec();
        pack.details.push(DetailRecord { position, salt, texts: texts.to_vec() });
    }
    pack.encode_to_vec()
}

/// Decodes the details of a pack, with their positions.
pub fn decode_details(bytes: &[u8]) -> Vec<(i64, Detail)> {
    let pack = DetailPack::decode(bytes).unwrap_or_default();
    let detail = |record: DetailRecord| {
        let text = |at: usize| {
            let text = record.texts.get(at).and_then(|at| pack.texts.get(*at as usize));
            text.cloned().unwrap_or_default()
        };
        let detail = Detail {
            salt: record.salt.as_slice().try_into().unwrap_or_default(),
            match_key: text(0),
            wording: text(1),
            business_name: text(2),
            url: text(3),
            message_id: text(4),
            actor: text(5),
            reason_text: text(6),
        };
        (record.position, detail)
    };
    pack.details.into_iter().map(detail).collect()
}

/// The entries of a pack, with those details that are not erased. None if it does not end where
/// its row says.
pub fn unpack(
    last_position: i64,
    facts: &[u8],
    details: Option<&[u8]>,
) -> impl Iterator<Item = Entry> {
    let mut entries = decode_facts(facts);
    if entries.last().is_none_or(|entry| entry.position != last_position) {
        entries.clear();
    }
    let mut details: HashMap<_, _> =
        details.map(decode_details).unwrap_or_default().into_iter().collect();
    let with_detail = move |entry: Entry| {
        let detail = details.remove(&entry.position);
        Entry { detail, ..entry }
    };
    entries.into_iter().map(with_detail)
}

/// The details of a pack but those at `positions`. `None` if none are left.
pub fn details_without(details: &[u8], positions: &HashSet<i64>) -> Option<Vec<u8>> {
    let mut left = decode_details(details);
    left.retain(|(position, _)| !positions.contains(position));
    let left = left.iter().map(|(position, detail)| (*position, detail));
    (left.len() > 0).then(|| encode_details(left))
}

/// The texts of a detail, in the order of its record.
fn texts(detail: &Detail) -> [&str; 7] {
    let Detail { salt: _, match_key, wording, business_name, url, message_id, actor, reason_text } =
        detail;
    [match_key, wording, business_name, url, message_id, actor, reason_text].map(String::as_str)
}

impl FactRecord {
    fn of(entry: &Entry) -> Self {
        let fact = &entry.fact;
        Self {
            position: entry.position,
            event_id: fact.event_id.as_bytes().to_vec(),
            contact_id: fact.contact_id.map(|id| id.as_bytes().to_vec()),
            kind: fact.kind,
            categories: fact.categories,
            changed_categories: fact.changed_categories,
            source: fact.source,
            wording_version: fact.wording_version.clone(),
            sender_phone_number_id: fact.sender_phone_number_id.clone(),
            occurred_time: fact.occurred_time,
            record_time: fact.record_time,
            expire_time: fact.expire_time,
            erased_positions: fact.erased_positions.as_ref().map(|list| list.0.clone()),
            flags: fact.flags,
            identities: fact.identities.clone(),
            detail_hash: entry.detail_hash.map(|hash| hash.to_vec()),
            hash: entry.hash.map(|hash| hash.to_vec()),
        }
    }

    fn entry(self) -> Entry {
        let uuid = |bytes: Vec<u8>| Uuid::from_slice(&bytes).unwrap_or_default();
        let hash = |bytes: Vec<u8>| bytes.try_into().ok();
        Entry {
            position: self.position,
            fact: Fact {
                event_id: uuid(self.event_id),
                contact_id: self.contact_id.map(uuid),
                kind: self.kind,
                categories: self.categories,
                changed_categories: self.changed_categories,
                source: self.source,
                wording_version: self.wording_version,
                sender_phone_number_id: self.sender_phone_number_id,
                occurred_time: self.occurred_time,
                record_time: self.record_time,
                expire_time: self.expire_time,
                erased_positions: self.erased_positions.map(Positions),
                flags: self.flags,
                identities: self.identities,
            },
            detail: None,
            detail_hash: self.detail_hash.and_then(hash),
            hash: self.hash.and_then(hash),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(n: u8) -> Detail {
        Detail {
            salt: [n; 16],
            match_key: format!("p4930{n}"),
            wording: "Yes, news".into(),
            actor: "Ana".into(),
            ..Detail::default()
        }
    }

    #[test]
    fn entries_come_back_as_they_were() {
        let plain = Entry { position: 1, ..Entry::default() };
        let full = Entry {
            position: 2,
            fact: Fact {
                event_id: Uuid::from_u128(7),
                contact_id: Some(Uuid::from_u128(8)),
                kind: 3,
                categories: 7,
                changed_categories: 5,
                source: 2,
                wording_version: "v2".into(),
                sender_phone_number_id: Some("1063".into()),
                occurred_time: -1,
                record_time: i64::MAX,
                expire_time: Some(0),
                erased_positions: Some(Positions::of(vec![3, 1])),
                flags: 3,
                identities: vec![9; 32],
            },
            detail: None,
            detail_hash: Some([1; 32]),
            hash: Some([2; 32]),
        };
        let entries = [plain, full];
        assert_eq!(decode_facts(&encode_facts(&entries)), entries);
    }

    #[test]
    fn texts_that_details_share_are_stored_once() {
        let details: Vec<_> = (0..10).map(|n| (i64::from(n) + 5, detail(n))).collect();
        let bytes = encode_details(details.iter().map(|(position, detail)| (*position, detail)));
        assert_eq!(decode_details(&bytes), details);
        assert_eq!(bytes.windows(9).filter(|bytes| *bytes == b"Yes, news").count(), 1);
    }

    #[test]
    fn a_detail_that_is_erased_leaves_nothing_behind() {
        let details = [(1, detail(1)), (2, Detail { wording: "Only hers".into(), ..detail(2) })];
        let bytes = encode_details(details.iter().map(|(at, detail)| (*at, detail)));
        assert_eq!(details_without(&bytes, &HashSet::from([1, 2])), None);
        let bytes = details_without(&bytes, &HashSet::from([2])).expect("one is left");
        assert_eq!(decode_details(&bytes), details[..1]);
        for gone in ["Only hers", "p49302"] {
            assert!(!bytes.windows(gone.len()).any(|bytes| bytes == gone.as_bytes()));
        }
    }

    #[test]
    fn bytes_that_are_no_pack_are_an_empty_one() {
        assert_eq!(decode_facts(b"\xff\xff"), []);
        assert_eq!(decode_details(b"\xff\xff"), []);
        let out_of_range = DetailPack {
            texts: vec![],
            details: vec![DetailRecord { position: 4, salt: vec![1], texts: vec![9] }],
        };
        assert_eq!(decode_details(&out_of_range.encode_to_vec()), [(4, Detail::default())]);
    }
}
