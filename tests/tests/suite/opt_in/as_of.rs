//! Checks as of a time in the past answer what checks answered then.

use std::time::{Duration, SystemTime};

use contacts_sdk::receipt::DecisionReceipt;
use contacts_sdk::{
    CheckReason, CheckResult, Evidence, ImportConsent, ImportRow, MessageCategory, NewContact,
    OptInSource, PlatformPreference, Recipient, reason,
};
use contacts_service::operations::retention;
use contacts_service::store::sqlite::Access;
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::{MARKETING, UTILITY};

const SENDER: &str = "106";

/// What a check answered.
type Answer = (CheckReason, Option<String>, Option<String>, Option<SystemTime>);

fn answer(check: &CheckResult) -> Answer {
    (check.reason, check.event_id.clone(), check.contact_id.clone(), check.consent_time)
}

async fn now(app: &TestApp, who: impl Into<Recipient>) -> CheckResult {
    app.opt_in().check(who, MARKETING).await.expect("a check")
}

async fn then(app: &TestApp, who: impl Into<Recipient>, time: SystemTime) -> CheckResult {
    app.opt_in().check(who, MARKETING).as_of(time).await.expect("a check")
}

/// A time between what was recorded before and what comes. The creation of a contact that is gone is
/// known to the millisecond.
async fn pause() -> SystemTime {
    tokio::time::sleep(Duration::from_millis(2)).await;
    let time = SystemTime::now();
    tokio::time::sleep(Duration::from_millis(2)).await;
    time
}

fn user(n: usize) -> String {
    format!("US.{n}")
}

#[apply(on_each_store!)]
async fn check_as_of_a_time_sees_what_was_recorded_by_then(app: TestApp) {
    let before = pause().await;
    app.make_contact(phone(1)).await;
    let created = pause().await;
    // Said before the contact existed, and recorded later.
    let agree = app.opt_in().record_opt_in(phone(1), OptInSource::WebForm);
    let agreed = agree.occurred_time(timestamp(0)).await.expect("an opt-in");
    let opted_in = pause().await;
    let stop = app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    let opted_out = pause().await;
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    assert!(now(&app, phone(1)).await.is_allowed());
    for (time, reason, event) in [
        (timestamp(0), CheckReason::UnknownContact, None),
        (before, CheckReason::UnknownContact, None),
        (created, CheckReason::NotAsked, None),
        (opted_in, CheckReason::OptedIn, Some(&agreed.event.event_id)),
        (opted_out, CheckReason::OptedOut, Some(&stop.event.event_id)),
        (SystemTime::now(), CheckReason::OptedIn, None),
    ] {
        let check = then(&app, phone(1), time).await;
        assert_eq!(check.reason, reason, "{time:?}");
        assert!(event.is_none() || check.event_id.as_ref() == event);
        assert!(check.check_time.is_some_and(|check_time| check_time > time));
    }
    assert_eq!(then(&app, phone(2), opted_in).await.reason, CheckReason::UnknownContact);
}

#[apply(on_each_store!)]
async fn check_as_of_the_future_is_refused(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let future = SystemTime::now() + Duration::from_secs(60);
    let refused = app.opt_in().check(phone(1), MARKETING).as_of(future).await;
    refused.refused_at(reason::INVALID_TIME, "as_of_time");
    let lost = app.client().with_workspace("lost");
    let refused = lost.opt_in().check(phone(1), MARKETING).as_of(timestamp(0)).await;
    refused.refused_for(reason::WORKSPACE_NOT_FOUND);
}

#[apply(on_each_store!)]
async fn expiry_is_judged_at_that_time(app: TestApp) {
    app.make_contact(phone(1)).await;
    let expire = SystemTime::now() + Duration::from_millis(300);
    let agree = app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).expire_time(expire);
    agree.await.expect("an opt-in");
    let valid = pause().await;
    assert!(valid < expire, "the machine is too slow");
    while now(&app, phone(1)).await.reason != CheckReason::Expired {
        pause().await;
    }
    assert_eq!(then(&app, phone(1), valid).await.reason, CheckReason::OptedIn);
    assert_eq!(then(&app, phone(1), expire).await.reason, CheckReason::Expired);
}

#[apply(on_each_store!)]
async fn later_links_merges_releases_and_erasures_change_nothing(app: TestApp) {
    let person = NewContact::new().phone(phone(1)).whatsapp_user_id(user(1));
    let ana = app.contacts().create(person).await.expect("a contact");
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    let bob = app.make_contact(phone(2)).await;
    app.opt_in().record_opt_out(phone(3)).await.expect("an opt-out");
    let time = pause().await;
    let people = || {
        [
            Recipient::phone(phone(1)),
            Recipient::whatsapp_user_id(user(1)),
            Recipient::from(&ana),
            Recipient::phone(phone(2)),
            Recipient::from(&bob),
            Recipient::phone(phone(3)),
            Recipient::phone(phone(4)),
        ]
    };
    let mut known = Vec::new();
    for who in people() {
        known.push(answer(&now(&app, who).await));
    }
    let same = |when: &'static str| {
        let (app, known) = (&app, &known);
        async move {
            for (who, known) in people().into_iter().zip(known) {
                let check = then(app, who.clone(), time).await;
                assert_eq!(answer(&check), *known, "{when}: {who:?}");
            }
        }
    };
    same("at once").await;
    app.contacts().link_identity(&ana).phone(phone(4)).await.expect("linked");
    same("linked").await;
    app.contacts().merge(&bob, &ana).await.expect("merged");
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    same("merged").await;
    let released = app.contacts().link_identity(&bob).release(phone(1)).release(phone(4));
    released.await.expect("released");
    same("released").await;
    app.make_contact(phone(1)).await;
    app.make_contact(phone(3)).await;
    same("somebody else's").await;
    app.contacts().delete(phone(1)).await.expect("erased");
    same("the next holder erased").await;
    app.contacts().delete(&bob).await.expect("erased");
    // Of two numbers of one contact nobody knows any more which was the current one: it was the only one.
    same("all erased").await;
    app.make_opted_in(phone(2)).await;
    same("created again").await;
}

#[apply(on_each_store!)]
async fn erased_contact_with_several_ids_is_answered_more_strictly(app: TestApp) {
    let person = NewContact::new().whatsapp_user_id(user(1));
    let ana = app.contacts().create(person).await.expect("a contact");
    app.contacts().link_identity(&ana).phone(phone(1)).await.expect("linked");
    // For both ids, which had joined by then.
    app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).await.expect("an opt-in");
    let both = pause().await;
    assert!(now(&app, &ana).await.is_allowed() && then(&app, &ana, both).await.is_allowed());
    app.contacts().link_identity(&ana).whatsapp_user_id(user(2)).await.expect("linked");
    let three = pause().await;
    assert!(now(&app, &ana).await.is_allowed() && then(&app, &ana, three).await.is_allowed());
    app.contacts().delete(&ana).await.expect("erased");
    // By number, it is known.
    assert!(then(&app, phone(1), three).await.is_allowed());
    // By the contact, all ids decide. The first two were opted in, the third was not.
    assert!(then(&app, &ana, both).await.is_allowed());
    assert_eq!(then(&app, &ana, three).await.reason, CheckReason::NotAsked);
}

#[apply(on_each_store!)]
async fn receipt_of_a_check_as_of_a_time_says_so(app: TestApp) {
    let ana = app.make_opted_in(phone(1)).await;
    let time = pause().await;
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    let keys = app.opt_in().receipt_keys().await.expect("keys");
    let keys: Vec<_> = keys.iter().map(|key| key.public_key).collect();
    for who in [Recipient::phone(phone(1)), Recipient::from(&ana)] {
        let check = app.opt_in().check(who, MARKETING).as_of(time).receipt().await;
        let text = check.expect("a check").receipt.expect("a receipt");
        let stated = DecisionReceipt::parse(text).expect("a receipt").verify(&keys);
        let stated = stated.expect("valid");
        let as_of = stated.as_of_time.expect("a time");
        assert!(time.duration_since(as_of).expect("not later") < Duration::from_micros(1));
        assert!(stated.check_time.is_some_and(|check_time| check_time > time));
        assert!(stated.is_allowed() && stated.is_about(phone(1)));
        assert!(stated.identity_id.is_some() && stated.event_id.is_some());
    }
}

#[apply(on_each_store!)]
async fn check_of_several_ids_as_of_a_time_is_that_of_each(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let one = pause().await;
    app.make_opted_in(phone(2)).await;
    let both = pause().await;
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    let check = |time| app.opt_in().check(phone(1), MARKETING).also(phone(2)).as_of(time).send();
    let denied = check(one).await.expect("a check");
    assert_eq!((denied.reason, denied.recipient_index), (CheckReason::UnknownContact, 1));
    assert!(check(both).await.expect("a check").is_allowed());
}

#[apply(on_each_store!)]
async fn what_was_forgotten_at_the_end_of_its_retention_was_known_before(app: TestApp) {
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    let known = pause().await;
    let store = app.open_store(Access::Write).await;
    let forget = retention::sweep(&store, Some(chrono::TimeDelta::zero()));
    forget.await.expect("forgotten");
    store.close().await;
    let forgotten = pause().await;
    assert_eq!(now(&app, phone(1)).await.reason, CheckReason::UnknownContact);
    // A new contact, whose identity is another one in the ledger.
    app.make_opted_in(phone(1)).await;
    assert_eq!(then(&app, phone(1), known).await.reason, CheckReason::OptedOut);
    assert_eq!(then(&app, phone(1), forgotten).await.reason, CheckReason::UnknownContact);
    assert!(then(&app, phone(1), SystemTime::now()).await.is_allowed());
}

#[apply(on_each_store!)]
async fn check_of_too_long_a_history_is_refused(app: TestApp) {
    app.make_contact(phone(1)).await;
    let out = |n: u64| {
        let said = ImportConsent::opted_out().occurred_time(timestamp(n));
        ImportRow::new(NewContact::new().phone(phone(1))).consent(said)
    };
    for chunk in 0..10 {
        app.make_many((0..1000).map(|n| out(chunk * 1000 + n))).await;
    }
    let time = pause().await;
    assert_eq!(then(&app, phone(1), time).await.reason, CheckReason::OptedOut);
    app.make_many([out(10_000)]).await;
    let refused = app.opt_in().check(phone(1), MARKETING).as_of(time).await;
    refused.refused_at(reason::LIMIT_EXCEEDED, "as_of_time");
    assert_eq!(now(&app, phone(1)).await.reason, CheckReason::OptedOut);
}

const PHONES: usize = 4;
const USERS: usize = 3;
const LIVES: usize = 6;

/// One step of the lives of a few people. Many are refused, which is part of it.
#[derive(Clone, Debug)]
enum Step {
    Create { phone: Option<usize>, users: Vec<usize> },
    OptIn { who: usize, personal: bool, all: bool, expires: bool },
    OptOut { who: usize, also: Option<usize>, all: bool },
    Preference { who: usize, stops: bool, all: bool },
    Link { who: usize, to: usize, carries: bool, releases: Option<usize> },
    Merge { into: usize, from: usize },
    Import { who: usize, agrees: bool },
    Erase { who: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..PHONES + USERS;
    let users = prop::collection::vec(0..USERS, 0..3);
    prop_oneof![
        4 => (prop::option::of(0..PHONES), users)
            .prop_map(|(phone, users)| Step::Create { phone, users }),
        5 => (who(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(who, personal, all, expires)| Step::OptIn { who, personal, all, expires }
        ),
        3 => (who(), prop::option::of(who()), any::<bool>())
            .prop_map(|(who, also, all)| Step::OptOut { who, also, all }),
        2 => (who(), any::<bool>(), any::<bool>())
            .prop_map(|(who, stops, all)| Step::Preference { who, stops, all }),
        4 => (who(), who(), any::<bool>(), prop::option::of(who())).prop_map(
            |(who, to, carries, releases)| Step::Link { who, to, carries, releases }
        ),
        2 => (who(), who()).prop_map(|(into, from)| Step::Merge { into, from }),
        2 => (who(), any::<bool>()).prop_map(|(who, agrees)| Step::Import { who, agrees }),
        5 => who().prop_map(|who| Step::Erase { who }),
    ]
}

/// The people of one life, whose numbers and ids are nobody else's.
struct Life<'a> {
    app: &'a TestApp,
    number: usize,
    contact_ids: Vec<String>,
}

/// A check, and whether the answer about a contact depends on which of its ids is the first.
struct Remembered {
    who: Recipient,
    category: MessageCategory,
    sender: &'static str,
    check: CheckResult,
    is_ambiguous: bool,
}

impl Life<'_> {
    fn text(&self, index: usize) -> String {
        match index < PHONES {
            true => phone(100 * self.number + index),
            false => user(100 * self.number + index),
        }
    }

    fn who(&self, index: usize) -> Recipient {
        match index < PHONES {
            true => Recipient::phone(self.text(index)),
            false => Recipient::whatsapp_user_id(self.text(index)),
        }
    }

    fn person(&self, index: usize) -> NewContact {
        match index < PHONES {
            true => NewContact::new().phone(self.text(index)),
            false => NewContact::new().whatsapp_user_id(self.text(index)),
        }
    }

    /// Whether the step was accepted.
    async fn take(&mut self, step: &Step) -> bool {
        let (opt_in, contacts) = (self.app.opt_in(), self.app.contacts());
        let categories = |all: &bool| if *all { vec![] } else { vec![MARKETING] };
        match step {
            Step::Create { phone, users } => {
                let mut person = NewContact::new();
                if let Some(phone) = phone {
                    person = person.phone(self.text(*phone));
                }
                for user in users {
                    person = person.whatsapp_user_id(self.text(PHONES + user));
                }
                let made = contacts.create(person).await;
                self.contact_ids.extend(made.as_ref().ok().map(|made| made.contact_id.clone()));
                made.is_ok()
            }
            Step::OptIn { who, personal, all, expires } => {
                let source = if *personal { OptInSource::WebForm } else { OptInSource::Api };
                let record = opt_in.record_opt_in(self.who(*who), source);
                let record = record.categories(categories(all));
                match expires {
                    true => record.expire_time(SystemTime::now() + Duration::from_millis(150)),
                    false => record,
                }
                .await
                .is_ok()
            }
            Step::OptOut { who, also, all } => {
                let record = opt_in.record_opt_out(self.who(*who)).categories(categories(all));
                match also {
                    Some(also) => record.also(self.who(*also)),
                    None => record,
                }
                .await
                .is_ok()
            }
            Step::Preference { who, stops, all } => {
                let preference = match stops {
                    true => PlatformPreference::Stop,
                    false => PlatformPreference::Resume,
                };
                let record = opt_in.record_platform_preference(self.who(*who), preference);
                match all {
                    true => record,
                    false => record.sender_phone_number_id(SENDER),
                }
                .await
                .is_ok()
            }
            Step::Link { who, to, carries, releases } => {
                let mut link = contacts.link_identity(self.who(*who));
                link = match *to < PHONES {
                    true => link.phone(self.text(*to)),
                    false => link.whatsapp_user_id(self.text(*to)),
                };
                if *carries {
                    link = link.carry_opt_in(OptInSource::Platform, Evidence::new());
                }
                if let Some(released) = releases {
                    link = link.release(self.text(*released));
                }
                link.await.is_ok()
            }
            Step::Merge { into, from } => {
                contacts.merge(self.who(*into), self.who(*from)).await.is_ok()
            }
            Step::Import { who, agrees } => {
                let said = match agrees {
                    true => ImportConsent::opted_in(),
                    false => ImportConsent::opted_out(),
                };
                let row = ImportRow::new(self.person(*who)).consent(said);
                let outcome = contacts.batch_upsert([row]).await;
                if let Ok(contact) = contacts.get(self.who(*who)).await {
                    self.contact_ids.push(contact.contact_id);
                }
                outcome.is_ok_and(|outcome| outcome.failures.is_empty())
            }
            Step::Erase { who } => contacts.delete(self.who(*who)).await.is_ok(),
        }
    }

    async fn check_everybody(&self) -> Vec<Remembered> {
        let mut remembered = Vec::new();
        let mut ask = async |who: Recipient, is_ambiguous: bool| {
            for (category, sender) in [(MARKETING, ""), (MARKETING, SENDER), (UTILITY, "")] {
                let check = self.app.opt_in().check(who.clone(), category);
                let check = check.sender_phone_number_id(sender).await.expect("a check");
                let who = who.clone();
                remembered.push(Remembered { who, category, sender, check, is_ambiguous });
            }
        };
        for index in 0..PHONES + USERS {
            ask(self.who(index), false).await;
        }
        for id in &self.contact_ids {
            let contact = self.app.contacts().get(Recipient::contact_id(id)).await.ok();
            let has_first = contact.is_none_or(|contact| {
                contact.phone_number.is_some() || contact.whatsapp_user_ids.len() <= 1
            });
            ask(Recipient::contact_id(id), !has_first).await;
        }
        remembered
    }
}

#[apply(on_each_store!)]
async fn checks_as_of_earlier_times_answer_what_checks_answered_then(app: TestApp) {
    // A fixed seed: with so few lives, a random run could miss a case.
    let mut runner = TestRunner::deterministic();
    let steps = prop::collection::vec(step(), 12..24);
    let (mut allowed, mut erased, mut stricter) = (0, 0, 0);
    for number in 0..LIVES {
        let steps = steps.new_tree(&mut runner).expect("steps").current();
        let mut life = Life { app: &app, number, contact_ids: Vec::new() };
        let mut remembered = life.check_everybody().await;
        for step in &steps {
            if !life.take(step).await {
                continue;
            }
            life.contact_ids.sort();
            life.contact_ids.dedup();
            pause().await;
            remembered.extend(life.check_everybody().await);
        }
        for Remembered { who, category, sender, check, is_ambiguous } in &remembered {
            let time = check.check_time.expect("a time");
            let again = app.opt_in().check(who, *category).sender_phone_number_id(*sender);
            let again = again.as_of(time).await.expect("a check");
            let is_gone =
                matches!(who, Recipient::ContactId(_)) && app.contacts().get(who).await.is_err();
            allowed += usize::from(check.is_allowed());
            erased += usize::from(check.reason == CheckReason::Erased);
            if (is_gone || *is_ambiguous) && answer(&again) != answer(check) {
                assert!(!again.is_allowed(), "looser: {who:?} at {time:?} after {steps:#?}");
                stricter += 1;
                continue;
            }
            assert_eq!(answer(&again), answer(check), "{who:?} at {time:?} after {steps:#?}");
        }
    }
    assert!(allowed > 50 && erased > 20, "too few: {allowed} allowed, {erased} erased");
    assert!(stricter < allowed, "{stricter} of the answers are stricter");
}
