//! Streams a segment in batches, checks consent for each batch, and resumes after a restart.
//!
//! ```sh
//! cargo run --example campaign -- http://127.0.0.1:50051 'tags:vip AND opt_in = OPTED_IN'
//! ```

use std::error::Error;
use std::fs;
use std::path::Path;

use contacts_sdk::MessageCategory;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().unwrap_or_else(|| "http://127.0.0.1:50051".to_owned());
    let filter = arguments.next().unwrap_or_else(|| "opt_in = OPTED_IN".to_owned());
    let state = arguments.next().unwrap_or_else(|| "campaign.token".to_owned());
    let state = Path::new(&state);

    let client = contacts_examples::client(server).connect().await?;
    let mut segment = client.contacts().segment().filter(filter);
    if state.exists() {
        // The program was stopped in the middle. Resume after the last batch.
        segment = segment.resume_from(fs::read_to_string(state)?);
    }
    // After a dropped connection, the stream reconnects and resumes.
    let mut batches = segment.batches();
    let (mut sent, mut seen) = (0, 0);
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let contacts: Vec<_> = batch.contacts().collect::<Result<_, _>>()?;
        let numbers: Vec<_> = contacts.iter().filter_map(|c| c.phone_number.clone()).collect();
        // A person may have opted out since the batch was read.
        let checks = client.opt_in().check_batch(&numbers, MessageCategory::Marketing).await?;
        for index in checks.allowed_indexes() {
            // … send to numbers[index] here …
            let _ = &numbers[index];
            sent += 1;
        }
        seen += contacts.len();
        fs::write(state, batch.resume_token().as_str())?;
    }
    // The stream ended without an error, so the segment is complete.
    if state.exists() {
        fs::remove_file(state)?;
    }
    println!("{sent} of {seen} people sent to");
    Ok(())
}
