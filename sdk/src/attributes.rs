use contacts_proto::{FieldMask, v1};

use crate::call::{Prepared, request};
use crate::convert::{FromProto, IntoProto, count, present};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{Attribute, AttributeType};
use crate::paging::{Page, page, paged};

/// The calls about custom fields. Returned by [`ContactsClient::attributes`](crate::ContactsClient::attributes).
///
/// ```no_run
/// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
/// use contacts_sdk::AttributeType;
///
/// let tier = client
///     .attributes()
///     .create("Loyalty tier", AttributeType::Enum)
///     .enum_options(["Silver", "Gold"])
///     .await?;
/// assert_eq!(tier.attribute_id, "loyalty_tier");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Attributes {
    handle: Handle,
}

impl Attributes {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Defines an attribute of this display name, at most 100 characters. Its id is derived from
    /// the name; the type never changes. Fails with
    /// [`is_already_exists`](crate::Error::is_already_exists) if id or name is taken, and with
    /// [`RESERVED_ID`](crate::reason::RESERVED_ID) for names of consent such as `opted_in`.
    pub fn create(
        &self,
        display_name: impl Into<String>,
        attribute_type: AttributeType,
    ) -> CreateAttribute {
        let attribute = v1::Attribute {
            display_name: display_name.into(),
            r#type: attribute_type.into_proto(),
            ..v1::Attribute::default()
        };
        let message = v1::CreateAttributeRequest {
            workspace_id: self.handle.workspace_id(),
            attribute: Some(attribute),
            request_id: String::new(),
        };
        CreateAttribute(Prepared::new(&self.handle, message))
    }

    /// Reads one definition with its contact count. Fails with
    /// [`is_not_found`](crate::Error::is_not_found) if there is none of this id.
    pub fn get(&self, attribute_id: impl Into<String>) -> GetAttribute {
        let message = v1::GetAttributeRequest {
            workspace_id: self.handle.workspace_id(),
            attribute_id: attribute_id.into(),
        };
        GetAttribute(Prepared::new(&self.handle, message))
    }

    /// Lists definitions by id, with their contact counts.
    pub fn list(&self) -> ListAttributes {
        let workspace_id = self.handle.workspace_id();
        let message =
            v1::ListAttributesRequest { workspace_id, ..v1::ListAttributesRequest::default() };
        ListAttributes(Prepared::new(&self.handle, message))
    }

    /// Changes a definition's display name or description, or adds enum options.
    pub fn update(&self, attribute_id: impl Into<String>) -> UpdateAttribute {
        let attribute =
            v1::Attribute { attribute_id: attribute_id.into(), ..v1::Attribute::default() };
        let message = v1::UpdateAttributeRequest {
            workspace_id: self.handle.workspace_id(),
            attribute: Some(attribute),
            update_mask: Some(FieldMask::default()),
            request_id: String::new(),
        };
        UpdateAttribute(Prepared::new(&self.handle, message))
    }

    /// Deletes a definition. While contacts have a value, that fails with
    /// [`ATTRIBUTE_IN_USE`](crate::reason::ATTRIBUTE_IN_USE) unless
    /// [`force`](DeleteAttribute::force) is set.
    pub fn delete(&self, attribute_id: impl Into<String>) -> DeleteAttribute {
        let message = v1::DeleteAttributeRequest {
            workspace_id: self.handle.workspace_id(),
            attribute_id: attribute_id.into(),
            ..v1::DeleteAttributeRequest::default()
        };
        DeleteAttribute(Prepared::new(&self.handle, message))
    }
}

request! {
    /// From [`Attributes::create`].
    change CreateAttribute(CreateAttributeRequest) -> Attribute
}

impl CreateAttribute {
    fn edit(mut self, change: impl FnOnce(&mut v1::Attribute)) -> Self {
        change(self.0.message.attribute.get_or_insert_default());
        self
    }

    /// Sets the id in place of the derived one: `[a-z][a-z0-9_]{0,62}`. It never changes.
    pub fn attribute_id(self, id: impl Into<String>) -> Self {
        self.edit(|attribute| attribute.attribute_id = id.into())
    }

    /// Sets the values of an [`Enum`](AttributeType::Enum): 1 to 200, each at most 100 characters.
    pub fn enum_options(self, options: impl IntoIterator<Item: Into<String>>) -> Self {
        self.edit(|attribute| {
            attribute.enum_options = options.into_iter().map(Into::into).collect()
        })
    }

    /// Sets what the attribute is for: at most 1000 characters.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.edit(|attribute| attribute.description = text.into())
    }

    /// Makes it.
    pub async fn send(self) -> Result<Attribute> {
        present(self.0.send().await?.attribute)
    }
}

request! {
    /// From [`Attributes::get`].
    GetAttribute(GetAttributeRequest) -> Attribute
}

impl GetAttribute {
    /// Reads it.
    pub async fn send(self) -> Result<Attribute> {
        present(self.0.send().await?.attribute)
    }
}

request! {
    /// From [`Attributes::list`].
    ListAttributes(ListAttributesRequest) -> Page<Attribute>
}

impl ListAttributes {
    /// Reads one page.
    pub async fn send(self) -> Result<Page<Attribute>> {
        let answer = self.0.send().await?;
        Ok(page(answer.attributes, answer.next_page_token, Attribute::from_proto))
    }
}

paged! { ListAttributes -> Attribute }

request! {
    /// From [`Attributes::update`].
    change UpdateAttribute(UpdateAttributeRequest) -> Attribute
}

impl UpdateAttribute {
    fn set(mut self, path: &str, change: impl FnOnce(&mut v1::Attribute)) -> Self {
        self.0.message.update_mask.get_or_insert_default().paths.push(path.to_owned());
        change(self.0.message.attribute.get_or_insert_default());
        self
    }

    /// Sets the name people see: at most 100 characters.
    pub fn display_name(self, name: impl Into<String>) -> Self {
        self.set("display_name", |attribute| attribute.display_name = name.into())
    }

    /// Sets what the attribute is for: at most 1000 characters, empty for nothing.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.set("description", |attribute| attribute.description = text.into())
    }

    /// Sets the options of an [`Enum`](AttributeType::Enum). All of the old ones have to be among
    /// them.
    pub fn enum_options(self, options: impl IntoIterator<Item: Into<String>>) -> Self {
        let options = options.into_iter().map(Into::into).collect();
        self.set("enum_options", |attribute| attribute.enum_options = options)
    }

    /// Changes it.
    pub async fn send(self) -> Result<Attribute> {
        present(self.0.send().await?.attribute)
    }
}

request! {
    /// From [`Attributes::delete`].
    change DeleteAttribute(DeleteAttributeRequest) -> u64
}

impl DeleteAttribute {
    /// Deletes the values contacts have.
    pub fn force(mut self, force: bool) -> Self {
        self.0.message.force = force;
        self
    }

    /// Deletes it, and returns how many contacts had a value.
    pub async fn send(self) -> Result<u64> {
        Ok(count(self.0.send().await?.updated_contact_count))
    }
}
