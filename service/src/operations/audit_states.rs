//! Recomputing from the ledger what every identity is permitted and what stands against
//! it, and comparing that with the rows that checks read.

use std::collections::{HashMap, HashSet};
use std::fmt;

use uuid::Uuid;

use super::workspace;
use crate::domain::Time;
use crate::domain::consent::fold::World;
use crate::domain::consent::{ConsentSummary, EventChange, IdentityId, Role};
use crate::domain::error::Result;
use crate::store::{
    ConsentRow, Order, OrderBy, Reader, Selection, Store, Workspace, decode_profile,
};

/// How many entries or rows are read at a time.
const PAGE: usize = 1000;
/// How many differences are returned, at most.
const MAX_MISMATCHES: usize = 1000;

/// A row that is not what the ledger amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateMismatch {
    /// The identity, as the ledger names it.
    pub identity_id: Uuid,
    /// Its contact, as far as a row tells.
    pub contact_id: Option<Uuid>,
    /// What is wrong.
    pub difference: Difference,
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It permits or forbids something else than the ledger.
    Consent,
    /// It is current in one and former in the other.
    Role,
    /// It is another contact's than the ledger says.
    Join,
    /// There is no row.
    Missing,
    /// The contact shows another consent than checks read.
    Summary,
}

impl fmt::Display for StateMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "identity {}", self.identity_id)?;
        if let Some(contact_id) = self.contact_id {
            write!(f, " of contact {contact_id}")?;
        }
        f.write_str(match self.difference {
            Difference::Consent => ": the stored consent is not what the ledger amounts to",
            Difference::Role => ": it is stored as current but is a former one, or the reverse",
            Difference::Join => ": it is stored with another contact than in the ledger",
            Difference::Missing => ": the stored consent is missing",
            Difference::Summary => ": lists and filters show another consent than checks read",
        })
    }
}

/// Compares all rows of a workspace with its ledger, in a snapshot of the database. Holds
/// every identity that the ledger names in memory.
pub async fn verify_states(store: &Store, workspace_id: &str) -> Result<Vec<StateMismatch>> {
    let mut db = store.read_snapshot().await?;
    let found = compare(&mut *db, workspace_id).await;
    db.close().await;
    found
}

async fn compare(db: &mut dyn Reader, workspace_id: &str) -> Result<Vec<StateMismatch>> {
    let workspace = workspace(db, workspace_id).await?;
    let (world, forgotten) = fold(db, &workspace).await?;
    let mut mismatches = Vec::new();
    let mut seen = HashSet::new();
    // The contact of each person of several identities, by the first one seen.
    let mut contacts: HashMap<IdentityId, Option<Uuid>> = HashMap::new();
    let mut after = String::new();
    loop {
        let rows = db.consent_page(&workspace, &after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        last.match_key.as_str().clone_into(&mut after);
        for row in &rows {
            seen.insert(row.identity_id);
            if let Some(difference) = difference(row, &world, &mut contacts)
                && mismatches.len() < MAX_MISMATCHES
            {
                let (identity_id, contact_id) = (row.identity_id.0, row.contact_id);
                mismatches.push(StateMismatch { identity_id, contact_id, difference });
            }
        }
    }
    for person in world.persons() {
        for member in person.members() {
            let is_stored = seen.contains(&member.id) || forgotten.contains(&member.id);
            let is_empty = person.row(member.id).is_none_or(|row| row.is_empty());
            let is_alone = person.members().len() == 1;
            if !(is_stored || is_empty && is_alone) && mismatches.len() < MAX_MISMATCHES {
                let (identity_id, difference) = (member.id.0, Difference::Missing);
                mismatches.push(StateMismatch { identity_id, contact_id: None, difference });
            }
        }
    }
    compare_contacts(db, &workspace, &mut mismatches).await?;
    Ok(mismatches)
}

/// Every contact's identities have a row of it, which is what the contact shows. The ledger
/// names no keys, so this finds rows that moved from one key to another.
async fn compare_contacts(
    db: &mut dyn Reader,
    workspace: &Workspace,
    mismatches: &mut Vec<StateMismatch>,
) -> Result<()> {
    let everybody = Selection { filter: None, words: Vec::new(), now: Time::UNIX_EPOCH };
    let order = Order { by: OrderBy::CreateTime, descending: false };
    let mut after = None;
    loop {
        let page = db.list_contacts(workspace, &everybody, order, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.cursor());
        let contacts = page.iter().map(decode_profile).collect::<Result<Vec<_>>>()?;
        let keys: Vec<_> = contacts.iter().flat_map(|c| c.profile.match_keys()).collect();
        let mut rows = db.consent(workspace, &keys).await?.into_iter();
        let ids: Vec<_> = contacts.iter().map(|contact| contact.contact_id).collect();
        let shown = db.contact_consents(workspace, &ids).await?;
        for contact in &contacts {
            for (index, key) in contact.profile.match_keys().iter().enumerate() {
                let row = rows.next().flatten();
                let difference = match &row {
                    None => Some(Difference::Missing),
                    Some(row) if row.contact_id != Some(contact.contact_id) => {
                        Some(Difference::Join)
                    }
                    Some(row) if row.is_former != contact.profile.is_former(key) => {
                        Some(Difference::Role)
                    }
                    Some(row)
                        if index == 0
                            && shown.get(&contact.contact_id)
                                != Some(&ConsentSummary::of(&row.consent, row.update_time)) =>
                    {
                        Some(Difference::Summary)
                    }
                    Some(_) => None,
                };
                if let Some(difference) = difference
                    && mismatches.len() < MAX_MISMATCHES
                {
                    let identity_id = row.map(|row| row.identity_id.0).unwrap_or_default();
                    let contact_id = Some(contact.contact_id);
                    mismatches.push(StateMismatch { identity_id, contact_id, difference });
                }
            }
        }
    }
}

fn difference(
    row: &ConsentRow,
    world: &World,
    contacts: &mut HashMap<IdentityId, Option<Uuid>>,
) -> Option<Difference> {
    let id = row.identity_id;
    if world.row(id).unwrap_or_default() != row.consent {
        return Some(Difference::Consent);
    }
    let role = world.role(id).unwrap_or(Role::Current);
    if (role == Role::Former) != row.is_former {
        return Some(Difference::Role);
    }
    let person = world.person(id)?;
    let first = person.members().first()?.id;
    let expected = *contacts.entry(first).or_insert(row.contact_id);
    (person.members().len() > 1 && expected != row.contact_id).then_some(Difference::Join)
}

async fn fold(db: &mut dyn Reader, workspace: &Workspace) -> Result<(World, HashSet<IdentityId>)> {
    let (mut world, mut forgotten) = (World::default(), HashSet::new());
    let mut after = 0;
    loop {
        let entries = db.ledger_entries(workspace, after, PAGE).await?;
        let Some(last) = entries.last() else { return Ok((world, forgotten)) };
        after = last.position;
        for entry in &entries {
            if let EventChange::Forgotten(identities) = entry.fact.change()? {
                forgotten.extend(identities);
            }
            if let Some(event) = entry.fact.fold_event()? {
                world.apply(&event);
            }
        }
    }
}
