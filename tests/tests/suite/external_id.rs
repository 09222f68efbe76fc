//! The business's own id of a person, in every call that names one.

use contacts_proto::v1;
use contacts_sdk::{
    CheckReason, ImportConsent, ImportOptions, ImportRow, MessageCategory, NewContact, OnConflict,
    OptInSource, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

const MARKETING: MessageCategory = MessageCategory::Marketing;

fn customer(id: &str) -> Recipient {
    Recipient::external_id(id)
}

async fn reason_of(app: &TestApp, person: impl Into<Recipient>) -> CheckReason {
    app.opt_in().check(person, MARKETING).await.expect("a check").reason
}

fn merge() -> ImportOptions {
    ImportOptions::new().on_conflict(OnConflict::Merge)
}

/// Imports one row and returns the reason it failed for, if it did.
async fn import(
    app: &TestApp,
    options: ImportOptions,
    row: impl Into<ImportRow>,
) -> Option<String> {
    let summary = app.contacts().import(options).send([row.into()]).await.expect("an import");
    summary.failures.first().map(|failure| failure.error.reason().unwrap_or_default().to_owned())
}

/// Updates without a mask, as grpcurl users do.
async fn update(
    app: &TestApp,
    contact: v1::Contact,
    allow_missing: bool,
) -> Result<v1::Contact, tonic::Status> {
    let request = v1::UpdateContactRequest {
        contact: Some(contact),
        allow_missing,
        ..v1::UpdateContactRequest::default()
    };
    let response = app.client().raw_contacts().update_contact(request).await;
    Ok(response?.into_inner().contact.expect("a contact"))
}

#[apply(on_each_store!)]
async fn every_call_accepts_an_external_id(app: TestApp) {
    app.make_tags(&["vip"]).await;
    let new = NewContact::new().phone(phone(1)).external_id("cust/7781");
    let made = app.contacts().create(new).await.expect("a contact");
    assert_eq!(made.external_id.as_deref(), Some("cust/7781"));
    let ana = || customer("cust/7781");
    assert_eq!(app.contacts().get(ana()).await.expect("a contact"), made);
    // Compared byte for byte.
    app.contacts().get(customer("CUST/7781")).await.refused_for(reason::CONTACT_NOT_FOUND);
    let found = app.contacts().batch_get([ana(), customer("other")]).await.expect("results");
    assert_eq!(found[0].as_ref().expect("a contact").contact_id, made.contact_id);

    assert_eq!(reason_of(&app, ana()).await, CheckReason::NotAsked);
    app.opt_in().record_opt_in(ana(), OptInSource::WebForm).await.expect("an opt-in");
    assert_eq!(reason_of(&app, ana()).await, CheckReason::OptedIn);
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedIn);
    assert_eq!(reason_of(&app, customer("other")).await, CheckReason::UnknownContact);
    app.opt_in()
        .record_opt_in(customer("other"), OptInSource::WebForm)
        .await
        .refused_for(reason::CONTACT_NOT_FOUND);
    app.opt_in().record_opt_out(ana()).await.expect("an opt-out");
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    assert_eq!(app.opt_in().events(ana()).await.expect("events").items.len(), 2);

    let edit = app.contacts().update_tags().recipients([ana()]).add("vip").await;
    assert_eq!(edit.expect("an edit").updated_count, 1);
    let named = app.contacts().update(ana()).first_name("Ana").await.expect("a contact");
    assert_eq!(named.first_name.as_deref(), Some("Ana"));
    let moved = app.contacts().link_identity(ana()).phone(phone(2)).await.expect("a contact");
    assert_eq!((moved.phone_number, moved.external_id), (Some(phone(2)), made.external_id));
    let data = app.contacts().export_data(ana()).await.expect("an export");
    assert_eq!(data.contact.expect("a contact").contact_id, made.contact_id);
    app.contacts().delete(ana()).await.expect("a receipt");
    app.contacts().get(ana()).await.refused_for(reason::CONTACT_NOT_FOUND);
    assert_eq!(reason_of(&app, ana()).await, CheckReason::UnknownContact);
    // It is free again.
    let new = NewContact::new().phone(phone(3)).external_id("cust/7781");
    app.contacts().create(new).await.expect("a contact");
}

#[apply(on_each_store!)]
async fn external_id_is_set_once_and_changed_with_a_mask(app: TestApp) {
    app.make_contact(phone(1)).await;
    let sent = |number: usize, external_id: &str| v1::Contact {
        phone_number: phone(number),
        external_id: external_id.to_owned(),
        ..v1::Contact::default()
    };
    assert_eq!(update(&app, sent(1, "a"), false).await.expect("a contact").external_id, "a");
    // Again, and with another.
    update(&app, sent(1, "a"), false).await.expect("a contact");
    update(&app, sent(1, "b"), true)
        .await
        .refused_at(reason::IMMUTABLE_FIELD, "contact.external_id");
    let changed = app.contacts().update(phone(1)).external_id("b").await.expect("a contact");
    assert_eq!(changed.external_id.as_deref(), Some("b"));
    app.contacts().get(customer("a")).await.refused_for(reason::CONTACT_NOT_FOUND);
    assert_eq!(app.contacts().get(customer("b")).await.expect("a contact"), changed);

    // Unique in the workspace: an external id names one person.
    let taken = app.contacts().create(NewContact::new().phone(phone(2)).external_id("b")).await;
    let error = taken.refused_for(reason::CONTACT_ALREADY_EXISTS);
    assert_eq!(error.metadata("field"), Some("contact.external_id"));
    assert_eq!(error.existing_contact_id(), Some(&*changed.contact_id));
    app.make_contact(phone(2)).await;
    app.contacts()
        .update(phone(2))
        .external_id("b")
        .await
        .refused_for(reason::CONTACT_ALREADY_EXISTS);
    // Named by the external id of one and the number of another, neither changes.
    update(&app, sent(2, "b"), false)
        .await
        .refused_at(reason::IMMUTABLE_FIELD, "contact.phone_number");
    app.contacts().update(phone(1)).clear_external_id().await.expect("a contact");
    app.contacts().update(phone(2)).external_id("b").await.expect("a contact");
    assert_eq!(reason_of(&app, customer("b")).await, CheckReason::NotAsked);

    for malformed in ["", " b", "b ", "b\nc", &"x".repeat(256)] {
        let get = app.contacts().get(customer(malformed)).await;
        get.refused_at(reason::INVALID_EXTERNAL_ID, "external_id");
    }
    let long = "é".repeat(255);
    let new = NewContact::new().phone(phone(3)).external_id(&long);
    app.contacts().create(new).await.expect("a contact");
    assert_eq!(
        app.contacts().get(customer(&long)).await.expect("found").phone_number,
        Some(phone(3))
    );
}

#[apply(on_each_store!)]
async fn external_id_is_an_upsert_key(app: TestApp) {
    let row = || NewContact::new().phone(phone(1)).external_id("a");
    assert_eq!(import(&app, merge(), row().first_name("Ana")).await, None);
    let made = app.contacts().get(phone(1)).await.expect("a contact");
    // By the external id alone.
    let by_id = || NewContact::new().external_id("a");
    assert_eq!(import(&app, merge(), by_id().last_name("Souza")).await, None);
    let updated = app.contacts().get(phone(1)).await.expect("a contact");
    assert_eq!(
        (updated.contact_id, updated.last_name.as_deref()),
        (made.contact_id, Some("Souza"))
    );
    // Nobody to update, and no number to make a contact of.
    let unknown = NewContact::new().external_id("b").first_name("Bo");
    assert_eq!(
        import(&app, merge(), unknown).await.as_deref(),
        Some(reason::REQUIRED_FIELD_MISSING)
    );
    // A number is no detail: a new one is linked, somebody else's is another contact.
    let moved = NewContact::new().external_id("a").phone(phone(2));
    assert_eq!(import(&app, merge(), moved).await.as_deref(), Some(reason::IMMUTABLE_FIELD));
    let renamed = NewContact::new().external_id("b").phone(phone(1));
    assert_eq!(import(&app, merge(), renamed).await.as_deref(), Some(reason::IMMUTABLE_FIELD));
    let fail = ImportOptions::new().on_conflict(OnConflict::Fail);
    assert_eq!(import(&app, fail, by_id()).await.as_deref(), Some(reason::CONTACT_ALREADY_EXISTS));
    assert_eq!(app.contacts().count().await.expect("a count"), 1);

    let upserted = v1::Contact {
        external_id: "a".to_owned(),
        first_name: "Anna".to_owned(),
        ..v1::Contact::default()
    };
    let upserted = update(&app, upserted, true).await.expect("a contact");
    assert_eq!((&*upserted.phone_number, &*upserted.first_name), (&*phone(1), "Anna"));
    let nobody = v1::Contact { external_id: "c".to_owned(), ..v1::Contact::default() };
    update(&app, nobody.clone(), false).await.refused_for(reason::CONTACT_NOT_FOUND);
    update(&app, nobody, true)
        .await
        .refused_at(reason::REQUIRED_FIELD_MISSING, "contact.phone_number");
}

/// A row that fails does not lose the objection of whoever its external id names.
#[apply(on_each_store!)]
async fn imported_objection_under_an_external_id_counts_whatever_is_wrong_with_its_row(
    app: TestApp,
) {
    let objects = || merge().consent(ImportConsent::opted_out());
    for (n, wrong) in [
        NewContact::new().email("no address"),
        NewContact::new().phone(phone(50)),
        NewContact::new().tag("unknown"),
        NewContact::new(),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("id {n}");
        app.make_opted_in(phone(n)).await;
        app.contacts().update(phone(n)).external_id(&id).await.expect("a contact");
        let failed = import(&app, objects(), wrong.external_id(&id)).await;
        assert_eq!(failed.is_some(), n < 3, "{n}: {failed:?}");
        assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
    }
    assert_eq!(reason_of(&app, phone(50)).await, CheckReason::OptedOut, "the number it names, too");
    // An opt-in under an external id is that of the contact.
    app.make_contact(phone(9)).await;
    app.contacts().update(phone(9)).external_id("nine").await.expect("a contact");
    let agrees = merge().consent(ImportConsent::opted_in());
    assert_eq!(import(&app, agrees.clone(), NewContact::new().external_id("nine")).await, None);
    assert_eq!(reason_of(&app, phone(9)).await, CheckReason::OptedIn);
    // And no way round an objection.
    let refused = import(&app, agrees, NewContact::new().external_id("id 0")).await;
    assert_eq!(refused.as_deref(), Some(reason::CONSENT_CONFLICT));
    assert_eq!(reason_of(&app, phone(0)).await, CheckReason::OptedOut);
}

#[apply(on_each_store!)]
async fn external_ids_of_merged_contacts_find_the_survivor(app: TestApp) {
    for (n, id) in [(1, "a"), (2, "b"), (3, "c")] {
        let new = NewContact::new().phone(phone(n)).external_id(id);
        app.contacts().create(new).await.expect("a contact");
    }
    app.contacts().merge(customer("b"), customer("c")).await.expect("a contact");
    let both = app.contacts().merge(customer("a"), customer("c")).take(["external_id"]).await;
    let both = both.expect("a contact");
    assert_eq!(both.external_id.as_deref(), Some("b"), "that of the contact it was merged with");
    assert_eq!(both.merged_external_ids, ["c", "a"]);
    for id in ["a", "b", "c"] {
        assert_eq!(app.contacts().get(customer(id)).await.expect("a contact"), both);
    }
    // An objection under any of them is that of the person.
    app.opt_in().record_opt_out(customer("c")).await.expect("an opt-out");
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    let taken = app.contacts().create(NewContact::new().phone(phone(4)).external_id("a")).await;
    taken.refused_for(reason::CONTACT_ALREADY_EXISTS);
    // One of them can become the current one; an upsert under any finds the contact.
    let renamed = app.contacts().update(phone(1)).external_id("c").await.expect("a contact");
    assert_eq!((renamed.external_id.as_deref(), renamed.merged_external_ids.len()), (Some("c"), 1));
    app.contacts().get(customer("b")).await.refused_for(reason::CONTACT_NOT_FOUND);
    let row = NewContact::new().external_id("a").first_name("Ana");
    assert_eq!(import(&app, merge(), row).await, None);
    app.contacts().delete(phone(1)).await.expect("a receipt");
    for id in ["a", "b", "c"] {
        app.contacts().get(customer(id)).await.refused_for(reason::CONTACT_NOT_FOUND);
    }
}

#[apply(on_each_store!)]
async fn concurrent_calls_give_an_external_id_to_one_contact(app: TestApp) {
    for round in 0..8 {
        let id = format!("id {round}");
        let numbers: Vec<_> = (0..4).map(|n| phone(round * 10 + n)).collect();
        let create = |number: &String| {
            let new = NewContact::new().phone(number).external_id(&id);
            app.contacts().create(new).send()
        };
        let made = futures::future::join_all(numbers.iter().map(create)).await;
        let (made, refused): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
        assert_eq!((made.len(), refused.len()), (1, 3));
        for error in refused {
            error.refused_for(reason::CONTACT_ALREADY_EXISTS);
        }
        let owner = made.into_iter().flatten().next().expect("a contact");
        assert_eq!(app.contacts().get(customer(&id)).await.expect("a contact"), owner);
    }
}
