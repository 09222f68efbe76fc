//! Imports a CSV file into a running server.
//!
//! ```sh
//! cargo run --release --example import_csv -- http://127.0.0.1:50051 contacts.csv
//! ```

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use contacts_examples::{ATTRIBUTES, CsvFile, SAMPLE};
use contacts_sdk::{AttributeType, ImportOptions, OnConflict};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().unwrap_or_else(|| "http://127.0.0.1:50051".to_owned());
    let path = arguments.next().unwrap_or_else(|| SAMPLE.to_owned());

    let file = CsvFile::read(Path::new(&path))?;
    let client = contacts_examples::client(server).connect().await?;
    for (id, display_name, attribute_type) in ATTRIBUTES {
        let create = client.attributes().create(display_name, attribute_type).attribute_id(id);
        let created = match attribute_type {
            AttributeType::Enum => create.enum_options(["Bronze", "Silver", "Gold"]).await,
            _ => create.await,
        };
        match created {
            Err(error) if !error.is_already_exists() => return Err(error.into()),
            _ => {}
        }
    }
    let options = ImportOptions::new().on_conflict(OnConflict::Merge).create_missing_tags(true);
    let mut chunks = client.contacts().import(options).chunks(futures::stream::iter(file.rows()));
    for fault in file.faults() {
        println!("{fault}");
    }
    let mut failed = file.faults().len();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        println!(
            "rows from {}: {} created, {} updated, {} unchanged, {} failed",
            chunk.first_row,
            chunk.created,
            chunk.updated,
            chunk.unchanged,
            chunk.failures.len()
        );
        for failure in &chunk.failures {
            println!("  line {}: {}", file.line(failure.row), failure.error.message());
        }
        failed += chunk.failures.len();
    }
    // The exit status tells scripts whether all rows were stored.
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
