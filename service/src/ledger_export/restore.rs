//! A workspace from the lines of its export.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;

use uuid::Uuid;

use super::line::{ContactLine, EndLine, EventLine, Header, Line, SuppressionLine};
use super::seal::Seal;
use super::{FORMAT, PAGE, Summary};
use crate::domain::consent::fold::World;
use crate::domain::consent::{Change, EventChange, IdentityId, PolicyPeriod};
use crate::domain::error::Error;
use crate::domain::ledger::{ERASURE, Entry, Head, Verifier};
use crate::domain::phone::MatchKey;
use crate::operations::restore::{
    EraseDetails, RestoreEntries, RestorePeople, RestoredContact, RestoredSuppression,
};
use crate::store::{ConsentRow, DetailClaim, Listing, Receipt, Store, WebhookRecord};

/// Longest line that is read. The longest that is written has the texts of one event.
const MAX_LINE: usize = 4 << 20;

/// Why lines cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A line cannot be used.
    #[error("line {line}: {what}")]
    Line {
        /// Its number, counted from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The lines contradict each other.
    #[error("the export cannot be used: a line of it {0}")]
    Content(String),
    /// The lines do not end with the line that says that they are all.
    #[error(
        "the export is not complete: its last line is missing; export the rest with --after {after}, \
         and append it"
    )]
    Incomplete {
        /// The position of the last entry.
        after: i64,
    },
    /// The lines cannot be read.
    #[error("cannot read the export: {0}")]
    Read(#[from] std::io::Error),
    /// The database refused.
    #[error("{0}")]
    Store(#[from] Error),
}

/// Makes a workspace again from the lines of its export, which may be several runs one after the
/// other, each continuing the one before. The chain of the ledger is verified on the way, and what
/// each identity is permitted is folded from it.
///
/// # Errors
/// When the workspace exists, or a line does not follow from those before. What was written until
/// then stays: delete the workspace before trying again.
pub async fn restore(store: &Store, lines: impl BufRead) -> Result<Summary, RestoreError> {
    let mut restore = Restore::new(store);
    let mut lines = lines;
    for number in 1.. {
        let mut text = Vec::new();
        let limit = MAX_LINE as u64 + 1;
        std::io::Read::take(&mut lines, limit).read_until(b'\n', &mut text)?;
        if text.is_empty() {
            break;
        }
        let at = |what: String| RestoreError::Line { line: number, what };
        if text.len() > MAX_LINE {
            return Err(at(format!("is longer than {MAX_LINE} bytes")));
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let line = Line::decode(&text).map_err(at)?;
        restore.take(text.trim_ascii(), line).await.map_err(|refused| match refused {
            Refused::Line(what) => at(what),
            Refused::Store(error) => RestoreError::Store(error),
        })?;
    }
    restore.finish().await
}

enum Refused {
    Line(String),
    Store(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// A restore in progress. People are written at the end: each run of an export tells whose the
/// identities were then, and the last one counts.
struct Restore<'a> {
    store: &'a Store,
    header: Option<Header>,
    policies: Vec<PolicyPeriod>,
    is_made: bool,
    verifier: Option<Verifier>,
    /// Of the run that is read.
    seal: Seal,
    world: World,
    /// Where events are, for the lists of those for whom they count.
    places: HashMap<Uuid, Place>,
    /// The events about identities that are nobody's, with the keys of their details.
    said_of_nobody: HashMap<IdentityId, Vec<(Uuid, MatchKey)>>,
    /// What contacts claimed of it, which is not written yet.
    claims: Vec<DetailClaim>,
    /// Positions of details that a later run of the export says are erased.
    late_erasures: HashSet<i64>,
    /// The events that made an identity nobody's, and what stood against it then.
    partings: HashMap<IdentityId, Vec<i64>>,
    /// Entries listed under what they let go, or under a contact that what they stand against came to.
    listings: Vec<(Listing, i64)>,
    entries: Vec<Entry>,
    contacts: Vec<ContactLine>,
    suppressions: Vec<SuppressionLine>,
    receipts: Vec<Receipt>,
    webhooks: Vec<WebhookRecord>,
    end: Option<Summary>,
}

impl<'a> Restore<'a> {
    fn new(store: &'a Store) -> Self {
        Self {
            store,
            header: None,
            policies: Vec::new(),
            is_made: false,
            verifier: None,
            seal: Seal::default(),
            world: World::default(),
            places: HashMap::new(),
            said_of_nobody: HashMap::new(),
            claims: Vec::new(),
            late_erasures: HashSet::new(),
            partings: HashMap::new(),
            listings: Vec::new(),
            entries: Vec::new(),
            contacts: Vec::new(),
            suppressions: Vec::new(),
            receipts: Vec::new(),
            webhooks: Vec::new(),
            end: None,
        }
    }

    async fn take(&mut self, text: &[u8], line: Line) -> Result<(), Refused> {
        let refuse = |what: &str| Err(Refused::Line(what.to_owned()));
        match line {
            Line::Header(header) => self.begin(header)?,
            _ if self.header.is_none() => return refuse("comes before the header of an export"),
            _ if self.end.is_some() => return refuse("comes after the end of an export"),
            Line::Policy(policy) => self.policies.push(policy.decode().map_err(Refused::Line)?),
            Line::Event(event) => self.event(event).await?,
            Line::Contact(contact) => self.contacts.push(contact),
            Line::Suppression(suppression) => self.suppressions.push(suppression),
            Line::Erasure(erasure) => {
                let receipt = erasure.decode(self.store.keyring()).map_err(Refused::Line)?;
                self.receipts.push(receipt);
            }
            Line::Webhook(webhook) => self.webhooks.push(webhook.decode().map_err(Refused::Line)?),
            Line::End(end) => {
                let there = self.verifier.as_ref().map(Verifier::head);
                let head = end.head.parse::<Head>().ok().filter(|head| Some(*head) == there);
                let Some(head) = head else {
                    return refuse("says that the ledger ends elsewhere: lines are missing");
                };
                let EndLine { contacts, suppressions, erasures, webhooks, .. } = end;
                let there = [
                    self.contacts.len(),
                    self.suppressions.len(),
                    self.receipts.len(),
                    self.webhooks.len(),
                ];
                if [contacts, suppressions, erasures, webhooks] != there.map(|count| count as u64) {
                    return refuse("counts other lines than there were");
                }
                if !std::mem::take(&mut self.seal).matches(&end, self.store.keyring())? {
                    return refuse(
                        "has another seal than its lines: the export was edited or damaged",
                    );
                }
                self.end = Some(Summary { head, contacts, suppressions });
                return Ok(());
            }
        }
        self.seal.add(text);
        Ok(())
    }

    /// Begins the export, or another run that continues it.
    fn begin(&mut self, header: Header) -> Result<(), Refused> {
        if header.format != FORMAT {
            return Err(Refused::Line(format!("is not of the format {FORMAT}")));
        }
        if self.header.as_ref().is_some_and(|known| !known.is_same_workspace(&header)) {
            return Err(Refused::Line("is of another workspace".to_owned()));
        }
        header.ensure_keys(self.store.keyring()).map_err(Refused::Line)?;
        self.verifier.get_or_insert_with(|| Verifier::new(&header.workspace_id, None));
        self.seal = Seal::default();
        self.policies.clear();
        self.contacts.clear();
        self.suppressions.clear();
        self.receipts.clear();
        self.webhooks.clear();
        self.end = None;
        self.header = Some(header);
        Ok(())
    }

    async fn event(&mut self, line: EventLine) -> Result<(), Refused> {
        let entry = line.decode().map_err(Refused::Line)?;
        let Some(verifier) = &mut self.verifier else { return Ok(()) };
        // A run that continues another may begin before its end.
        if entry.position <= verifier.head().length {
            return Ok(());
        }
        if entry.fact.kind == ERASURE {
            // An earlier run of the export still has what was erased since.
            let erased = entry.fact.erased_positions.iter().flat_map(|erased| erased.iter());
            self.late_erasures.extend(erased.filter(|position| verifier.erase_detail(*position)));
        }
        verifier.next(&entry).map_err(|broken| Refused::Line(broken.to_string()))?;
        let place = Place {
            position: entry.position,
            owner: entry.fact.contact_id,
            has_detail: entry.detail.is_some(),
        };
        self.places.insert(entry.fact.event_id, place);
        let gone = self.list(&entry)?;
        if let Some(event) = entry.fact.fold_event()? {
            self.world.apply(&event);
        }
        for identity in gone {
            let standing = self.standing(identity);
            let parted = self.partings.entry(identity).or_default();
            parted.push(entry.position);
            parted.extend(standing);
        }
        self.entries.push(entry);
        match self.entries.len() < PAGE {
            true => Ok(()),
            false => self.write_entries().await,
        }
    }

    /// Lists an entry under the identities and the contact that it let go, and what was said of an
    /// identity under the contact that it came to. Returns these identities.
    fn list(&mut self, entry: &Entry) -> Result<Vec<IdentityId>, Refused> {
        let gone = match entry.fact.change()? {
            EventChange::Identities(Change::Released { identity }) => {
                vec![identity]
            }
            EventChange::Identities(Change::Erased { identity }) => {
                let contact = entry.fact.contact_id.map(Listing::Contact);
                self.listings.extend(contact.map(|listing| (listing, entry.position)));
                let person = self.world.person(identity);
                let members = person.map(|person| person.members().iter().map(|m| m.id).collect());
                members.unwrap_or_else(|| vec![identity])
            }
            EventChange::Identities(Change::Merged { contact_id, .. }) => {
                // Leads to the survivor, also after its erasure.
                self.listings.push((Listing::Contact(contact_id), entry.position));
                Vec::new()
            }
            EventChange::Forgotten(identities) => identities,
            EventChange::Identities(Change::Claimed { identity }) => {
                if let Some(contact_id) = entry.fact.contact_id {
                    self.claim(identity, contact_id);
                }
                Vec::new()
            }
            EventChange::Said { named, .. } => {
                if let (None, Some(detail)) = (entry.fact.contact_id, &entry.detail) {
                    // The detail has the key of the first.
                    let said = named.first().map(|id| self.said_of_nobody.entry(*id).or_default());
                    let key = MatchKey::from_stored(detail.match_key.clone());
                    said.into_iter().for_each(|it| it.push((entry.fact.event_id, key.clone())));
                }
                Vec::new()
            }
            EventChange::Identities(_) => Vec::new(),
        };
        let listing = |id: &IdentityId| (Listing::Identity(*id), entry.position);
        self.listings.extend(gone.iter().map(listing));
        Ok(gone)
    }

    /// The positions of what stands against an identity.
    fn standing(&self, identity: IdentityId) -> Vec<i64> {
        let row = self.world.row(identity).unwrap_or_default();
        let events = row.objections.events().into_iter();
        events.filter_map(|event| Some(self.places.get(&event)?.position)).collect()
    }

    /// Lists what stands against an identity under the contact that it comes to, which has the
    /// details of what was said before from then on: its erasure erases them.
    fn claim(&mut self, identity: IdentityId, contact_id: Uuid) {
        let standing = self.standing(identity).into_iter();
        let listed = standing.map(|position| (Listing::Contact(contact_id), position));
        self.listings.extend(listed);
        for (event, key) in self.said_of_nobody.remove(&identity).into_iter().flatten() {
            if let Some(place) = self.places.get_mut(&event) {
                place.owner = Some(contact_id);
                self.claims.push(DetailClaim { key, position: place.position, contact_id });
            }
        }
    }

    async fn write_entries(&mut self) -> Result<(), Refused> {
        let (Some(header), Some(verifier)) = (&self.header, &self.verifier) else { return Ok(()) };
        if !self.is_made {
            let make = header.workspace(&self.policies).map_err(Refused::Line)?;
            self.store.write(make).await?;
            self.is_made = true;
        }
        let entries = std::mem::take(&mut self.entries);
        if !entries.is_empty() {
            let (workspace_id, head) = (header.workspace_id.clone(), verifier.head());
            let claims = std::mem::take(&mut self.claims);
            self.store.write(RestoreEntries { workspace_id, entries, head, claims }).await?;
        }
        Ok(())
    }

    /// Writes whose the identities are, suppressions first: a server that runs against the
    /// rules meets objections before it meets contacts.
    async fn finish(mut self) -> Result<Summary, RestoreError> {
        let after = self.verifier.as_ref().map_or(0, |verifier| verifier.head().length);
        let end = self.end.ok_or(RestoreError::Incomplete { after })?;
        // Of a run that was cut off, no seal tells that a detail was taken out.
        if let Some(Err(broken)) = self.verifier.as_ref().map(|verifier| verifier.finish(end.head))
        {
            return Err(RestoreError::Content(format!("was changed: {broken}")));
        }
        self.write_entries().await.map_err(Refused::at_the_end)?;
        let Some(header) = self.header.take() else {
            return Err(RestoreError::Incomplete { after });
        };
        let workspace_id = &header.workspace_id;
        let page =
            || RestorePeople { workspace_id: workspace_id.clone(), ..RestorePeople::default() };
        for listings in self.listings.chunks(PAGE) {
            self.store.write(RestorePeople { listings: listings.to_vec(), ..page() }).await?;
        }
        for webhooks in self.webhooks.chunks(PAGE) {
            self.store.write(RestorePeople { webhooks: webhooks.to_vec(), ..page() }).await?;
        }
        for receipts in self.receipts.chunks(PAGE) {
            self.store.write(RestorePeople { receipts: receipts.to_vec(), ..page() }).await?;
        }
        for lines in self.suppressions.chunks(PAGE) {
            let suppressions = lines.iter().map(|line| self.suppression(line));
            let suppressions =
                suppressions.collect::<Result<_, _>>().map_err(Refused::at_the_end)?;
            self.store.write(RestorePeople { suppressions, ..page() }).await?;
        }
        for lines in self.contacts.chunks(PAGE) {
            let contacts = lines.iter().map(|line| self.contact(line));
            let contacts = contacts.collect::<Result<_, _>>().map_err(Refused::at_the_end)?;
            self.store.write(RestorePeople { contacts, ..page() }).await?;
        }
        let erased: Vec<_> = self.late_erasures.iter().copied().collect();
        self.store.write(EraseDetails { workspace_id: workspace_id.clone(), erased }).await?;
        self.store.write(header.settings(self.policies)).await?;
        Ok(end)
    }

    fn suppression(&self, line: &SuppressionLine) -> Result<RestoredSuppression, Refused> {
        let row = line.decode(&self.world, self.store.keyring()).map_err(Refused::Line)?;
        // What was said of it while it was nobody's is listed by its details.
        let said = self.said_of_nobody.get(&row.identity_id).into_iter().flatten();
        let said: Vec<_> = said.filter_map(|(event, _)| self.places.get(event)).collect();
        let has_details = |place: &Place| {
            let is_said = said.iter().any(|it| it.position == place.position);
            is_said && place.has_detail && !self.late_erasures.contains(&place.position)
        };
        let listed = self.counting(&row, has_details).chain(self.parted(&row)).collect();
        Ok(RestoredSuppression { row, listed })
    }

    fn contact(&self, line: &ContactLine) -> Result<RestoredContact, Refused> {
        let mut restored = line.decode(&self.world).map_err(Refused::Line)?;
        let ids: Vec<_> = restored.contact.all_ids().collect();
        // What is said of a contact, or was of nobody, is listed by its details.
        let has_details = |place: &Place| {
            let is_of_contact = place.owner.is_none_or(|id| ids.contains(&id));
            let is_erased = self.late_erasures.contains(&place.position);
            is_of_contact && place.has_detail && !is_erased
        };
        let of_rows = restored.rows.iter();
        let parted = of_rows.flat_map(|row| self.parted(row).map(|at| (row.match_key.clone(), at)));
        restored.parted = parted.collect();
        // All rows have the same: what counts for one identity counts for the contact.
        let counting = restored.rows.iter().take(1).flat_map(|row| self.counting(row, has_details));
        restored.counting = counting.collect();
        Ok(restored)
    }

    /// The positions of events that count for an identity, without those that its list shows
    /// anyhow.
    fn counting(
        &self,
        row: &ConsentRow,
        is_listed: impl Fn(&Place) -> bool,
    ) -> impl Iterator<Item = i64> {
        let events = row.consent.objections.events().into_iter();
        let places = events.filter_map(|event| self.places.get(&event));
        places.filter(move |place| !is_listed(place)).map(|place| place.position)
    }

    /// The positions of what is listed under an identity since it was let go.
    fn parted(&self, row: &ConsentRow) -> impl Iterator<Item = i64> {
        self.partings.get(&row.identity_id).into_iter().flatten().copied()
    }
}

/// Where an event is, and whose its detail is.
struct Place {
    position: i64,
    owner: Option<Uuid>,
    has_detail: bool,
}

impl Refused {
    fn at_the_end(self) -> RestoreError {
        match self {
            Self::Line(what) => RestoreError::Content(what),
            Self::Store(error) => RestoreError::Store(error),
        }
    }
}
