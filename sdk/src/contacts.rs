mod batch;
mod delete;
mod duplicates;
mod export;
mod identity;
mod import;
mod list;
mod read;
mod resume_token;
mod resuming;
mod segment;
mod update;
mod update_tags;

use contacts_proto::v1;

pub use batch::{BatchGetContacts, BatchUpsertContacts};
pub use delete::DeleteContact;
pub use duplicates::{DuplicateGroup, DuplicateGroups, StreamDuplicates};
pub use export::ExportContactData;
pub use identity::{LinkIdentity, MergeContacts};
pub use import::{ImportChunks, ImportContacts};
pub use list::{CountContacts, ListContacts};
pub use read::{CreateContact, GetContact};
pub use resume_token::ResumeToken;
pub use segment::{ContactStream, SegmentBatch, SegmentBatches, StreamContacts};
pub use update::UpdateContact;
pub use update_tags::UpdateContactTags;

use crate::call::Prepared;
use crate::convert::IntoProto;
use crate::handle::Handle;
use crate::model::{ImportOptions, ImportRow, NewContact, Recipient};

/// Creates, reads, changes, lists, streams and imports contacts. Returned by
/// [`ContactsClient::contacts`](crate::ContactsClient::contacts).
///
/// ```no_run
/// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
/// use contacts_sdk::NewContact;
///
/// let contacts = client.contacts();
/// let ana = contacts
///     .create(NewContact::new().phone("15551234567").first_name("Ana").tag("vip"))
///     .await?;
/// contacts.update("15551234567").attribute("city", "São Paulo").clear_email().await?;
/// assert_eq!(contacts.get(&ana).await?.contact_id, ana.contact_id);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Contacts {
    handle: Handle,
}

impl Contacts {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    fn workspace_id(&self) -> String {
        self.handle.workspace_id()
    }

    /// Creates a contact.
    ///
    /// Fails with [`is_already_exists`](crate::Error::is_already_exists) if a contact has, or once had,
    /// the phone number in any equivalent form or the user id. The error contains
    /// [its id](crate::Error::existing_contact_id).
    pub fn create(&self, contact: NewContact) -> CreateContact {
        CreateContact::new(&self.handle, contact)
    }

    /// Returns one contact. Fails with [`is_not_found`](crate::Error::is_not_found) if it does not
    /// exist.
    pub fn get(&self, recipient: impl Into<Recipient>) -> GetContact {
        GetContact::new(&self.handle, recipient.into())
    }

    /// Returns up to 1000 contacts: one result per recipient, in the order of the request.
    ///
    /// A response has at most 3 MiB. The results of contacts that do not fit are
    /// [`LIMIT_EXCEEDED`](crate::reason::LIMIT_EXCEEDED); request them in another call.
    pub fn batch_get(
        &self,
        recipients: impl IntoIterator<Item: Into<Recipient>>,
    ) -> BatchGetContacts {
        let recipients =
            recipients.into_iter().map(|recipient| recipient.into().into_proto()).collect();
        BatchGetContacts::new(&self.handle, recipients)
    }

    /// Changes the fields that the builder sets, and no others.
    ///
    /// To change the phone number, use [`link_identity`](Self::link_identity). To change consent, use
    /// [`OptIn`](crate::OptIn).
    ///
    /// Fails with [`is_not_found`](crate::Error::is_not_found) if the contact does not exist, unless
    /// [`allow_missing`](UpdateContact::allow_missing) is set.
    pub fn update(&self, recipient: impl Into<Recipient>) -> UpdateContact {
        UpdateContact::new(&self.handle, recipient.into())
    }

    /// Erases a contact and all personal data about it, and returns a receipt.
    ///
    /// An opt-out remains in effect, stored as a keyed hash, so that a later import does not make the
    /// person messageable again.
    pub fn delete(&self, recipient: impl Into<Recipient>) -> DeleteContact {
        DeleteContact::new(&self.handle, recipient.into())
    }

    /// Gives a contact a new phone number, a new user id, or both. The contact keeps its id, history and
    /// consent. Requests can still select it by the replaced number or id, and an opt-out from it counts.
    ///
    /// Fails with [`is_already_exists`](crate::Error::is_already_exists) if another contact has, or once
    /// had, the number or id. If both are the same person, use [`merge`](Self::merge).
    ///
    /// ```no_run
    /// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
    /// let ana = client.contacts().link_identity("15551234567").phone("15557654321").await?;
    /// assert_eq!(ana.former_phone_numbers, ["15551234567"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn link_identity(&self, recipient: impl Into<Recipient>) -> LinkIdentity {
        LinkIdentity::new(&self.handle, recipient.into())
    }

    /// Merges two contacts of the same person. `survivor` keeps its id. `merged` is removed; its id,
    /// phone numbers and user ids refer to the survivor from now on.
    ///
    /// The survivor keeps its values, and takes those that it lacks from the other contact. Tags are
    /// combined. Every number and user id keeps its own permissions; what stands against one of them
    /// stands against all.
    ///
    /// ```no_run
    /// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
    /// let ana = client.contacts().merge("15551234567", "15557654321").take(["email"]).await?;
    /// assert_eq!(client.contacts().get("15557654321").await?.contact_id, ana.contact_id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn merge(
        &self,
        survivor: impl Into<Recipient>,
        merged: impl Into<Recipient>,
    ) -> MergeContacts {
        MergeContacts::new(&self.handle, survivor.into(), merged.into())
    }

    /// Returns all data stored about a person, to answer a data subject access request.
    ///
    /// Fails with [`is_not_found`](crate::Error::is_not_found) if nothing is stored.
    pub fn export_data(&self, recipient: impl Into<Recipient>) -> ExportContactData {
        ExportContactData::new(&self.handle, recipient.into())
    }

    /// Lists contacts in pages, filtered, searched by name, and ordered. Every page takes about as long
    /// as the first.
    ///
    /// ```no_run
    /// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
    /// use contacts_sdk::{Filter, OrderBy};
    ///
    /// let list = client.contacts().list().filter(Filter::tag("vip")).query("ana");
    /// let mut found = list.order_by(OrderBy::LAST_NAME).stream();
    /// while let Some(contact) = found.next().await {
    ///     println!("{}", contact?.contact_id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self) -> ListContacts {
        ListContacts::new(&self.handle)
    }

    /// Counts the contacts that match a filter and a name search.
    pub fn count(&self) -> CountContacts {
        CountContacts::new(&self.handle)
    }

    /// Streams a segment, that is, all contacts that match a filter, for campaigns. Each contact is
    /// delivered exactly once, even if the connection drops. See [`StreamContacts`].
    pub fn segment(&self) -> StreamContacts {
        StreamContacts::new(&self.handle)
    }

    /// Streams groups of contacts that may be the same person, for review and [`merge`](Self::merge).
    ///
    /// The contacts of a group have the same email address, or the same name and phone numbers with the
    /// same last 8 digits. The call reads all contacts several times; use it for audits.
    ///
    /// ```no_run
    /// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
    /// let mut groups = client.contacts().duplicates().stream();
    /// while let Some(group) = groups.next().await {
    ///     let group = group?;
    ///     println!("{:?}: {} contacts", group.reason, group.contact_count);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn duplicates(&self) -> StreamDuplicates {
        StreamDuplicates::new(&self.handle)
    }

    /// Creates and updates contacts in bulk. See [`ImportContacts`].
    pub fn import(&self, options: ImportOptions) -> ImportContacts {
        ImportContacts::new(&self.handle, options)
    }

    /// Creates and updates up to 1000 contacts in one call. A row that fails does not affect the others.
    pub fn batch_upsert(
        &self,
        rows: impl IntoIterator<Item: Into<ImportRow>>,
    ) -> BatchUpsertContacts {
        let rows = rows.into_iter().map(|row| row.into().into_proto()).collect();
        BatchUpsertContacts::new(&self.handle, rows)
    }

    /// Adds and removes tags on many contacts, selected by recipients or by a filter, in one
    /// transaction.
    pub fn update_tags(&self) -> UpdateContactTags {
        let workspace_id = self.workspace_id();
        let message = v1::UpdateContactTagsRequest {
            workspace_id,
            ..v1::UpdateContactTagsRequest::default()
        };
        UpdateContactTags::new(Prepared::new(&self.handle, message))
    }
}
