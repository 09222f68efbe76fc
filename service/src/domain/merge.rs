//! One person who was two contacts: what remains of both.

use super::contact::{Contact, Profile};
use super::error::{Error, Reason, Result};
use super::phone::{PhoneNumber, WhatsAppUserId};

/// Which values win where both contacts have one: the survivor's, but for these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergeRules {
    /// What is taken from the contact that goes, if it has it.
    pub take: Vec<Taken>,
    /// The tags are the survivor's alone, not those of both.
    pub keep_survivor_tags: bool,
}

/// A field to take from the contact that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the field it takes")]
pub enum Taken {
    PhoneNumber,
    WhatsAppUserId,
    FirstName,
    LastName,
    Email,
    Tags,
    Attributes,
    Attribute(String),
}

impl MergeRules {
    /// Refuses rules that contradict each other.
    pub fn validate(&self) -> Result<()> {
        if self.keep_survivor_tags && self.takes(&Taken::Tags) {
            let message = "keep_survivor_tags and tags in take_mask contradict each other: send \
                           one of them, or none to have the tags of both";
            return Err(Error::invalid(Reason::InvalidArgument, "keep_survivor_tags", message));
        }
        Ok(())
    }

    fn takes(&self, field: &Taken) -> bool {
        self.take.contains(field)
    }

    /// The profile of the survivor. Whatever named one of the two names it now.
    pub fn merge(&self, survivor: &Contact, merged: &Contact) -> Profile {
        let mut profile = survivor.profile.clone();
        let gone = &merged.profile;
        for (field, mine, theirs) in [
            (Taken::FirstName, &mut profile.first_name, &gone.first_name),
            (Taken::LastName, &mut profile.last_name, &gone.last_name),
            (Taken::Email, &mut profile.email, &gone.email),
        ] {
            if !theirs.is_empty() && (mine.is_empty() || self.takes(&field)) {
                mine.clone_from(theirs);
            }
        }
        if self.takes(&Taken::Tags) && !gone.tags.is_empty() {
            profile.tags.clone_from(&gone.tags);
        } else if !self.keep_survivor_tags {
            profile.tags.extend(gone.tags.iter().cloned());
        }
        for (id, value) in &gone.attributes {
            let taken = self.takes(&Taken::Attributes) || self.takes(&Taken::Attribute(id.clone()));
            if taken || !profile.attributes.contains_key(id) {
                profile.attributes.insert(id.clone(), value.clone());
            }
        }
        self.merge_ids(&mut profile, gone);
        profile.merged_contact_ids.extend(&gone.merged_contact_ids);
        profile.merged_contact_ids.push(merged.contact_id);
        profile
    }

    fn merge_ids(&self, profile: &mut Profile, gone: &Profile) {
        let known = profile.match_keys();
        let numbers = gone.former_phone_numbers.iter().chain(&gone.phone_number);
        let numbers = numbers.filter(|number| !known.contains(&number.match_key())).copied();
        profile.former_phone_numbers.extend(numbers.collect::<Vec<PhoneNumber>>());
        let ids = gone.former_whatsapp_user_ids.iter().chain(&gone.whatsapp_user_id);
        let ids = ids.filter(|id| !known.contains(&id.match_key())).cloned();
        profile.former_whatsapp_user_ids.extend(ids.collect::<Vec<WhatsAppUserId>>());
        // What is current now is no former one any more.
        if let Some(number) = gone.phone_number
            && (profile.phone_number.is_none() || self.takes(&Taken::PhoneNumber))
        {
            profile.set_phone_number(number);
        }
        if let Some(id) = &gone.whatsapp_user_id
            && (profile.whatsapp_user_id.is_none() || self.takes(&Taken::WhatsAppUserId))
        {
            profile.set_whatsapp_user_id(id.clone());
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
    use crate::domain::consent::ConsentSummary;

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
            consent: ConsentSummary::default(),
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
            whatsapp_user_id: WhatsAppUserId::parse("US.2").ok(),
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
    fn the_survivor_wins_and_gaps_are_filled() {
        let (one, two) = pair();
        let both = MergeRules::default().merge(&one, &two);
        assert_eq!((both.first_name.as_str(), both.email.as_str()), ("Ana", "ana@example.com"));
        assert_eq!(both.tags.len(), 2);
        let values: Vec<_> = both.attributes.values().cloned().collect();
        assert_eq!(values, [text("1"), text("1"), text("2")]);
        assert_eq!(both.phone_number, one.profile.phone_number);
        assert_eq!(both.former_phone_numbers, [number("447700900123"), number("15557654321")]);
        assert_eq!(both.whatsapp_user_id, two.profile.whatsapp_user_id);
        assert!(both.former_whatsapp_user_ids.is_empty());
        assert_eq!(both.merged_contact_ids, [Uuid::from_u128(9), Uuid::from_u128(2)]);
        let keys: BTreeSet<_> = both.match_keys().into_iter().collect();
        let all = one.profile.match_keys().into_iter().chain(two.profile.match_keys());
        assert_eq!(keys, all.collect(), "who was found is found");
    }

    #[test]
    fn what_is_named_is_taken_unless_it_is_missing() {
        let (one, two) = pair();
        let attribute = Taken::Attribute("y".to_owned());
        let take =
            vec![Taken::FirstName, Taken::LastName, Taken::PhoneNumber, Taken::Tags, attribute];
        let rules = MergeRules { take, keep_survivor_tags: false };
        let both = rules.merge(&one, &two);
        assert_eq!((both.first_name.as_str(), both.last_name.as_str()), ("Anna", ""));
        assert_eq!(both.phone_number, two.profile.phone_number);
        assert_eq!(both.former_phone_numbers, [number("447700900123"), number("15551234567")]);
        assert_eq!(both.tags, two.profile.tags);
        assert_eq!((&both.attributes["x"], &both.attributes["y"]), (&text("1"), &text("2")));
        // The other way round the last name's gap is filled, and no phone is lost.
        let back = rules.merge(&two, &one);
        assert_eq!(back.phone_number, one.profile.phone_number);
        assert_eq!(back.match_keys().len(), 4);
    }

    #[test]
    fn tags_can_stay_the_survivors() {
        let (one, two) = pair();
        let rules = MergeRules { keep_survivor_tags: true, ..MergeRules::default() };
        assert_eq!(rules.merge(&one, &two).tags, one.profile.tags);
        let both = MergeRules { take: vec![Taken::Tags], ..rules };
        assert_eq!(both.validate().expect_err("both").field(), Some("keep_survivor_tags"));
    }
}
