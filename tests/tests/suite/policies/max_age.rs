//! The age from which a permission counts as expired, everywhere a state shows, at once.

use contacts_sdk::{
    CheckReason, Contact, Evidence, ImportConsent, ImportRow, MessageCategory, NewContact,
    OptInPolicy, OptInSource, OptInStatus, Recipient, reason,
};
use contacts_service::operations::contact_scan::ContactScan;
use contacts_service::operations::{read, workspaces};
use contacts_service::store::sqlite::Access;
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};
use futures::TryStreamExt;

use super::{MARKETING, days_ago, set};

/// A contact that opted in so many days ago.
async fn make(app: &TestApp, n: usize, days: u64) -> Contact {
    let contact = app.make_contact(phone(n)).await;
    let record = app.opt_in().record_opt_in(&contact, OptInSource::WebForm);
    record.occurred_time(days_ago(days)).await.expect("an opt-in");
    contact
}

/// What every call says of one contact: that it may be sent marketing, or that its permission has
/// expired.
async fn says(app: &TestApp, contact: &Contact, allowed: bool) {
    let number = contact.phone_number.clone().expect("a number");
    let reason = if allowed { CheckReason::OptedIn } else { CheckReason::Expired };
    for person in [Recipient::from(contact), Recipient::phone(&number)] {
        let check = app.opt_in().check(person, MARKETING).await.expect("a check");
        assert_eq!((check.reason, check.is_allowed()), (reason, allowed));
        assert!(check.event_id.is_some(), "the opt-in that decides");
    }
    let numbers = vec![number.clone()];
    let batch = app.opt_in().check_batch(&numbers, MARKETING).await.expect("checks");
    assert_eq!(batch.get(0).map(|outcome| outcome.reason), Some(reason));
    let stream = futures::stream::iter([numbers]);
    let checked = app.opt_in().check_stream(MARKETING).send(stream);
    let checked: Vec<_> = checked.try_collect().await.expect("checks");
    assert_eq!(checked[0].allowed().count(), usize::from(allowed));

    let status = if allowed { OptInStatus::OptedIn } else { OptInStatus::NotAsked };
    let only = format!("phone_number = \"{number}\"");
    let contacts = app.contacts();
    let mut shown = vec![contacts.get(contact).await.expect("a contact")];
    shown.extend(contacts.list().filter(&*only).await.expect("a page").items);
    shown
        .extend(contacts.list().filter(&*only).order_by("first_name").await.expect("a page").items);
    let batch = contacts.batch_get([number.clone()]).await.expect("contacts");
    shown.extend(batch.into_iter().flatten());
    let segment = contacts.segment().filter(&*only).stream();
    shown.extend(segment.try_collect::<Vec<_>>().await.expect("a segment"));
    let data = contacts.export_data(contact).await.expect("data");
    shown.extend(data.contact);
    assert_eq!(shown.len(), 6);
    for contact in shown {
        assert_eq!(contact.opt_in.marketing, status);
        assert_eq!(contact.opt_in.utility, OptInStatus::OptedIn, "another category");
    }
    for (filter, expected) in [
        ("opt_in = OPTED_IN", allowed),
        ("opt_in = NOT_ASKED", !allowed),
        ("opt_in = OPTED_OUT", false),
        ("sendable.marketing = true", allowed),
        ("sendable.marketing = false", !allowed),
        ("opt_in.utility = OPTED_IN AND sendable.utility = true", true),
        ("consent.marketing.expire_time < now", !allowed),
        ("consent.marketing.source = WEB_FORM", true),
    ] {
        let filter = format!("{only} AND {filter}");
        let count = contacts.count().filter(&*filter).await.expect("a count");
        assert_eq!(count, u64::from(expected), "{filter}");
        let listed = contacts.list().filter(&*filter).await.expect("a page").items;
        assert_eq!(listed.len(), usize::from(expected), "{filter}");
    }
}

#[apply(on_each_store!)]
async fn policy_decides_at_once_and_everywhere(app: TestApp) {
    let old = make(&app, 1, 100).await;
    let new = make(&app, 2, 10).await;
    for contact in [&old, &new] {
        says(&app, contact, true).await;
    }
    let days = |days| OptInPolicy::new().max_age_days(MARKETING, days);
    set(&app, days(30)).await;
    says(&app, &old, false).await;
    says(&app, &new, true).await;
    set(&app, days(9)).await;
    says(&app, &new, false).await;
    set(&app, days(101)).await;
    says(&app, &old, true).await;
    set(&app, days(1)).await;
    set(&app, OptInPolicy::new()).await;
    says(&app, &old, true).await;
    says(&app, &new, true).await;
}

#[apply(on_each_store!)]
async fn the_earlier_of_expiry_and_policy_counts(app: TestApp) {
    let contact = app.make_contact(phone(1)).await;
    let said = days_ago(20);
    let day = std::time::Duration::from_secs(86_400);
    let record = app.opt_in().record_opt_in(&contact, OptInSource::Paper).occurred_time(said);
    record.expire_time(said + 40 * day).await.expect("an opt-in");
    let count = async |filter: &str| app.contacts().count().filter(filter).await.expect("a count");
    for (age, days_left) in [(30, 10), (100, 20)] {
        set(&app, OptInPolicy::new().max_age_days(MARKETING, age)).await;
        let (before, after) = (24 * days_left - 1, 24 * days_left + 1);
        let between = format!(
            "consent.marketing.expire_time > now+{before}h AND \
             consent.marketing.expire_time < now+{after}h"
        );
        assert_eq!(count(&between).await, 1, "{between}");
        assert_eq!(count("consent.utility.expire_time < now+20d").await, 1);
        assert_eq!(count("consent.utility.expire_time < now+19d").await, 0);
    }
}

#[apply(on_each_store!)]
async fn reports_do_not_make_a_permission_younger(app: TestApp) {
    let contact = make(&app, 1, 100).await;
    set(&app, OptInPolicy::new().max_age_days(MARKETING, 30)).await;
    let row = |consent: ImportConsent| {
        [ImportRow::from(NewContact::new().phone(phone(1))).consent(consent)]
    };
    let marketing = || ImportConsent::opted_in().categories([MARKETING]);
    for claim in [marketing().occurred_time(days_ago(2)), marketing()] {
        let options = contacts_sdk::ImportOptions::new();
        let options = options.on_conflict(contacts_sdk::OnConflict::Merge);
        let upsert = app.contacts().batch_upsert(row(claim)).options(options);
        let outcome = upsert.await.expect("an import");
        assert_eq!(outcome.failures[0].error.reason(), Some(reason::CONSENT_CONFLICT));
    }
    let report = app.opt_in().record_opt_in(&contact, OptInSource::Api);
    report.occurred_time(days_ago(1)).await.refused_for(reason::CONSENT_CONFLICT);
    says(&app, &contact, false).await;
    // The person does.
    let record = app.opt_in().record_opt_in(&contact, OptInSource::InboundMessage);
    record.await.expect("an opt-in");
    let check = app.opt_in().check(&contact, MARKETING).await.expect("a check");
    assert!(check.is_allowed());
}

#[apply(on_each_store!)]
async fn an_old_import_sent_again_changes_nothing(app: TestApp) {
    set(&app, OptInPolicy::new().max_age_days(MARKETING, 30)).await;
    let row = || {
        let agreed = ImportConsent::opted_in().occurred_time(days_ago(100));
        ImportRow::from(NewContact::new().phone(phone(1))).consent(agreed)
    };
    let row = row();
    for expected in [(1, 0), (0, 1)] {
        let options = contacts_sdk::ImportOptions::new();
        let options = options.on_conflict(contacts_sdk::OnConflict::Merge);
        let upsert = app.contacts().batch_upsert([row.clone()]).options(options);
        let outcome = upsert.await.expect("an import");
        assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
        assert_eq!((outcome.created, outcome.unchanged), expected);
    }
    let check = app.opt_in().check(phone(1), MARKETING).await.expect("a check");
    assert_eq!(check.reason, CheckReason::Expired);
}

#[apply(on_each_store!)]
async fn carried_permissions_keep_their_age(app: TestApp) {
    let contact = make(&app, 1, 100).await;
    let link = app.contacts().link_identity(&contact).phone(phone(2));
    let link = link.carry_opt_in(OptInSource::Platform, Evidence::new().message_id("wamid.1"));
    let moved = link.await.expect("a contact");
    says(&app, &moved, true).await;
    set(&app, OptInPolicy::new().max_age_days(MARKETING, 30)).await;
    says(&app, &moved, false).await;
    assert_eq!(moved.opt_in.marketing, OptInStatus::OptedIn, "as it was before the policy");
    // Of another category there is no policy.
    let check = app.opt_in().check(&moved, MessageCategory::Utility).await.expect("a check");
    assert!(check.is_allowed());
}

/// At the level of operations: the server reads several pages ahead of its client.
#[apply(on_each_store!)]
async fn a_stream_under_way_has_the_new_policy(app: TestApp) {
    // More than the first page.
    const PEOPLE: usize = 600;
    let agreed = ImportConsent::opted_in().occurred_time(days_ago(10));
    let row = |n| ImportRow::from(NewContact::new().phone(phone(n))).consent(agreed.clone());
    app.make_many((0..PEOPLE).map(row)).await;
    let store = app.open_store(Access::Read).await;
    let workspace = workspaces::get(&store, "").await.expect("a workspace");
    let query =
        read::Query { filter: "sendable.marketing = true".to_owned(), ..read::Query::default() };
    let mut db = store.read().await.expect("a connection");
    db.enter(&workspace).await.expect("entered");
    let selection = read::select(&store, &mut *db, &workspace, &query, store.now()).await;
    drop(db);
    let selection = selection.expect("a selection");
    let mut scan = ContactScan::new(store.clone(), workspace, selection, None);
    assert!(!scan.next_page().await.expect("a page").is_empty());
    set(&app, OptInPolicy::new().max_age_days(MARKETING, 5)).await;
    assert!(scan.next_page().await.expect("a page").is_empty());
}

#[apply(on_each_store!)]
async fn policies_of_workspaces_are_apart(app: TestApp) {
    let ours = make(&app, 1, 100).await;
    app.workspaces().create("acme").await.expect("a workspace");
    let policy = OptInPolicy::new().max_age_days(MARKETING, 1);
    app.workspaces().update("acme").opt_in_policy(policy).await.expect("a workspace");
    says(&app, &ours, true).await;
}

#[apply(on_each_store!)]
async fn check_as_of_a_time_applies_the_policy_of_that_time(app: TestApp) {
    make(&app, 1, 10).await;
    let check = || app.opt_in().check(phone(1), MARKETING);
    let allowed = check().await.expect("a check");
    set(&app, OptInPolicy::new().max_age_days(MARKETING, 5)).await;
    let expired = check().await.expect("a check");
    set(&app, OptInPolicy::new().max_age_days(MARKETING, 1000)).await;
    assert!(check().await.expect("a check").is_allowed());
    for then in [allowed, expired] {
        let again = check().as_of(then.check_time.expect("a time")).await.expect("a check");
        assert_eq!((again.reason, again.event_id), (then.reason, then.event_id));
    }
}

/// The policy that applied then is not kept: it may have been any.
#[apply(on_each_store!)]
async fn check_as_of_a_time_before_the_kept_policies_allows_nothing(app: TestApp) {
    set(&app, OptInPolicy::new().max_age_days(MARKETING, 5)).await;
    make(&app, 1, 10).await;
    let expired = app.opt_in().check(phone(1), MARKETING).await.expect("a check");
    assert_eq!(expired.reason, CheckReason::Expired);
    for days in 1000..1100 {
        set(&app, OptInPolicy::new().max_age_days(MARKETING, days)).await;
    }
    assert!(app.opt_in().check(phone(1), MARKETING).await.expect("a check").is_allowed());
    for category in [MARKETING, MessageCategory::Utility] {
        let check = app.opt_in().check(phone(1), category);
        let again = check.as_of(expired.check_time.expect("a time")).await.expect("a check");
        assert_eq!(again.reason, CheckReason::Expired, "{category:?}");
    }
}
