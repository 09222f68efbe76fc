use contacts_proto::{FieldMask, v1};

use crate::call::{Prepared, request};
use crate::convert::{FromProto, count, present};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::Tag;
use crate::paging::{Page, page, paged};

/// The calls about tags. Returned by [`ContactsClient::tags`](crate::ContactsClient::tags).
///
/// Put tags on contacts with [`Contacts::update_tags`](crate::Contacts::update_tags).
#[derive(Clone, Debug)]
pub struct Tags {
    handle: Handle,
}

impl Tags {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Makes a tag of this display name, at most 100 characters. Its id is derived from the name:
    /// `Event attendee` becomes `event_attendee`. Fails with
    /// [`is_already_exists`](crate::Error::is_already_exists) if id or name is taken.
    pub fn create(&self, display_name: impl Into<String>) -> CreateTag {
        let tag = v1::Tag { display_name: display_name.into(), ..v1::Tag::default() };
        let message = v1::CreateTagRequest {
            workspace_id: self.handle.workspace_id(),
            tag: Some(tag),
            request_id: String::new(),
        };
        CreateTag(Prepared::new(&self.handle, message))
    }

    /// Reads one tag with its contact count. Fails with
    /// [`is_not_found`](crate::Error::is_not_found) if there is none of this id.
    pub fn get(&self, tag_id: impl Into<String>) -> GetTag {
        let message =
            v1::GetTagRequest { workspace_id: self.handle.workspace_id(), tag_id: tag_id.into() };
        GetTag(Prepared::new(&self.handle, message))
    }

    /// Lists tags by id, with their contact counts.
    pub fn list(&self) -> ListTags {
        let workspace_id = self.handle.workspace_id();
        let message = v1::ListTagsRequest { workspace_id, ..v1::ListTagsRequest::default() };
        ListTags(Prepared::new(&self.handle, message))
    }

    /// Changes a tag's display name, description or colour. No contact is rewritten.
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

    /// Deletes a tag. While contacts carry it, that fails with
    /// [`TAG_IN_USE`](crate::reason::TAG_IN_USE) unless [`force`](DeleteTag::force) is set.
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
    /// From [`Tags::create`].
    change CreateTag(CreateTagRequest) -> Tag
}

impl CreateTag {
    fn edit(mut self, change: impl FnOnce(&mut v1::Tag)) -> Self {
        change(self.0.message.tag.get_or_insert_default());
        self
    }

    /// Sets the id in place of the derived one: `[a-z][a-z0-9_]{0,62}`. It never changes.
    pub fn tag_id(self, id: impl Into<String>) -> Self {
        self.edit(|tag| tag.tag_id = id.into())
    }

    /// Sets what the tag is for: at most 1000 characters.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.edit(|tag| tag.description = text.into())
    }

    /// Sets the colour: `#rrggbb`.
    pub fn color(self, color: impl Into<String>) -> Self {
        self.edit(|tag| tag.color = color.into())
    }

    /// Makes it.
    pub async fn send(self) -> Result<Tag> {
        present(self.0.send().await?.tag)
    }
}

request! {
    /// From [`Tags::get`].
    GetTag(GetTagRequest) -> Tag
}

impl GetTag {
    /// Reads it.
    pub async fn send(self) -> Result<Tag> {
        present(self.0.send().await?.tag)
    }
}

request! {
    /// From [`Tags::list`].
    ListTags(ListTagsRequest) -> Page<Tag>
}

impl ListTags {
    /// Reads one page.
    pub async fn send(self) -> Result<Page<Tag>> {
        let answer = self.0.send().await?;
        Ok(page(answer.tags, answer.next_page_token, Tag::from_proto))
    }
}

paged! { ListTags -> Tag }

request! {
    /// From [`Tags::update`].
    change UpdateTag(UpdateTagRequest) -> Tag
}

impl UpdateTag {
    fn set(mut self, path: &str, change: impl FnOnce(&mut v1::Tag)) -> Self {
        self.0.message.update_mask.get_or_insert_default().paths.push(path.to_owned());
        change(self.0.message.tag.get_or_insert_default());
        self
    }

    /// Sets the name people see: at most 100 characters.
    pub fn display_name(self, name: impl Into<String>) -> Self {
        self.set("display_name", |tag| tag.display_name = name.into())
    }

    /// Sets what the tag is for: at most 1000 characters, empty for nothing.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.set("description", |tag| tag.description = text.into())
    }

    /// Sets the colour: `#rrggbb`, or empty for none.
    pub fn color(self, color: impl Into<String>) -> Self {
        self.set("color", |tag| tag.color = color.into())
    }

    /// Changes it.
    pub async fn send(self) -> Result<Tag> {
        present(self.0.send().await?.tag)
    }
}

request! {
    /// From [`Tags::delete`].
    change DeleteTag(DeleteTagRequest) -> u64
}

impl DeleteTag {
    /// Takes the tag off the contacts that carry it.
    pub fn force(mut self, force: bool) -> Self {
        self.0.message.force = force;
        self
    }

    /// Deletes it, and returns how many contacts carried it.
    pub async fn send(self) -> Result<u64> {
        Ok(count(self.0.send().await?.updated_contact_count))
    }
}
