use contacts_proto::{FieldMask, v1};

use crate::call::{Prepared, request};
use crate::convert::{FromProto, count, present};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::Tag;
use crate::paging::{Page, page, paged};

/// Manages tags, the labels that contacts can have. Returned by
/// [`ContactsClient::tags`](crate::ContactsClient::tags).
///
/// To add tags to contacts, use [`Contacts::update_tags`](crate::Contacts::update_tags).
///
/// ```no_run
/// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
/// let tag = client.tags().create("Event attendee").color("#25d366").await?;
/// assert_eq!(tag.tag_id, "event_attendee");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tags {
    handle: Handle,
}

impl Tags {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Creates a tag with a display name of at most 100 characters. The id is derived from it:
    /// `Event attendee` becomes `event_attendee`.
    ///
    /// Fails with [`is_already_exists`](crate::Error::is_already_exists) if the id or the name is
    /// taken.
    pub fn create(&self, display_name: impl Into<String>) -> CreateTag {
        let tag = v1::Tag { display_name: display_name.into(), ..v1::Tag::default() };
        let message = v1::CreateTagRequest {
            workspace_id: self.handle.workspace_id(),
            tag: Some(tag),
            request_id: String::new(),
        };
        CreateTag(Prepared::new(&self.handle, message))
    }

    /// Returns one tag. Fails with [`is_not_found`](crate::Error::is_not_found) if it does not exist.
    pub fn get(&self, tag_id: impl Into<String>) -> GetTag {
        let message =
            v1::GetTagRequest { workspace_id: self.handle.workspace_id(), tag_id: tag_id.into() };
        GetTag(Prepared::new(&self.handle, message))
    }

    /// Lists tags, ordered by id.
    pub fn list(&self) -> ListTags {
        let workspace_id = self.handle.workspace_id();
        let message = v1::ListTagsRequest { workspace_id, ..v1::ListTagsRequest::default() };
        ListTags(Prepared::new(&self.handle, message))
    }

    /// Changes the display name, description or color of a tag. Contacts do not change.
    pub fn update(&self, tag_id: impl Into<String>) -> UpdateTag {
        let tag = v1::Tag { tag_id: tag_id.into(), ..v1::Tag::default() };
        let message = v1::UpdateTagRequest {
            workspace_id: self.handle.workspace_id(),
            tag: Some(tag),
            update_mask: Some(FieldMask::default()),
            request_id: String::new(),
        };
        UpdateTag(Prepared::new(&self.handle, message))
    }

    /// Deletes a tag. Fails with [`TAG_IN_USE`](crate::reason::TAG_IN_USE) if contacts have it, unless
    /// [`force`](DeleteTag::force) is set.
    pub fn delete(&self, tag_id: impl Into<String>) -> DeleteTag {
        let message = v1::DeleteTagRequest {
            workspace_id: self.handle.workspace_id(),
            tag_id: tag_id.into(),
            ..v1::DeleteTagRequest::default()
        };
        DeleteTag(Prepared::new(&self.handle, message))
    }
}

request! {
    /// Request builder, returned by [`Tags::create`].
    change CreateTag(CreateTagRequest) -> Tag
}

impl CreateTag {
    fn edit(mut self, change: impl FnOnce(&mut v1::Tag)) -> Self {
        change(self.0.message.tag.get_or_insert_default());
        self
    }

    /// Sets the id, `[a-z][a-z0-9_]{0,62}`, instead of deriving it from the name. Immutable.
    pub fn tag_id(self, id: impl Into<String>) -> Self {
        self.edit(|tag| tag.tag_id = id.into())
    }

    /// Sets the description: at most 1000 characters.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.edit(|tag| tag.description = text.into())
    }

    /// Sets the color for display, as `#rrggbb`.
    pub fn color(self, color: impl Into<String>) -> Self {
        self.edit(|tag| tag.color = color.into())
    }

    /// Sends the request. Returns the tag as stored.
    pub async fn send(self) -> Result<Tag> {
        present(self.0.send().await?.tag)
    }
}

request! {
    /// Request builder, returned by [`Tags::get`].
    GetTag(GetTagRequest) -> Tag
}

impl GetTag {
    /// Sends the request.
    pub async fn send(self) -> Result<Tag> {
        present(self.0.send().await?.tag)
    }
}

request! {
    /// Request builder, returned by [`Tags::list`].
    ListTags(ListTagsRequest) -> Page<Tag>
}

impl ListTags {
    /// Sends the request. Returns one page.
    pub async fn send(self) -> Result<Page<Tag>> {
        let response = self.0.send().await?;
        Ok(page(response.tags, response.next_page_token, Tag::from_proto))
    }
}

paged! { ListTags -> Tag }

request! {
    /// Request builder, returned by [`Tags::update`].
    change UpdateTag(UpdateTagRequest) -> Tag
}

impl UpdateTag {
    fn set(mut self, path: &str, change: impl FnOnce(&mut v1::Tag)) -> Self {
        self.0.message.update_mask.get_or_insert_default().paths.push(path.to_owned());
        change(self.0.message.tag.get_or_insert_default());
        self
    }

    /// Sets the name for people: at most 100 characters.
    pub fn display_name(self, name: impl Into<String>) -> Self {
        self.set("display_name", |tag| tag.display_name = name.into())
    }

    /// Sets the description: at most 1000 characters. Empty clears it.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.set("description", |tag| tag.description = text.into())
    }

    /// Sets the color for display, as `#rrggbb`. Empty clears it.
    pub fn color(self, color: impl Into<String>) -> Self {
        self.set("color", |tag| tag.color = color.into())
    }

    /// Sends the request. Returns the tag as stored.
    pub async fn send(self) -> Result<Tag> {
        present(self.0.send().await?.tag)
    }
}

request! {
    /// Request builder, returned by [`Tags::delete`].
    change DeleteTag(DeleteTagRequest) -> u64
}

impl DeleteTag {
    /// Sets whether to remove the tag from contacts that have it. Default: false.
    pub fn force(mut self, force: bool) -> Self {
        self.0.message.force = force;
        self
    }

    /// Sends the request. Returns the number of contacts that had the tag.
    pub async fn send(self) -> Result<u64> {
        Ok(count(self.0.send().await?.updated_contact_count))
    }
}
