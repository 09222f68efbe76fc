//! A tour of the service: starts a server on a new database, imports 10 000 contacts, and looks up,
//! searches, checks and streams them.
//!
//! ```sh
//! cargo run --release --example quickstart
//! cargo run --release --example quickstart -- --serve
//! ```

mod show;

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use contacts_examples::{ATTRIBUTES, CsvFile, SAMPLE};
use contacts_sdk::{
    AttributeType, ContactsClient, Evidence, Filter, ImportOptions, MessageCategory, NewContact,
    OnConflict, OptInSource, OptInStatus, OrderBy,
};
use contacts_service::{Config, Server};
use indicatif::{ProgressBar, ProgressStyle};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
#[command(about = "Shows the contacts service at work on 10 000 contacts")]
struct Options {
    /// Keep the server running afterwards, until Ctrl-C.
    #[arg(long)]
    serve: bool,
    /// The CSV file to import.
    #[arg(long, default_value = SAMPLE, hide_default_value = true)]
    csv: PathBuf,
}

#[tokio::main]
async fn main() -> Result {
    let options = Options::parse();
    let folder = tempfile::tempdir()?;
    let mut config = Config::embedded(folder.path().join("contacts.db"));
    if options.serve {
        config.listener.listen = "127.0.0.1:50051".to_owned();
    }
    let server = Server::start(config).await?;
    let address = server.address();
    show::step(&format!("A server on a fresh SQLite database, at {address}"));
    let client = ContactsClient::builder(format!("http://{address}")).connect().await?;

    define(&client).await?;
    import(&client, &CsvFile::read(&options.csv)?).await?;
    directory(&client).await?;
    one_person(&client).await?;
    segment(&client).await?;

    if options.serve {
        show::grpcurl(&address.to_string());
        println!("\nServing until Ctrl-C.");
        tokio::signal::ctrl_c().await?;
    } else {
        println!("\nTo continue, start a server in one terminal:");
        println!("    cargo run --release --bin contacts-service");
        println!("or this one, with its 10 000 contacts:");
        println!("    cargo run --release --example quickstart -- --serve");
        show::grpcurl("127.0.0.1:50051");
    }
    server.stop().await?;
    Ok(())
}

/// Defines tags and attributes. They must exist before contacts can have them.
async fn define(client: &ContactsClient) -> Result {
    for tag in ["Event attendee", "VIP", "Newsletter"] {
        client.tags().create(tag).await?;
    }
    for (id, display_name, attribute_type) in ATTRIBUTES {
        let create = client.attributes().create(display_name, attribute_type).attribute_id(id);
        match attribute_type {
            AttributeType::Enum => create.enum_options(["Bronze", "Silver", "Gold"]).await?,
            _ => create.await?,
        };
    }
    println!("Defined 3 tags and {} attributes.", ATTRIBUTES.len());
    Ok(())
}

async fn import(client: &ContactsClient, file: &CsvFile) -> Result {
    show::step(&format!("Import {} rows of a CSV file", file.len()));
    for fault in file.faults() {
        println!("{fault}");
    }
    let bar = ProgressBar::new(file.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} rows, {per_sec}")?);
    let started = Instant::now();
    // Each row has its own consent block, if the file states consent for it.
    let options = ImportOptions::new().on_conflict(OnConflict::Merge).create_missing_tags(true);
    let progress = bar.clone();
    let summary = client
        .contacts()
        .import(options)
        .on_progress(move |sum| progress.set_position(sum.rows))
        .send(file.rows())
        .await?;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{} created, {} merged into another form of the same number, {} failed, in {seconds:.2} s \
         ({:.0} rows/s).",
        summary.created,
        summary.updated + summary.unchanged,
        summary.failed,
        summary.rows as f64 / seconds,
    );
    println!("The rows that failed, with their errors:");
    for failure in &summary.failures {
        println!("  line {}: {}", file.line(failure.row), failure.error.message());
    }
    Ok(())
}

/// Lists, searches and filters contacts.
async fn directory(client: &ContactsClient) -> Result {
    show::step("List: the first page, by last name");
    let page = client.contacts().list().order_by(OrderBy::LAST_NAME).page_size(5).await?;
    show::contacts(&page.items);

    for query in ["mar", "joao", "さくら", "محمد"] {
        let started = Instant::now();
        let page = client.contacts().list().query(query).page_size(3).await?;
        let total = client.contacts().count().query(query).await?;
        println!("\nSearch {query:?}: {total} people, in {:.1?}", started.elapsed());
        show::contacts(&page.items);
    }

    let gold = Filter::attribute("loyalty_tier").eq("Gold").and(Filter::tag("vip"));
    let count = client.contacts().count().filter(gold.clone()).await?;
    println!("\nFilter {gold}: {count} people");
    Ok(())
}

/// Creates, checks, updates and deletes one contact.
async fn one_person(client: &ContactsClient) -> Result {
    show::step("One contact");
    let contacts = client.contacts();
    let ana = NewContact::new()
        .phone("+1 (555) 123-4567")
        .first_name("Ana")
        .email("ana@example.com")
        .tag("vip")
        .attribute("city", "São Paulo");
    let ana = contacts.create(ana).await?;
    show::contacts(std::slice::from_ref(&ana));

    let check = client.opt_in().check(&ana, MessageCategory::Marketing).await?;
    println!("May we send her marketing? {:?}, {:?}", check.decision, check.reason);
    let evidence = Evidence::new().wording("Yes, send me offers").business_name("Example Store");
    client.opt_in().record_opt_in(&ana, OptInSource::WebForm).evidence(evidence).await?;
    let check = client.opt_in().check("15551234567", MessageCategory::Marketing).await?;
    println!("After her opt-in: {:?}, {:?}", check.decision, check.reason);

    let ana = contacts.update(&ana).last_name("Souza").attribute("orders", 1.0).await?;
    println!("Edited: {} {}", show::text(&ana.first_name), show::text(&ana.last_name));

    let again = contacts.create(NewContact::new().phone("15551234567")).await;
    if let Err(error) = again {
        println!("Create the same number again: {}", error.message());
    }
    client.opt_in().record_opt_out("15551234567").reason_text("STOP").await?;
    let may_send = client.opt_in().may_send(&ana, MessageCategory::Marketing).await;
    println!("After she wrote STOP, may we send? {may_send}");

    println!("Deletion erases her profile. Her opt-out remains in effect.");
    let receipt = contacts.delete(&ana).await?;
    println!("Deleted, receipt {}.", receipt.receipt_id);
    let check = client.opt_in().check("15551234567", MessageCategory::Marketing).await?;
    println!("May we send to her number now? {:?}, {:?}", check.decision, check.reason);
    Ok(())
}

/// Streams a segment and checks consent before sending, as a campaign does.
async fn segment(client: &ContactsClient) -> Result {
    let filter = Filter::tag("event_attendee")
        .and(Filter::attribute("city").eq("São Paulo"))
        .and(Filter::opt_in().eq(OptInStatus::OptedIn));
    show::step(&format!("A segment: {filter}"));
    let started = Instant::now();
    let mut people = Vec::new();
    let mut segment = client.contacts().segment().filter(filter).stream();
    while let Some(contact) = segment.next().await {
        people.push(contact?);
    }
    println!("{} people, complete, in {:.1?}. The first of them:", people.len(), started.elapsed());
    show::contacts(&people[..people.len().min(8)]);

    let numbers: Vec<_> = people.iter().filter_map(|c| c.phone_number.clone()).collect();
    let started = Instant::now();
    let checks = client.opt_in().check_batch(&numbers, MessageCategory::Marketing).await?;
    let allowed = checks.allowed_indexes().count();
    println!(
        "Checked in {:.1?} before sending: {allowed} of {} allowed.",
        started.elapsed(),
        checks.len()
    );
    Ok(())
}
