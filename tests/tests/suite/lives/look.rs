//! What can be seen of all people after a step, as values that are the same on every database.

use std::collections::HashMap;
use std::time::SystemTime;

use contacts_sdk::{
    CheckReason, Contact, ContactsClient, MessageCategory, OptInStatus, OptInSummary, Recipient,
    RecordedConsent,
};
use uuid::Uuid;

use super::act::{Times, key, text};
use super::step::{CATEGORIES, EXTERNAL_IDS, KEYS, Who};

/// What a check may ask: a category and a sender. Nobody ever stops the last sender by its name.
pub const QUESTIONS: [(MessageCategory, &str); 6] = [
    (MessageCategory::Marketing, ""),
    (MessageCategory::Marketing, "1"),
    (MessageCategory::Marketing, "2"),
    (MessageCategory::Marketing, "3"),
    (MessageCategory::Utility, ""),
    (MessageCategory::Authentication, ""),
];

/// Replaces ids, which are random, by what they stand for.
pub struct Names<'a> {
    /// In the order of creation.
    pub contact_ids: &'a [String],
    /// The positions in the ledger, by event_id.
    pub positions: &'a HashMap<Uuid, i64>,
    pub times: &'a Times,
}

impl Names<'_> {
    pub fn replace(&self, text: &str) -> String {
        const LENGTH: usize = 36;
        let mut replaced = String::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            match rest.get(..LENGTH).map(Uuid::try_parse) {
                Some(Ok(id)) => {
                    replaced.push_str(&self.name(id));
                    rest = &rest[LENGTH..];
                }
                _ => {
                    replaced.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
        }
        replaced
    }

    fn name(&self, id: Uuid) -> String {
        let is_this = |known: &String| *known == id.to_string();
        match (self.contact_ids.iter().position(is_this), self.positions.get(&id)) {
            (Some(place), _) => format!("contact {place}"),
            (None, Some(position)) => format!("event {position}"),
            (None, None) => "some id".to_owned(),
        }
    }

    /// A time that a caller stated; else that it is the server's.
    fn time(&self, time: Option<SystemTime>) -> String {
        let Some(time) = time else { return "none".to_owned() };
        if let Some(step) = self.times.after.iter().position(|after| *after == time) {
            return format!("after step {step}");
        }
        match self.times.begin.duration_since(time) {
            Ok(ago) => format!("{} s ago", ago.as_secs_f64()),
            // The ends of opt-ins.
            Err(ahead) if ahead.duration().as_secs() > 3600 => {
                format!("in {} h", ahead.duration().as_secs() / 3600)
            }
            Err(_) => "server".to_owned(),
        }
    }

    fn consents(&self, consents: &[RecordedConsent]) -> String {
        let consents = consents.iter().map(|consent| {
            let event = consent.event_id.as_deref().map(|id| self.replace(id));
            let (said, end) = (self.time(consent.occurred_time), self.time(consent.expire_time));
            format!("{:?} {:?} {event:?} {said} to {end}", consent.category, consent.status)
        });
        consents.collect::<Vec<_>>().join(", ")
    }

    fn contact(&self, contact: &Contact) -> String {
        let identities = contact.identities.iter().map(|identity| {
            let (is_former, joined) = (identity.is_former, identity.join_time.is_some());
            let consents = self.consents(&identity.consents);
            format!("{:?} former {is_former} joined {joined}: {consents}", identity.identity)
        });
        let shown = &contact.opt_in;
        format!(
            "{} {:?} {:?} {:?} {:?} former {:?} {:?} merged {} {:?} shows {:?} {:?} {:?}\n    {}",
            self.replace(&contact.contact_id),
            contact.phone_number,
            contact.whatsapp_user_ids,
            contact.external_id,
            contact.first_name,
            contact.former_phone_numbers,
            contact.former_whatsapp_user_ids,
            self.replace(&contact.merged_contact_ids.join(" ")),
            contact.merged_external_ids,
            shown.marketing,
            shown.utility,
            shown.authentication,
            identities.collect::<Vec<_>>().join("\n    "),
        )
    }
}

/// Who can be named after some contacts were created: all keys, then all external ids, then contacts.
pub fn everybody(contacts: usize) -> Vec<Who> {
    let keys = (0..KEYS.len()).map(Who::Key);
    let external = (0..EXTERNAL_IDS.len()).map(Who::External);
    keys.chain(external).chain((0..contacts).map(Who::Contact)).collect()
}

/// The answers about everybody.
pub struct Look {
    /// By person, in the order of [`everybody`], and by question.
    pub reasons: Vec<[CheckReason; QUESTIONS.len()]>,
    /// The contact of each, or the error, as text.
    contacts: Vec<String>,
    /// The contact that each finds, by its place in the order of creation.
    pub owners: Vec<Option<usize>>,
}

impl Look {
    pub async fn take(client: &ContactsClient, names: &Names<'_>) -> Result<Self, String> {
        let everybody = everybody(names.contact_ids.len());
        let recipients: Vec<_> =
            everybody.iter().map(|who| super::act::recipient(*who, names.contact_ids)).collect();
        let ask = QUESTIONS.map(|(category, sender)| {
            let check = client.opt_in().check_batch(&recipients, category);
            check.sender_phone_number_id(sender).send()
        });
        let answers = futures::future::join_all(ask).await;
        let mut reasons = vec![[CheckReason::NotAsked; QUESTIONS.len()]; everybody.len()];
        for (question, answers) in answers.into_iter().enumerate() {
            let answers = answers.map_err(|error| format!("a check failed: {error}"))?;
            answers.iter().for_each(|check| reasons[check.index][question] = check.reason);
        }
        let found = client.contacts().batch_get(&recipients).await;
        let found = found.map_err(|error| format!("a read failed: {error}"))?;
        let place =
            |contact: &Contact| names.contact_ids.iter().position(|id| *id == contact.contact_id);
        let owners = found.iter().map(|found| found.as_ref().ok().and_then(place)).collect();
        let mut contacts = Vec::new();
        for (who, found) in everybody.iter().zip(&found) {
            contacts.push(match found {
                Ok(contact) => names.contact(contact),
                Err(error) => names.replace(&text(error)),
            });
            if let Ok(contact) = found {
                repeats(*who, contact, &reasons)?;
            }
        }
        Ok(Self { reasons, contacts, owners })
    }

    /// The first difference from what another database answers.
    pub fn difference(&self, other: &Self) -> Option<String> {
        for (index, who) in everybody(self.owners.len()).iter().enumerate() {
            let (Some(one), Some(two)) = (self.reasons.get(index), other.reasons.get(index)) else {
                break;
            };
            if one != two {
                return Some(format!("checks of {who:?}: {one:?} and {two:?}"));
            }
            let (one, two) = (&self.contacts[index], &other.contacts[index]);
            if one != two {
                return Some(format!("the contact of {who:?}:\n  {one}\nand\n  {two}"));
            }
        }
        let counts = (self.reasons.len(), other.reasons.len());
        (counts.0 != counts.1).then(|| format!("contacts were created: {counts:?}"))
    }

    /// The contact that `who` names.
    pub fn owner(&self, who: Who) -> Option<usize> {
        match who {
            Who::Key(key) => self.owners[key],
            Who::External(index) => self.owners[KEYS.len() + index],
            Who::Contact(index) => {
                self.owners.get(KEYS.len() + EXTERNAL_IDS.len() + index).copied().flatten()
            }
        }
    }

    /// The keys of the person that `who` names.
    pub fn person(&self, who: Who) -> Vec<usize> {
        match (self.owner(who), who) {
            (Some(owner), _) => {
                (0..KEYS.len()).filter(|key| self.owners[*key] == Some(owner)).collect()
            }
            // Two forms of one number.
            (None, Who::Key(0 | 1)) => vec![0, 1],
            (None, Who::Key(key)) => vec![key],
            (None, _) => Vec::new(),
        }
    }
}

/// A contact shows what checks answer: its identities each their own, itself and a check of it the one
/// that a message would go to.
fn repeats(
    who: Who,
    contact: &Contact,
    reasons: &[[CheckReason; QUESTIONS.len()]],
) -> Result<(), String> {
    let place = |recipient: &Recipient| (0..KEYS.len()).find(|index| key(*index) == *recipient);
    for identity in &contact.identities {
        let key = place(&identity.identity).ok_or("an unknown identity")?;
        for (consent, question) in identity.consents.iter().zip([0, 4, 5]) {
            let reason = reasons[key][question];
            // What is recorded stays so after its end.
            let is_ended = reason == CheckReason::Expired
                && consent.status == OptInStatus::OptedIn
                && consent.expire_time.is_some_and(|end| end <= SystemTime::now());
            if !is_ended && !is_shown(reason, consent.status, identity.is_former) {
                return Err(format!("{:?} is {reason:?}, and shown as {consent:?}", KEYS[key]));
            }
        }
    }
    let target = match (&contact.phone_number, contact.whatsapp_user_ids.first()) {
        (Some(number), _) => Recipient::phone(number),
        (None, Some(id)) => Recipient::whatsapp_user_id(id),
        (None, None) => return Err("a contact without an identity".to_owned()),
    };
    let target = reasons[place(&target).ok_or("an unknown target")?];
    for (category, question) in CATEGORIES.into_iter().zip([0, 4, 5]) {
        if !is_shown(target[question], status(&contact.opt_in, category), false) {
            return Err(format!("{category:?} is {:?}: {:?}", target[question], contact.opt_in));
        }
    }
    let index = match who {
        Who::Contact(index) => KEYS.len() + EXTERNAL_IDS.len() + index,
        Who::External(index) => KEYS.len() + index,
        Who::Key(_) => return Ok(()),
    };
    match reasons[index] == target {
        true => Ok(()),
        false => Err(format!("{who:?} is {:?}, its target {target:?}", reasons[index])),
    }
}

fn status(shown: &OptInSummary, category: MessageCategory) -> OptInStatus {
    match category {
        MessageCategory::Marketing => shown.marketing,
        MessageCategory::Utility => shown.utility,
        _ => shown.authentication,
    }
}

/// Whether a status says what a check does.
fn is_shown(reason: CheckReason, status: OptInStatus, is_former: bool) -> bool {
    match reason {
        CheckReason::OptedIn => status == OptInStatus::OptedIn && !is_former,
        CheckReason::OptedOut => status == OptInStatus::OptedOut,
        CheckReason::FormerIdentity => is_former,
        CheckReason::NotAsked | CheckReason::Expired => status == OptInStatus::NotAsked,
        // A stop of all senders, which a check names only after the erasure, shows as an opt-out.
        CheckReason::Erased => status != OptInStatus::OptedIn,
        // A stop of one sender does not show.
        CheckReason::PlatformOptedOut => true,
        _ => false,
    }
}

/// Every person with single checks and all that was said about them. What decides is listed.
pub async fn events(client: &ContactsClient, names: &Names<'_>) -> Result<Vec<String>, String> {
    let everybody = everybody(names.contact_ids.len()).into_iter();
    let told = everybody.map(|who| events_about(client, names, who));
    let told = futures::future::try_join_all(told).await?;
    Ok(told.into_iter().flatten().collect())
}

async fn events_about(
    client: &ContactsClient,
    names: &Names<'_>,
    who: Who,
) -> Result<Vec<String>, String> {
    let recipient = super::act::recipient(who, names.contact_ids);
    let mut told = Vec::new();
    let events = match client.opt_in().events(&recipient).page_size(1000).await {
        Ok(events) => events.items,
        Err(error) => {
            told.push(format!("{who:?} {}", names.replace(&text(&error))));
            Vec::new()
        }
    };
    let checks = QUESTIONS.map(|(category, sender)| {
        client.opt_in().check(&recipient, category).sender_phone_number_id(sender).send()
    });
    for check in futures::future::join_all(checks).await {
        let check = check.map_err(|error| format!("a check of {who:?} failed: {error}"))?;
        let contact = check.contact_id.as_deref().map(|id| names.replace(id));
        let event = check.event_id.as_deref().map(|id| names.replace(id));
        let time = names.time(check.consent_time);
        told.push(format!("{who:?} {:?} {contact:?} {event:?} {time}", check.reason));
        let is_listed = |id: &String| events.iter().any(|event| event.event_id == *id);
        if !check.event_id.as_ref().is_none_or(is_listed) {
            return Err(format!("{event:?} decides about {who:?}, and is not listed"));
        }
    }
    for event in &events {
        let contact = event.contact_id.as_deref().map(|id| names.replace(id));
        told.push(format!(
            "{who:?} {} {contact:?} {:?} {:?} {:?} {:?} {:?} {} {} {:?} {}",
            names.replace(&event.event_id),
            event.kind,
            event.status,
            event.categories,
            event.changed_categories,
            event.source,
            names.time(event.occurred_time),
            names.time(event.expire_time),
            event.sender_phone_number_id,
            // It may name an event that was passed on.
            names.replace(&format!("{:?}", event.evidence)),
        ));
    }
    Ok(told)
}
