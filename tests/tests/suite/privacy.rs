//! No personal data in logs, metrics or errors.

use contacts_proto::v1;
use contacts_sdk::{
    AttributeType, Error, Evidence, ImportConsent, ImportOptions, MessageCategory, NewContact,
    OnConflict, OptInSource, Recipient, reason,
};
use contacts_tests::{Refused, TestApp, apply, logged, message, on_each_store, raw_contact};
use prost::Message;
use uuid::Uuid;

/// Personal data that must not appear outside the database. Each test has its own, because all tests
/// share the log.
struct Canaries {
    phone: String,
    other_phone: String,
    user_id: String,
    name: String,
    email: String,
    value: String,
    wording: String,
    said: String,
}

impl Canaries {
    fn new() -> Self {
        let digits = || format!("{:09}", Uuid::new_v4().as_u128() % 1_000_000_000);
        let word = |of: &str| format!("Canary{of}{}", Uuid::new_v4().simple());
        Self {
            phone: format!("55219{}", &digits()[..8]).replacen("552190", "552197", 1),
            other_phone: format!("4915{}", digits()),
            user_id: format!("US.{}", word("User")),
            name: word("Name"),
            email: format!("{}@example.com", word("Mail").to_lowercase()),
            value: word("Value"),
            wording: word("Wording"),
            said: word("Said"),
        }
    }

    fn person(&self) -> NewContact {
        NewContact::new()
            .phone(&self.phone)
            .whatsapp_user_id(&self.user_id)
            .first_name(&self.name)
            .last_name(&self.name)
            .email(&self.email)
            .attribute("city", &*self.value)
    }

    fn evidence(&self) -> Evidence {
        Evidence::new().wording(&self.wording).actor(&self.name).message_id(&self.value)
    }

    #[track_caller]
    fn assert_not_in(&self, what: &str, text: &str) {
        for canary in [
            &self.phone,
            &self.other_phone,
            &self.user_id,
            &self.name,
            &self.email,
            &self.value,
            &self.wording,
            &self.said,
        ] {
            let at = text.find(canary.as_str());
            let around = at.map(|at| &text[at.saturating_sub(200)..(at + 100).min(text.len())]);
            assert!(at.is_none(), "{what}: {around:?}");
        }
    }
}

/// Successful calls with personal data in every field.
async fn use_everything(app: &TestApp, canaries: &Canaries) {
    let contact = app.contacts().create(canaries.person()).await.expect("a contact");
    let update =
        app.contacts().update(&*canaries.phone).first_name(&canaries.name).email(&canaries.email);
    update.await.expect("a contact");
    let consent = ImportConsent::opted_in().evidence(canaries.evidence());
    let options = ImportOptions::new().on_conflict(OnConflict::Merge).consent(consent);
    app.contacts()
        .batch_upsert([canaries.person()])
        .options(options.clone())
        .await
        .expect("an outcome");
    app.contacts().import(options).send([canaries.person()]).await.expect("an import");
    let opt_in = app.opt_in().record_opt_in(&*canaries.phone, OptInSource::Paper);
    opt_in.evidence(canaries.evidence()).await.expect("an opt-in");
    let opt_out = app.opt_in().record_opt_out(&*canaries.other_phone).reason_text(&canaries.said);
    opt_out.await.expect("an opt-out");
    app.opt_in().events(&contact).await.expect("events");
    app.opt_in()
        .check(Recipient::whatsapp_user_id(&canaries.user_id), MessageCategory::Utility)
        .await
        .expect("a check");
    app.contacts().list().query(&canaries.name).await.expect("a page");
    let filter = contacts_sdk::Filter::email().eq(&canaries.email);
    app.contacts().count().filter(filter).await.expect("a count");
    let mut segment = app.contacts().segment().stream();
    while let Some(contact) = segment.next().await {
        contact.expect("a contact");
    }
}

/// Webhooks with personal data in every field: some statements apply, some contradict what is known, some
/// cannot be read. What the answers say.
async fn forward_webhooks(app: &TestApp, canaries: &Canaries) -> String {
    let Canaries { phone, other_phone, user_id, name, said, value, .. } = canaries;
    let now = chrono::Utc::now().timestamp();
    let payload = serde_json::json!({"object": "whatsapp_business_account", "entry": [
        {"changes": [{"field": "user_preferences", "value": {
            "contacts": [{"wa_id": other_phone, "user_id": user_id, "profile": {"name": name}}],
            "user_preferences": [
                {"wa_id": phone, "user_id": user_id, "value": "stop", "timestamp": now},
                {"wa_id": name, "value": "stop", "timestamp": said},
                {"wa_id": other_phone, "value": "resume", "category": "marketing_messages"}]}}]},
        {"changes": [{"field": "messages", "value": {"messages": [
            {"from": phone, "id": value, "timestamp": now, "text": {"body": said}},
            {"from": phone, "id": value, "timestamp": now, "type": "system", "system": {
                "type": "user_changed_number", "wa_id": name, "body": said}}]}}]},
    ]});
    let mut told = String::new();
    for payload in [payload.to_string(), format!("{{{phone} {name}"), format!("[\"{said}\"]")] {
        match app.webhooks().ingest(payload).signature(&**value).await {
            Ok(report) => told.push_str(&format!("{report:?}")),
            Err(error) => told.push_str(&format!("{error} {error:?}")),
        }
    }
    assert!(told.contains("Recorded") && told.contains("Unreadable"), "{told}");
    told
}

/// Failing calls with personal data in unexpected fields.
async fn misuse_everything(app: &TestApp, canaries: &Canaries) -> Vec<Error> {
    let Canaries { phone, other_phone, user_id, name, email, value, .. } = canaries;
    let contacts = app.contacts();
    let person = || NewContact::new().phone(other_phone);
    let mut errors = vec![
        contacts.create(canaries.person()).await.refused(),
        contacts.create(person().whatsapp_user_id(user_id)).await.refused(),
        contacts.create(person().email(format!("{email} ,{email}"))).await.refused(),
        contacts.create(person().first_name(name.repeat(10))).await.refused(),
        contacts.create(person().first_name(format!("{name}\0"))).await.refused(),
        contacts.create(person().attribute("city", value.repeat(50))).await.refused(),
        contacts.create(person().attribute("city", format!("{value}\0"))).await.refused(),
        contacts.create(person().attribute("orders", &**value)).await.refused(),
        contacts.create(person().attribute("tier", &**value)).await.refused(),
        contacts.create(NewContact::new().phone(email)).await.refused(),
        contacts.create(NewContact::new().phone(format!("{phone}000"))).await.refused(),
        contacts.create(NewContact::new().phone(format!("x{phone}"))).await.refused(),
        contacts.create(NewContact::new().whatsapp_user_id(email)).await.refused(),
        contacts.create(NewContact::new().whatsapp_user_id(phone)).await.refused(),
        contacts.get(&**other_phone).await.refused(),
        contacts.get(&**name).await.refused(),
        contacts.get(Recipient::contact_id(phone)).await.refused(),
        contacts.get(Recipient::whatsapp_user_id(name)).await.refused(),
        contacts.delete(&**other_phone).await.refused(),
        contacts.update(&**phone).etag(&**value).first_name(name).await.refused(),
        contacts.update(&**phone).email(name).await.refused(),
        contacts.list().query(format!("{name} a b c d e f g h")).await.refused(),
        contacts.list().query(name.repeat(20)).await.refused(),
        contacts.list().order_by(name).await.refused(),
        contacts.list().page_token(name).await.refused(),
        app.opt_in().check(&**email, MessageCategory::Marketing).await.refused(),
        app.opt_in().record_opt_in(&**other_phone, OptInSource::Api).await.refused(),
        app.opt_in()
            .record_opt_in(&**phone, OptInSource::Api)
            .evidence(Evidence::new().wording(name.repeat(50)))
            .await
            .refused(),
    ];
    for filter in [
        format!("first_name = \"{name}"),
        format!("first_name = {name} {name}"),
        name.clone(),
        format!("{name} {phone}"),
        format!("phone_number = {name}"),
        format!("attributes.orders = {name}"),
        format!("attributes.tier = \"{value}\""),
        format!("email = *{email}"),
        format!("opt_in = {name}"),
    ] {
        errors.push(contacts.list().filter(filter).await.refused());
    }
    let upsert = contacts.batch_upsert([
        person().email(name),
        NewContact::new().phone(email),
        person().attribute("tier", &**value),
    ]);
    errors.extend(
        upsert.await.expect("an outcome").failures.into_iter().map(|failure| failure.error),
    );
    errors
}

#[apply(on_each_store!)]
async fn logs_and_errors_contain_no_request_data(app: TestApp) {
    app.make_attributes().await;
    let canaries = Canaries::new();
    use_everything(&app, &canaries).await;
    canaries.assert_not_in("answers to webhooks", &forward_webhooks(&app, &canaries).await);
    let errors = misuse_everything(&app, &canaries).await;
    assert!(errors.len() >= 40);
    for (index, error) in errors.iter().enumerate() {
        canaries.assert_not_in(&format!("error {index} as shown"), &error.to_string());
        canaries.assert_not_in(&format!("error {index} in full"), &format!("{error:?}"));
    }
    // The error's metadata contains the request id, and the message does not.
    let create = app.contacts().create(NewContact::new().phone(&canaries.other_phone));
    let error = create.request_id(&canaries.name).await.refused();
    canaries.assert_not_in("an error about a request_id", &error.to_string());

    app.contacts().delete(&*canaries.phone).await.expect("a receipt");
    let metrics = app.metrics().await;
    assert!(metrics.contains("ContactService/CreateContact"), "nothing is measured");
    canaries.assert_not_in("the metrics", &metrics);
    app.stop().await;
    let audit = app.audit_log();
    assert!(audit.contains("ContactService/CreateContact"), "nothing is in the audit log");
    canaries.assert_not_in("the audit log", &audit);
    let log = logged();
    assert!(log.contains("ContactService/CreateContact"), "nothing is logged");
    canaries.assert_not_in("the log", &log);
}

#[apply(on_each_store!)]
async fn malformed_calls_are_not_logged(app: TestApp) {
    let canaries = Canaries::new();
    let wire = app.wire().await;
    let path = format!("/{}/{}", canaries.name, canaries.phone);
    let mut statuses = vec![wire.send(&path, &[], message(&[])).await.status];
    let headers = [
        ("x-name", &*canaries.name),
        ("authorization", &*canaries.said),
        ("user-agent", &*canaries.value),
    ];
    let create = v1::CreateContactRequest {
        contact: Some(v1::Contact { first_name: canaries.name.clone(), ..raw_contact("") }),
        ..Default::default()
    };
    let mut malformed = create.encode_to_vec();
    malformed.extend([0x0f]);
    for body in [create.encode_to_vec(), malformed] {
        statuses
            .push(wire.send("ContactService/CreateContact", &headers, message(&body)).await.status);
    }
    let timeout = [("grpc-timeout", &*canaries.name)];
    statuses.push(wire.send("ContactService/CountContacts", &timeout, message(&[])).await.status);
    for status in statuses {
        canaries.assert_not_in("a status", &format!("{status:?}"));
    }
    // Where ids of workspaces and contacts are.
    for other in [&canaries.phone, &canaries.email, &canaries.said] {
        let get = v1::GetContactRequest {
            workspace_id: other.clone(),
            recipient: Some(v1::get_contact_request::Recipient::ContactId(other.clone())),
            ..Default::default()
        };
        assert!(!wire.call("ContactService/GetContact", &get).await.status.message().is_empty());
    }
    // A header that cannot be logged as it is.
    let id = format!("{} {}", canaries.name, canaries.said);
    wire.send("ContactService/CountContacts", &[("x-request-id", &*id)], message(&[])).await;
    canaries.assert_not_in("the metrics", &app.metrics().await);
    app.stop().await;
    canaries.assert_not_in("the audit log", &app.audit_log());
    canaries.assert_not_in("the log", &logged());
}

#[apply(on_each_store!)]
async fn deletion_removes_stored_responses(app: TestApp) {
    app.make_attributes().await;
    let canaries = Canaries::new();
    let id = Uuid::new_v4().to_string();
    let create = || app.contacts().create(canaries.person()).request_id(&id).send();
    let made = create().await.expect("a contact");
    assert_eq!(create().await.expect("the same"), made);
    app.contacts().delete(&made).await.expect("a receipt");
    // The stored response was personal data and is deleted, so it cannot be returned again. A retry
    // does not create the contact again either.
    create().await.refused_for(reason::CONTACT_NOT_FOUND);
    assert_eq!(app.contacts().count().await.expect("a count"), 0);
    let kind = AttributeType::String;
    app.attributes().create("Anything", kind).await.expect("the server works");
}
