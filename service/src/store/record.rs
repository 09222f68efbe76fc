//! The record of a contact: its profile, encoded as the API's `Contact` without opt-in
//! and etag. These change without the profile, so they are appended when the contact is
//! sent: encoded messages can be concatenated.
//!
//! This is the only conversion between domain and wire outside of `grpc`. Decoding the
//! record and encoding it again would be the largest cost of a stream.

mod identity;

use bytes::{Buf, Bytes, BytesMut};
use contacts_proto::{Timestamp, v1};
use prost::Message;
use prost::encoding::{
    self, DecodeContext, WireType, decode_key, encode_key, encode_varint, skip_field,
};
use uuid::Uuid;

use super::ContactRow;
use crate::domain::Time;
use crate::domain::attribute::AttributeValue;
use crate::domain::consent::{MessageCategory, OptInStatus, ShownConsent};
use crate::domain::contact::{self, Contact, Profile, View};
use crate::domain::error::{Error, Result};
use crate::domain::external_id::ExternalId;
use crate::domain::phone::{PhoneNumber, WhatsAppUserId};

/// The first field that `View::Basic` leaves out. Fields are encoded in the order of
/// their numbers.
const FIRST_FULL_FIELD: u32 = 16;

/// Encodes the record of a contact.
pub(crate) fn encode_profile(contact: &Contact) -> Bytes {
    let mut record = Vec::with_capacity(400);
    encode_profile_into(contact, &mut record);
    record.into()
}

/// The same, at the end of a buffer: field by field, because making a message first takes a copy of
/// everything.
pub(crate) fn encode_profile_into(contact: &Contact, out: &mut Vec<u8>) {
    let Profile {
        phone_number,
        whatsapp_user_ids,
        external_id,
        first_name,
        last_name,
        email,
        tags,
        attributes,
        former_phone_numbers,
        former_whatsapp_user_ids,
        merged_contact_ids,
        merged_external_ids,
    } = &contact.profile;
    let all = |out: &mut Vec<u8>, field, ids: &[WhatsAppUserId]| {
        ids.iter().for_each(|id| text(out, field, id.as_str()));
    };
    let id = |out: &mut Vec<u8>, field, id: &Uuid| {
        text(out, field, id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    };
    id(out, 1, &contact.contact_id);
    phone_number.iter().for_each(|number| text(out, 2, number.as_str()));
    all(out, 3, whatsapp_user_ids);
    optional_text(out, 4, first_name);
    optional_text(out, 5, last_name);
    tags.iter().for_each(|tag| text(out, 6, tag));
    encoding::message::encode(7, &timestamp(contact.create_time), out);
    encoding::message::encode(8, &timestamp(contact.update_time), out);
    external_id.iter().for_each(|id| optional_text(out, 11, id.as_str()));
    optional_text(out, 16, email);
    let mut entry = Vec::new();
    for (id, value) in attributes {
        entry.clear();
        optional_text(&mut entry, 1, id);
        let begin = entry.len();
        encode_value(value, &mut entry);
        // The length is before the value, and so is its size.
        let mut length = Vec::with_capacity(6);
        encode_key(2, WireType::LengthDelimited, &mut length);
        encode_varint((entry.len() - begin) as u64, &mut length);
        encode_key(17, WireType::LengthDelimited, out);
        encode_varint((length.len() + entry.len()) as u64, out);
        out.extend_from_slice(&entry[..begin]);
        out.extend_from_slice(&length);
        out.extend_from_slice(&entry[begin..]);
    }
    former_phone_numbers.iter().for_each(|number| text(out, 18, number.as_str()));
    all(out, 19, former_whatsapp_user_ids);
    merged_contact_ids.iter().for_each(|merged| id(out, 20, merged));
    merged_external_ids.iter().for_each(|id| text(out, 21, id.as_str()));
}

fn text(out: &mut Vec<u8>, field: u32, text: &str) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// An empty text is left out.
fn optional_text(out: &mut Vec<u8>, field: u32, value: &str) {
    if !value.is_empty() {
        text(out, field, value);
    }
}

/// Encodes an `AttributeValue`.
fn encode_value(value: &AttributeValue, out: &mut Vec<u8>) {
    match value {
        AttributeValue::String(string) => text(out, 1, string),
        AttributeValue::Number(number) => encoding::double::encode(2, number, out),
        AttributeValue::Boolean(bool) => encoding::bool::encode(3, bool, out),
        AttributeValue::Timestamp(time) => encoding::message::encode(4, &timestamp(*time), out),
    }
}

fn all<T>(texts: &[String], read: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    texts.iter().map(|text| read(text)).collect()
}

/// Decodes a contact from its row.
pub fn decode_profile(row: &ContactRow) -> Result<Contact> {
    let message = v1::Contact::decode(row.record.clone()).map_err(Error::internal)?;
    let phone = |number: &str| PhoneNumber::parse(number).map_err(Error::internal);
    let user = |id: &str| WhatsAppUserId::parse(id).map_err(Error::internal);
    let some = |text: &'_ str| (!text.is_empty()).then(|| text.to_owned());
    let profile = Profile {
        phone_number: some(&message.phone_number).map(|n| phone(&n)).transpose()?,
        whatsapp_user_ids: all(&message.whatsapp_user_ids, user)?,
        external_id: some(&message.external_id).map(ExternalId::from_stored),
        first_name: message.first_name,
        last_name: message.last_name,
        email: message.email,
        tags: message.tags.into_iter().collect(),
        attributes: message
            .attributes
            .into_iter()
            .filter_map(|(id, value)| Some((id, domain_value(value)?)))
            .collect(),
        former_phone_numbers: all(&message.former_phone_numbers, phone)?,
        former_whatsapp_user_ids: all(&message.former_whatsapp_user_ids, user)?,
        merged_contact_ids: all(&message.merged_contact_ids, |id| {
            parse_id(id).ok_or_else(|| Error::internal("a stored record has no id where one was"))
        })?,
        merged_external_ids: message
            .merged_external_ids
            .into_iter()
            .map(ExternalId::from_stored)
            .collect(),
    };
    Ok(Contact {
        contact_id: row.contact_id,
        profile,
        create_time: time(message.create_time),
        update_time: time(message.update_time),
        version: row.version,
    })
}

/// Reads the contact_id of a record, its first field.
pub(crate) fn record_id(record: &[u8]) -> Result<Uuid> {
    /// The key of field 1 and the length of its text.
    const KEY: [u8; 2] = [0x0a, 36];
    record
        .strip_prefix(&KEY)
        .and_then(|rest| Uuid::try_parse_ascii(rest.get(..36)?).ok())
        .ok_or_else(|| Error::internal("a stored record does not begin with its id"))
}

/// Encodes a contact as it is sent: the record, followed by opt-in, etag and identities.
pub(crate) fn wire_contact(row: &ContactRow, view: View, now: Time) -> Bytes {
    let record = match view {
        View::Full => row.record.clone(),
        View::Basic => row.record.slice(..basic_length(&row.record)),
    };
    let rest = v1::Contact {
        opt_in: Some(wire_summary(&row.consent, now)),
        etag: contact::etag(row.contact_id, row.version),
        identities: match view {
            View::Full => row.identities.iter().map(identity::encode).collect(),
            View::Basic => Vec::new(),
        },
        ..v1::Contact::default()
    };
    let mut sent = BytesMut::with_capacity(record.len() + 40);
    sent.extend_from_slice(&record);
    rest.encode_raw(&mut sent);
    sent.freeze()
}

/// Converts what a contact shows of its consent, at `now`.
pub(crate) fn wire_summary(consent: &ShownConsent, now: Time) -> v1::OptInSummary {
    let status = |category| match consent.status_at(category, now) {
        OptInStatus::NotAsked => v1::OptInStatus::NotAsked as i32,
        OptInStatus::OptedIn => v1::OptInStatus::OptedIn as i32,
        OptInStatus::OptedOut => v1::OptInStatus::OptedOut as i32,
    };
    v1::OptInSummary {
        marketing: status(MessageCategory::Marketing),
        utility: status(MessageCategory::Utility),
        authentication: status(MessageCategory::Authentication),
        update_time: consent.update_time.map(timestamp),
    }
}

/// The length of the fields of `View::Basic`, with which a record begins.
fn basic_length(record: &Bytes) -> usize {
    let mut rest = record.clone();
    while rest.has_remaining() {
        let before = rest.remaining();
        let Ok((field, wire_type)) = decode_key(&mut rest) else { break };
        if field >= FIRST_FULL_FIELD {
            return record.len() - before;
        }
        if skip_field(wire_type, field, &mut rest, DecodeContext::default()).is_err() {
            break;
        }
    }
    record.len()
}

pub(crate) use identity::encode_consents;

/// Converts a time for the API.
pub(crate) fn timestamp(time: Time) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or(0),
    }
}

fn time(timestamp: Option<Timestamp>) -> Time {
    let timestamp = timestamp.unwrap_or_default();
    let nanos = u32::try_from(timestamp.nanos).unwrap_or(0);
    Time::from_timestamp(timestamp.seconds, nanos).unwrap_or_default()
}

/// Converts a value of the API. None if it is empty.
fn domain_value(value: v1::AttributeValue) -> Option<AttributeValue> {
    use v1::attribute_value::Value;
    Some(match value.value? {
        Value::String(string) => AttributeValue::String(string),
        Value::Number(number) => AttributeValue::Number(number),
        Value::Bool(bool) => AttributeValue::Boolean(bool),
        Value::Timestamp(timestamp) => AttributeValue::Timestamp(time(Some(timestamp))),
    })
}

/// Parses an id of the API. None if it is not valid.
pub(crate) fn parse_id(id: &str) -> Option<Uuid> {
    Uuid::try_parse(id).ok()
}

#[cfg(test)]
mod tests;
