//! Merges: what was said of either contact, and of the ids that the merge lets go.

use super::*;

/// An opt-in by the id of a merged contact, dated before the merge, is not the survivor's.
#[apply(on_each_store!)]
async fn an_opt_in_of_a_merged_contact_is_not_the_survivors(app: TestApp) {
    let survivor = app.contacts().create(NewContact::new().phone(phone(1))).await.expect("one");
    let merged = NewContact::new().whatsapp_user_id("US.2").external_id("crm-2");
    let merged = app.contacts().create(merged).await.expect("another");
    let before = SystemTime::now();
    app.contacts().merge(&survivor, &merged).await.expect("a merge");
    let names = || [Recipient::contact_id(&merged.contact_id), Recipient::external_id("crm-2")];
    for recipient in names() {
        let record = app.opt_in().record_opt_in(recipient, OptInSource::WebForm);
        drop(record.occurred_time(before).await);
    }
    for recipient in [Recipient::phone(phone(1)), Recipient::whatsapp_user_id("US.2")] {
        assert_eq!(check(&app, recipient).await, CheckReason::NotAsked);
    }
    // Nor does it lift anything.
    no(&app, phone(1), 60).await;
    platform(&app, phone(1), PlatformPreference::Stop, "1063", 60).await;
    for recipient in names() {
        let record = app.opt_in().record_opt_in(recipient.clone(), OptInSource::WebForm);
        drop(record.occurred_time(before).await);
        let resume = app.opt_in().record_platform_preference(recipient, PlatformPreference::Resume);
        drop(resume.sender_phone_number_id("1063").occurred_time(before).await);
    }
    assert_eq!(check(&app, phone(1)).await, CheckReason::OptedOut);
    audited(&app).await;
    // Said now, it is of the contact that there is.
    for recipient in names() {
        app.opt_in().record_opt_in(recipient, OptInSource::WebForm).await.expect("an opt-in");
    }
    assert_eq!(check_from(&app, phone(1), "1063").await, CheckReason::PlatformOptedOut);
    assert_eq!(check_from(&app, phone(1), "1064").await, CheckReason::OptedIn);
    audited(&app).await;
}

/// A merge lets the oldest former ids go if there are too many, those of either contact. What stands against
/// the person stands against them, and nothing of them is left of the contact that is gone.
#[apply(on_each_store!)]
async fn ids_that_a_merge_releases_keep_what_stood_against_them(app: TestApp) {
    let ids = |person: usize, round: usize| {
        (0..20).map(move |n| format!("US.{}", 10_000 * (person + 1) + 100 * round + n))
    };
    for person in 0..2 {
        let contact = NewContact::new().phone(phone(person)).external_id(format!("x{person}"));
        let contact = ids(person, 0).fold(contact, NewContact::whatsapp_user_id);
        app.contacts().create(contact).await.expect("a contact");
        for round in 1..3 {
            let update = app.contacts().update(phone(person));
            update.whatsapp_user_ids(ids(person, round)).await.expect("a contact");
        }
    }
    no(&app, phone(0), 60).await;
    app.contacts().merge(phone(0), phone(1)).await.expect("a contact");
    audited(&app).await;
    let mut released = 0;
    for id in (0..2).flat_map(|person| ids(person, 0).chain(ids(person, 1))) {
        let user = Recipient::whatsapp_user_id(id);
        assert_eq!(check(&app, user.clone()).await, CheckReason::OptedOut);
        let Recipient::WhatsAppUserId(id) = &user else { unreachable!() };
        // Former ids that the contact still has are taken.
        if app.contacts().create(NewContact::new().whatsapp_user_id(id)).await.is_err() {
            continue;
        }
        released += 1;
        assert_eq!(check(&app, user.clone()).await, CheckReason::OptedOut);
        app.opt_in()
            .record_opt_in(user, OptInSource::Api)
            .await
            .refused_for(reason::CONSENT_CONFLICT);
    }
    assert_eq!(released, 50);
    audited(&app).await;
}

/// Ids that have no room are former ones once: listed twice, a later merge let others go too early, and an
/// erasure missed them.
#[apply(on_each_store!)]
async fn ids_taken_by_merges_are_all_erased(app: TestApp) {
    let ids = |person: usize| (0..20).map(move |n| format!("US.{}", 1000 * (person + 1) + n));
    for person in 0..3 {
        let contact = ids(person).fold(NewContact::new(), NewContact::whatsapp_user_id);
        app.contacts().create(contact.phone(phone(person))).await.expect("a contact");
    }
    for merged in 1..3 {
        let merge = app.contacts().merge(phone(0), phone(merged));
        let contact = merge.take(["whatsapp_user_ids"]).await.expect("a contact");
        let known = contact.former_whatsapp_user_ids.len() + contact.whatsapp_user_ids.len();
        assert_eq!(known, 20 * (merged + 1));
        audited(&app).await;
    }
    app.contacts().delete(phone(0)).await.expect("an erasure");
    for id in (0..3).flat_map(ids) {
        assert_eq!(check(&app, Recipient::whatsapp_user_id(id)).await, CheckReason::Erased);
    }
    audited(&app).await;
}
