//! Property: `sendable.<category> = true` selects exactly the contacts that a check by `contact_id`
//! allows, whatever happened to them, and whatever the policy is now.

use std::time::{Duration, SystemTime};

use contacts_sdk::{
    CheckReason, Contact, ContactsClient, Error, Evidence, Filter, ImportConsent, ImportOptions,
    ImportRow, MessageCategory, NewContact, OnConflict, OptInPolicy, OptInSource, OptInStatus,
    PlatformPreference, Recipient,
};
use contacts_service::operations::audit_states;
use contacts_service::store::sqlite::Access;
use contacts_tests::{TestApp, apply, ids, on_each_store, phone};
use futures::TryStreamExt;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const CATEGORIES: [MessageCategory; 3] =
    [MessageCategory::Marketing, MessageCategory::Utility, MessageCategory::Authentication];
/// Lives on each database, and steps of each.
const LIVES: usize = 8;
const STEPS: usize = 40;
/// How often the answers are compared during a life.
const LOOKS: usize = 4;
const NUMBERS: usize = 7;

/// Something happens to the people with some of the numbers.
#[derive(Clone, Debug)]
enum Step {
    Create { number: usize, user_id: bool },
    OptIn { who: usize, source: OptInSource, about: Vec<usize>, days_ago: u64, days: Option<u64> },
    OptOut { who: usize, about: Vec<usize>, days_ago: u64 },
    Platform { who: usize, stop: bool, sender: &'static str },
    Import { number: usize, agrees: bool, about: Vec<usize>, days_ago: Option<u64> },
    Link { who: usize, number: usize, carry: bool },
    Release { who: usize, number: usize },
    Merge { into: usize, from: usize },
    Erase(usize),
    Policy([u32; 3]),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..NUMBERS;
    let about = || subsequence(vec![0, 1, 2], 1..=3);
    let ago = || select(vec![0, 1, 2, 5, 20, 50, 400]);
    let source = select(vec![
        OptInSource::WebForm,
        OptInSource::Paper,
        OptInSource::Api,
        OptInSource::Operator,
    ]);
    let days = || prop::option::weighted(0.4, select(vec![1, 3, 10, 1000]));
    let age = || select(vec![0, 0, 1, 4, 30, 100]);
    prop_oneof![
        6 => (who(), any::<bool>()).prop_map(|(number, user_id)| Step::Create { number, user_id }),
        10 => (who(), source, about(), ago(), days()).prop_map(
            |(who, source, about, days_ago, days)| Step::OptIn { who, source, about, days_ago, days }
        ),
        3 => (who(), about(), ago())
            .prop_map(|(who, about, days_ago)| Step::OptOut { who, about, days_ago }),
        7 => (who(), prop::bool::weighted(0.7), select(vec!["", "1", "2"]))
            .prop_map(|(who, stop, sender)| Step::Platform { who, stop, sender }),
        4 => (who(), prop::bool::weighted(0.8), about(), prop::option::of(ago())).prop_map(
            |(number, agrees, about, days_ago)| Step::Import { number, agrees, about, days_ago }
        ),
        3 => (who(), who(), any::<bool>())
            .prop_map(|(who, number, carry)| Step::Link { who, number, carry }),
        1 => (who(), who()).prop_map(|(who, number)| Step::Release { who, number }),
        2 => (who(), who()).prop_map(|(into, from)| Step::Merge { into, from }),
        2 => who().prop_map(Step::Erase),
        2 => [age(), age(), age()].prop_map(Step::Policy),
    ]
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}

fn of(about: Vec<usize>) -> impl Iterator<Item = MessageCategory> {
    about.into_iter().map(|index| CATEGORIES[index])
}

/// Makes it happen. What cannot be is refused, and changes nothing.
async fn happen(client: &ContactsClient, workspace: &str, step: Step) -> Result<(), Error> {
    let (contacts, opt_in) = (client.contacts(), client.opt_in());
    match step {
        Step::Create { number, user_id } => {
            let contact = NewContact::new().phone(phone(number));
            let contact =
                if user_id { contact.whatsapp_user_id(format!("US.{number}")) } else { contact };
            contacts.create(contact).await.map(drop)
        }
        Step::OptIn { who, source, about, days_ago, days: until } => {
            let said = SystemTime::now() - days(days_ago);
            let record = opt_in.record_opt_in(phone(who), source).categories(of(about));
            let record = record.occurred_time(said);
            match until {
                Some(until) => record.expire_time(said + days(until)).await.map(drop),
                None => record.await.map(drop),
            }
        }
        Step::OptOut { who, about, days_ago } => {
            let said = SystemTime::now() - days(days_ago);
            let record = opt_in.record_opt_out(phone(who)).categories(of(about));
            record.occurred_time(said).await.map(drop)
        }
        Step::Platform { who, stop, sender } => {
            let preference =
                if stop { PlatformPreference::Stop } else { PlatformPreference::Resume };
            let record = opt_in.record_platform_preference(phone(who), preference);
            record.sender_phone_number_id(sender).await.map(drop)
        }
        Step::Import { number, agrees, about, days_ago } => {
            let consent =
                if agrees { ImportConsent::opted_in() } else { ImportConsent::opted_out() };
            let mut consent = consent.categories(of(about));
            if let Some(ago) = days_ago {
                consent = consent.occurred_time(SystemTime::now() - days(ago));
            }
            let row = ImportRow::from(NewContact::new().phone(phone(number))).consent(consent);
            let options = ImportOptions::new().on_conflict(OnConflict::Merge);
            contacts.batch_upsert([row]).options(options).await.map(drop)
        }
        Step::Link { who, number, carry } => {
            let link = contacts.link_identity(phone(who)).phone(phone(number));
            match carry {
                true => {
                    let evidence = Evidence::new().message_id("wamid.1");
                    link.carry_opt_in(OptInSource::Platform, evidence).await.map(drop)
                }
                false => link.await.map(drop),
            }
        }
        Step::Release { who, number } => {
            contacts.link_identity(phone(who)).release(phone(number)).await.map(drop)
        }
        Step::Merge { into, from } => contacts.merge(phone(into), phone(from)).await.map(drop),
        Step::Erase(who) => contacts.delete(phone(who)).await.map(drop),
        Step::Policy(ages) => {
            let policy = CATEGORIES.into_iter().zip(ages);
            let policy = policy.fold(OptInPolicy::new(), |policy, (category, age)| {
                policy.max_age_days(category, age)
            });
            client.workspaces().update(workspace).opt_in_policy(policy).await.map(drop)
        }
    }
}

/// List, count, segment and bulk edit of `sendable` agree with a check of every contact. Returns why
/// each may be sent to or not, and whether it shows as opted in.
async fn compare(client: &ContactsClient, story: &[Step]) -> Vec<(CheckReason, bool)> {
    let contacts = client.contacts();
    let everybody: Vec<Contact> = contacts.list().stream().try_collect().await.expect("everybody");
    let mut reasons = Vec::new();
    for category in CATEGORIES {
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        for contact in &everybody {
            let person = Recipient::contact_id(&contact.contact_id);
            let check = client.opt_in().check(person, category).await.expect("a check");
            let shown = match category {
                MessageCategory::Marketing => contact.opt_in.marketing,
                MessageCategory::Utility => contact.opt_in.utility,
                _ => contact.opt_in.authentication,
            };
            reasons.push((check.reason, shown == OptInStatus::OptedIn));
            if check.is_allowed() { &mut allowed } else { &mut denied }.push(contact.clone());
        }
        let yes = Filter::sendable(category);
        for (filter, expected) in [(yes.clone(), &allowed), (!yes, &denied)] {
            let expected = ids(expected);
            let listed: Vec<_> =
                contacts.list().filter(&filter).stream().try_collect().await.expect("a list");
            assert_eq!(ids(&listed), expected, "{filter} after {story:?}");
            let count = contacts.count().filter(&filter).await.expect("a count");
            assert_eq!(count, expected.len() as u64, "{filter} after {story:?}");
            let segment: Vec<_> =
                contacts.segment().filter(&filter).stream().try_collect().await.expect("a segment");
            assert_eq!(ids(&segment), expected, "{filter} after {story:?}");
            let edit = contacts.update_tags().filter(&filter, expected.len() as u64);
            edit.add("selected").await.expect("an edit");
            let tagged: Vec<_> = contacts
                .list()
                .filter("tags:selected")
                .stream()
                .try_collect()
                .await
                .expect("tagged");
            assert_eq!(ids(&tagged), expected, "{filter} after {story:?}");
            let untag = contacts.update_tags().filter("tags:selected", expected.len() as u64);
            untag.remove("selected").await.expect("an edit");
        }
    }
    reasons
}

#[apply(on_each_store!)]
async fn sendable_is_what_a_check_by_contact_id_allows(app: TestApp) {
    let mut runner = TestRunner::deterministic();
    let mut reasons = Vec::new();
    for life in 0..LIVES {
        let workspace = format!("life{life}");
        app.workspaces().create(&workspace).await.expect("a workspace");
        let client = app.client().with_workspace(&workspace);
        client.tags().create("selected").await.expect("a tag");
        let steps = prop::collection::vec(step(), STEPS).new_tree(&mut runner);
        let steps = steps.expect("a life").current();
        for (index, step) in steps.iter().enumerate() {
            // Many steps cannot be: nobody has the number, or somebody else has it.
            drop(happen(&client, &workspace, step.clone()).await);
            if (index + 1) % (STEPS / LOOKS) == 0 {
                reasons.extend(compare(&client, &steps[..=index]).await);
            }
        }
        let store = app.open_store(Access::Read).await;
        let found = audit_states::verify_states(&store, &workspace).await.expect("an audit");
        store.close().await;
        assert_eq!(found, [], "{steps:?}");
    }
    for told in [
        (CheckReason::OptedIn, true),
        (CheckReason::NotAsked, false),
        (CheckReason::OptedOut, false),
        (CheckReason::Erased, false),
        (CheckReason::Expired, false),
        (CheckReason::PlatformOptedOut, false),
        // A stop of one sender does not show.
        (CheckReason::PlatformOptedOut, true),
    ] {
        let count = reasons.iter().filter(|reason| **reason == told).count();
        assert!(count > 2, "{told:?} is too rare: {count} of {}", reasons.len());
    }
}
