//! Contacts by id or key, and their changes.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use super::{PageCursor, Workspace};
use crate::domain::consent::{ConsentSummary, ShownConsent};
use crate::domain::contact::{Contact, Profile, Recipient};
use crate::domain::error::Result;
use crate::domain::identity::ContactIdentity;

/// A contact as stored, with its profile still encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct ContactRow {
    /// Never changes.
    pub contact_id: Uuid,
    /// The profile, see `encode_profile`.
    pub record: Bytes,
    /// Incremented by every change of the profile.
    pub version: i64,
    /// What the contact shows of the person's consent, by the workspace's policy.
    pub consent: ShownConsent,
    /// The key a page is ordered by. Empty outside of pages, and in pages
    /// ordered by creation.
    pub sort_key: String,
    /// Its identities with their consent. Empty unless they were asked for.
    pub identities: Vec<ContactIdentity>,
}

impl ContactRow {
    /// The cursor of a page that ends with this row.
    pub fn cursor(&self) -> PageCursor {
        PageCursor { sort_key: self.sort_key.clone(), contact_id: self.contact_id }
    }
}

/// The columns of a contact that repeat its record, for filters and lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContactColumns {
    /// What it repeats of its consent. None if that cannot be read.
    pub consent: Option<ConsentSummary>,
    /// Phone number, email, first name and last name.
    pub texts: [String; 4],
    /// When it was created and last changed, in microseconds since 1970.
    pub times: [i64; 2],
}

impl ContactColumns {
    /// What the columns have to be.
    pub fn of(contact: &Contact, consent: Option<ConsentSummary>) -> Self {
        let Profile { phone_number, email, first_name, last_name, .. } = &contact.profile;
        let number = phone_number.as_ref().map(ToString::to_string).unwrap_or_default();
        Self {
            consent,
            texts: [number, email.clone(), first_name.clone(), last_name.clone()],
            times: [contact.create_time, contact.update_time].map(|time| time.timestamp_micros()),
        }
    }
}

/// Reads contacts.
#[async_trait]
pub trait ContactReader {
    /// Returns the contacts of these recipients, in the order of `recipients`.
    /// The id or external id of a merged contact finds the one it was merged into. In a write
    /// transaction the contacts are locked until it ends.
    async fn find_contacts(
        &mut self,
        workspace: &Workspace,
        recipients: &[Recipient],
    ) -> Result<Vec<Option<ContactRow>>>;
    /// Returns what contacts repeat of their consent, by id.
    async fn contact_consents(
        &mut self,
        workspace: &Workspace,
        contact_ids: &[Uuid],
    ) -> Result<HashMap<Uuid, ConsentSummary>>;
    /// Returns what the columns of contacts repeat of their records, by id, whatever is in them.
    async fn contact_columns(
        &mut self,
        workspace: &Workspace,
        contact_ids: &[Uuid],
    ) -> Result<HashMap<Uuid, ContactColumns>>;
}

/// Writes contacts.
#[async_trait]
pub trait ContactWriter {
    /// Adds contacts with what each repeats of its consent, without their consent rows.
    async fn insert_contacts(
        &mut self,
        workspace: &Workspace,
        contacts: &[(Contact, ConsentSummary)],
    ) -> Result<()>;
    /// Changes profiles. Each pair is a contact before and after the change.
    async fn update_contacts(
        &mut self,
        workspace: &Workspace,
        changes: &[(Contact, Contact)],
    ) -> Result<()>;
    /// Deletes contacts with their index entries and redirects. Consent rows and
    /// ledger entries stay.
    async fn delete_contacts(&mut self, workspace: &Workspace, contacts: &[Contact]) -> Result<()>;
    /// Redirects the id `from`, and every id that was redirected to it, to the
    /// contact `to`. Stored responses about `from` are then about `to`.
    async fn redirect_contact(&mut self, workspace: &Workspace, from: Uuid, to: Uuid)
    -> Result<()>;
    /// Writes what contacts repeat of their consent.
    async fn set_contact_consent(
        &mut self,
        workspace: &Workspace,
        consents: &[(Uuid, ConsentSummary)],
    ) -> Result<()>;
}
