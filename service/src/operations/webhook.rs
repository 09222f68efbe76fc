//! Applying what Meta's webhooks say.
//!
//! Objections come first, then what can permit, by time, in transactions of bounded size. Each
//! transaction remembers what it applied, so that a webhook can be sent again after any part of it
//! was applied, also to two servers at once.

mod apply;
mod ids;
mod left;
mod outcome;
mod same_person;

use chrono::TimeDelta;

use self::apply::ApplyActions;
use self::outcome::Pending;
pub use self::outcome::{Kind, Outcome, Report, Statement, Why};
use super::workspace;
use crate::domain::contact::Recipient;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::phone::MatchKey;
use crate::domain::webhook::{self, Action, StopWords, Webhook, WebhookError};
use crate::store::{ContactRow, Reader, Store, Workspace, decode_profile};

/// How long it is remembered what was applied. Meta sends a webhook again for 7 days.
pub const KEPT: TimeDelta = TimeDelta::days(31);
/// How old a statement may be that changes whose identities are whose. Less than [`KEPT`], so that
/// what was applied and forgotten is never applied again. What people said has no such limit: its own
/// time decides.
const MAX_AGE: TimeDelta = TimeDelta::days(30);

/// Most statements of one transaction.
const ACTIONS_PER_TRANSACTION: usize = 500;
/// Most identities of one transaction.
const IDENTITIES_PER_TRANSACTION: usize = 1000;
/// Most identities that one objection is applied to at once.
const IDENTITIES_PER_ACTION: usize = 100;
/// Larger payloads are parsed beside the threads that serve calls: 3 MiB take some 30 ms.
const PARSED_IN_PLACE: usize = 64 * 1024;

/// Applies a webhook. `payload` is what Meta sent, with a verified signature.
///
/// # Errors
/// When the payload is no webhook, or the database is not available: then a part may have been
/// applied, and the webhook can be sent again.
pub async fn ingest(store: &Store, workspace_id: &str, payload: Vec<u8>) -> Result<Report> {
    let mut db = store.read().await?;
    let workspace = workspace(&mut *db, workspace_id).await?;
    // Validated when they were set.
    let stop_words = StopWords::new(&workspace.settings.stop_words).map_err(Error::internal)?;
    let webhook = parse(payload, stop_words).await?;
    let mut statements = outcome::pending(&webhook);
    settle_known_pairs(&mut *db, &workspace, &mut statements).await?;
    drop(db);
    for batch in batches(&statements) {
        let (indexes, actions): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let apply = ApplyActions { workspace: workspace.clone(), actions };
        let outcomes = store.write(apply).await?;
        for (index, outcome) in indexes.into_iter().zip(outcomes) {
            statements[index].settle(outcome);
        }
    }
    Ok(Report::of(&webhook, statements))
}

async fn parse(payload: Vec<u8>, stop_words: StopWords) -> Result<Webhook> {
    let parsed = match payload.len() {
        ..=PARSED_IN_PLACE => webhook::parse(&payload, &stop_words),
        _ => tokio::task::spawn_blocking(move || webhook::parse(&payload, &stop_words))
            .await
            .map_err(Error::internal)?,
    };
    parsed.map_err(|error| match error {
        WebhookError::TooLarge { .. } | WebhookError::TooMany { .. } | WebhookError::TooDeep => {
            Error::invalid(Reason::LimitExceeded, "payload", error.to_string())
        }
        WebhookError::NotJson { .. } | WebhookError::NotAWebhook => {
            Error::invalid(Reason::InvalidArgument, "payload", error.to_string())
        }
    })
}

/// Nearly every webhook names a phone number and a user id that are known to be one contact's, or
/// nobody's. These need no transaction.
async fn settle_known_pairs(
    db: &mut dyn Reader,
    workspace: &Workspace,
    statements: &mut [Pending],
) -> Result<()> {
    let pair = |action: &Action| match action {
        Action::Pair { phone_number, user_id, .. } => {
            Some([phone_number.match_key(), user_id.match_key()])
        }
        _ => None,
    };
    let mut keys: Vec<_> = statements.iter().filter_map(|s| pair(&s.action)).flatten().collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        return Ok(());
    }
    let recipients: Vec<_> = keys.iter().cloned().map(Recipient::Key).collect();
    let rows = db.find_contacts(workspace, &recipients).await?;
    let decode = |row: &Option<ContactRow>| row.as_ref().map(decode_profile).transpose();
    let contacts = rows.iter().map(decode).collect::<Result<Vec<_>>>()?;
    let owner = |key: &MatchKey| keys.binary_search(key).ok().and_then(|at| contacts[at].as_ref());
    for statement in statements {
        let Some([phone, user]) = pair(&statement.action) else { continue };
        let judged = same_person::judge((&phone, owner(&phone)), (&user, owner(&user)));
        if let Err(outcome) = judged {
            statement.settle(outcome);
        }
    }
    Ok(())
}

/// What is left to be applied, a transaction each: objections in the order of the webhook, then the
/// others in that of their times.
fn batches(statements: &[Pending]) -> Vec<Vec<(usize, Action)>> {
    let open = || statements.iter().enumerate().filter(|(_, statement)| !statement.is_settled());
    let objections = open().filter(|(_, statement)| !statement.action.can_permit());
    let mut permitting: Vec<_> =
        open().filter(|(_, statement)| statement.action.can_permit()).collect();
    permitting.sort_by_key(|(_, statement)| statement.action.occurred_time());
    let parts = |(index, statement): (usize, &Pending)| {
        let parts = statement.action.clone().split(IDENTITIES_PER_ACTION);
        parts.into_iter().map(move |part| (index, part))
    };
    let mut batches = batched(objections.flat_map(parts));
    batches.extend(batched(permitting.into_iter().flat_map(parts)));
    batches
}

fn batched(actions: impl Iterator<Item = (usize, Action)>) -> Vec<Vec<(usize, Action)>> {
    let mut batches: Vec<Vec<_>> = Vec::new();
    let mut identities = 0;
    for (index, action) in actions {
        let named = action.match_keys().len();
        match batches.last_mut() {
            Some(batch)
                if batch.len() < ACTIONS_PER_TRANSACTION
                    && identities + named <= IDENTITIES_PER_TRANSACTION =>
            {
                identities += named;
                batch.push((index, action));
            }
            _ => {
                identities = named;
                batches.push(vec![(index, action)]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::consent::MAX_CLOCK_SKEW;

    fn pending(preferences: &[(&str, usize, u64)]) -> Vec<Pending> {
        let item = |(value, person, at): &(&str, usize, u64)| {
            let phone = format!("1555{person:07}");
            json!({"wa_id": phone, "value": value, "category": "marketing_messages",
                "timestamp": 1_767_225_600 + at})
        };
        let items: Vec<_> = preferences.iter().map(item).collect();
        let value = json!({"metadata": {"phone_number_id": "1"}, "user_preferences": items});
        let payload = json!({"object": "whatsapp_business_account",
            "entry": [{"changes": [{"field": "user_preferences", "value": value}]}]});
        let webhook = webhook::parse(payload.to_string().as_bytes(), &StopWords::default());
        outcome::pending(&webhook.expect("a webhook"))
    }

    #[test]
    fn objections_come_first_then_the_others_by_their_time() {
        let statements =
            pending(&[("resume", 1, 9), ("stop", 2, 8), ("resume", 3, 7), ("stop", 4, 6)]);
        let indexes: Vec<Vec<_>> = batches(&statements)
            .into_iter()
            .map(|batch| batch.into_iter().map(|(index, _)| index).collect())
            .collect();
        assert_eq!(indexes, [[1, 3], [2, 0]]);
    }

    #[test]
    fn transactions_are_bounded() {
        let many: Vec<_> = (0..1100).map(|person| ("stop", person, 0)).collect();
        let sizes = |statements: &[Pending]| -> Vec<usize> {
            batches(statements).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&pending(&many)), [500, 500, 100]);

        // One stop of many, which a repeated name makes.
        let names: Vec<_> = (0..2050).map(|n| format!("\"wa_id\":\"1555{n:07}\"")).collect();
        let payload = format!(
            "{{\"entry\":[{{\"changes\":[{{\"value\":{{\"user_preferences\":[{{{},\"value\":\"stop\"}}]}}}}]}}]}}",
            names.join(",")
        );
        let webhook = webhook::parse(payload.as_bytes(), &StopWords::default());
        let statements = outcome::pending(&webhook.expect("a webhook"));
        assert_eq!((statements.len(), sizes(&statements)), (1, vec![10, 10, 1]));
        assert!(batches(&statements).iter().flatten().all(|(index, _)| *index == 0));
    }

    #[test]
    fn what_is_forgotten_is_too_old_to_be_applied_again() {
        assert!(KEPT > MAX_AGE + MAX_CLOCK_SKEW);
    }
}
