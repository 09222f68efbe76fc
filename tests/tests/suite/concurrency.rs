//! Concurrent changes: none is lost, duplicated or partial. Concurrent consent is tested in `opt_in`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contacts_sdk::{
    Contact, ImportOptions, MessageCategory, NewContact, OnConflict, OptInSource, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, phones};
use futures::TryStreamExt;
use futures::future::join_all;
use tokio::task::JoinSet;

async fn everybody(app: &TestApp) -> Vec<Contact> {
    app.contacts().list().page_size(1000).stream().try_collect().await.expect("everybody")
}

#[apply(on_each_store!)]
async fn concurrent_imports_of_the_same_rows_succeed(app: TestApp) {
    app.make_tags(&["a", "b", "c", "d", "e", "f"]).await;
    let import = |index: usize| {
        let app = app.clone();
        let tag = ["a", "b", "c", "d", "e", "f"][index];
        tokio::spawn(async move {
            // In different orders, which would deadlock if rows were locked in the order given.
            let mut numbers = phones(0..300);
            numbers.rotate_left(index * 50);
            let rows = numbers.into_iter().map(|phone| NewContact::new().phone(phone));
            let options = ImportOptions::new().on_conflict(OnConflict::Merge).add_tag(tag);
            let summary = app.contacts().import(options).chunk_size(40).send(rows).await;
            summary.expect("an import")
        })
    };
    let summaries = join_all((0..6).map(import)).await;
    let (mut created, mut failed) = (0, 0);
    for summary in summaries {
        let summary = summary.expect("an import");
        created += summary.created;
        failed += summary.failed;
    }
    assert_eq!((created, failed), (300, 0));
    let contacts = everybody(&app).await;
    assert_eq!(contacts.len(), 300);
    assert!(contacts.iter().all(|contact| contact.tags.len() == 6), "a tag was lost");
}

#[apply(on_each_store!)]
async fn concurrent_edits_do_not_undo_each_other(app: TestApp) {
    app.make_attributes().await;
    let tags: Vec<_> = (0..8).map(|n| format!("t{n}")).collect();
    for tag in &tags {
        app.tags().create(tag).await.expect("a tag");
    }
    app.make_contact(phone(1)).await;
    let tag_edits = tags.iter().map(|tag| {
        let edit = app.contacts().update_tags().recipients([phone(1)]).add(tag);
        async move { edit.await.map(drop) }
    });
    let updates = [
        app.contacts().update(phone(1)).first_name("Ana"),
        app.contacts().update(phone(1)).last_name("García"),
        app.contacts().update(phone(1)).email("ana@example.com"),
        app.contacts().update(phone(1)).attribute("city", "Lisboa"),
        app.contacts().update(phone(1)).attribute("orders", 3),
        app.contacts().update(phone(1)).whatsapp_user_ids(["US.1"]),
    ];
    let updates = updates.into_iter().map(|update| async move { update.await.map(drop) });
    let (tagged, updated) = futures::join!(join_all(tag_edits), join_all(updates));
    for outcome in tagged.into_iter().chain(updated) {
        outcome.expect("an edit");
    }
    let contact = app.contacts().get(phone(1)).await.expect("a contact");
    assert_eq!(contact.tags, tags);
    assert_eq!(contact.attributes.len(), 2);
    assert!(contact.first_name.is_some() && contact.last_name.is_some() && contact.email.is_some());
    assert_eq!(contact.whatsapp_user_ids, ["US.1"]);
}

#[apply(on_each_store!)]
async fn concurrent_updates_with_allow_missing_create_one_contact(app: TestApp) {
    let update = |n: usize| {
        let form = if n.is_multiple_of(2) { "5521987654321" } else { "552187654321" };
        app.contacts().update(form).first_name(format!("N{n}")).allow_missing(true).send()
    };
    let contacts = join_all((0..16).map(update)).await;
    let ids: BTreeSet<_> =
        contacts.into_iter().map(|contact| contact.expect("a contact").contact_id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(app.contacts().count().await.expect("a count"), 1);
}

#[apply(on_each_store!)]
async fn every_concurrent_opt_out_of_a_non_contact_is_in_the_ledger(app: TestApp) {
    let record = |n: usize| {
        let form = if n.is_multiple_of(2) { "5521987654321" } else { "552187654321" };
        app.opt_in().record_opt_out(form).reason_text(n.to_string()).send()
    };
    for recorded in join_all((0..32).map(record)).await {
        recorded.expect("an opt-out");
    }
    let events: Vec<_> =
        app.opt_in().events("552187654321").stream().try_collect().await.expect("events");
    let texts: BTreeSet<_> = events.iter().map(|event| event.reason_text.clone()).collect();
    assert_eq!((events.len(), texts.len()), (32, 32));
    assert!(events.windows(2).all(|pair| pair[0].event_id > pair[1].event_id), "not newest first");
}

#[apply(on_each_store!)]
async fn deleted_tag_is_on_no_contact(app: TestApp) {
    app.make_tags(&["vip"]).await;
    let create = |n: usize| {
        let app = app.clone();
        tokio::spawn(async move {
            let tagged = NewContact::new().phone(phone(n)).tag("vip");
            match app.contacts().create(tagged).await {
                Ok(_) => {}
                Err(error) => drop(error.refused_at(reason::UNKNOWN_TAG, "contact.tags")),
            }
        })
    };
    let before = (0..20).map(create);
    let delete = app.tags().delete("vip").force(true).send();
    let (created, deleted) = futures::join!(join_all(before), delete);
    deleted.expect("a count");
    for outcome in created {
        outcome.expect("a task");
    }
    assert!(everybody(&app).await.iter().all(|contact| contact.tags.is_empty()));
    app.make_tags(&["vip"]).await;
    assert_eq!(app.tags().get("vip").await.expect("a tag").contact_count, 0);
}

#[apply(on_each_store!)]
async fn deleted_workspace_leaves_nothing_behind(app: TestApp) {
    app.workspaces().create("acme").await.expect("a workspace");
    let acme = app.client().with_workspace("acme");
    let create = |n: usize| {
        let acme = acme.clone();
        tokio::spawn(async move {
            let made = acme.contacts().create(NewContact::new().phone(phone(n))).await;
            let said = acme.opt_in().record_opt_out(phone(n + 100)).await;
            for outcome in [made.map(drop), said.map(drop)] {
                if let Err(error) = outcome {
                    error.refused_for(reason::WORKSPACE_NOT_FOUND);
                }
            }
        })
    };
    let creations = join_all((0..20).map(create));
    let delete = app.workspaces().delete("acme").confirm("acme").send();
    let (created, deleted) = futures::join!(creations, delete);
    deleted.expect("a count");
    for outcome in created {
        outcome.expect("a task");
    }
    app.workspaces().create("acme").await.expect("a workspace");
    assert_eq!(acme.contacts().count().await.expect("a count"), 0);
    let numbers = phones(0..120);
    let answers = acme.opt_in().check_batch(&numbers, MessageCategory::Marketing).await;
    let unknown = contacts_sdk::CheckReason::UnknownContact;
    assert!(answers.expect("answers").iter().all(|answer| answer.reason == unknown));
}

#[apply(on_each_store!)]
async fn identifier_never_belongs_to_two_contacts(app: TestApp) {
    // Two creates and an import that joins their identifiers. In any order, an identifier belongs to one
    // contact.
    for n in 0..10 {
        let id = format!("US.{n}");
        let by_phone = app.contacts().create(NewContact::new().phone(phone(n))).send();
        let by_user = app.contacts().create(NewContact::new().whatsapp_user_id(&id)).send();
        let joined = NewContact::new().phone(phone(n)).whatsapp_user_id(&id);
        let options = ImportOptions::new().on_conflict(OnConflict::Merge);
        let joined = app.contacts().batch_upsert([joined]).options(options).send();
        let (by_phone, by_user, joined) = futures::join!(by_phone, by_user, joined);
        for made in [by_phone, by_user] {
            if let Err(error) = made {
                error.refused_for(reason::CONTACT_ALREADY_EXISTS);
            }
        }
        for failure in joined.expect("an outcome").failures {
            failure.error.refused_for(reason::CONTACT_ALREADY_EXISTS);
        }
        let phone_owner = app.contacts().get(phone(n)).await.expect("a contact");
        let user_owner =
            app.contacts().get(Recipient::whatsapp_user_id(&id)).await.expect("a contact");
        if phone_owner.contact_id == user_owner.contact_id {
            assert_eq!(phone_owner.whatsapp_user_ids, [id]);
        } else {
            assert!(phone_owner.whatsapp_user_ids.is_empty());
            assert_eq!(user_owner.phone_number, None);
        }
    }
    let source = OptInSource::Api;
    app.opt_in().record_opt_in(phone(0), source).await.expect("the server works");
}

/// However many other writes wait, an objection is next.
#[apply(on_each_store!)]
async fn opt_outs_do_not_queue_behind_other_writes(app: TestApp) {
    const WRITES: usize = 300;
    let contacts = app.contacts();
    let done = Arc::new(AtomicUsize::new(0));
    let mut writes = JoinSet::new();
    for write in 0..WRITES {
        let done = Arc::clone(&done);
        let create = contacts.create(NewContact::new().phone(phone(write)));
        let create = create.deadline(Duration::from_secs(60));
        writes.spawn(async move {
            create.await.expect("created");
            done.fetch_add(1, Ordering::SeqCst);
        });
    }
    // All of them wait or write when the opt-out comes.
    while done.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let before = done.load(Ordering::SeqCst);
    app.opt_in().record_opt_out(phone(1_000_000)).await.expect("recorded");
    let meanwhile = done.load(Ordering::SeqCst) - before;
    while let Some(written) = writes.join_next().await {
        written.expect("no panic");
    }
    assert!(meanwhile < WRITES / 4, "{meanwhile} other writes were first");
}
