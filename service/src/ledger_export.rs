//! The ledger of a workspace as lines of JSON, with what it needs to stand alone: whose the identities
//! are, and the settings. From the lines a workspace can be made again that answers every check as
//! before. They contain personal data.

mod line;
mod records;
mod restore;
mod seal;

use uuid::Uuid;

use self::line::{ContactLine, EndLine, EventLine, Header, Line, PolicyLine, SuppressionLine};
use self::records::{ErasureLine, WebhookLine};
pub use self::restore::{RestoreError, restore};
use self::seal::Seal;
use crate::domain::Time;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::keyring::Keyring;
use crate::domain::ledger::Head;
use crate::operations::contact_scan::BY_CREATION;
use crate::operations::workspace;
use crate::store::{Reader, Selection, Store, Workspace, decode_profile, require_keys};

/// Entries, contacts and suppressions read and written at a time.
const PAGE: usize = 1000;
/// The version of the format.
const FORMAT: &str = "contacts-ledger/1";

/// What an export or a restore went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The end of the ledger, as `audit verify` prints it.
    pub head: Head,
    /// Contacts.
    pub contacts: u64,
    /// Identities of nobody, against which something stands.
    pub suppressions: u64,
}

/// Passes a line for each entry after the position `after` to `out`, then one for each contact,
/// suppression, erasure and record of a webhook, in one state of the database, and at last one that
/// says that this was all.
///
/// # Errors
/// When there is no such workspace, its ledger ends before `after`, or the database cannot be read.
pub async fn export(
    store: &Store,
    workspace_id: &str,
    after: i64,
    out: impl FnMut(String) + Send,
) -> Result<Summary> {
    let mut db = store.read_snapshot().await?;
    let exported = export_in(&mut *db, store.keyring(), (workspace_id, after), out).await;
    db.close().await;
    exported
}

async fn export_in(
    db: &mut dyn Reader,
    keyring: &Keyring,
    (workspace_id, after): (&str, i64),
    mut out: impl FnMut(String) + Send,
) -> Result<Summary> {
    let workspace = workspace(db, workspace_id).await?;
    let length = workspace.ledger.length;
    if after > length {
        let message = format!("the ledger ends at {length}: nothing comes after {after}");
        return Err(Error::invalid(Reason::InvalidArgument, "after", message));
    }
    let policies = db.opt_in_policies(&workspace).await?;
    let mut keys = db.suppression_keys(&workspace.workspace_id).await?;
    require_keys(keyring, &keys)?;
    if !keys.contains(&keyring.current()) {
        keys.push(keyring.current());
    }
    let mut seal = Seal::default();
    let mut put = |line: Line| {
        let text = line.encode()?;
        seal.add(text.as_bytes());
        out(text);
        Ok(())
    };
    put(Line::Header(Header::of(FORMAT, &workspace, &keys)))?;
    for period in &policies {
        put(Line::Policy(PolicyLine::of(period)))?;
    }
    let mut position = after;
    loop {
        let entries = db.ledger_entries(&workspace, position, PAGE).await?;
        let Some(last) = entries.last() else { break };
        position = last.position;
        for entry in &entries {
            put(Line::Event(EventLine::of(entry)))?;
        }
    }
    let head = workspace.ledger;
    let contacts = export_contacts(db, &workspace, &mut put).await?;
    let suppressions = export_suppressions(db, &workspace, &mut put).await?;
    let erasures = export_erasures(db, &workspace, &mut put).await?;
    let webhooks = export_webhooks(db, &workspace, &mut put).await?;
    let end = EndLine {
        head: head.to_string(),
        contacts,
        suppressions,
        erasures,
        webhooks,
        seal: String::new(),
    };
    out(Line::End(seal.end(end, keyring)?).encode()?);
    Ok(Summary { head, contacts, suppressions })
}

async fn export_contacts(
    db: &mut dyn Reader,
    workspace: &Workspace,
    put: &mut (impl FnMut(Line) -> Result<()> + Send),
) -> Result<u64> {
    let everybody = Selection { filter: None, words: Vec::new(), now: Time::UNIX_EPOCH };
    let (mut after, mut count) = (None, 0);
    loop {
        let page =
            db.list_contacts(workspace, &everybody, BY_CREATION, after.as_ref(), PAGE).await?.rows;
        let Some(last) = page.last() else { return Ok(count) };
        after = Some(last.cursor());
        let contacts = page.iter().map(decode_profile).collect::<Result<Vec<_>>>()?;
        let keys: Vec<_> = contacts.iter().flat_map(|c| c.profile.match_keys()).collect();
        let mut rows = db.consent(workspace, &keys).await?.into_iter();
        for contact in &contacts {
            let rows: Vec<_> = rows.by_ref().take(contact.profile.match_keys().len()).collect();
            put(Line::Contact(ContactLine::of(contact, &rows)))?;
            count += 1;
        }
    }
}

async fn export_suppressions(
    db: &mut dyn Reader,
    workspace: &Workspace,
    put: &mut (impl FnMut(Line) -> Result<()> + Send),
) -> Result<u64> {
    let (mut after, mut count) = (String::new(), 0);
    loop {
        let rows = db.consent_page(workspace, &after, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(count) };
        last.match_key.as_str().clone_into(&mut after);
        for row in rows.iter().filter(|row| row.contact_id.is_none()) {
            put(Line::Suppression(SuppressionLine::of(row)))?;
            count += 1;
        }
    }
}

async fn export_erasures(
    db: &mut dyn Reader,
    workspace: &Workspace,
    put: &mut (impl FnMut(Line) -> Result<()> + Send),
) -> Result<u64> {
    let (mut after, mut count) = (Uuid::nil(), 0);
    loop {
        let receipts = db.receipts_since(workspace, Time::UNIX_EPOCH, after, PAGE).await?;
        let Some(last) = receipts.last() else { return Ok(count) };
        after = last.receipt_id;
        for receipt in &receipts {
            put(Line::Erasure(ErasureLine::of(receipt)))?;
            count += 1;
        }
    }
}

async fn export_webhooks(
    db: &mut dyn Reader,
    workspace: &Workspace,
    put: &mut (impl FnMut(Line) -> Result<()> + Send),
) -> Result<u64> {
    let (mut after, mut count) = (Uuid::nil(), 0);
    loop {
        let records = db.webhook_record_page(workspace, after, PAGE).await?;
        let Some(last) = records.last() else { return Ok(count) };
        after = last.record_id;
        for record in &records {
            put(Line::Webhook(WebhookLine::of(record)))?;
            count += 1;
        }
    }
}
