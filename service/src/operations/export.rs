//! Exporting everything that is stored about one person.

use crate::domain::consent::ConsentEvent;
use crate::domain::contact::Recipient;
use crate::domain::error::{Error, Reason, Result};
use crate::store::{CheckRow, ContactRow, Receipt, Store, StoredResponseInfo, decode_profile};

use super::unit_of_work::former_identity;
use super::{opt_in, read, workspace};

/// Everything that is stored about one person.
#[derive(Debug)]
pub struct Held {
    /// None for a non-contact.
    pub contact: Option<ContactRow>,
    /// None if nothing is recorded.
    pub consent: Option<CheckRow>,
    /// Newest first, each with its position in the ledger.
    pub events: Vec<(i64, ConsentEvent)>,
    /// Stored responses about the contact, newest first.
    pub answers: Vec<StoredResponseInfo>,
    /// Receipts of erasures of the contact.
    pub receipts: Vec<Receipt>,
}

/// Collects it, with up to `limit` events and up to `limit` responses.
pub async fn held(
    store: &Store,
    workspace_id: &str,
    person: &Recipient,
    limit: usize,
) -> Result<Held> {
    let mut db = store.read().await?;
    let workspace = workspace(&mut *db, workspace_id).await?;
    let found = db.find_contacts(&workspace, std::slice::from_ref(person)).await?;
    let mut contact = found.into_iter().flatten().next();
    if let (Some(contact), Recipient::Key(key)) = (&contact, person) {
        let contact = decode_profile(contact)?;
        if contact.profile.is_former(key) {
            return Err(former_identity(key, &contact));
        }
    }
    let contact_id = match (&contact, person) {
        (Some(contact), _) => Some(contact.contact_id),
        (None, Recipient::Id(id)) => Some(*id),
        (None, Recipient::Key(_) | Recipient::ExternalId(_)) => None,
    };
    let (mut answers, mut receipts) = (Vec::new(), Vec::new());
    if let Some(id) = contact_id {
        answers = db.stored_responses_about(&workspace, id, limit).await?;
        receipts = db.receipts(&workspace, id).await?;
    }
    read::add_identities(&mut *db, &workspace, contact.iter_mut()).await?;
    drop(db);
    let key = match (&contact, person) {
        (Some(contact), _) => decode_profile(contact)?.profile.match_keys().into_iter().next(),
        (None, Recipient::Key(key)) => Some(key.clone()),
        (None, Recipient::Id(_) | Recipient::ExternalId(_)) => None,
    };
    let (mut consent, mut events) = (None, Vec::new());
    if let Some(key) = key {
        let known = store.check(&workspace.workspace_id, std::slice::from_ref(&key), false).await?;
        consent = known.and_then(|mut checked| checked.rows.remove(&key));
        events = opt_in::events(store, &workspace.workspace_id, person, None, limit).await?;
    }
    let nothing =
        contact.is_none() && consent.is_none() && events.is_empty() && receipts.is_empty();
    if nothing {
        let message = "nothing is held about this person";
        return Err(Error::new(Reason::ContactNotFound, message).with_resource("contact", ""));
    }
    Ok(Held { contact, consent, events, answers, receipts })
}
