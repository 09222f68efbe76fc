//! Ask before sending, and record what people answer.
//!
//! ```sh
//! cargo run --example check_before_send -- http://127.0.0.1:50051 15551234567
//! ```

use std::error::Error;

use contacts_sdk::{ContactsClient, MessageCategory, OptInChecker};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().unwrap_or_else(|| "http://127.0.0.1:50051".to_owned());
    let phone = arguments.next().unwrap_or_else(|| "15551234567".to_owned());

    // Make one client and clone it: it is cheap, and its clones share connections.
    let client = ContactsClient::builder(server).connect_lazy()?;
    let sent = send_offer(&client.opt_in(), &phone).await;
    println!("{}", if sent { "sent" } else { "not sent" });

    // The same question, with the answer's reasons.
    match client.opt_in().check(phone.as_str(), MessageCategory::Marketing).await {
        Ok(check) => println!("{:?}: {:?}", check.decision, check.reason),
        // Whatever went wrong: do not send.
        Err(error) => println!("no answer, so no message: {error}"),
    }
    Ok(())
}

/// Code that sends depends on the trait: its tests pass a fake.
async fn send_offer(consent: &impl OptInChecker, phone: &str) -> bool {
    // True only if the server said ALLOW; false for every error.
    if !consent.may_send(phone.into(), MessageCategory::Marketing).await {
        return false;
    }
    // … send the template here …
    true
}
