//! What the rule says of the ledger of a database, by the naive evaluation that the fold is compared with,
//! too.

use std::collections::HashMap;

use contacts_sdk::CheckReason;
use contacts_service::domain::Time;
use contacts_service::domain::consent::fold::*;
use contacts_service::domain::consent::{ALL_SENDERS, MessageCategory, Source};
use contacts_service::domain::phone::{MatchKey, WhatsAppUserId, match_key_of};
use contacts_service::operations::{audit, audit_states, workspace};
use contacts_service::store::{CheckRow, Store};
use uuid::Uuid;

use super::look::QUESTIONS;
use super::step::{KEYS, PHONES};

#[path = "../../../../service/src/domain/consent/fold/tests/naive.rs"]
#[expect(dead_code, reason = "the service's tests read more of it")]
mod naive;

use naive::Naive;

const PAGE: usize = 1000;

/// The ledger so far.
pub struct Definition {
    naive: Naive,
    position: i64,
    /// By event_id.
    pub positions: HashMap<Uuid, i64>,
}

impl Definition {
    pub fn new() -> Self {
        Self { naive: Naive::new(&[]), position: 0, positions: HashMap::new() }
    }

    /// Reads on in the ledger.
    pub async fn read(&mut self, store: &Store, workspace_id: &str) {
        let mut db = store.read().await.expect("a reader");
        let found = workspace(&mut *db, workspace_id).await.expect("the workspace");
        let entries = db.ledger_entries(&found, self.position, PAGE).await.expect("entries");
        db.close().await;
        for entry in entries {
            self.position = entry.position;
            self.positions.insert(entry.fact.event_id, entry.position);
            let named = entry.fact.identity_ids().into_iter();
            named.filter(|id| !id.0.is_nil()).for_each(|id| self.naive.know(id));
            if let Some(event) = entry.fact.fold_event().expect("an event") {
                self.naive.apply(&event);
            }
        }
    }

    /// The first answer to a check that is not what the ledger defines.
    pub async fn compare(
        &mut self,
        store: &Store,
        workspace_id: &str,
        reasons: &[[CheckReason; QUESTIONS.len()]],
    ) -> Result<(), String> {
        let keys: Vec<_> = (0..KEYS.len()).map(match_key).collect();
        let rows =
            store.check(workspace_id, &keys, false).await.expect("rows").expect("a workspace").rows;
        let now = store.now();
        for (index, key) in keys.iter().enumerate() {
            for (question, (category, sender)) in QUESTIONS.into_iter().enumerate() {
                let expected = match rows.get(key) {
                    Some(row) => self.reason(row, of(category), sender, now),
                    None => "UnknownContact".to_owned(),
                };
                let found = reasons[index][question];
                if format!("{found:?}") != expected {
                    let who = KEYS[index];
                    return Err(format!(
                        "{who} {category:?} from {sender:?} is {found:?}, by the rule {expected}"
                    ));
                }
            }
        }
        Ok(())
    }

    fn reason(
        &mut self,
        row: &CheckRow,
        category: MessageCategory,
        sender: &str,
        now: Time,
    ) -> String {
        let id = row.identity_id;
        self.naive.know(id);
        let check = Check {
            is_contact: row.contact_id.is_some(),
            is_former: self.naive.former.contains(&id),
            category,
            sender,
            max_age: row.max_ages[category as usize],
            now,
        };
        format!("{:?}", self.naive.decide(id, &check).0)
    }
}

/// What `audit verify` finds.
pub async fn audited(store: &Store, workspace_id: &str) -> Result<(), String> {
    let verified = audit::verify(store, workspace_id, None).await.expect("a ledger");
    verified.map_err(|broken| format!("the ledger is broken: {broken}"))?;
    let found = audit_states::verify_states(store, workspace_id).await.expect("an audit");
    if found.is_empty() { Ok(()) } else { Err(format!("the audit found {found:?}")) }
}

fn match_key(index: usize) -> MatchKey {
    match index < PHONES {
        true => match_key_of(KEYS[index]).expect("a number"),
        false => WhatsAppUserId::parse(KEYS[index]).expect("a user id").match_key(),
    }
}

fn of(category: contacts_sdk::MessageCategory) -> MessageCategory {
    match category {
        contacts_sdk::MessageCategory::Marketing => MessageCategory::Marketing,
        contacts_sdk::MessageCategory::Utility => MessageCategory::Utility,
        _ => MessageCategory::Authentication,
    }
}
