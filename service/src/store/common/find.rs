//! Finding contacts by whatever identifies them.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use uuid::Uuid;

use crate::domain::contact::Recipient;
use crate::domain::error::Result;
use crate::store::{ContactRow, Workspace};

/// The statements of an engine that [`find_contacts`] is made of. None is called
/// with an empty set.
#[async_trait]
pub(in crate::store) trait ContactLookup {
    /// The ids of the contacts with these keys.
    async fn contact_ids(
        &mut self,
        workspace: &Workspace,
        keys: BTreeSet<&str>,
    ) -> Result<HashMap<String, Uuid>>;
    /// The ids of the contacts with these external ids.
    async fn contact_ids_by_external_id(
        &mut self,
        workspace: &Workspace,
        external_ids: BTreeSet<&str>,
    ) -> Result<HashMap<String, Uuid>>;
    /// The contacts with these ids, locked in a write transaction.
    async fn contacts_by_id(
        &mut self,
        workspace: &Workspace,
        contact_ids: &BTreeSet<Uuid>,
    ) -> Result<HashMap<Uuid, ContactRow>>;
    /// The contacts that these ids of merged contacts are redirected to.
    async fn redirects(
        &mut self,
        workspace: &Workspace,
        merged_ids: &BTreeSet<Uuid>,
    ) -> Result<HashMap<Uuid, Uuid>>;
}

/// Finds the contacts of these recipients, in the order of `recipients`.
pub(in crate::store) async fn find_contacts(
    db: &mut impl ContactLookup,
    workspace: &Workspace,
    recipients: &[Recipient],
) -> Result<Vec<Option<ContactRow>>> {
    let (mut keys, mut external_ids) = (BTreeSet::new(), BTreeSet::new());
    for recipient in recipients {
        match recipient {
            Recipient::Key(key) => drop(keys.insert(key.as_str())),
            Recipient::ExternalId(id) => drop(external_ids.insert(id.as_str())),
            Recipient::Id(_) => {}
        }
    }
    let ids_by_key = match keys.is_empty() {
        true => HashMap::new(),
        false => db.contact_ids(workspace, keys).await?,
    };
    let ids_by_external_id = match external_ids.is_empty() {
        true => HashMap::new(),
        false => db.contact_ids_by_external_id(workspace, external_ids).await?,
    };
    let id_of = |recipient: &Recipient| match recipient {
        Recipient::Id(id) => Some(*id),
        Recipient::Key(key) => ids_by_key.get(key.as_str()).copied(),
        Recipient::ExternalId(id) => ids_by_external_id.get(id.as_str()).copied(),
    };
    let wanted: BTreeSet<Uuid> = recipients.iter().filter_map(id_of).collect();
    let mut rows = match wanted.is_empty() {
        true => HashMap::new(),
        false => db.contacts_by_id(workspace, &wanted).await?,
    };
    let missing: BTreeSet<_> = wanted.into_iter().filter(|id| !rows.contains_key(id)).collect();
    let mut redirects = HashMap::new();
    if !missing.is_empty() {
        redirects = db.redirects(workspace, &missing).await?;
        let targets: BTreeSet<_> = redirects.values().copied().collect();
        if !targets.is_empty() {
            rows.extend(db.contacts_by_id(workspace, &targets).await?);
        }
    }
    let row = |id: Uuid| rows.get(redirects.get(&id).unwrap_or(&id)).cloned();
    Ok(recipients.iter().map(|recipient| row(id_of(recipient)?)).collect())
}
