//! The lines of an export.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use strum::VariantArray;
use uuid::Uuid;

use super::records::{ErasureLine, WebhookLine};
use crate::domain::Time;
use crate::domain::consent::fold::World;
use crate::domain::consent::{
    EvidenceField, IdentityConsent, IdentityId, OptInPolicy, PolicyPeriod,
};
use crate::domain::contact::{Contact, Profile};
use crate::domain::error::{Error, Result as StoreResult};
use crate::domain::external_id::ExternalId;
use crate::domain::keyring::{KeyId, Keyring};
use crate::domain::ledger::{Detail, Entry, Fact, Hash, Positions};
use crate::domain::phone::{MatchKey, PhoneNumber, WhatsAppUserId};
use crate::domain::workspace::WorkspaceSettings;
use crate::operations::restore::{RestoreSettings, RestoreWorkspace, RestoredContact};
use crate::store::{ConsentRow, Workspace};

/// A value from a line, or what is wrong with the line.
pub(super) type Decoded<T> = Result<T, String>;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line {
    Header(Header),
    Policy(PolicyLine),
    Event(EventLine),
    Contact(ContactLine),
    Suppression(SuppressionLine),
    Erasure(ErasureLine),
    Webhook(WebhookLine),
    End(EndLine),
}

impl Line {
    pub(super) fn encode(&self) -> StoreResult<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }

    pub(super) fn decode(text: &[u8]) -> Decoded<Self> {
        // The error of the parser repeats what it read, which may be personal.
        serde_json::from_slice(text).map_err(|error| {
            format!("is not a line of an export: see its column {}", error.column())
        })
    }
}

/// The end of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EndLine {
    pub(super) head: String,
    pub(super) contacts: u64,
    pub(super) suppressions: u64,
    pub(super) erasures: u64,
    pub(super) webhooks: u64,
    /// See [`Seal`](super::seal::Seal). Empty while it is made.
    pub(super) seal: String,
}

/// The workspace.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) workspace_id: String,
    display_name: String,
    create_time: String,
    stop_words: Vec<String>,
    /// Under which suppressions are hashed, and the run is sealed. With others nobody of them is
    /// found again.
    keys: Vec<String>,
}

impl Header {
    pub(super) fn of(format: &str, workspace: &Workspace, keys: &[KeyId]) -> Self {
        Self {
            format: format.to_owned(),
            workspace_id: workspace.workspace_id.clone(),
            display_name: workspace.display_name.clone(),
            create_time: written(workspace.create_time),
            stop_words: workspace.settings.stop_words.clone(),
            keys: texts(keys),
        }
    }

    /// Refuses an export with suppressions of keys that are not in the key file.
    pub(super) fn ensure_keys(&self, keyring: &Keyring) -> Decoded<()> {
        match keyring.has_all(&self.keys) {
            true => Ok(()),
            false => Err("is of a database with another key file, without which nobody is found \
                          who objected and is no contact: name that file with --key-file"
                .to_owned()),
        }
    }

    pub(super) fn is_same_workspace(&self, other: &Self) -> bool {
        (&self.workspace_id, &self.create_time) == (&other.workspace_id, &other.create_time)
    }

    /// Makes the workspace. Its settings follow when everything else is there.
    pub(super) fn workspace(&self, policies: &[PolicyPeriod]) -> Decoded<RestoreWorkspace> {
        let create_time = time(&self.create_time)?;
        let first = policies.iter().find(|period| period.begin_time == create_time);
        Ok(RestoreWorkspace {
            workspace_id: self.workspace_id.clone(),
            display_name: self.display_name.clone(),
            create_time,
            policy: first.map(|period| period.policy.clone()).unwrap_or_default(),
        })
    }

    pub(super) fn settings(self, policies: Vec<PolicyPeriod>) -> RestoreSettings {
        // The newest comes first.
        let opt_in_policy = policies.first().map(|period| period.policy.clone());
        RestoreSettings {
            workspace_id: self.workspace_id,
            settings: WorkspaceSettings {
                stop_words: self.stop_words,
                opt_in_policy: opt_in_policy.unwrap_or_default(),
            },
            policies,
        }
    }
}

/// A policy of the workspace, newest first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PolicyLine {
    begin_time: String,
    required_evidence: Vec<String>,
    max_age_days: [Option<u32>; 3],
}

impl PolicyLine {
    pub(super) fn of(period: &PolicyPeriod) -> Self {
        let name = |field: &EvidenceField| <&str>::from(*field).to_owned();
        Self {
            begin_time: written(period.begin_time),
            required_evidence: period.policy.required_evidence.iter().map(name).collect(),
            max_age_days: period.policy.max_age_days,
        }
    }

    pub(super) fn decode(self) -> Decoded<PolicyPeriod> {
        let field = |name: &String| {
            let known = EvidenceField::VARIANTS.iter().copied();
            let mut known = known.filter(|field| <&str>::from(*field) == name);
            known.next().ok_or_else(|| "names no field of evidence".to_owned())
        };
        let required_evidence = self.required_evidence.iter().map(field).collect::<Decoded<_>>()?;
        let policy = OptInPolicy { required_evidence, max_age_days: self.max_age_days };
        Ok(PolicyPeriod { begin_time: time(&self.begin_time)?, policy })
    }
}

/// An entry of the ledger, with the numbers that are stored (docs/operations.md lists them).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EventLine {
    position: i64,
    event_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    contact_id: Option<Uuid>,
    kind: i64,
    categories: i64,
    changed_categories: i64,
    source: i64,
    flags: i64,
    occurred_time: i64,
    record_time: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    expire_time: Option<i64>,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    wording_version: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    sender_phone_number_id: Option<String>,
    identities: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    erased_positions: Option<Vec<i64>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    detail: Option<DetailLine>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    detail_hash: Option<String>,
    hash: String,
}

/// The personal part of an entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct DetailLine {
    salt: String,
    match_key: String,
    wording: String,
    business_name: String,
    url: String,
    message_id: String,
    actor: String,
    reason_text: String,
}

impl Default for DetailLine {
    fn default() -> Self {
        Self::of(&Detail::default())
    }
}

impl DetailLine {
    fn of(detail: &Detail) -> Self {
        Self {
            salt: hex(&detail.salt),
            match_key: detail.match_key.clone(),
            wording: detail.wording.clone(),
            business_name: detail.business_name.clone(),
            url: detail.url.clone(),
            message_id: detail.message_id.clone(),
            actor: detail.actor.clone(),
            reason_text: detail.reason_text.clone(),
        }
    }
}

impl EventLine {
    pub(super) fn of(entry: &Entry) -> Self {
        let fact = &entry.fact;
        let positions = |erased: &Positions| erased.iter().collect();
        Self {
            position: entry.position,
            event_id: fact.event_id,
            contact_id: fact.contact_id,
            kind: fact.kind,
            categories: fact.categories,
            changed_categories: fact.changed_categories,
            source: fact.source,
            flags: fact.flags,
            occurred_time: fact.occurred_time,
            record_time: fact.record_time,
            expire_time: fact.expire_time,
            wording_version: fact.wording_version.clone(),
            sender_phone_number_id: fact.sender_phone_number_id.clone(),
            identities: hex(&fact.identities),
            erased_positions: fact.erased_positions.as_ref().map(positions),
            detail: entry.detail.as_ref().map(DetailLine::of),
            detail_hash: entry.detail_hash.map(|hash| hex(&hash)),
            hash: entry.hash.map(|hash| hex(&hash)).unwrap_or_default(),
        }
    }

    pub(super) fn decode(self) -> Decoded<Entry> {
        let detail = match self.detail {
            None => None,
            Some(line) => Some(Detail {
                salt: bytes(&line.salt)?.try_into().map_err(|_| "has a salt of another length")?,
                match_key: line.match_key,
                wording: line.wording,
                business_name: line.business_name,
                url: line.url,
                message_id: line.message_id,
                actor: line.actor,
                reason_text: line.reason_text,
            }),
        };
        let hash = |text: &str| -> Decoded<Hash> {
            bytes(text)?.try_into().map_err(|_| "has a hash of another length".to_owned())
        };
        let fact = Fact {
            event_id: self.event_id,
            contact_id: self.contact_id,
            kind: self.kind,
            categories: self.categories,
            changed_categories: self.changed_categories,
            source: self.source,
            wording_version: self.wording_version,
            sender_phone_number_id: self.sender_phone_number_id,
            occurred_time: self.occurred_time,
            record_time: self.record_time,
            expire_time: self.expire_time,
            erased_positions: self.erased_positions.map(Positions::of),
            flags: self.flags,
            identities: bytes(&self.identities)?,
        };
        Ok(Entry {
            position: self.position,
            fact,
            detail,
            detail_hash: self.detail_hash.as_deref().map(hash).transpose()?,
            hash: Some(hash(&self.hash)?),
        })
    }
}

/// Whose the identities of the ledger are: what names a contact, without its profile.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ContactLine {
    contact_id: Uuid,
    create_time: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    phone_number: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    whatsapp_user_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    external_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    former_phone_numbers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    former_whatsapp_user_ids: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    merged_contact_ids: Vec<Uuid>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    merged_external_ids: Vec<String>,
    /// In the order: phone number, user ids, former numbers, former user ids.
    identity_ids: Vec<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    consent_update_time: Option<String>,
}

impl ContactLine {
    pub(super) fn of(contact: &Contact, rows: &[Option<ConsentRow>]) -> Self {
        let profile = &contact.profile;
        let id = |row: &Option<ConsentRow>| row.as_ref().map(|row| row.identity_id.0);
        let update_time = rows.iter().flatten().filter_map(|row| row.update_time).max();
        Self {
            contact_id: contact.contact_id,
            create_time: written(contact.create_time),
            phone_number: profile.phone_number.as_ref().map(ToString::to_string),
            whatsapp_user_ids: texts(&profile.whatsapp_user_ids),
            external_id: profile.external_id.as_ref().map(ToString::to_string),
            former_phone_numbers: texts(&profile.former_phone_numbers),
            former_whatsapp_user_ids: texts(&profile.former_whatsapp_user_ids),
            merged_contact_ids: profile.merged_contact_ids.clone(),
            merged_external_ids: texts(&profile.merged_external_ids),
            identity_ids: rows.iter().map(|row| id(row).unwrap_or_default()).collect(),
            consent_update_time: update_time.map(written),
        }
    }

    pub(super) fn decode(&self, world: &World) -> Decoded<RestoredContact> {
        let number = |text: &String| {
            PhoneNumber::parse(text).map_err(|_| "has what is no phone number".to_owned())
        };
        let user = |text: &String| {
            WhatsAppUserId::parse(text).map_err(|_| "has what is no user id".to_owned())
        };
        let external_id = |id: &String| ExternalId::from_stored(id.clone());
        let profile = Profile {
            phone_number: self.phone_number.as_ref().map(number).transpose()?,
            whatsapp_user_ids: self.whatsapp_user_ids.iter().map(user).collect::<Decoded<_>>()?,
            external_id: self.external_id.as_ref().map(external_id),
            former_phone_numbers: self
                .former_phone_numbers
                .iter()
                .map(number)
                .collect::<Decoded<_>>()?,
            former_whatsapp_user_ids: self
                .former_whatsapp_user_ids
                .iter()
                .map(user)
                .collect::<Decoded<_>>()?,
            merged_contact_ids: self.merged_contact_ids.clone(),
            merged_external_ids: self.merged_external_ids.iter().map(external_id).collect(),
            ..Profile::default()
        };
        let keys = profile.match_keys();
        if keys.is_empty() || keys.len() != self.identity_ids.len() {
            return Err("has not one identity_id for each number and user id".to_owned());
        }
        let update_time = self.consent_update_time.as_deref().map(time).transpose()?;
        let row = |(key, id): (&MatchKey, &Uuid)| ConsentRow {
            match_key: key.clone(),
            identity_id: IdentityId(*id),
            contact_id: Some(self.contact_id),
            is_former: profile.is_former(key),
            consent: consent(world, IdentityId(*id)),
            update_time,
            revision: 0,
        };
        let rows: Vec<_> = keys.iter().zip(&self.identity_ids).map(row).collect();
        let create_time = time(&self.create_time)?;
        let contact = Contact {
            contact_id: self.contact_id,
            profile,
            create_time,
            update_time: create_time,
            version: 1,
        };
        let (parted, counting) = Default::default();
        Ok(RestoredContact { contact, rows, parted, counting })
    }
}

/// Whose an identity is that is nobody's: a keyed hash.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SuppressionLine {
    hashed_key: String,
    identity_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    update_time: Option<String>,
}

impl SuppressionLine {
    pub(super) fn of(row: &ConsentRow) -> Self {
        Self {
            hashed_key: row.match_key.as_str().to_owned(),
            identity_id: row.identity_id.0,
            update_time: row.update_time.map(written),
        }
    }

    pub(super) fn decode(&self, world: &World, keyring: &Keyring) -> Decoded<ConsentRow> {
        let match_key = hashed_key(self.hashed_key.clone(), keyring)?;
        let identity_id = IdentityId(self.identity_id);
        Ok(ConsentRow {
            match_key,
            identity_id,
            contact_id: None,
            is_former: false,
            consent: consent(world, identity_id),
            update_time: self.update_time.as_deref().map(time).transpose()?,
            revision: 0,
        })
    }
}

/// What the ledger amounts to for an identity. One of which it says nothing was never asked.
fn consent(world: &World, id: IdentityId) -> IdentityConsent {
    world.row(id).unwrap_or_default()
}

pub(super) fn hashed_key(text: String, keyring: &Keyring) -> Decoded<MatchKey> {
    let key = MatchKey::from_stored(text);
    match key.is_hashed() && keyring.key_of(&key).is_some() {
        true => Ok(key),
        false => Err("has a hashed_key whose key is not in the key file".to_owned()),
    }
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

pub(super) fn written(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

pub(super) fn time(text: &str) -> Decoded<Time> {
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed.map(|time| time.with_timezone(&Utc)).map_err(|_| "has what is no time".to_owned())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(text: &str) -> Decoded<Vec<u8>> {
    let wrong = || "has what is not hexadecimal".to_owned();
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return Err(wrong());
    }
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong());
    (0..text.len()).step_by(2).map(byte).collect()
}
