//! What somebody found who had the rule and the program, and wanted a wrong yes.

use contacts_sdk::Contact;

use super::*;

/// Creates a contact with the first number and the user id `US.1`.
async fn with_user_id(app: &TestApp) -> Contact {
    let person = NewContact::new().phone(phone(1)).whatsapp_user_id("US.1");
    app.contacts().create(person).await.expect("a contact")
}

/// An opt-in by the id of a contact, dated before any of its identities was there, is of none of them.
#[apply(on_each_store!)]
async fn an_opt_in_by_contact_id_from_before_its_identities_names_none(app: TestApp) {
    let contact = NewContact::new().phone(phone(1)).external_id("crm-1");
    let contact = app.contacts().create(contact).await.expect("a contact");
    no(&app, phone(2), 60).await;
    let before = SystemTime::now();
    let link = app.contacts().link_identity(&contact).phone(phone(2));
    link.await.expect("a link");
    for recipient in [Recipient::from(&contact), Recipient::external_id("crm-1")] {
        for source in [OptInSource::WebForm, OptInSource::Api] {
            let record = app.opt_in().record_opt_in(recipient.clone(), source);
            drop(record.occurred_time(before).await);
        }
    }
    assert_eq!(check(&app, phone(2)).await, CheckReason::OptedOut, "nothing was lifted");
    let row = ImportRow::new(NewContact::new().external_id("crm-1"));
    let row = row.consent(ImportConsent::opted_in().occurred_time(before));
    assert!(import(&app, row).await.is_some());
    yes(&app, phone(2), 0).await;
    app.opt_in().record_opt_out(phone(3)).await.expect("an opt-out of somebody else");
    audited(&app).await;

    let other = app.contacts().create(NewContact::new().phone(phone(4))).await.expect("a contact");
    let before = SystemTime::now();
    app.contacts().link_identity(&other).phone(phone(5)).await.expect("a link");
    let record = app.opt_in().record_opt_in(&other, OptInSource::WebForm);
    drop(record.occurred_time(before).await);
    assert_eq!(check(&app, phone(5)).await, CheckReason::NotAsked);
    audited(&app).await;
}

/// An imported opt-out without a time is said now, also where one stands already.
#[apply(on_each_store!)]
async fn an_opt_out_imported_again_is_said_again(app: TestApp) {
    for (n, on_conflict) in [(1, OnConflict::Merge), (2, OnConflict::Skip), (3, OnConflict::Fail)] {
        app.make_contact(phone(n)).await;
        no(&app, phone(n), 60).await;
        let row = ImportRow::new(NewContact::new().phone(phone(n)));
        let options = ImportOptions::new().on_conflict(on_conflict);
        let rows = [row.consent(ImportConsent::opted_out())];
        let summary = app.contacts().import(options).send(rows).await.expect("an import");
        assert_eq!(summary.updated, 0, "{on_conflict:?}: nothing else changed");
        yes(&app, phone(n), 30).await;
        assert_eq!(check(&app, phone(n)).await, CheckReason::OptedOut, "{on_conflict:?}");
    }
    audited(&app).await;
}

/// What a link carries over lifts nothing, also not what is heard of later.
#[apply(on_each_store!)]
async fn a_late_opt_out_of_a_linked_number_stands(app: TestApp) {
    for late in [false, true] {
        let (old, new) = (phone(10 + usize::from(late)), phone(20 + usize::from(late)));
        let contact =
            app.contacts().create(NewContact::new().phone(&old)).await.expect("a contact");
        yes(&app, &*old, 10).await;
        if !late {
            no(&app, &*new, 15).await;
        }
        let link = app.contacts().link_identity(&contact).phone(&new);
        link.carry_opt_in(OptInSource::Platform, Default::default()).await.expect("a link");
        if late {
            assert_eq!(check(&app, &*new).await, CheckReason::OptedIn);
            no(&app, &*new, 15).await;
        }
        assert_eq!(check(&app, &*new).await, CheckReason::OptedOut, "late: {late}");
    }
    audited(&app).await;
}

/// A number that a link brought is there from the link on, also if the link carries: what is recorded later, of
/// a time before it, may be its previous holder's. So it lifts nothing, and permits nobody else.
#[apply(on_each_store!)]
async fn an_old_opt_in_of_a_linked_number_is_for_nobody_else(app: TestApp) {
    let user = |n: usize| Recipient::whatsapp_user_id(format!("US.{n}"));
    for (n, asked, objected) in [(1, true, true), (2, false, true), (3, false, false)] {
        let (old, new) = (phone(n), phone(10 + n));
        let person = NewContact::new().phone(&old).whatsapp_user_id(format!("US.{n}"));
        let contact = app.contacts().create(person).await.expect("a contact");
        if asked {
            yes(&app, &*old, 200).await;
        }
        if objected {
            no(&app, user(n), 100).await;
        }
        let link = app.contacts().link_identity(&contact).phone(&new);
        link.carry_opt_in(OptInSource::Platform, Default::default()).await.expect("a link");
        yes(&app, &*new, 50).await;
        let expected = match objected {
            true => [CheckReason::OptedOut; 2],
            false => [CheckReason::OptedIn, CheckReason::NotAsked],
        };
        let found = [check(&app, &*new).await, check(&app, user(n)).await];
        assert_eq!(found, expected, "{n}");
    }
    audited(&app).await;
}

/// A link carries what was permitted under the id that is named as the replaced one, and nothing else: also if
/// that id is the new one itself, or was replaced by an earlier call that carried nothing.
#[apply(on_each_store!)]
async fn a_link_carries_only_from_the_id_that_it_replaces(app: TestApp) {
    let user = |n: usize| Recipient::whatsapp_user_id(format!("US.{n}"));
    let contact =
        app.contacts().create(NewContact::new().phone(phone(1))).await.expect("a contact");
    yes(&app, phone(1), 5).await;
    let link = || app.contacts().link_identity(&contact);
    let carry = || link().carry_opt_in(OptInSource::Platform, Default::default());
    link().whatsapp_user_id("US.1").await.expect("a link");
    let itself = carry().whatsapp_user_id("US.1").replaces("US.1").await;
    itself.refused_at(reason::INVALID_ARGUMENT, "replaces");
    assert_eq!(check(&app, user(1)).await, CheckReason::NotAsked);

    link().whatsapp_user_id("US.2").replaces("US.1").await.expect("a link");
    carry().whatsapp_user_id("US.2").replaces("US.1").await.expect("the same, and a carry");
    assert_eq!(check(&app, user(2)).await, CheckReason::NotAsked);
    audited(&app).await;

    // One call that replaces both carries from each to its own.
    let both = carry().phone(phone(3)).whatsapp_user_id("US.3").replaces("US.2");
    both.await.expect("a link");
    let found = [check(&app, phone(3)).await, check(&app, user(3)).await];
    assert_eq!(found, [CheckReason::OptedIn, CheckReason::NotAsked]);
    audited(&app).await;
}

/// An id that left and came back is not one that nobody was asked under: what the person said has ended, and no
/// report extends or revives it.
#[apply(on_each_store!)]
async fn what_ended_stays_ended_for_an_id_that_comes_back(app: TestApp) {
    let user = || Recipient::whatsapp_user_id("US.1");
    let contact = with_user_id(&app).await;
    let end = SystemTime::now() + Duration::from_millis(500);
    let agree = app.opt_in().record_opt_in(phone(1), OptInSource::WebForm).expire_time(end);
    agree.await.expect("an opt-in");
    let link = || app.contacts().link_identity(&contact);
    link().phone(phone(2)).await.expect("a link");
    let report = app.opt_in().record_opt_in(phone(2), OptInSource::Api);
    report.occurred_time(ago(60)).await.expect("a report");
    let ids = |id: &str| app.contacts().update(&contact).whatsapp_user_ids([id]);
    ids("US.2").await.expect("another id");
    ids("US.1").await.expect("and back");
    link().phone(phone(1)).await.expect("back");
    for recipient in [Recipient::phone(phone(1)), user()] {
        let report = app.opt_in().record_opt_in(recipient.clone(), OptInSource::Api).await;
        report.refused_for(reason::CONSENT_CONFLICT);
        assert_eq!(check(&app, recipient).await, CheckReason::Expired);
    }
    audited(&app).await;

    // Nor does an older report that a link carries.
    link().phone(phone(2)).await.expect("away again");
    let carry = link().carry_opt_in(OptInSource::Platform, Default::default());
    carry.phone(phone(1)).await.expect("and back");
    tokio::time::sleep(end.duration_since(SystemTime::now()).unwrap_or_default()).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::Expired);
    yes(&app, phone(1), 0).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedIn, "the person agrees anew");
    audited(&app).await;
}

#[apply(on_each_store!)]
async fn a_late_objection_is_older_than_the_yes_also_after_the_id_came_back(app: TestApp) {
    let contact = app.make_contact(phone(1)).await;
    yes(&app, phone(1), 10).await;
    let link = || app.contacts().link_identity(&contact);
    link().phone(phone(2)).await.expect("another number");
    let back = link().phone(phone(1)).carry_opt_in(OptInSource::Platform, Default::default());
    back.await.expect("and back");
    no(&app, phone(1), 1000).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedIn);
    no(&app, phone(1), 5).await;
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    audited(&app).await;
}

/// What was said before an id left and is delivered after it came back counts as if it had come in time,
/// but for what was permitted under that id.
#[apply(on_each_store!)]
async fn what_is_late_lifts_also_after_the_id_came_back(app: TestApp) {
    for (n, carries) in [(1, false), (3, true)] {
        let user = || Recipient::whatsapp_user_id(format!("US.{n}"));
        let person = NewContact::new().phone(phone(n)).whatsapp_user_id(format!("US.{n}"));
        let contact = app.contacts().create(person).await.expect("a contact");
        no(&app, phone(n), 1000).await;
        platform(&app, phone(n), PlatformPreference::Stop, "1063", 1000).await;
        let link = || app.contacts().link_identity(&contact);
        link().phone(phone(n + 1)).await.expect("another number");
        let away = SystemTime::now();
        let back = link().phone(phone(n));
        match carries {
            true => back.carry_opt_in(OptInSource::Platform, Default::default()).await,
            false => back.await,
        }
        .expect("and back");
        yes(&app, phone(n), 500).await;
        assert_eq!(check_from(&app, user(), "1063").await, CheckReason::PlatformOptedOut);
        platform(&app, phone(n), PlatformPreference::Resume, "1063", 500).await;
        assert_eq!(check_from(&app, user(), "1063").await, CheckReason::OptedIn);
        let ended = if carries { CheckReason::OptedIn } else { CheckReason::Expired };
        assert_eq!(check_from(&app, phone(n), "1063").await, ended);
        // Not what was said while the number may have been somebody else's.
        no(&app, user(), 400).await;
        let agree = app.opt_in().record_opt_in(phone(n), OptInSource::WebForm);
        agree.occurred_time(away).await.expect("an opt-in of nobody");
        assert_eq!(check(&app, user()).await, CheckReason::OptedOut);
        yes(&app, user(), 300).await;
        assert_eq!(check(&app, user()).await, CheckReason::OptedIn);
        audited(&app).await;
    }
}

/// What others report of several categories is refused as a whole, and the error says which are in the way.
#[apply(on_each_store!)]
async fn a_conflict_says_in_which_categories(app: TestApp) {
    app.make_contact(phone(1)).await;
    let out = app.opt_in().record_opt_out(phone(1)).categories([MARKETING]);
    out.occurred_time(ago(60)).await.expect("an opt-out");
    let report = |categories: &[MessageCategory]| {
        let record = app.opt_in().record_opt_in(phone(1), OptInSource::Api);
        record.categories(categories.iter().copied()).into_future()
    };
    let some = report(&[MARKETING, MessageCategory::Utility]).await;
    let some = some.refused_for(reason::CONSENT_CONFLICT);
    assert_eq!(some.metadata("categories"), Some("MESSAGE_CATEGORY_MARKETING"));
    let utility = || app.opt_in().check(phone(1), MessageCategory::Utility).into_future();
    assert_eq!(utility().await.expect("a check").reason, CheckReason::NotAsked);
    let all = report(&[MARKETING]).await.refused_for(reason::CONSENT_CONFLICT);
    assert_eq!(all.metadata("categories"), None);
    report(&[MessageCategory::Utility]).await.expect("without it");
    assert_eq!(utility().await.expect("a check").reason, CheckReason::OptedIn);
    audited(&app).await;
}

/// An opt-in that ends earlier, said before a link that carried and delivered after it.
#[apply(on_each_store!)]
async fn what_shortens_a_permission_is_carried_also_if_it_is_late(app: TestApp) {
    let user = || Recipient::whatsapp_user_id("US.1");
    let contact = with_user_id(&app).await;
    yes(&app, phone(1), 1000).await;
    let link = app.contacts().link_identity(&contact).phone(phone(2));
    link.carry_opt_in(OptInSource::Platform, Default::default()).await.expect("a link");
    assert_eq!(check(&app, phone(2)).await, CheckReason::OptedIn);
    let until = app.opt_in().record_opt_in(user(), OptInSource::WebForm).expire_time(ago(10));
    until.occurred_time(ago(500)).await.expect("an opt-in");
    for recipient in [Recipient::phone(phone(2)), user()] {
        assert_eq!(check(&app, recipient).await, CheckReason::Expired);
    }
    audited(&app).await;
}

/// An opt-in of a number, said before the number was linked and delivered after a user id took over from it.
#[apply(on_each_store!)]
async fn what_is_late_under_a_linked_number_is_carried_on_from_it(app: TestApp) {
    let contact = app.contacts().create(NewContact::new().phone(phone(1))).await.expect("one");
    yes(&app, phone(1), 1000).await;
    let links = app.contacts();
    for link in [
        links.link_identity(&contact).phone(phone(2)),
        links.link_identity(&contact).whatsapp_user_id("US.1"),
    ] {
        link.carry_opt_in(OptInSource::Platform, Default::default()).await.expect("a link");
    }
    let user = || Recipient::whatsapp_user_id("US.1");
    assert_eq!(check(&app, user()).await, CheckReason::OptedIn);
    let until = app.opt_in().record_opt_in(phone(2), OptInSource::WebForm).expire_time(ago(10));
    until.occurred_time(ago(500)).await.expect("an opt-in");
    for recipient in [Recipient::phone(phone(2)), user()] {
        assert_eq!(check(&app, recipient).await, CheckReason::Expired);
    }
    let report = app.opt_in().record_opt_in(user(), OptInSource::Api).await;
    report.refused_for(reason::CONSENT_CONFLICT);
    audited(&app).await;
}

/// An opt-in of a contact that ends earlier, said before its number changed and delivered after.
#[apply(on_each_store!)]
async fn a_late_opt_in_by_contact_id_names_the_number_of_then(app: TestApp) {
    let contact = app.contacts().create(NewContact::new().phone(phone(1))).await.expect("one");
    yes(&app, phone(1), 1000).await;
    let link = app.contacts().link_identity(&contact).phone(phone(2));
    link.carry_opt_in(OptInSource::Platform, Default::default()).await.expect("a link");
    let until = app.opt_in().record_opt_in(&contact, OptInSource::WebForm).expire_time(ago(10));
    until.occurred_time(ago(500)).await.expect("an opt-in");
    assert_eq!(check(&app, phone(2)).await, CheckReason::Expired);
    audited(&app).await;
}

/// What was said of a contact is not said of an identity that came later.
#[apply(on_each_store!)]
async fn a_late_opt_out_by_contact_id_is_lifted_by_what_came_after_it(app: TestApp) {
    let user = || Recipient::whatsapp_user_id("US.1");
    let contact = with_user_id(&app).await;
    app.contacts().link_identity(&contact).phone(phone(2)).await.expect("a link");
    no(&app, &contact, 500).await;
    assert_eq!(check(&app, phone(2)).await, CheckReason::OptedOut);
    yes(&app, user(), 400).await;
    assert_eq!(check(&app, user()).await, CheckReason::OptedIn);
    assert_eq!(check(&app, phone(2)).await, CheckReason::NotAsked);
    no(&app, &contact, 0).await;
    assert_eq!(check(&app, user()).await, CheckReason::OptedOut);
    audited(&app).await;
}

/// A row that says that two ids are one person's: what stands under one of them stands against the other's
/// contact, whatever it is.
#[apply(on_each_store!)]
async fn every_objection_under_another_id_of_a_row_is_the_contacts(app: TestApp) {
    for (n, sender, expected) in [
        (1, "1063", CheckReason::PlatformOptedOut),
        (2, "", CheckReason::PlatformOptedOut),
        (3, "erased", CheckReason::OptedOut),
    ] {
        let user = Recipient::whatsapp_user_id(format!("US.{n}"));
        app.make_contact(phone(n)).await;
        yes(&app, phone(n), 1000).await;
        match sender {
            "erased" => {
                let other = NewContact::new().whatsapp_user_id(format!("US.{n}"));
                let other = app.contacts().create(other).await.expect("a contact");
                app.contacts().delete(&other).await.expect("an erasure");
            }
            sender => platform(&app, user, PlatformPreference::Stop, sender, 10).await,
        }
        let row = NewContact::new().phone(phone(n)).whatsapp_user_id(format!("US.{n}"));
        for on_conflict in [OnConflict::Skip, OnConflict::Fail] {
            let options = ImportOptions::new().on_conflict(on_conflict);
            let rows = [ImportRow::new(row.clone())];
            let summary = app.contacts().import(options).send(rows).await.expect("an import");
            assert_eq!(summary.failures.len(), 1, "{n}");
        }
        assert_eq!(check_from(&app, phone(n), "1063").await, expected, "{n}");
        assert_eq!(
            check_from(&app, phone(n), "1064").await,
            match n {
                1 => CheckReason::OptedIn,
                _ => expected,
            }
        );
    }
    audited(&app).await;
}
