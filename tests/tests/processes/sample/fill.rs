//! Fills a database with every kind of data.

use std::time::SystemTime;

use contacts_sdk::{
    AttributeType, ContactsClient, DeleteReason, Error, Evidence, ImportConsent, ImportOptions,
    ImportRow, MessageCategory, NewContact, OnConflict, OptInPolicy, OptInSource, Recipient,
};
use contacts_tests::timestamp;

pub const ANA: &str = "15551234567";
/// The same number as people dial it, and as WhatsApp may write it.
pub const BRUNO: [&str; 2] = ["5531987654321", "553187654321"];
pub const CHEN: &str = "8613800138000";
pub const DINA: &str = "BR.13491208655302741918";
pub const EMIL: &str = "5215512345678";
pub const NON_CONTACT: &str = "4915112345678";
pub const NON_CONTACT_USER_ID: &str = "DE.99999999999999999999";
pub const ERASED_OBJECTOR: &str = "34600111222";
pub const ERASED: &str = "34600333444";
pub const IMPORTED: [&str; 3] = ["919812300001", "919812300002", "919812300003"];
pub const NOBODY: &str = "15550009999";
/// A second workspace.
pub const ACME: &str = "acme";

fn evidence() -> Evidence {
    Evidence::new()
        .wording("Yes, send me offers on WhatsApp — até já")
        .wording_version("signup-2026-03")
        .business_name("Acme")
        .url("https://example.com/signup")
        .message_id("wamid.HBgL")
        .actor("form 7")
}

/// Expiry times: one in the past and one in the far future.
fn ends() -> [SystemTime; 2] {
    [timestamp(86_400), timestamp(75 * 365 * 86_400)]
}

pub async fn fill(client: &ContactsClient) -> Result<(), Error> {
    let default = client.with_workspace("default");
    define(&default).await?;
    people(&default).await?;
    consent(&default).await?;
    import(&default).await?;
    erase(&default).await?;

    client.workspaces().create(ACME).display_name("Acme, S.A.").await?;
    let policy = OptInPolicy::new().max_age_days(MessageCategory::Marketing, 36_500);
    client.workspaces().update(ACME).stop_words(["STOP"]).opt_in_policy(policy).await?;
    let acme = client.with_workspace(ACME);
    acme.tags().create("VIP at Acme").tag_id("vip").await?;
    let same_number = NewContact::new().phone(ANA).first_name("Annika").tag("vip");
    acme.contacts().create(same_number).await?;
    acme.opt_in().record_opt_out(CHEN).occurred_time(timestamp(5000)).await?;
    Ok(())
}

async fn define(client: &ContactsClient) -> Result<(), Error> {
    let tags = client.tags();
    tags.create("VIP").color("#25d366").description("Bought twice").await?;
    tags.create("Event attendee").await?;
    tags.create("Nobody has it").tag_id("unused").await?;
    for (id, attribute_type) in [
        ("city", AttributeType::String),
        ("orders", AttributeType::Number),
        ("member", AttributeType::Boolean),
        ("last_order", AttributeType::Timestamp),
    ] {
        client.attributes().create(id, attribute_type).await?;
    }
    let tier = client.attributes().create("Tier", AttributeType::Enum);
    tier.enum_options(["Bronze", "Silver", "Gold"]).description("Of the loyalty card").await?;
    Ok(())
}

async fn people(client: &ContactsClient) -> Result<(), Error> {
    let contacts = client.contacts();
    let ana = NewContact::new()
        .phone("+1 (555) 123-4567")
        .whatsapp_user_id("US.13491208655302741918")
        .first_name("Ana María")
        .last_name("Søndergård")
        .email("ana@example.com")
        .tag("vip")
        .tag("event_attendee")
        .attribute("city", "São Paulo")
        .attribute("orders", 12.5)
        .attribute("member", true)
        .attribute("last_order", timestamp(12_345))
        .attribute("tier", "Gold");
    contacts.create(ana).await?;
    let bruno = NewContact::new().phone(BRUNO[0]).first_name("Bruno").last_name("Souza");
    contacts.create(bruno.tag("vip").attribute("city", "Belo Horizonte")).await?;
    let chen = NewContact::new().phone(CHEN).first_name("陈").attribute("orders", -3);
    contacts.create(chen).await?;
    let dina = NewContact::new().whatsapp_user_id(DINA).first_name("Dina");
    contacts.create(dina.tag("event_attendee").attribute("tier", "Silver")).await?;
    contacts.create(NewContact::new().phone(EMIL).email("emil@example.com")).await?;
    contacts.update(EMIL).first_name("Émile").attribute("member", false).await?;
    Ok(())
}

async fn consent(client: &ContactsClient) -> Result<(), Error> {
    let opt_in = client.opt_in();
    let agreed = |who, at| {
        let record = opt_in.record_opt_in(who, OptInSource::WebForm);
        record.evidence(evidence()).occurred_time(timestamp(at))
    };
    let [past, future] = ends();
    agreed(Recipient::phone(ANA), 1000).await?;
    let utility = opt_in.record_opt_out(ANA).categories([MessageCategory::Utility]);
    let utility = utility.source(OptInSource::InboundMessage).reason_text("No more receipts");
    utility.occurred_time(timestamp(2000)).await?;
    agreed(Recipient::phone(BRUNO[1]), 1500).expire_time(future).await?;
    agreed(Recipient::phone(CHEN), 1600).expire_time(past).await?;
    agreed(Recipient::whatsapp_user_id(DINA), 1700).await?;
    let stop = opt_in.record_opt_out(Recipient::whatsapp_user_id(DINA)).reason_text("STOP");
    stop.source(OptInSource::InboundMessage).occurred_time(timestamp(1800)).await?;
    // Older than the opt-out, so it has no effect.
    agreed(Recipient::whatsapp_user_id(DINA), 1750).await?;
    let non_contact = opt_in.record_opt_out(NON_CONTACT).reason_text("Wrong number");
    non_contact.occurred_time(timestamp(1900)).await?;
    let non_contact = opt_in.record_opt_out(Recipient::whatsapp_user_id(NON_CONTACT_USER_ID));
    non_contact.categories([MessageCategory::Marketing]).occurred_time(timestamp(1950)).await?;
    Ok(())
}

async fn import(client: &ContactsClient) -> Result<(), Error> {
    let agreed = ImportConsent::opted_in().evidence(evidence()).occurred_time(timestamp(3000));
    let options = ImportOptions::new().on_conflict(OnConflict::Merge).create_missing_tags(true);
    let rows = IMPORTED.map(|phone| {
        let row = NewContact::new().phone(phone).first_name("Priya").tag("imported");
        ImportRow::new(row.attribute("city", "Pune"))
    });
    let [one, two, three] = rows;
    let stop = ImportConsent::opted_out().occurred_time(timestamp(3100));
    let rows = [one, two.consent(stop), three];
    let import = client.contacts().batch_upsert(rows).options(options.consent(agreed)).await?;
    assert!(import.failures.is_empty(), "{:?}", import.failures);
    Ok(())
}

async fn erase(client: &ContactsClient) -> Result<(), Error> {
    for phone in [ERASED_OBJECTOR, ERASED] {
        let contact = NewContact::new().phone(phone).first_name("Gone").tag("vip");
        client.contacts().create(contact).await?;
        let record = client.opt_in().record_opt_in(phone, OptInSource::Paper);
        record.evidence(evidence()).occurred_time(timestamp(4000)).await?;
    }
    let stop = client.opt_in().record_opt_out(ERASED_OBJECTOR).reason_text("Never again");
    stop.occurred_time(timestamp(4100)).await?;
    for phone in [ERASED_OBJECTOR, ERASED] {
        client.contacts().delete(phone).reason(DeleteReason::PersonRequest).await?;
    }
    Ok(())
}
