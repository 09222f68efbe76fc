//! Forwards a webhook from Meta to the service, which records who stopped or resumed marketing, and who
//! has a new number.
//!
//! ```sh
//! cargo run --example webhook -- http://127.0.0.1:50051 < examples/data/webhook-user-preferences.json
//! ```
//!
//! In your own endpoint, `body` is that of the HTTP request and `signature` its `X-Hub-Signature-256`
//! header. Respond with 200 only if this returns `Ok`: Meta sends a webhook again until it gets that.

use std::error::Error;
use std::io::Read;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().unwrap_or_else(|| "http://127.0.0.1:50051".to_owned());
    let signature = arguments.next().unwrap_or_default();
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body)?;
    let client = contacts_examples::client(server).connect().await?;
    let counts = client.webhooks().ingest(body).signature(signature).await?.counts;
    println!("{} recorded, {} linked", counts.recorded, counts.linked);
    Ok(())
}
