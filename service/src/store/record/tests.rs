use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// The record as a message.
fn message(contact: &Contact) -> v1::Contact {
    use v1::attribute_value::Value;
    let profile = &contact.profile;
    let value = |value: &AttributeValue| v1::AttributeValue {
        value: Some(match value {
            AttributeValue::String(string) => Value::String(string.clone()),
            AttributeValue::Number(number) => Value::Number(*number),
            AttributeValue::Boolean(bool) => Value::Bool(*bool),
            AttributeValue::Timestamp(time) => Value::Timestamp(timestamp(*time)),
        }),
    };
    v1::Contact {
        contact_id: contact.contact_id.to_string(),
        phone_number: profile.phone_number.as_ref().map(ToString::to_string).unwrap_or_default(),
        whatsapp_user_ids: texts(&profile.whatsapp_user_ids),
        first_name: profile.first_name.clone(),
        last_name: profile.last_name.clone(),
        tags: profile.tags.iter().cloned().collect(),
        create_time: Some(timestamp(contact.create_time)),
        update_time: Some(timestamp(contact.update_time)),
        opt_in: None,
        etag: String::new(),
        external_id: profile.external_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        email: profile.email.clone(),
        attributes: profile.attributes.iter().map(|(id, v)| (id.clone(), value(v))).collect(),
        former_phone_numbers: texts(&profile.former_phone_numbers),
        former_whatsapp_user_ids: texts(&profile.former_whatsapp_user_ids),
        merged_contact_ids: texts(&profile.merged_contact_ids),
        merged_external_ids: texts(&profile.merged_external_ids),
        identities: Vec::new(),
    }
}

fn time() -> impl Strategy<Value = Time> {
    let at = prop_oneof![Just(0), Just(1), -1_i64 << 50..1 << 50];
    at.prop_map(|at| Time::from_timestamp_micros(at).expect("a time"))
}

fn number() -> impl Strategy<Value = PhoneNumber> {
    "1[0-9]{9}".prop_map(|digits| PhoneNumber::parse(&digits).expect("a number"))
}

fn user_id() -> impl Strategy<Value = WhatsAppUserId> {
    "BR\\.[0-9]{1,130}".prop_filter_map("short enough", |id| WhatsAppUserId::parse(&id).ok())
}

fn some<T: Clone + std::fmt::Debug>(
    item: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(item, 0..3)
}

fn profile() -> impl Strategy<Value = Profile> {
    let external_id = || "[a-z]{1,9}".prop_map(ExternalId::from_stored);
    let value = prop_oneof![
        ".{0,300}".prop_map(AttributeValue::String),
        any::<f64>().prop_filter("a number", |n| !n.is_nan()).prop_map(AttributeValue::Number),
        any::<bool>().prop_map(AttributeValue::Boolean),
        time().prop_map(AttributeValue::Timestamp),
    ];
    let attributes = prop::collection::btree_map("[a-z]{1,130}", value, 0..5);
    let tags = prop::collection::btree_set("[a-z]{1,9}", 0..5);
    let texts = (".{0,9}", ".{0,200}", ".{0,9}");
    let identities = (prop::option::of(number()), some(user_id()), some(number()), some(user_id()));
    let others = (
        prop::option::of(external_id()),
        some(external_id()),
        some(any::<u128>().prop_map(Uuid::from_u128)),
    );
    (texts, identities, others, tags, attributes).prop_map(profile_of)
}

type Texts = (String, String, String);
type Identities = (Option<PhoneNumber>, Vec<WhatsAppUserId>, Vec<PhoneNumber>, Vec<WhatsAppUserId>);
type Others = (Option<ExternalId>, Vec<ExternalId>, Vec<Uuid>);

fn profile_of(
    (texts, identities, others, tags, attributes): (
        Texts,
        Identities,
        Others,
        BTreeSet<String>,
        BTreeMap<String, AttributeValue>,
    ),
) -> Profile {
    let (first_name, last_name, email) = texts;
    let (phone_number, whatsapp_user_ids, former_phone_numbers, former_whatsapp_user_ids) =
        identities;
    let (external_id, merged_external_ids, merged_contact_ids) = others;
    Profile {
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
    }
}

proptest! {
    /// Its fields are written one by one: their numbers, order and defaults have to be those of
    /// the message.
    #[test]
    fn a_record_is_the_encoded_message(
        profile in profile(),
        contact_id in any::<u128>().prop_map(Uuid::from_u128),
        (create_time, update_time) in (time(), time()),
        version in 1_i64..9,
    ) {
        let contact = Contact { contact_id, profile, create_time, update_time, version };
        let record = encode_profile(&contact);
        prop_assert_eq!(&record, &message(&contact).encode_to_vec());
        let (consent, sort_key) = (ShownConsent::default(), String::new());
        let row = ContactRow { contact_id, record, version, consent, sort_key, identities: vec![] };
        prop_assert_eq!(decode_profile(&row).expect("a contact"), contact);
    }
}
