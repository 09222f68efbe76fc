//! Erasures as lines of JSON. They are stored apart from backups, and repeated on a database that was
//! restored from one. A line contains no personal data.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{self, BufRead};

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use contacts_proto::v1::DeleteReason;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::Time;
use crate::domain::consent::MessageCategory;
use crate::domain::error::{Error, Result};
use crate::domain::keyring::{KeyId, Keyring};
use crate::domain::phone::MatchKey;
use crate::operations::erasure::{self, EraseAgain, Erasure, Holders, RepeatErasure};
use crate::operations::workspaces;
use crate::store::{Receipt, Store, parse_id};

/// Erasures read at a time.
const PAGE: usize = 500;

/// In the order of [`MessageCategory::ALL`].
const CATEGORIES: [&str; 3] = ["MARKETING", "UTILITY", "AUTHENTICATION"];

/// A value from a line, or what is wrong with the line.
type Decoded<T> = std::result::Result<T, &'static str>;

/// Numbers of lines of a file, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The contact existed and was erased.
    pub erased: u64,
    /// There was no contact; the person is now marked as erased.
    pub suppressed: u64,
    /// The database had the erasure already.
    pub already_gone: u64,
    /// The line could not be applied.
    pub failed: u64,
}

/// Passes a line for each erasure since `since` to `out`, of one workspace or of all. Of all, those that
/// cannot be read are passed to `failed`.
///
/// # Errors
/// When there is no such workspace, or the database cannot be read.
pub async fn list(
    store: &Store,
    workspace_id: Option<String>,
    since: Time,
    mut out: impl FnMut(String),
    failed: impl FnMut(&str, Error),
) -> Result<()> {
    if let Some(id) = workspace_id {
        return list_one(store, &id, since, &mut out).await;
    }
    let list = async |id: &str| list_one(store, id, since, &mut out).await;
    workspaces::for_each(store, list, failed).await
}

async fn list_one(
    store: &Store,
    id: &str,
    since: Time,
    out: &mut impl FnMut(String),
) -> Result<()> {
    let mut after = Uuid::nil();
    loop {
        let page = erasure::page(store, id, since, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.receipt.receipt_id;
        page.iter().for_each(|erasure| out(encode_line(id, erasure, store.keyring())));
    }
}

/// Repeats the erasures of these lines. A second run changes nothing. `refused` gets the number of
/// each line that cannot be applied, and why; the other lines are applied. All are held in memory.
///
/// # Errors
/// When the lines cannot be read.
pub async fn replay(
    store: &Store,
    lines: impl BufRead,
    mut refused: impl FnMut(u64, String),
) -> io::Result<Summary> {
    let mut failed = BTreeMap::new();
    let mut decoded = Vec::new();
    for (number, line) in (1..).zip(lines.split(b'\n')) {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match decode_line(&line, store.keyring()) {
            Ok(erasure) => decoded.push((number, erasure)),
            Err(what) => drop(failed.insert(number, what.to_owned())),
        }
    }
    let mut erasures = Vec::new();
    for (number, erasure) in decoded {
        match store.write(EraseAgain(erasure.clone())).await {
            Ok(erased) => erasures.push((number, erasure, erased)),
            Err(error) => drop(failed.insert(number, error.to_string())),
        }
    }
    let found = holders_of(store, erasures.iter().map(|(_, erasure, _)| erasure)).await;
    let (mut erased, mut suppressed, mut already_gone) = (0, 0, 0);
    for (number, mut erasure, had_contacts) in erasures {
        match &found[&erasure.workspace_id] {
            Ok(found) => erasure.holders = found.of(&erasure.erasure.receipt),
            Err(error) => {
                failed.insert(number, error.to_string());
                continue;
            }
        }
        match store.write(erasure).await {
            Ok(_) if had_contacts => erased += 1,
            Ok(true) => suppressed += 1,
            Ok(false) => already_gone += 1,
            Err(error) => drop(failed.insert(number, error.to_string())),
        }
    }
    let summary = Summary { erased, suppressed, already_gone, failed: failed.len() as u64 };
    failed.into_iter().for_each(|(number, what)| refused(number, what));
    Ok(summary)
}

/// The contacts that have keys of erased ones, by workspace.
async fn holders_of<'e>(
    store: &Store,
    erasures: impl Iterator<Item = &'e RepeatErasure>,
) -> HashMap<String, Result<Holders>> {
    let mut wanted: HashMap<_, HashSet<_>> = HashMap::new();
    for RepeatErasure { workspace_id, erasure, .. } in erasures {
        let keys = erasure.receipt.hashed_keys.iter().cloned();
        wanted.entry(workspace_id.clone()).or_default().extend(keys);
    }
    let mut found = HashMap::new();
    for (workspace_id, keys) in wanted {
        let holders = erasure::holders(store, &workspace_id, &keys).await;
        found.insert(workspace_id, holders);
    }
    found
}

fn encode_line(
    workspace_id: &str,
    Erasure { receipt, opted_out }: &Erasure,
    keyring: &Keyring,
) -> String {
    let keys: BTreeSet<_> =
        receipt.hashed_keys.iter().filter_map(|key| keyring.key_of(key)).collect();
    let reason = DeleteReason::try_from(receipt.reason).unwrap_or_default();
    let opted_out: Vec<_> =
        opted_out.iter().map(|category| CATEGORIES[*category as usize]).collect();
    json!({
        "workspace_id": workspace_id,
        "contact_id": receipt.contact_id.to_string(),
        "merged_contact_ids":
            receipt.merged_contact_ids.iter().map(Uuid::to_string).collect::<Vec<_>>(),
        "receipt_id": receipt.receipt_id.to_string(),
        "reason": reason.as_str_name(),
        "delete_time": receipt.delete_time.to_rfc3339_opts(SecondsFormat::Micros, true),
        "hashed_keys": receipt.hashed_keys.iter().map(MatchKey::as_str).collect::<Vec<_>>(),
        "keys": keys.iter().map(KeyId::to_string).collect::<Vec<_>>(),
        "opted_out": opted_out,
    })
    .to_string()
}

fn decode_line(line: &[u8], keyring: &Keyring) -> Decoded<RepeatErasure> {
    const MALFORMED: &str = "not a line of `erasure list`";
    let line: Value = serde_json::from_slice(line).map_err(|_| MALFORMED)?;
    let text = |name: &str| line[name].as_str().ok_or(MALFORMED);
    let id = |text: &str| parse_id(text).ok_or(MALFORMED);
    let texts = |name: &str| {
        let all = line[name].as_array().ok_or(MALFORMED)?;
        all.iter().map(|value| value.as_str().ok_or(MALFORMED)).collect::<Decoded<Vec<_>>>()
    };
    let category = |name| {
        MessageCategory::ALL.into_iter().find(|c| CATEGORIES[*c as usize] == name).ok_or(MALFORMED)
    };
    let hashed_keys: Vec<_> = texts("hashed_keys")?
        .into_iter()
        .map(|key| MatchKey::from_stored(key.to_owned()))
        .collect();
    let keys: Vec<_> = texts("keys")?.into_iter().map(str::to_owned).collect();
    let is_known = |key: &MatchKey| keyring.key_of(key).is_some();
    if !keyring.has_all(&keys) || !hashed_keys.iter().all(is_known) {
        return Err("the key file lacks the key that its hashed_keys are under");
    }
    let delete_time = DateTime::parse_from_rfc3339(text("delete_time")?).map_err(|_| MALFORMED)?;
    let reason = DeleteReason::from_str_name(text("reason")?).ok_or(MALFORMED)?;
    let receipt = Receipt {
        receipt_id: id(text("receipt_id")?)?,
        contact_id: id(text("contact_id")?)?,
        reason: reason.into(),
        delete_time: delete_time.with_timezone(&Utc).trunc_subsecs(6),
        merged_contact_ids: texts("merged_contact_ids")?
            .into_iter()
            .map(id)
            .collect::<Decoded<_>>()?,
        hashed_keys,
    };
    let opted_out = texts("opted_out")?.into_iter().map(category).collect::<Decoded<_>>()?;
    // Empty would mean the default one.
    let workspace_id = Some(text("workspace_id")?).filter(|id| !id.is_empty()).ok_or(MALFORMED)?;
    let workspace_id = workspace_id.to_owned();
    let erasure = Erasure { receipt, opted_out };
    Ok(RepeatErasure { workspace_id, erasure, holders: Holders::default() })
}
