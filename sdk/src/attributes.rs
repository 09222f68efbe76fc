use contacts_proto::{FieldMask, v1};

use crate::call::{Prepared, request};
use crate::convert::{FromProto, IntoProto, count, present};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{Attribute, AttributeType};
use crate::paging::{Page, page, paged};

/// Manages attributes, the custom fields of contacts. Returned by
/// [`ContactsClient::attributes`](crate::ContactsClient::attributes).
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

    /// Defines an attribute with a display name of at most 100 characters. The id is derived from it.
    /// The type is immutable.
    ///
    /// # Errors
    ///
    /// - [`is_already_exists`](crate::Error::is_already_exists): the id or the name is taken.
    /// - [`RESERVED_ID`](crate::reason::RESERVED_ID): the id means consent, such as `opted_in`.
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

    /// Returns one definition. Fails with [`is_not_found`](crate::Error::is_not_found) if it does not
    /// exist.
    pub fn get(&self, attribute_id: impl Into<String>) -> GetAttribute {
        let message = v1::GetAttributeRequest {
            workspace_id: self.handle.workspace_id(),
            attribute_id: attribute_id.into(),
        };
        GetAttribute(Prepared::new(&self.handle, message))
    }

    /// Lists definitions, ordered by id.
    pub fn list(&self) -> ListAttributes {
        let workspace_id = self.handle.workspace_id();
        let message =
            v1::ListAttributesRequest { workspace_id, ..v1::ListAttributesRequest::default() };
        ListAttributes(Prepared::new(&self.handle, message))
    }

    /// Changes the display name or description of an attribute, or adds enum options.
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

    /// Deletes a definition. Fails with
    /// [`ATTRIBUTE_IN_USE`](crate::reason::ATTRIBUTE_IN_USE) if contacts have a value, unless
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
    /// Request builder, returned by [`Attributes::create`].
    change CreateAttribute(CreateAttributeRequest) -> Attribute
}

impl CreateAttribute {
    fn edit(mut self, change: impl FnOnce(&mut v1::Attribute)) -> Self {
        change(self.0.message.attribute.get_or_insert_default());
        self
    }

    /// Sets the id, `[a-z][a-z0-9_]{0,62}`, instead of deriving it from the name. Immutable.
    pub fn attribute_id(self, id: impl Into<String>) -> Self {
        self.edit(|attribute| attribute.attribute_id = id.into())
    }

    /// Sets the permitted values of an [`Enum`](AttributeType::Enum): 1 to 200, each at most 100
    /// characters.
    pub fn enum_options(self, options: impl IntoIterator<Item: Into<String>>) -> Self {
        self.edit(|attribute| {
            attribute.enum_options = options.into_iter().map(Into::into).collect()
        })
    }

    /// Sets the description: at most 1000 characters.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.edit(|attribute| attribute.description = text.into())
    }

    /// Sends the request. Returns the definition as stored.
    pub async fn send(self) -> Result<Attribute> {
        present(self.0.send().await?.attribute)
    }
}

request! {
    /// Request builder, returned by [`Attributes::get`].
    GetAttribute(GetAttributeRequest) -> Attribute
}

impl GetAttribute {
    /// Sends the request.
    pub async fn send(self) -> Result<Attribute> {
        present(self.0.send().await?.attribute)
    }
}

request! {
    /// Request builder, returned by [`Attributes::list`].
    ListAttributes(ListAttributesRequest) -> Page<Attribute>
}

impl ListAttributes {
    /// Sends the request. Returns one page.
    pub async fn send(self) -> Result<Page<Attribute>> {
        let response = self.0.send().await?;
        Ok(page(response.attributes, response.next_page_token, Attribute::from_proto))
    }
}

paged! { ListAttributes -> Attribute }

request! {
    /// Request builder, returned by [`Attributes::update`].
    change UpdateAttribute(UpdateAttributeRequest) -> Attribute
}

impl UpdateAttribute {
    fn set(mut self, path: &str, change: impl FnOnce(&mut v1::Attribute)) -> Self {
        self.0.message.update_mask.get_or_insert_default().paths.push(path.to_owned());
        change(self.0.message.attribute.get_or_insert_default());
        self
    }

    /// Sets the name for people: at most 100 characters.
    pub fn display_name(self, name: impl Into<String>) -> Self {
        self.set("display_name", |attribute| attribute.display_name = name.into())
    }

    /// Sets the description: at most 1000 characters. Empty clears it.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.set("description", |attribute| attribute.description = text.into())
    }

    /// Sets the permitted values of an [`Enum`](AttributeType::Enum). They must include all existing
    /// ones.
    pub fn enum_options(self, options: impl IntoIterator<Item: Into<String>>) -> Self {
        let options = options.into_iter().map(Into::into).collect();
        self.set("enum_options", |attribute| attribute.enum_options = options)
    }

    /// Sends the request. Returns the definition as stored.
    pub async fn send(self) -> Result<Attribute> {
        present(self.0.send().await?.attribute)
    }
}

request! {
    /// Request builder, returned by [`Attributes::delete`].
    change DeleteAttribute(DeleteAttributeRequest) -> u64
}

impl DeleteAttribute {
    /// Sets whether to delete the values that contacts have. Default: false.
    pub fn force(mut self, force: bool) -> Self {
        self.0.message.force = force;
        self
    }

    /// Sends the request. Returns the number of contacts that had a value.
    pub async fn send(self) -> Result<u64> {
        Ok(count(self.0.send().await?.updated_contact_count))
    }
}
