//! Takes a step on one database, through the API.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use contacts_proto::v1;
use contacts_sdk::request::{
    BatchUpsertContacts, CreateContact, DeleteContact, LinkIdentity, MergeContacts, RecordOptIn,
    RecordOptOut, RecordPlatformPreference, UpdateContact,
};
use contacts_sdk::{
    ContactsClient, Error, Evidence, ImportConsent, ImportOptions, ImportRow, NewContact,
    OptInPolicy, OptInRecord, PlatformPreference, Recipient,
};
use contacts_tests::rpc_error;
use uuid::Uuid;

use super::look::Names;
use super::step::{CATEGORIES, Consent, EXTERNAL_IDS, KEYS, PHONES, Person, Step, When, Who};

/// The times that callers state, the same on every database.
pub struct Times {
    pub begin: SystemTime,
    /// Taken between two steps: later than what is recorded by the first, and earlier than by the second.
    pub after: Vec<SystemTime>,
}

impl Times {
    pub fn begin() -> Self {
        let begin = now();
        Self { begin, after: vec![begin] }
    }

    pub fn after_step(&mut self) {
        self.after.push(now());
    }

    pub fn minutes(&self, minutes: i64) -> SystemTime {
        let distance = Duration::from_secs(60 * minutes.unsigned_abs());
        if minutes < 0 { self.begin - distance } else { self.begin + distance }
    }

    fn of(&self, when: When) -> Option<SystemTime> {
        match when {
            When::Now => None,
            When::Ago(minutes) => Some(self.minutes(-minutes)),
            When::After(back) => self.after.iter().rev().cycle().nth(back).copied(),
            When::Ahead(minutes) => Some(self.minutes(minutes)),
            When::In2008 => Some(UNIX_EPOCH + Duration::from_secs(1_210_000_000)),
        }
    }
}

/// In the precision that is stored.
fn now() -> SystemTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time");
    let micros = u64::try_from(since.as_micros()).expect("a time of this age");
    UNIX_EPOCH + Duration::from_micros(micros)
}

/// A request that was sent, to be sent again.
#[derive(Clone)]
pub enum Request {
    Create(CreateContact),
    Upsert(Box<v1::UpdateContactRequest>),
    Update(UpdateContact),
    Import(BatchUpsertContacts),
    OptIn(RecordOptIn),
    OptOut(RecordOptOut),
    Platform(RecordPlatformPreference),
    Link(LinkIdentity),
    Merge(MergeContacts),
    Erase(DeleteContact),
}

pub fn key(key: usize) -> Recipient {
    match key < PHONES {
        true => Recipient::phone(KEYS[key]),
        false => Recipient::whatsapp_user_id(KEYS[key]),
    }
}

/// Whom a step names. `contact_ids` are those of the contacts ever created.
pub fn recipient(who: Who, contact_ids: &[String]) -> Recipient {
    match who {
        Who::Key(index) => key(index),
        Who::External(index) => Recipient::external_id(EXTERNAL_IDS[index]),
        Who::Contact(index) => match contact_ids.get(index) {
            Some(id) => Recipient::contact_id(id),
            None => Recipient::contact_id(Uuid::nil().to_string()),
        },
    }
}

fn new_contact(person: &Person) -> NewContact {
    let mut contact = NewContact::new();
    if let Some(phone) = person.phone {
        contact = contact.phone(KEYS[phone]);
    }
    for user in &person.users {
        contact = contact.whatsapp_user_id(KEYS[*user]);
    }
    if let Some(external) = person.external {
        contact = contact.external_id(EXTERNAL_IDS[external]);
    }
    if let Some(name) = person.name {
        contact = contact.first_name(format!("Name{name}"));
    }
    contact
}

/// An UpdateContact without a mask, which creates the contact if there is none.
fn upsert(workspace: &str, person: &Person) -> v1::UpdateContactRequest {
    let text = |index: Option<usize>, texts: &[&str]| {
        index.map(|index| texts[index].to_owned()).unwrap_or_default()
    };
    let contact = v1::Contact {
        phone_number: text(person.phone, &KEYS),
        whatsapp_user_ids: person.users.iter().map(|user| KEYS[*user].to_owned()).collect(),
        external_id: text(person.external, &EXTERNAL_IDS),
        first_name: person.name.map(|name| format!("Name{name}")).unwrap_or_default(),
        ..Default::default()
    };
    v1::UpdateContactRequest {
        workspace_id: workspace.to_owned(),
        contact: Some(contact),
        allow_missing: true,
        ..Default::default()
    }
}

fn import_consent(consent: &Consent, times: &Times) -> ImportConsent {
    let mut said = match consent.agrees {
        true => ImportConsent::opted_in(),
        false => ImportConsent::opted_out(),
    };
    said = said.categories(consent.about.iter().map(|index| CATEGORIES[*index]));
    if let Some(source) = consent.source {
        said = said.source(source);
    }
    match times.of(consent.when) {
        Some(time) => said.occurred_time(time),
        None => said,
    }
}

/// The request of a step. None for a policy, and for what is sent again.
pub fn request(
    client: &ContactsClient,
    workspace: &str,
    ids: &[String],
    step: &Step,
    times: &Times,
) -> Option<Request> {
    let (contacts, opt_in) = (client.contacts(), client.opt_in());
    let named = |who: &Who| recipient(*who, ids);
    let request = match step {
        Step::Create(person) => Request::Create(contacts.create(new_contact(person))),
        Step::Upsert(person) => Request::Upsert(Box::new(upsert(workspace, person))),
        Step::SetUsers { who, users } => {
            let users = users.iter().map(|user| KEYS[*user]);
            Request::Update(contacts.update(named(who)).whatsapp_user_ids(users))
        }
        Step::SetExternal { who, external } => {
            let id = external.map_or("", |external| EXTERNAL_IDS[external]);
            Request::Update(contacts.update(named(who)).external_id(id))
        }
        Step::Import { rows, conflict, all } => {
            let rows = rows.iter().map(|(person, consent)| {
                let row = ImportRow::new(new_contact(person));
                match consent {
                    Some(consent) => row.consent(import_consent(consent, times)),
                    None => row,
                }
            });
            let mut options = ImportOptions::new().on_conflict(*conflict);
            if let Some(consent) = all {
                options = options.consent(import_consent(consent, times));
            }
            Request::Import(contacts.batch_upsert(rows).options(options))
        }
        Step::OptIn { who, source, about, when, until } => {
            let mut record = opt_in.record_opt_in(named(who), *source);
            record = record.categories(about.iter().map(|index| CATEGORIES[*index]));
            if let Some(time) = times.of(*when) {
                record = record.occurred_time(time);
            }
            if let Some(until) = until {
                record = record.expire_time(times.minutes(*until));
            }
            Request::OptIn(record)
        }
        Step::OptOut { who, also, about, when } => {
            let mut record = opt_in.record_opt_out(named(who));
            record = record.categories(about.iter().map(|index| CATEGORIES[*index]));
            for other in also {
                record = record.also(named(other));
            }
            Request::OptOut(match times.of(*when) {
                Some(time) => record.occurred_time(time),
                None => record,
            })
        }
        Step::Stop { who, also, sender, when } => {
            let stop = PlatformPreference::Stop;
            let mut record = opt_in.record_platform_preference(named(who), stop);
            for other in also {
                record = record.also(named(other));
            }
            let record = record.sender_phone_number_id(*sender);
            Request::Platform(match times.of(*when) {
                Some(time) => record.occurred_time(time),
                None => record,
            })
        }
        Step::Resume { who, sender, when } => {
            let resume = PlatformPreference::Resume;
            let record = opt_in.record_platform_preference(named(who), resume);
            let record = record.sender_phone_number_id(*sender);
            Request::Platform(match times.of(*when) {
                Some(time) => record.occurred_time(time),
                None => record,
            })
        }
        Step::Link(link) => {
            let mut request = contacts.link_identity(named(&link.who));
            if let Some(phone) = link.phone {
                request = request.phone(KEYS[phone]);
            }
            if let Some(user) = link.user {
                request = request.whatsapp_user_id(KEYS[user]);
            }
            if let Some(replaced) = link.replaces {
                request = request.replaces(KEYS[replaced]);
            }
            if let Some(released) = link.release {
                request = request.release(KEYS[released]);
            }
            if let Some(source) = link.carries {
                request = request.carry_opt_in(source, Evidence::new().message_id("wamid.1"));
            }
            Request::Link(request)
        }
        Step::Merge { into, from, takes_phone } => {
            let merge = contacts.merge(named(into), named(from));
            Request::Merge(if *takes_phone { merge.take(["phone_number"]) } else { merge })
        }
        Step::Erase(who) => Request::Erase(contacts.delete(named(who))),
        Step::Policy(_) | Step::Again { .. } => return None,
    };
    Some(request.with_id())
}

pub async fn set_policy(
    client: &ContactsClient,
    workspace: &str,
    ages: [u32; 3],
) -> Result<(), Error> {
    let policy = CATEGORIES.into_iter().zip(ages);
    let policy = policy
        .fold(OptInPolicy::new(), |policy, (category, age)| policy.max_age_days(category, age));
    client.workspaces().update(workspace).opt_in_policy(policy).await.map(drop)
}

impl Request {
    /// The same with a new request_id.
    pub fn with_id(self) -> Self {
        let id = Uuid::new_v4().to_string();
        match self {
            Self::Create(request) => Self::Create(request.request_id(id)),
            Self::Upsert(mut request) => {
                request.request_id = id;
                Self::Upsert(request)
            }
            Self::Update(request) => Self::Update(request.request_id(id)),
            Self::Import(request) => Self::Import(request.request_id(id)),
            Self::OptIn(request) => Self::OptIn(request.request_id(id)),
            Self::OptOut(request) => Self::OptOut(request.request_id(id)),
            Self::Platform(request) => Self::Platform(request.request_id(id)),
            Self::Link(request) => Self::Link(request.request_id(id)),
            Self::Merge(request) => Self::Merge(request.request_id(id)),
            Self::Erase(request) => Self::Erase(request.request_id(id)),
        }
    }

    /// Sends it. The answer is as text, to be compared; ids are replaced when they are known.
    pub async fn send(self, client: &ContactsClient) -> Result<String, Error> {
        let contact = |contact: contacts_sdk::Contact| contact.contact_id;
        match self {
            Self::Create(request) => request.await.map(contact),
            Self::Upsert(request) => {
                let updated = client.raw_contacts().update_contact(*request).await;
                let updated = updated.map_err(|status| rpc_error(&status))?.into_inner();
                Ok(updated.contact.expect("a contact").contact_id)
            }
            Self::Update(request) => request.await.map(contact),
            Self::Import(request) => {
                let result = request.await?;
                let failures = result.failures.iter();
                let failures = failures.map(|failure| (failure.row, text(&failure.error)));
                let counts = (result.created, result.updated, result.unchanged);
                Ok(format!("{counts:?} {:?}", failures.collect::<Vec<_>>()))
            }
            Self::OptIn(request) => request.await.map(|record| recorded(&record)),
            Self::OptOut(request) => request.await.map(|record| recorded(&record)),
            Self::Platform(request) => request.await.map(|record| recorded(&record)),
            Self::Link(request) => request.await.map(contact),
            Self::Merge(request) => request.await.map(contact),
            Self::Erase(request) => request.await.map(|receipt| receipt.contact_id),
        }
    }
}

fn recorded(record: &OptInRecord) -> String {
    let (event, shown) = (&record.event, &record.opt_in);
    format!(
        "{:?} {:?} of {:?} changed {:?} now {:?} {:?} {:?}",
        event.event_id,
        event.kind,
        event.contact_id,
        event.changed_categories,
        shown.marketing,
        shown.utility,
        shown.authentication,
    )
}

/// What an error says, with what a program reads of it.
pub fn text(error: &Error) -> String {
    let keys = ["field", "contact_id", "event_id", "opt_out"];
    let metadata = keys.map(|key| error.metadata(key).map(|value| format!("{key}={value}")));
    let metadata: Vec<_> = metadata.into_iter().flatten().collect();
    format!("{:?} {metadata:?} {}", error.reason(), error.message())
}

/// The result of a step, as text that is the same on every database.
pub fn outcome(sent: &Result<String, Error>, names: &Names<'_>) -> String {
    match sent {
        Ok(answer) => format!("OK {}", names.replace(answer)),
        Err(error) => names.replace(&text(error)),
    }
}
