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

/// The calls about contacts. Returned by [`ContactsClient::contacts`](crate::ContactsClient::contacts).
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

    /// Makes a contact.
    ///
    /// Fails with [`is_already_exists`](crate::Error::is_already_exists) if a contact has the phone
    /// number, in whatever form, or the user id: the error
    /// [names it](crate::Error::existing_contact_id).
    pub fn create(&self, contact: NewContact) -> CreateContact {
        CreateContact::new(&self.handle, contact)
    }

    /// Reads one contact. Fails with [`is_not_found`](crate::Error::is_not_found) if there is none.
    pub fn get(&self, recipient: impl Into<Recipient>) -> GetContact {
        GetContact::new(&self.handle, recipient.into())
    }

    /// Reads up to 1000 contacts, each with its own result, in the order asked for. Those that an
    /// answer of 3 MiB has no room for fail with [`LIMIT_EXCEEDED`](crate::reason::LIMIT_EXCEEDED).
    pub fn batch_get(
        &self,
        recipients: impl IntoIterator<Item: Into<Recipient>>,
    ) -> BatchGetContacts {
        let recipients =
            recipients.into_iter().map(|recipient| recipient.into().into_proto()).collect();
        BatchGetContacts::new(&self.handle, recipients)
    }

    /// Changes what the builder sets and nothing else.
    ///
    /// Phone number and consent cannot be changed here: a person's new number is for
    /// [`link_identity`](Self::link_identity), consent is [`OptIn`](crate::OptIn)'s. Fails with [`is_not_found`](crate::Error::is_not_found) if there
    /// is no such contact, unless [`allow_missing`](UpdateContact::allow_missing) is set.
    pub fn update(&self, recipient: impl Into<Recipient>) -> UpdateContact {
        UpdateContact::new(&self.handle, recipient.into())
    }

    /// Erases a contact and what is known of it, and returns a receipt. An opt-out outlives it, so
    /// that a later import cannot message the person again.
    pub fn delete(&self, recipient: impl Into<Recipient>) -> DeleteContact {
        DeleteContact::new(&self.handle, recipient.into())
    }

    /// Gives a person a new phone number or user id. The contact keeps its id, history and consent;
    /// what is replaced still finds it, and still takes opt-outs.
    ///
    /// Fails with [`is_already_exists`](crate::Error::is_already_exists) if another contact has, or
    /// had, the number or id.
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

    /// Joins two contacts that are one person. `survivor` keeps its id; `merged` goes, and whatever
    /// named it names the survivor from now on.
    ///
    /// Values are the survivor's, its gaps filled from the other; tags are those of both; consent is
    /// the stricter of both: opted in only where both are.
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

    /// Reads everything held about one person, for a request of theirs to see it. Fails with
    /// [`is_not_found`](crate::Error::is_not_found) if nothing is.
    pub fn export_data(&self, recipient: impl Into<Recipient>) -> ExportContactData {
        ExportContactData::new(&self.handle, recipient.into())
    }

    /// The directory: contacts in pages, filtered, searched by name, ordered. Any page costs what
    /// the first costs.
    ///
    /// ```no_run
    /// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
    /// use contacts_sdk::Filter;
    ///
    /// let mut found = client.contacts().list().filter(Filter::tag("vip")).query("ana").stream();
    /// while let Some(contact) = found.next().await {
    ///     println!("{}", contact?.contact_id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self) -> ListContacts {
        ListContacts::new(&self.handle)
    }

    /// Counts the contacts a filter and a name search select.
    pub fn count(&self) -> CountContacts {
        CountContacts::new(&self.handle)
    }

    /// Streams all contacts a filter selects, for campaigns: each exactly once, over any number of
    /// dropped connections. See [`StreamContacts`].
    pub fn segment(&self) -> StreamContacts {
        StreamContacts::new(&self.handle)
    }

    /// Streams groups of contacts that look like one person, for somebody to look at and
    /// [`merge`](Self::merge): the same email address, or the same name and phone numbers that end
    /// with the same 8 digits.
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

    /// Creates and updates contacts in bulk, from a stream of rows. See [`ImportContacts`].
    pub fn import(&self, options: ImportOptions) -> ImportContacts {
        ImportContacts::new(&self.handle, options)
    }

    /// Creates and updates up to 1000 contacts in one call. One bad row fails by itself; the others
    /// land.
    pub fn batch_upsert(
        &self,
        rows: impl IntoIterator<Item: Into<ImportRow>>,
    ) -> BatchUpsertContacts {
        let rows = rows.into_iter().map(|row| row.into().into_proto()).collect();
        BatchUpsertContacts::new(&self.handle, rows)
    }

    /// Adds and removes tags on many contacts, named one by one or by a filter. All of it happens
    /// or none.
    pub fn update_tags(&self) -> UpdateContactTags {
        let workspace_id = self.workspace_id();
        let message = v1::UpdateContactTagsRequest {
            workspace_id,
            ..v1::UpdateContactTagsRequest::default()
        };
        UpdateContactTags::new(Prepared::new(&self.handle, message))
    }
}
