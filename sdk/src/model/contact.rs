use std::collections::BTreeMap;
use std::time::SystemTime;

use super::{AttributeValue, OptInSummary};

/// One person a business can message.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Contact {
    /// Made by the server, stable for life.
    pub contact_id: String,
    /// Digits with the country code first: `15551234567`. None for people who hide their number.
    pub phone_number: Option<String>,
    /// Meta's business-scoped user id.
    pub whatsapp_user_id: Option<String>,
    /// The first name, if known.
    pub first_name: Option<String>,
    /// The last name, if known.
    pub last_name: Option<String>,
    /// The email address, if known. Not in [`ContactView::Basic`].
    pub email: Option<String>,
    /// Ids of the tags on this contact, sorted.
    pub tags: Vec<String>,
    /// Values by attribute id. Not in [`ContactView::Basic`].
    pub attributes: BTreeMap<String, AttributeValue>,
    /// Phone numbers the person had before, oldest first: each still finds the contact. Not in
    /// [`ContactView::Basic`].
    pub former_phone_numbers: Vec<String>,
    /// User ids the person had before. Not in [`ContactView::Basic`].
    pub former_whatsapp_user_ids: Vec<String>,
    /// Contacts that were merged into this one, whose ids name it now. Not in
    /// [`ContactView::Basic`].
    pub merged_contact_ids: Vec<String>,
    /// What the person agreed to, for display and segments. Before sending, ask
    /// [`OptIn::check`](crate::OptIn::check).
    pub opt_in: OptInSummary,
    /// When the contact was made.
    pub create_time: Option<SystemTime>,
    /// When the profile last changed.
    pub update_time: Option<SystemTime>,
    /// The version of the profile: send it back in a change to have the change refused if somebody
    /// else made one in between.
    pub etag: String,
}

impl Contact {
    /// Whether the contact carries this tag.
    pub fn has_tag(&self, tag_id: &str) -> bool {
        self.tags.iter().any(|tag| tag == tag_id)
    }

    /// The value of one attribute.
    pub fn attribute(&self, attribute_id: &str) -> Option<&AttributeValue> {
        self.attributes.get(attribute_id)
    }
}

/// How much of a contact an answer carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContactView {
    /// Ids, phone number, names, tags, times, opt-in and etag.
    Basic,
    /// Everything: `Basic`, email, attributes, former and merged ids.
    #[default]
    Full,
}
