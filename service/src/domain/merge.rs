//! Merging two contacts of one person: which values the surviving contact gets.

use super::contact::{Contact, Profile};
use super::error::{Error, Reason, Result};
use super::identity::MAX_USER_IDS;
use super::phone::{PhoneNumber, WhatsAppUserId};

/// How to resolve conflicts. By default, the survivor's values win, its missing values are filled from
/// the merged contact, and it gets the tags of both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergeRules {
    /// Fields in which the merged contact's value wins, if it has one.
    pub take: Vec<MergeField>,
    /// Keep the survivor's tags instead of the tags of both.
    pub keep_survivor_tags: bool,
}

/// A field whose value is taken from the merged contact.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the field of that name")]
pub enum MergeField {
    PhoneNumber,
    WhatsAppUserIds,
    ExternalId,
    FirstName,
    LastName,
    Email,
    Tags,
    Attributes,
    Attribute(String),
}

impl MergeRules {
    /// Rejects rules that contradict each other.
    pub fn validate(&self) -> Result<()> {
        if self.keep_survivor_tags && self.takes(&MergeField::Tags) {
            let message = "keep_survivor_tags and tags in take_mask contradict each other: send \
                           one of them, or none to have the tags of both";
            return Err(Error::invalid(Reason::InvalidArgument, "keep_survivor_tags", message));
        }
        Ok(())
    }

    fn takes(&self, field: &MergeField) -> bool {
        self.take.contains(field)
    }

    /// Builds the survivor's profile. It has all phone numbers and user ids of both contacts, current
    /// or former, and is found by the external ids of both.
    pub fn merge(&self, survivor: &Contact, merged_contact: &Contact) -> Profile {
        let mut profile = survivor.profile.clone();
        let merged = &merged_contact.profile;
        for (field, value, merged_value) in [
            (MergeField::FirstName, &mut profile.first_name, &merged.first_name),
            (MergeField::LastName, &mut profile.last_name, &merged.last_name),
            (MergeField::Email, &mut profile.email, &merged.email),
        ] {
            if !merged_value.is_empty() && (value.is_empty() || self.takes(&field)) {
                value.clone_from(merged_value);
            }
        }
        if self.takes(&MergeField::Tags) && !merged.tags.is_empty() {
            profile.tags.clone_from(&merged.tags);
        } else if !self.keep_survivor_tags {
            profile.tags.extend(merged.tags.iter().cloned());
        }
        for (id, value) in &merged.attributes {
            let take = self.takes(&MergeField::Attributes)
                || self.takes(&MergeField::Attribute(id.clone()));
            if take || !profile.attributes.contains_key(id) {
                profile.attributes.insert(id.clone(), value.clone());
            }
        }
        self.merge_ids(&mut profile, merged);
        self.merge_external_ids(&mut profile, merged);
        profile.merged_contact_ids.extend(&merged.merged_contact_ids);
        profile.merged_contact_ids.push(merged_contact.contact_id);
        profile
    }

    fn merge_ids(&self, profile: &mut Profile, merged: &Profile) {
        let known = profile.match_keys();
        let numbers = merged.former_phone_numbers.iter().chain(&merged.phone_number);
        let numbers = numbers.filter(|number| !known.contains(&number.match_key())).copied();
        profile.former_phone_numbers.extend(numbers.collect::<Vec<PhoneNumber>>());
        let ids = merged.former_whatsapp_user_ids.iter();
        let ids = ids.filter(|id| !known.contains(&id.match_key())).cloned();
        profile.former_whatsapp_user_ids.extend(ids.collect::<Vec<WhatsAppUserId>>());
        // The setters remove the new current value from the former ones.
        if let Some(number) = merged.phone_number
            && (profile.phone_number.is_none() || self.takes(&MergeField::PhoneNumber))
        {
            profile.set_phone_number(number);
        }
        let mut ids = [profile.whatsapp_user_ids.clone(), merged.whatsapp_user_ids.clone()];
        if self.takes(&MergeField::WhatsAppUserIds) {
            ids.reverse();
        }
        let ids = ids.concat();
        let kept = ids[..ids.len().min(MAX_USER_IDS)].to_vec();
        // Those beyond what a contact has room for are left out, whoever had them: they are found, and
        // allow nothing.
        profile.whatsapp_user_ids = ids;
        profile.set_whatsapp_user_ids(kept);
    }

    /// The survivor is found by all external ids of both.
    fn merge_external_ids(&self, profile: &mut Profile, merged: &Profile) {
        profile.merged_external_ids.extend(merged.merged_external_ids.iter().cloned());
        if let Some(id) = &merged.external_id {
            let takes = profile.external_id.is_none() || self.takes(&MergeField::ExternalId);
            let other = match takes {
                true => profile.external_id.replace(id.clone()),
                false => Some(id.clone()),
            };
            profile.merged_external_ids.extend(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use uuid::Uuid;

    use super::*;
    use crate::domain::Time;
    use crate::domain::attribute::AttributeValue;

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text).expect("a number")
    }

    fn text(value: &str) -> AttributeValue {
        AttributeValue::String(value.to_owned())
    }

    fn contact(id: u128, profile: Profile) -> Contact {
        Contact {
            contact_id: Uuid::from_u128(id),
            profile,
            create_time: Time::default(),
            update_time: Time::default(),
            version: 1,
        }
    }

    fn pair() -> (Contact, Contact) {
        let one = Profile {
            phone_number: Some(number("15551234567")),
            first_name: "Ana".to_owned(),
            tags: BTreeSet::from(["a".to_owned()]),
            attributes: BTreeMap::from([("x".to_owned(), text("1")), ("y".to_owned(), text("1"))]),
            ..Profile::default()
        };
        let two = Profile {
            phone_number: Some(number("15557654321")),
            whatsapp_user_ids: WhatsAppUserId::parse("US.2").into_iter().collect(),
            first_name: "Anna".to_owned(),
            email: "ana@example.com".to_owned(),
            tags: BTreeSet::from(["b".to_owned()]),
            attributes: BTreeMap::from([("y".to_owned(), text("2")), ("z".to_owned(), text("2"))]),
            former_phone_numbers: vec![number("447700900123")],
            merged_contact_ids: vec![Uuid::from_u128(9)],
            ..Profile::default()
        };
        (contact(1, one), contact(2, two))
    }

    #[test]
    fn survivor_values_win_and_missing_values_are_filled() {
        let (one, two) = pair();
        let both = MergeRules::default().merge(&one, &two);
        assert_eq!((both.first_name.as_str(), both.email.as_str()), ("Ana", "ana@example.com"));
        assert_eq!(both.tags.len(), 2);
        let values: Vec<_> = both.attributes.values().cloned().collect();
        assert_eq!(values, [text("1"), text("1"), text("2")]);
        assert_eq!(both.phone_number, one.profile.phone_number);
        assert_eq!(both.former_phone_numbers, [number("447700900123"), number("15557654321")]);
        assert_eq!(both.whatsapp_user_ids, two.profile.whatsapp_user_ids);
        assert!(both.former_whatsapp_user_ids.is_empty());
        assert_eq!(both.merged_contact_ids, [Uuid::from_u128(9), Uuid::from_u128(2)]);
        let keys: BTreeSet<_> = both.match_keys().into_iter().collect();
        let all = one.profile.match_keys().into_iter().chain(two.profile.match_keys());
        assert_eq!(keys, all.collect(), "the survivor is found by every key of both contacts");
    }

    #[test]
    fn fields_in_take_come_from_the_merged_contact_unless_missing() {
        let (one, two) = pair();
        let attribute = MergeField::Attribute("y".to_owned());
        let take = vec![
            MergeField::FirstName,
            MergeField::LastName,
            MergeField::PhoneNumber,
            MergeField::Tags,
            attribute,
        ];
        let rules = MergeRules { take, keep_survivor_tags: false };
        let both = rules.merge(&one, &two);
        assert_eq!((both.first_name.as_str(), both.last_name.as_str()), ("Anna", ""));
        assert_eq!(both.phone_number, two.profile.phone_number);
        assert_eq!(both.former_phone_numbers, [number("447700900123"), number("15551234567")]);
        assert_eq!(both.tags, two.profile.tags);
        assert_eq!((&both.attributes["x"], &both.attributes["y"]), (&text("1"), &text("2")));
        // The other way round, the missing last name is filled, and no phone number is lost.
        let back = rules.merge(&two, &one);
        assert_eq!(back.phone_number, one.profile.phone_number);
        assert_eq!(back.match_keys().len(), 4);
    }

    #[test]
    fn user_ids_without_room_are_former_once() {
        let with_ids = |contact_id: u128, count: usize| {
            let id = |n| WhatsAppUserId::parse(&format!("US.{contact_id}{n:02}")).expect("an id");
            let whatsapp_user_ids = (0..count).map(id).collect();
            contact(contact_id, Profile { whatsapp_user_ids, ..Profile::default() })
        };
        for take in [vec![], vec![MergeField::WhatsAppUserIds]] {
            let rules = MergeRules { take, keep_survivor_tags: false };
            for (survivor, merged) in [(19, 2), (20, 2), (2, 20), (20, 20), (20, 0)] {
                let (one, two) = (with_ids(1, survivor), with_ids(2, merged));
                let both = rules.merge(&one, &two);
                assert_eq!(both.whatsapp_user_ids.len(), 20, "{survivor} {merged}");
                assert_eq!(both.former_whatsapp_user_ids.len(), survivor + merged - 20);
                let all: BTreeSet<_> = both.match_keys().into_iter().collect();
                assert_eq!(all.len(), survivor + merged, "{survivor} {merged}");
            }
        }
    }

    #[test]
    fn keep_survivor_tags_excludes_tags_of_the_merged_contact() {
        let (one, two) = pair();
        let rules = MergeRules { keep_survivor_tags: true, ..MergeRules::default() };
        assert_eq!(rules.merge(&one, &two).tags, one.profile.tags);
        let both = MergeRules { take: vec![MergeField::Tags], ..rules };
        assert_eq!(both.validate().expect_err("both").field(), Some("keep_survivor_tags"));
    }
}
