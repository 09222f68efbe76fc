use std::fmt;

use contacts_proto::{Timestamp, v1};
use prost::Message;

use super::fields::{Damaged, Field, Fields};
use crate::convert::{FromProto, time};
use crate::error::{Error, Result};
use crate::model::{AttributeValue, Contact, OptInSummary};

/// A contact of a [batch](super::SegmentBatch), read in place: nothing is copied before it is asked for.
/// [`decode`](Self::decode) returns the whole contact.
#[derive(Clone, Copy)]
pub struct ContactRef<'b> {
    encoded: &'b [u8],
    contact_id: &'b str,
    phone_number: &'b str,
    external_id: &'b str,
    first_name: &'b str,
    last_name: &'b str,
    email: &'b str,
    etag: &'b str,
    opt_in: v1::OptInSummary,
}

const USER_IDS: u32 = 3;
const TAGS: u32 = 6;
const ATTRIBUTES: u32 = 17;

impl<'b> ContactRef<'b> {
    /// Reads all fields once, so that what the methods return is known to be there.
    pub(super) fn parse(encoded: &'b [u8]) -> Result<Self> {
        Self::read(encoded).map_err(|Damaged| Error::invalid_response("a contact is damaged"))
    }

    fn read(encoded: &'b [u8]) -> Result<Self, Damaged> {
        let mut contact = Self {
            encoded,
            contact_id: "",
            phone_number: "",
            external_id: "",
            first_name: "",
            last_name: "",
            email: "",
            etag: "",
            opt_in: v1::OptInSummary::default(),
        };
        for field in Fields(encoded) {
            let (number, value) = field?;
            match number {
                1 => contact.contact_id = value.text()?,
                2 => contact.phone_number = value.text()?,
                4 => contact.first_name = value.text()?,
                5 => contact.last_name = value.text()?,
                9 => contact.opt_in.merge(value.bytes()?)?,
                10 => contact.etag = value.text()?,
                11 => contact.external_id = value.text()?,
                16 => contact.email = value.text()?,
                USER_IDS | TAGS => _ = value.text()?,
                ATTRIBUTES => _ = attribute(value)?,
                _ => {}
            }
        }
        Ok(contact)
    }

    /// See [`Contact::contact_id`].
    pub fn contact_id(&self) -> &'b str {
        self.contact_id
    }

    /// See [`Contact::phone_number`].
    pub fn phone_number(&self) -> Option<&'b str> {
        non_empty(self.phone_number)
    }

    /// See [`Contact::whatsapp_user_ids`].
    pub fn whatsapp_user_ids(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        self.texts(USER_IDS)
    }

    /// See [`Contact::external_id`].
    pub fn external_id(&self) -> Option<&'b str> {
        non_empty(self.external_id)
    }

    /// See [`Contact::first_name`].
    pub fn first_name(&self) -> Option<&'b str> {
        non_empty(self.first_name)
    }

    /// See [`Contact::last_name`].
    pub fn last_name(&self) -> Option<&'b str> {
        non_empty(self.last_name)
    }

    /// See [`Contact::email`].
    pub fn email(&self) -> Option<&'b str> {
        non_empty(self.email)
    }

    /// See [`Contact::tags`].
    pub fn tags(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        self.texts(TAGS)
    }

    /// The values of custom attributes, by attribute id.
    pub fn attributes(&self) -> impl Iterator<Item = (&'b str, AttributeValue)> + use<'b> {
        self.entries().map(|(id, value)| (id, value.into()))
    }

    /// The value of an attribute. Only this one is copied.
    pub fn attribute(&self, attribute_id: &str) -> Option<AttributeValue> {
        // The last one, as in every map of protobuf.
        self.entries().filter(|(id, _)| *id == attribute_id).last().map(|(_, value)| value.into())
    }

    /// See [`Contact::opt_in`].
    pub fn opt_in(&self) -> OptInSummary {
        OptInSummary::from_proto(self.opt_in)
    }

    /// See [`Contact::etag`].
    pub fn etag(&self) -> &'b str {
        self.etag
    }

    /// Decodes the whole contact.
    pub fn decode(&self) -> Result<Contact> {
        super::batch::decode(self.encoded)
    }

    fn texts(&self, number: u32) -> impl Iterator<Item = &'b str> + use<'b> {
        self.all(number).filter_map(|value| value.text().ok())
    }

    fn entries(&self) -> impl Iterator<Item = (&'b str, Value<'b>)> + use<'b> {
        self.all(ATTRIBUTES).filter_map(|value| attribute(value).ok())
    }

    fn all(&self, wanted: u32) -> impl Iterator<Item = Field<'b>> + use<'b> {
        let fields = Fields(self.encoded).filter_map(std::result::Result::ok);
        fields.filter_map(move |(number, value)| (number == wanted).then_some(value))
    }
}

impl fmt::Debug for ContactRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactRef").field("contact_id", &self.contact_id).finish_non_exhaustive()
    }
}

fn non_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The value of an attribute, in place.
enum Value<'b> {
    String(&'b str),
    Number(f64),
    Bool(bool),
    Timestamp(Timestamp),
    Unknown,
}

impl From<Value<'_>> for AttributeValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::String(text) => Self::String(text.to_owned()),
            Value::Number(number) => Self::Number(number),
            Value::Bool(value) => Self::Bool(value),
            Value::Timestamp(timestamp) => {
                time(Some(timestamp)).map_or(Self::Unknown, Self::Timestamp)
            }
            Value::Unknown => Self::Unknown,
        }
    }
}

/// Reads an entry of the attributes: id and value.
fn attribute(entry: Field<'_>) -> Result<(&str, Value<'_>), Damaged> {
    let (mut id, mut value) = ("", Value::Unknown);
    for field in Fields(entry.bytes()?) {
        let (number, entry) = field?;
        match number {
            1 => id = entry.text()?,
            2 => {
                for field in Fields(entry.bytes()?) {
                    value = match field? {
                        (1, text) => Value::String(text.text()?),
                        (2, Field::Fixed64(bits)) => Value::Number(f64::from_bits(bits)),
                        (3, Field::Varint(number)) => Value::Bool(number != 0),
                        (4, timestamp) => Value::Timestamp(Timestamp::decode(timestamp.bytes()?)?),
                        _ => value,
                    };
                }
            }
            _ => {}
        }
    }
    Ok((id, value))
}
