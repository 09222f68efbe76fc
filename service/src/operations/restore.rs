//! Writing a workspace from the lines of its export.

use uuid::Uuid;

use crate::domain::Time;
use crate::domain::consent::{ConsentSummary, OptInPolicy, PolicyPeriod};
use crate::domain::contact::Contact;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::ledger::{Entry, Head};
use crate::domain::phone::MatchKey;
use crate::domain::workspace::WorkspaceSettings;
use crate::store::{
    ConsentRow, DetailClaim, Listing, Lock, Operation, Receipt, Transaction, WebhookRecord,
    Workspace,
};

use super::lock_workspace;
use super::workspaces::CreateWorkspace;

/// Makes the workspace.
#[derive(Debug)]
pub struct RestoreWorkspace {
    /// Its id, which the hashes of its ledger and suppressions depend on.
    pub workspace_id: String,
    /// Its name.
    pub display_name: String,
    /// When it was created.
    pub create_time: Time,
    /// The policy that it was created with.
    pub policy: OptInPolicy,
}

impl Operation for RestoreWorkspace {
    type Output = Workspace;

    async fn run(&self, tx: &mut Transaction) -> Result<Workspace> {
        let create = CreateWorkspace {
            workspace_id: self.workspace_id.clone(),
            display_name: self.display_name.clone(),
            settings: WorkspaceSettings {
                opt_in_policy: self.policy.clone(),
                ..WorkspaceSettings::default()
            },
        };
        create.run_at(tx, self.create_time).await.map_err(|error| match error.reason() {
            Reason::WorkspaceAlreadyExists => {
                let message = format!(
                    "workspace {} exists; restore into a database without it, or delete it first",
                    self.workspace_id
                );
                Error::new(Reason::WorkspaceAlreadyExists, message)
            }
            _ => error,
        })
    }
}

/// Appends sealed entries, which follow those that are there.
#[derive(Debug)]
pub struct RestoreEntries {
    /// The workspace.
    pub workspace_id: String,
    /// The entries.
    pub entries: Vec<Entry>,
    /// The end of the ledger after them.
    pub head: Head,
    /// What contacts claimed of the details until then.
    pub claims: Vec<DetailClaim>,
}

impl Operation for RestoreEntries {
    type Output = ();

    async fn run(&self, tx: &mut Transaction) -> Result<()> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let (_, head) = tx.db.next_consent_revision(&workspace).await?;
        let first = self.entries.first().map_or(1, |entry| entry.position);
        if head.length + 1 != first {
            let message = "the workspace was changed while it was restored";
            return Err(Error::new(Reason::WriteConflict, message));
        }
        tx.db.append_ledger_entries(&workspace, &self.entries, &self.head).await?;
        if !self.claims.is_empty() {
            tx.db.claim_ledger_details_at(&workspace, &self.claims).await?;
        }
        Ok(())
    }
}

/// A contact with the rows of its identities.
#[derive(Debug)]
pub struct RestoredContact {
    /// What names it, and nothing else of its profile.
    pub contact: Contact,
    /// In the order of its match keys.
    pub rows: Vec<ConsentRow>,
    /// The positions of entries that are listed under identities since they were let go.
    pub parted: Vec<(MatchKey, i64)>,
    /// The positions of entries that count for it, and are not listed by their details.
    pub counting: Vec<i64>,
}

impl RestoredContact {
    /// The contact with what it repeats of its consent.
    fn with_summary(&self) -> (Contact, ConsentSummary) {
        let summary =
            self.rows.first().map(|row| ConsentSummary::of(&row.consent, row.update_time));
        (self.contact.clone(), summary.unwrap_or_default())
    }
}

/// The row of somebody who is no contact.
#[derive(Debug)]
pub struct RestoredSuppression {
    /// Under a keyed hash.
    pub row: ConsentRow,
    /// The positions of the entries that are listed under it.
    pub listed: Vec<i64>,
}

/// Writes whose the identities of the ledger are.
#[derive(Debug, Default)]
pub struct RestorePeople {
    /// The workspace.
    pub workspace_id: String,
    /// Contacts.
    pub contacts: Vec<RestoredContact>,
    /// Non-contacts.
    pub suppressions: Vec<RestoredSuppression>,
    /// Receipts of erasures.
    pub receipts: Vec<Receipt>,
    /// What webhooks told, by id.
    pub webhooks: Vec<WebhookRecord>,
    /// Further entries that let identities go, for checks as of a time.
    pub listings: Vec<(Listing, i64)>,
}

impl Operation for RestorePeople {
    type Output = ();

    async fn run(&self, tx: &mut Transaction) -> Result<()> {
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        let (revision, _) = tx.db.next_consent_revision(&workspace).await?;
        let keyring = tx.keyring();
        let hashed: Vec<_> = self.suppressions.iter().map(|it| it.row.match_key.clone()).collect();
        tx.lock_keys_of(&workspace, &hashed).await?;
        for receipt in &self.receipts {
            tx.db.insert_receipt(&workspace, receipt).await?;
        }
        if !self.webhooks.is_empty() {
            tx.db.set_webhook_records(&workspace, &self.webhooks).await?;
        }
        let contacts: Vec<_> = self.contacts.iter().map(RestoredContact::with_summary).collect();
        if !contacts.is_empty() {
            tx.db.insert_contacts(&workspace, &contacts).await?;
        }
        let of_contacts = self.contacts.iter().flat_map(|contact| &contact.rows);
        let suppressed = self.suppressions.iter().map(|suppression| &suppression.row);
        let stamped = |row: &ConsentRow| ConsentRow { revision, ..row.clone() };
        let mut rows: Vec<_> = of_contacts.chain(suppressed).map(stamped).collect();
        rows.sort_by(|a, b| a.match_key.cmp(&b.match_key));
        if !rows.is_empty() {
            tx.db.upsert_consent(&workspace, &rows).await?;
        }
        let mut pointers = self.listings.clone();
        for suppression in &self.suppressions {
            let listing = Listing::Key(suppression.row.match_key.clone());
            pointers.extend(suppression.listed.iter().map(|position| (listing.clone(), *position)));
        }
        for RestoredContact { contact, parted, counting, .. } in &self.contacts {
            let hashed = |key| Listing::Key(keyring.hashed(&workspace.workspace_id, key));
            pointers.extend(parted.iter().map(|(key, position)| (hashed(key), *position)));
            let listing = Listing::Contact(contact.contact_id);
            pointers.extend(counting.iter().map(|position| (listing.clone(), *position)));
        }
        tx.db.add_ledger_pointers(&workspace, &pointers).await?;
        for (contact, _) in &contacts {
            self.claim(tx, &workspace, contact).await?;
        }
        Ok(())
    }
}

impl RestorePeople {
    /// What leads to a contact: the ids of those merged into it, and what was said of its
    /// identities before they were a contact's.
    async fn claim(
        &self,
        tx: &mut Transaction,
        workspace: &Workspace,
        contact: &Contact,
    ) -> Result<()> {
        let merged: &[Uuid] = &contact.profile.merged_contact_ids;
        for id in merged {
            tx.db.redirect_contact(workspace, *id, contact.contact_id).await?;
        }
        let keyring = tx.keyring();
        let keys = contact.profile.match_keys();
        let hashed: Vec<_> = keys
            .iter()
            .flat_map(|key| keyring.hashed_all(&workspace.workspace_id, key).collect::<Vec<_>>())
            .collect();
        tx.db.claim_ledger_details(workspace, &hashed, contact.contact_id).await
    }
}

/// Erases details that were in an earlier run of the export, and not in the last.
#[derive(Debug)]
pub struct EraseDetails {
    /// The workspace.
    pub workspace_id: String,
    /// The positions of their entries.
    pub erased: Vec<i64>,
}

impl Operation for EraseDetails {
    type Output = ();

    async fn run(&self, tx: &mut Transaction) -> Result<()> {
        if self.erased.is_empty() {
            return Ok(());
        }
        let workspace = lock_workspace(tx, &self.workspace_id, Lock::Shared).await?;
        tx.db.erase_ledger_details_at(&workspace, &self.erased).await
    }
}

/// Writes the settings, with the history of policies.
#[derive(Debug)]
pub struct RestoreSettings {
    /// The workspace.
    pub workspace_id: String,
    /// Its settings.
    pub settings: WorkspaceSettings,
    /// Its policies, newest first.
    pub policies: Vec<PolicyPeriod>,
}

impl Operation for RestoreSettings {
    type Output = ();

    async fn run(&self, tx: &mut Transaction) -> Result<()> {
        let mut workspace = lock_workspace(tx, &self.workspace_id, Lock::Exclusive).await?;
        workspace.settings = self.settings.clone();
        tx.db.update_workspace(&workspace).await?;
        // The first of them is the one that the workspace was made with.
        let is_later = |period: &&PolicyPeriod| period.begin_time != workspace.create_time;
        for period in self.policies.iter().rev().filter(is_later) {
            tx.db.add_opt_in_policy(&workspace, period, None).await?;
        }
        Ok(())
    }
}
