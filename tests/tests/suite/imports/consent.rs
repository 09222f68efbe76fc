//! The consent block of an import and of a row.

use std::time::{Duration, SystemTime};

use contacts_sdk::{
    AttributeValue, CheckReason, Evidence, ImportConsent, ImportRow, MessageCategory, OptInSource,
    OptInStatus, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone, timestamp};

use super::{counts, fail, import, merge, row, skip};

async fn reason_of(app: &TestApp, person: impl Into<Recipient>) -> CheckReason {
    let check = app.opt_in().check(person, MessageCategory::Marketing).await;
    check.expect("a check").reason
}

#[apply(on_each_store!)]
async fn import_without_a_consent_block_leaves_consent_unchanged(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    import(&app, merge(), (1..4).map(|n| row(phone(n)).first_name("Ana"))).await;
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedIn);
    assert_eq!(reason_of(&app, phone(2)).await, CheckReason::OptedOut);
    assert_eq!(reason_of(&app, phone(3)).await, CheckReason::NotAsked);
}

#[apply(on_each_store!)]
async fn consent_block_is_recorded_for_every_row(app: TestApp) {
    let evidence = Evidence::new().wording("Send me offers").wording_version("v1").actor("import");
    let consent = ImportConsent::opted_in()
        .categories([MessageCategory::Marketing])
        .source(OptInSource::Paper)
        .evidence(evidence.clone())
        .occurred_time(timestamp(0));
    let chunk = import(&app, skip().consent(consent), (0..3).map(|n| row(phone(n)))).await;
    assert_eq!(counts(&chunk), [3, 0, 0, 0]);
    for n in 0..3 {
        let contact = app.contacts().get(phone(n)).await.expect("a contact");
        assert_eq!(contact.opt_in.marketing, OptInStatus::OptedIn);
        assert_eq!(contact.opt_in.utility, OptInStatus::NotAsked);
        let events = app.opt_in().events(phone(n)).await.expect("events").items;
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].source, &events[0].evidence), (OptInSource::Paper, &evidence));
        assert_eq!(events[0].occurred_time, Some(timestamp(0)));
        assert_eq!(events[0].contact_id.as_deref(), Some(&*contact.contact_id));
    }
}

#[apply(on_each_store!)]
async fn consent_block_of_a_row_replaces_that_of_the_import(app: TestApp) {
    let rows = vec![
        ImportRow::from(row(phone(1))),
        ImportRow::from(row(phone(2))).consent(ImportConsent::opted_out()),
    ];
    let chunk = import(&app, skip().consent(ImportConsent::opted_in()), rows).await;
    assert_eq!(counts(&chunk), [2, 0, 0, 0]);
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedIn);
    assert_eq!(reason_of(&app, phone(2)).await, CheckReason::OptedOut);
    let events = app.opt_in().events(phone(2)).await.expect("events").items;
    assert_eq!(events[0].source, OptInSource::Import, "the default source");
}

#[apply(on_each_store!)]
async fn import_never_lifts_an_opt_out(app: TestApp) {
    // A contact, an erased contact, and a non-contact.
    app.make_opted_in(phone(1)).await;
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
    app.make_opted_in(phone(2)).await;
    app.opt_in().record_opt_out(phone(2)).await.expect("an opt-out");
    app.contacts().delete(phone(2)).await.expect("a receipt");
    app.opt_in().record_opt_out(phone(3)).await.expect("an opt-out");
    let opt_out = app.opt_in().check(phone(1), MessageCategory::Marketing).await.expect("a check");

    // The claim fails even if its time is later.
    let now = SystemTime::now() + Duration::from_secs(60);
    let consent = || ImportConsent::opted_in().occurred_time(now);
    for options in [skip(), merge()] {
        let rows = (0..5).map(|n| row(phone(n)).first_name("Changed"));
        let chunk = import(&app, options.consent(consent()), rows).await;
        let failed: Vec<_> = chunk.failures.iter().map(|failure| failure.row).collect();
        assert_eq!(failed, [1, 2, 3]);
        for failure in &chunk.failures {
            let error = failure.error.clone().refused_for(reason::CONSENT_CONFLICT);
            assert!(error.metadata("event_id").is_some());
        }
        assert_eq!(chunk.failures[0].error.metadata("event_id"), opt_out.event_id.as_deref());
        for n in 1..4 {
            assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
        }
        assert_eq!(reason_of(&app, phone(0)).await, CheckReason::OptedIn);
        assert_eq!(reason_of(&app, phone(4)).await, CheckReason::OptedIn);
    }
    // A failed row changes nothing.
    let kept = app.contacts().get(phone(1)).await.expect("a contact");
    assert_eq!(kept.first_name, None);
    assert_eq!(app.contacts().count().await.expect("a count"), 3);
}

#[apply(on_each_store!)]
async fn consent_conflict_concerns_only_claimed_categories(app: TestApp) {
    app.make_contact(phone(1)).await;
    let marketing = [MessageCategory::Marketing];
    let opt_out = app.opt_in().record_opt_out(phone(1)).categories(marketing);
    opt_out.await.expect("an opt-out");
    let utility = ImportConsent::opted_in().categories([MessageCategory::Utility]);
    let chunk = import(&app, merge().consent(utility), vec![row(phone(1))]).await;
    // Without a time, an import counts only for people who were never asked.
    assert_eq!(counts(&chunk), [0, 0, 0, 1]);
    let utility = ImportConsent::opted_in()
        .categories([MessageCategory::Utility])
        .occurred_time(SystemTime::now());
    let chunk = import(&app, merge().consent(utility), vec![row(phone(1))]).await;
    assert_eq!(counts(&chunk), [0, 1, 0, 0]);
    let all = import(&app, merge().consent(ImportConsent::opted_in()), vec![row(phone(1))]).await;
    assert_eq!(counts(&all), [0, 0, 0, 1]);
    let check = |category| app.opt_in().check(phone(1), category).send();
    assert!(check(MessageCategory::Utility).await.expect("a check").is_allowed());
    assert!(!check(MessageCategory::Marketing).await.expect("a check").is_allowed());
    assert!(!check(MessageCategory::Authentication).await.expect("a check").is_allowed());
}

#[apply(on_each_store!)]
async fn opt_out_applies_to_all_forms_of_a_number(app: TestApp) {
    app.opt_in().record_opt_out("552187654321").await.expect("an opt-out");
    let options = skip().consent(ImportConsent::opted_in());
    let chunk = import(&app, options, vec![row("5521987654321")]).await;
    chunk.failures[0].error.clone().refused_for(reason::CONSENT_CONFLICT);
    // An opt-out earlier in the same chunk is not lifted either.
    let rows = vec![
        ImportRow::from(row("525512345678")).consent(ImportConsent::opted_out()),
        ImportRow::from(row("5215512345678")).consent(ImportConsent::opted_in()),
    ];
    let chunk = import(&app, merge(), rows).await;
    assert_eq!(counts(&chunk), [1, 0, 0, 1]);
    assert_eq!(reason_of(&app, "525512345678".to_owned()).await, CheckReason::OptedOut);
}

#[apply(on_each_store!)]
async fn opt_out_is_recorded_for_skipped_rows(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    app.make_contact(phone(2)).await;
    let out = import(&app, skip().consent(ImportConsent::opted_out()), vec![row(phone(1))]).await;
    assert_eq!(counts(&out), [0, 1, 0, 0]);
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    // An opt-in is recorded only for rows that are not skipped.
    let options = skip().consent(ImportConsent::opted_in());
    let skipped = import(&app, options, vec![row(phone(2))]).await;
    assert_eq!(counts(&skipped), [0, 0, 1, 0]);
    assert_eq!(reason_of(&app, phone(2)).await, CheckReason::NotAsked);
}

#[apply(on_each_store!)]
async fn opt_out_is_recorded_for_every_on_conflict(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let options = fail().consent(ImportConsent::opted_out());
    let chunk = import(&app, options, vec![row(phone(1))]).await;
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut, "{chunk:?}");
}

#[apply(on_each_store!)]
async fn resent_chunk_changes_nothing(app: TestApp) {
    let said = ImportConsent::opted_in().occurred_time(timestamp(0));
    for consent in [ImportConsent::opted_out(), said.clone()] {
        let n = usize::from(consent == said);
        for round in 0..3 {
            let options = merge().consent(consent.clone());
            let chunk = import(&app, options, vec![row(phone(n))]).await;
            let expected = if round == 0 { [1, 0, 0, 0] } else { [0, 0, 1, 0] };
            assert_eq!(counts(&chunk), expected);
        }
        // An opt-out without a time is said now, each time: an opt-in of before may be on its way.
        let events = app.opt_in().events(phone(n)).await.expect("events").items.len();
        assert_eq!(events, if consent == said { 1 } else { 3 });
    }
}

#[apply(on_each_store!)]
async fn opt_out_of_a_user_id_applies_when_it_joins_a_number(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    app.make_contact(phone(2)).await;
    for id in ["US.1", "US.2"] {
        let objection = app.opt_in().record_opt_out(Recipient::whatsapp_user_id(id));
        objection.await.expect("an opt-out");
    }
    // Without a consent block, the two are joined and the contact is opted out.
    let chunk = import(&app, merge(), vec![row(phone(1)).whatsapp_user_id("US.1")]).await;
    assert_eq!(counts(&chunk), [0, 1, 0, 0]);
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedOut);
    // With a consent block, the row fails and nothing is joined.
    let rows = vec![row(phone(2)).whatsapp_user_id("US.2"), row(phone(3)).whatsapp_user_id("US.2")];
    let chunk = import(&app, merge().consent(ImportConsent::opted_in()), rows).await;
    assert_eq!(counts(&chunk), [0, 0, 0, 2]);
    for failure in chunk.failures {
        failure.error.refused_for(reason::CONSENT_CONFLICT);
    }
    let kept = app.contacts().get(phone(2)).await.expect("a contact");
    // The row says that they are one person, so the no is that of the contact, too.
    assert_eq!((kept.whatsapp_user_ids.len(), kept.opt_in.marketing), (0, OptInStatus::OptedOut));
    assert_eq!(app.contacts().count().await.expect("a count"), 2);
}

/// Any number of ids in a row holds up nobody: the opt-out counts for as many as those of an objection.
#[apply(on_each_store!)]
async fn an_opt_out_of_thousands_of_ids_counts_for_a_hundred(app: TestApp) {
    let ids = (0..20_000).map(|n| format!("US.{n}"));
    let row = ids.fold(row(phone(1)), |row, id| row.whatsapp_user_id(id));
    let chunk = import(&app, merge().consent(ImportConsent::opted_out()), vec![row]).await;
    assert_eq!(counts(&chunk), [0, 0, 0, 1]);
    let of = |id: &str| Recipient::whatsapp_user_id(id);
    for person in [Recipient::phone(phone(1)), of("US.0"), of("US.99")] {
        assert_eq!(reason_of(&app, person).await, CheckReason::OptedOut);
    }
    assert_eq!(reason_of(&app, of("US.100")).await, CheckReason::UnknownContact);
}

#[apply(on_each_store!)]
async fn import_does_not_renew_an_expired_opt_in(app: TestApp) {
    app.make_contact(phone(1)).await;
    let hour = Duration::from_secs(3600);
    let now = SystemTime::now();
    let old =
        app.opt_in().record_opt_in(phone(1), OptInSource::Paper).occurred_time(now - 2 * hour);
    old.expire_time(now - hour).await.expect("an opt-in");
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::Expired);
    // What others report does not extend what the person said.
    let chunk = import(&app, merge().consent(ImportConsent::opted_in()), vec![row(phone(1))]).await;
    assert_eq!(counts(&chunk), [0, 0, 0, 1]);
    chunk.failures[0].error.clone().refused_for(reason::CONSENT_CONFLICT);
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::Expired);
}

#[apply(on_each_store!)]
async fn import_without_a_time_is_for_who_was_never_asked(app: TestApp) {
    app.make_contact(phone(1)).await;
    let asked = app.opt_in().record_opt_in(phone(1), OptInSource::WebForm);
    asked.categories([MessageCategory::Utility]).await.expect("an opt-in");
    // Nobody knows whether it was said before the person was asked, and agreed to less.
    let claim = || ImportConsent::opted_in().categories([MessageCategory::Marketing]);
    let rows = || vec![row(phone(1)), row(phone(2))];
    let chunk = import(&app, merge().consent(claim()), rows()).await;
    assert_eq!(chunk.failures.len(), 1, "{:?}", chunk.failures);
    chunk.failures[0].error.clone().refused_for(reason::CONSENT_CONFLICT);
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::NotAsked);
    assert_eq!(reason_of(&app, phone(2)).await, CheckReason::OptedIn);
    let timed = claim().occurred_time(SystemTime::now());
    let chunk = import(&app, merge().consent(timed), rows()).await;
    assert!(chunk.failures.is_empty(), "{:?}", chunk.failures);
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedIn);
}

#[apply(on_each_store!)]
async fn resent_chunk_records_an_older_statement_once(app: TestApp) {
    // An older statement of the other status has no effect, however often it is sent.
    app.make_contact(phone(1)).await;
    app.make_contact(phone(2)).await;
    let opt_in =
        app.opt_in().record_opt_in(phone(1), OptInSource::Paper).occurred_time(timestamp(20));
    opt_in.await.expect("an opt-in");
    let opt_in =
        app.opt_in().record_opt_in(phone(2), OptInSource::Api).occurred_time(timestamp(20));
    opt_in.expire_time(timestamp(30)).await.expect("an opt-in");

    let mut ledgers = Vec::new();
    for _ in 0..3 {
        let rows = vec![
            ImportRow::new(row(phone(1)))
                .consent(ImportConsent::opted_out().occurred_time(timestamp(10))),
            ImportRow::new(row(phone(2)))
                .consent(ImportConsent::opted_in().occurred_time(timestamp(10))),
        ];
        let chunk = import(&app, merge(), rows).await;
        assert!(chunk.failures.is_empty(), "{chunk:?}");
        let mut events = 0;
        for n in [1, 2] {
            events += app.opt_in().events(phone(n)).await.expect("events").items.len();
        }
        ledgers.push((events, chunk.unchanged));
    }
    assert_eq!(reason_of(&app, phone(1)).await, CheckReason::OptedIn);
    assert_eq!(reason_of(&app, phone(2)).await, CheckReason::Expired);
    let (events, _) = ledgers[0];
    assert_eq!(ledgers[1..], [(events, 2); 2], "the chunk sent again changed something");
}

#[apply(on_each_store!)]
async fn opt_out_of_an_invalid_row_is_recorded(app: TestApp) {
    app.make_opted_in(phone(1)).await;
    let out = || ImportConsent::opted_out();
    let rows = vec![
        ImportRow::from(row(phone(1)).email("nobody")).consent(out()),
        ImportRow::from(row(phone(2)).tag("unknown")).consent(out()),
        ImportRow::from(row(phone(3)).attribute("city", AttributeValue::Unknown)).consent(out()),
        ImportRow::from(row("12").whatsapp_user_id("US.4")).consent(out()),
        ImportRow::from(row("12")).consent(out()),
        ImportRow::from(row(phone(6)).email("nobody")),
    ];
    for round in 0..2 {
        let chunk = import(&app, merge(), rows.clone()).await;
        let failed: Vec<_> = chunk.failures.iter().map(|failure| failure.row).collect();
        assert_eq!(failed, [0, 1, 2, 3, 4, 5], "{round}");
        for failure in &chunk.failures[..4] {
            assert_eq!(failure.error.metadata("opt_out"), Some("recorded"), "{failure:?}");
            assert!(failure.error.message().contains("opt-out counts"), "{failure:?}");
        }
        chunk.failures[0].error.clone().refused_for(reason::INVALID_EMAIL);
        for failure in &chunk.failures[4..] {
            assert_eq!(failure.error.metadata("opt_out"), None, "{failure:?}");
        }
        for n in 1..4 {
            assert_eq!(reason_of(&app, phone(n)).await, CheckReason::OptedOut, "{n}");
            let events = app.opt_in().events(phone(n)).await.expect("events").items;
            assert_eq!(events.len(), round + if n == 1 { 2 } else { 1 }, "{n} {round}");
        }
    }
    let hidden =
        app.opt_in().check(Recipient::whatsapp_user_id("US.4"), MessageCategory::Marketing);
    assert_eq!(hidden.await.expect("a check").reason, CheckReason::OptedOut);
    assert_eq!(app.contacts().count().await.expect("a count"), 1);
}

/// A row with more user ids than a contact can have fails, and its opt-out counts for each.
#[apply(on_each_store!)]
async fn opt_out_counts_for_every_id_of_a_row_that_has_too_many(app: TestApp) {
    for id in ["US.1", "US.21", "US.25"] {
        let contact = contacts_sdk::NewContact::new().whatsapp_user_id(id);
        let contact = app.contacts().create(contact).await.expect("a contact");
        app.opt_in().record_opt_in(&contact, OptInSource::WebForm).await.expect("an opt-in");
    }
    let ids = (1..=25).map(|n| format!("US.{n}"));
    let contact = ids.clone().fold(row(phone(1)), |row, id| row.whatsapp_user_id(id));
    let rows = [ImportRow::from(contact).consent(ImportConsent::opted_out())];
    let chunk = import(&app, skip(), rows).await;
    assert_eq!(counts(&chunk), [0, 0, 0, 1]);
    assert_eq!(chunk.failures[0].error.reason(), Some(reason::LIMIT_EXCEEDED));
    let recipients = ids.map(Recipient::whatsapp_user_id).chain([Recipient::phone(phone(1))]);
    for recipient in recipients {
        let check = app.opt_in().check(recipient.clone(), MessageCategory::Marketing).await;
        assert_eq!(check.expect("a check").reason, CheckReason::OptedOut, "{recipient:?}");
    }
}

/// Many rows take other ways than a few: they are looked up, encoded and hashed in other places.
#[apply(on_each_store!)]
async fn many_rows_are_imported_as_few_are(app: TestApp) {
    const ROWS: usize = 700;
    app.make_attributes().await;
    app.make_tags(&["vip"]).await;
    // Nothing but contacts at first: so that nobody can have objected.
    let rows = |from: usize| {
        (from..from + ROWS).map(|n| {
            let contact = row(phone(n))
                .first_name(format!("Ana \"{n}\""))
                .email(format!("a{n}@example.com"))
                .tag("vip")
                .attribute("city", format!("São \\ Paulo \"{n}\""))
                .attribute("orders", n as f64);
            match n % 3 {
                0 => ImportRow::from(contact),
                _ => ImportRow::from(contact).consent(ImportConsent::opted_in()),
            }
        })
    };
    let chunk = import(&app, merge(), rows(0)).await;
    assert_eq!(counts(&chunk), [ROWS as u64, 0, 0, 0]);
    let again = import(&app, merge(), rows(0)).await;
    assert_eq!(counts(&again), [0, 0, ROWS as u64, 0], "nothing is new");

    // Then of the next ones every tenth objected, half of them contacts.
    let objecting = |n: &usize| n.is_multiple_of(10);
    for n in (ROWS..2 * ROWS).filter(objecting) {
        if n.is_multiple_of(20) {
            app.make_opted_in(phone(n)).await;
        }
        app.opt_in().record_opt_out(phone(n)).await.expect("an opt-out");
    }
    for _ in 0..2 {
        let chunk = import(&app, merge(), rows(ROWS)).await;
        let failed: Vec<_> = chunk.failures.iter().map(|failure| failure.row as usize).collect();
        let claims = |n: &usize| objecting(n) && !n.is_multiple_of(3);
        let expected: Vec<_> = (ROWS..2 * ROWS).filter(claims).map(|n| n - ROWS).collect();
        assert_eq!(failed, expected);
        for failure in chunk.failures {
            failure.error.refused_for(reason::CONSENT_CONFLICT);
        }
    }
    for n in (0..2 * ROWS).step_by(7).chain((ROWS..2 * ROWS).step_by(10)) {
        let expected = match (n >= ROWS && objecting(&n), n % 3) {
            (true, _) => CheckReason::OptedOut,
            (false, 0) => CheckReason::NotAsked,
            (false, _) => CheckReason::OptedIn,
        };
        assert_eq!(reason_of(&app, phone(n)).await, expected, "{n}");
    }
    let found = app.contacts().get(phone(13)).await.expect("a contact");
    assert_eq!(found.first_name.as_deref(), Some("Ana \"13\""));
    assert_eq!(found.attributes["city"], AttributeValue::from("São \\ Paulo \"13\""));
    let filter =
        r#"attributes.city = "São \\ Paulo \"13\"" AND tags:vip AND attributes.orders < 14"#;
    assert_eq!(app.contacts().count().filter(filter).await.expect("a count"), 1);
    let events = app.opt_in().events(phone(13)).await.expect("events").items;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].contact_id.as_deref(), Some(&*found.contact_id));
}
