//! Reads one change: a list of statements about people, in Meta's words.

use std::collections::BTreeSet;

use super::action::{Action, Identity, MessageId};
use super::contacts::{ContactPair, Contacts, Found};
use super::fields::{message_id, objection_ids, objection_time, permission_time, sender};
use super::json::{Json, Object};
use super::permissions::{ActionResult, changed_id, number_changed, resume, user_id_changed};
use super::place::Place;
use super::stop_words::StopWords;
use super::{Change, Fault, Ignored};
use crate::domain::consent::ALL_SENDERS;

/// "This recipient has chosen to stop receiving marketing messages on WhatsApp from your business."
///
/// The one error that tells of consent. 131047 (the 24 hours are over), 131049 and 130472 (WhatsApp
/// delivers no more marketing to this person now) say nothing of what the person wants.
const STOPPED_MARKETING: u64 = 131_050;

/// The lists of a change that are read, in this order: objections before what may widen.
pub(super) const LISTS: [&str; 3] = ["user_preferences", "statuses", "messages"];

/// How far a change can be believed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// It is where Meta documents it.
    Documented,
    /// Another field or object: objections only.
    Elsewhere,
    /// A name is repeated on the way to it, so nobody can tell what it says: objections only.
    Repeated,
}

/// Reads the value of a change into `change`.
pub(super) fn read_value(
    value: &Object,
    trust: impl Fn(&'static str) -> Trust,
    place: Place,
    stop_words: &StopWords,
    change: &mut Change,
) {
    let mut reader = Reader {
        sender: sender(value),
        contacts: Contacts::default(),
        trust: Trust::Elsewhere,
        stop_words,
        change,
    };
    let contacts = value.elements("contacts").filter_map(Json::as_object);
    for pair in contacts.filter_map(ContactPair::read) {
        reader.contacts.add(pair);
    }
    let mut is_known = false;
    for list in LISTS {
        reader.trust = trust(list);
        for elements in value.all(list).filter(|elements| !elements.is_absent()) {
            is_known = true;
            let place = place.list(list);
            let Json::List(elements) = elements else {
                reader.report(place, Fault::Malformed);
                continue;
            };
            for (index, element) in elements.iter().enumerate() {
                let place = place.index(index);
                let Some(item) = element.as_object() else {
                    reader.report(place, Fault::Malformed);
                    continue;
                };
                match list {
                    "user_preferences" => reader.preference(item, place),
                    "statuses" => reader.status(item, place),
                    _ => reader.message(item, place),
                }
            }
        }
    }
    if !is_known {
        reader.ignore(Ignored::OtherField);
    }
}

struct Reader<'a> {
    /// None: not known, so an objection is about all of them.
    sender: Option<String>,
    contacts: Contacts,
    trust: Trust,
    stop_words: &'a StopWords,
    change: &'a mut Change,
}

impl Reader<'_> {
    /// One entry of a `user_preferences` webhook.
    fn preference(&mut self, item: &Object, place: Place) {
        const IDS: [&str; 3] = ["wa_id", "user_id", "parent_user_id"];
        self.pair(item, &IDS[..2], place);
        // A repeated value stops if any of them does.
        if item.texts("value").any(|value| value.trim().eq_ignore_ascii_case("stop")) {
            self.stop(item, &IDS, None, place);
        } else if item.get("value").as_text() != Some("resume") {
            self.ignore(Ignored::UnknownPreference);
        } else if self.may_permit(item, place) {
            if item.get("category").as_text() != Some("marketing_messages") {
                return self.ignore(Ignored::OtherCategory);
            }
            self.record(resume(item, self.sender.as_deref()), place);
        }
    }

    /// What became of a message of the business's. Of a group's it is about one participant.
    fn status(&mut self, item: &Object, place: Place) {
        const PERSON: [&str; 3] = ["recipient_id", "recipient_user_id", "recipient_parent_user_id"];
        const PARTICIPANT: [&str; 3] = [
            "recipient_participant_id",
            "recipient_participant_user_id",
            "recipient_participant_parent_user_id",
        ];
        let is_of_group = item.texts("recipient_type").any(|kind| kind == "group");
        let ids = if is_of_group { PARTICIPANT } else { PERSON };
        self.pair(item, &ids[..2], place);
        let errors = item.elements("errors").filter_map(Json::as_object);
        let mut codes = errors.flat_map(|error| error.all("code"));
        if codes.any(is_stopped_marketing) {
            self.stop(item, &ids, message_id(item), place);
        } else {
            self.ignore(Ignored::Status);
        }
    }

    /// A message of a person's, or one of WhatsApp's about them.
    fn message(&mut self, item: &Object, place: Place) {
        const IDS: [&str; 3] = ["from", "from_user_id", "from_parent_user_id"];
        if item.texts("type").any(|kind| kind == "system") {
            self.system_message(item, place);
            // With a second type it may be a message of the person's all the same.
            if !item.repeats() {
                return;
            }
        }
        self.pair(item, &IDS[..2], place);
        let word = message_texts(item).find_map(|text| self.stop_words.find(text));
        let Some(word) = word.map(str::to_owned) else {
            return self.ignore(Ignored::Message);
        };
        if let Some(identities) = self.objectors(item, &IDS, place) {
            self.change.actions.push(Action::OptOutWord {
                identities,
                text: word,
                message_id: message_id(item),
                occurred_time: objection_time(item),
            });
        }
    }

    fn system_message(&mut self, item: &Object, place: Place) {
        let mut is_known = false;
        for system in item.objects("system") {
            is_known |= self.system(item, system, place);
        }
        if !is_known {
            self.ignore(Ignored::SystemMessage);
        }
    }

    /// False if it is of a type that says nothing of consent and identity.
    fn system(&mut self, item: &Object, system: &Object, place: Place) -> bool {
        let is = |kind: &str| system.texts("type").any(|known| known == kind);
        if is("user_preference_changed") {
            // The form of the On-Premises API, which is gone: only its objection is taken.
            let mut said = system.texts("marketing");
            if said.any(|value| value.trim().eq_ignore_ascii_case("stop")) {
                let ids = ["from", "from_user_id", "from_parent_user_id"];
                self.stop(item, &ids, message_id(item), place);
            } else {
                self.ignore(Ignored::RetiredForm);
            }
        } else if is("user_changed_number") || is("customer_changed_number") {
            self.identity_change(number_changed, item, system, place);
        } else if is("user_changed_user_id") {
            self.identity_change(user_id_changed, item, system, place);
        } else {
            return false;
        }
        true
    }

    /// A change of number or user id, and the one of the parent id that comes along with it.
    fn identity_change(
        &mut self,
        read: fn(&Object, &Object) -> ActionResult,
        item: &Object,
        system: &Object,
        place: Place,
    ) {
        if !(self.may_permit(item, place) && self.may_permit(system, place)) {
            return;
        }
        let change = read(item, system);
        let is_whole = change.is_ok();
        self.record(change, place);
        let (previous, new) = ("previous_parent_user_id", "parent_user_id");
        let has_parents = !system.get(previous).is_absent() && !system.get(new).is_absent();
        if is_whole && has_parents {
            match changed_id(item, system, previous, new) {
                // They need not change together.
                Err((_, Fault::Contradictory)) => {}
                change => self.record(change, place),
            }
        }
    }

    /// Learns that the two ids of a contact are one person's, if this item is theirs.
    fn pair(&mut self, item: &Object, fields: &[&'static str], place: Place) {
        let mut ids = BTreeSet::new();
        let unreadable: usize =
            fields.iter().map(|field| objection_ids(item, field, &mut ids)).sum();
        let pair = match self.contacts.find(ids.iter()) {
            Found::Nothing => return,
            Found::Contradiction => return self.ignore(Ignored::ContradictoryContact),
            Found::Pair(pair) => pair.clone(),
        };
        if !self.may_permit(item, place) {
            return;
        }
        let (0, Ok(occurred_time)) = (unreadable, permission_time(item)) else {
            return self.ignore(Ignored::UnreadableContact);
        };
        for user_id in std::iter::once(pair.user_id).chain(pair.parent_user_id) {
            self.change.actions.push(Action::Pair {
                phone_number: pair.phone_number,
                user_id,
                occurred_time,
                message_id: message_id(item),
            });
        }
    }

    fn stop(
        &mut self,
        item: &Object,
        fields: &[&'static str],
        message_id: Option<MessageId>,
        place: Place,
    ) {
        // Meta keeps it for the user id, not for its parent; but it is the same person who said it.
        if let Some(identities) = self.objectors(item, fields, place) {
            self.change.actions.push(Action::PlatformStop {
                sender_phone_number_id: self
                    .sender
                    .clone()
                    .unwrap_or_else(|| ALL_SENDERS.to_owned()),
                identities,
                occurred_time: objection_time(item),
                message_id,
            });
        }
    }

    /// All that name the person who objects. Reports what cannot be read; None if that is all.
    fn objectors(
        &mut self,
        item: &Object,
        fields: &[&'static str],
        place: Place,
    ) -> Option<Vec<Identity>> {
        let mut ids = BTreeSet::new();
        let mut is_reported = false;
        for field in fields {
            if objection_ids(item, field, &mut ids) > 0 {
                is_reported = true;
                self.report(place.field(field), Fault::Malformed);
            }
        }
        if ids.is_empty() && !is_reported {
            self.report(place.field(fields[0]), Fault::Missing);
        }
        if let Found::Pair(pair) = self.contacts.find(ids.iter()) {
            ids.insert(Identity::Phone(pair.phone_number));
            let user_ids = [&pair.user_id].into_iter().chain(&pair.parent_user_id);
            ids.extend(user_ids.cloned().map(Identity::User));
        }
        (!ids.is_empty()).then(|| ids.into_iter().collect())
    }

    /// Whether what this object says may widen what is allowed. Says why not.
    fn may_permit(&mut self, object: &Object, place: Place) -> bool {
        match self.trust {
            Trust::Elsewhere => self.ignore(Ignored::Elsewhere),
            Trust::Documented if !object.repeats() => return true,
            Trust::Documented | Trust::Repeated => self.report(place, Fault::Repeated),
        }
        false
    }

    fn record(&mut self, action: ActionResult, place: Place) {
        match action {
            Ok(action) => self.change.actions.push(action),
            Err((field, fault)) => self.report(place.field(field), fault),
        }
    }

    fn report(&mut self, place: Place, fault: Fault) {
        let unreadable = place.unreadable(fault);
        // A contact and the statement itself may be refused for the same reason.
        if self.change.unreadable.last() != Some(&unreadable) {
            self.change.unreadable.push(unreadable);
        }
    }

    fn ignore(&mut self, what: Ignored) {
        *self.change.ignored.entry(what).or_default() += 1;
    }
}

fn is_stopped_marketing(code: &Json) -> bool {
    match code {
        Json::Number(code) => *code == Some(STOPPED_MARKETING),
        Json::Float(code) => *code == STOPPED_MARKETING as f64,
        Json::Text(code) => code.trim().parse() == Ok(STOPPED_MARKETING),
        _ => false,
    }
}

/// All that the person may have written or pressed: a text, the label or the payload of a button,
/// the title or the id of a reply, an edited text.
fn message_texts(message: &Object) -> impl Iterator<Item = &str> {
    let edited = message.objects("edit").flat_map(|edit| edit.objects("message"));
    std::iter::once(message).chain(edited).flat_map(|message| {
        let body = message.objects("text").flat_map(|text| text.texts("body"));
        let button = message
            .objects("button")
            .flat_map(|button| button.texts("text").chain(button.texts("payload")));
        let replies = message.objects("interactive").flat_map(|interactive| {
            interactive.objects("button_reply").chain(interactive.objects("list_reply"))
        });
        let reply = replies.flat_map(|reply| reply.texts("title").chain(reply.texts("id")));
        body.chain(button).chain(reply)
    })
}
