//! A workspace from the lines of its export.

mod lists;

use std::io::BufRead;

use self::lists::Lists;
use super::line::{ContactLine, EndLine, EventLine, Header, Line, SuppressionLine};
use super::seal::Seal;
use super::{FORMAT, PAGE, Summary};
use crate::domain::consent::PolicyPeriod;
use crate::domain::error::Error;
use crate::domain::ledger::{ERASURE, Entry, Head, Verifier};
use crate::operations::restore::{
    EraseDetails, RestoreEntries, RestorePeople, RestoredContact, RestoredSuppression,
};
use crate::store::{Receipt, Store, WebhookRecord};

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
    lists: Lists,
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
            lists: Lists::default(),
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
            let late = erased.filter(|position| verifier.erase_detail(*position));
            self.lists.late_erasures.extend(late);
        }
        verifier.next(&entry).map_err(|broken| Refused::Line(broken.to_string()))?;
        self.lists.add(&entry)?;
        self.entries.push(entry);
        match self.entries.len() < PAGE {
            true => Ok(()),
            false => self.write_entries().await,
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
            let claims = std::mem::take(&mut self.lists.claims);
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
        for listings in self.lists.listings.chunks(PAGE) {
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
        let erased: Vec<_> = self.lists.late_erasures.iter().copied().collect();
        self.store.write(EraseDetails { workspace_id: workspace_id.clone(), erased }).await?;
        self.store.write(header.settings(self.policies)).await?;
        Ok(end)
    }

    fn suppression(&self, line: &SuppressionLine) -> Result<RestoredSuppression, Refused> {
        let row = line.decode(&self.lists.world, self.store.keyring()).map_err(Refused::Line)?;
        let listed = self.lists.of_suppression(&row);
        Ok(RestoredSuppression { row, listed })
    }

    fn contact(&self, line: &ContactLine) -> Result<RestoredContact, Refused> {
        let mut restored = line.decode(&self.lists.world).map_err(Refused::Line)?;
        restored.parted = self.lists.parted_of(&restored);
        restored.counting = self.lists.counting_of(&restored);
        Ok(restored)
    }
}

impl Refused {
    fn at_the_end(self) -> RestoreError {
        match self {
            Self::Line(what) => RestoreError::Content(what),
            Self::Store(error) => RestoreError::Store(error),
        }
    }
}
