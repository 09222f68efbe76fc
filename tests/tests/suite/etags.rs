//! Etags: a change with a stale etag is rejected.

use contacts_sdk::{NewContact, OptInSource, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};
use futures::future::join_all;

#[apply(on_each_store!)]
async fn change_with_a_stale_etag_is_rejected(app: TestApp) {
    let old = app.make_contact(phone(1)).await;
    let new = app.contacts().update(&old).first_name("Ana").await.expect("a contact");
    let update = app.contacts().update(&old).etag(&old.etag).first_name("Bo").await;
    let error = update.refused_for(reason::ETAG_MISMATCH);
    assert!(error.is_aborted() && error.is_etag_mismatch() && !error.is_retryable());
    app.contacts().delete(&old).etag(&old.etag).await.refused_for(reason::ETAG_MISMATCH);
    assert_eq!(app.contacts().get(&old).await.expect("a contact"), new);

    let update = app.contacts().update(&old).etag(&new.etag).first_name("Bo");
    let newest = update.await.expect("a contact");
    app.contacts().delete(&old).etag(&newest.etag).await.expect("a receipt");
}

#[apply(on_each_store!)]
async fn one_of_concurrent_changes_with_the_same_etag_succeeds(app: TestApp) {
    let contact = app.make_contact(phone(1)).await;
    let update = |n: usize| {
        app.contacts().update(&contact).etag(&contact.etag).first_name(format!("N{n}")).send()
    };
    let outcomes = join_all((0..16).map(update)).await;
    let (done, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 15));
    for outcome in refused {
        outcome.refused_for(reason::ETAG_MISMATCH);
    }
    let winner = done.into_iter().flatten().next().expect("a contact");
    assert_eq!(app.contacts().get(&contact).await.expect("a contact"), winner);
}

#[apply(on_each_store!)]
async fn etag_covers_the_profile_only(app: TestApp) {
    app.make_tags(&["vip"]).await;
    let contact = app.make_contact(phone(1)).await;
    let etag = async || app.contacts().get(phone(1)).await.expect("a contact").etag;
    app.opt_in().record_opt_in(phone(1), OptInSource::Api).await.expect("an opt-in");
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    // A change of consent keeps the etag, so that it does not make a concurrent edit fail.
    assert_eq!(etag().await, contact.etag);
    // Every change of the profile changes it.
    let mut seen = vec![contact.etag];
    app.contacts().update_tags().recipients([phone(1)]).add("vip").await.expect("an edit");
    seen.push(etag().await);
    app.contacts().update_tags().filter("tags:vip", 1).remove("vip").await.expect("an edit");
    seen.push(etag().await);
    app.make_many([NewContact::new().phone(phone(1)).first_name("Ana")]).await;
    seen.push(etag().await);
    app.contacts().update(phone(1)).whatsapp_user_ids(["US.1"]).await.expect("a contact");
    seen.push(etag().await);
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count, "an etag came back: {seen:?}");
}

#[apply(on_each_store!)]
async fn etag_does_not_match_a_recreated_contact(app: TestApp) {
    // Erased and made again, the contact is another one.
    let first = app.make_contact(phone(1)).await;
    app.contacts().delete(phone(1)).await.expect("a receipt");
    app.make_contact(phone(1)).await;
    let update = app.contacts().update(phone(1)).etag(&first.etag).first_name("Ana").await;
    update.refused_for(reason::ETAG_MISMATCH);
}
