//! Checks consent before sending a message.
//!
//! ```sh
//! cargo run --example check_before_send -- http://127.0.0.1:50051 15551234567
//! ```

use std::error::Error;

use contacts_sdk::{MessageCategory, OptInChecker};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().unwrap_or_else(|| "http://127.0.0.1:50051".to_owned());
    let phone = arguments.next().unwrap_or_else(|| "15551234567".to_owned());

    // Create one client and clone it. Clones are cheap and share their connections.
    let client = contacts_examples::client(server).connect_lazy()?;
    let sent = send_offer(&client.opt_in(), &phone).await;
    println!("{}", if sent { "sent" } else { "not sent" });

    // The same check, with its reason.
    match client.opt_in().check(phone.as_str(), MessageCategory::Marketing).await {
        Ok(check) => println!("{:?}: {:?}", check.decision, check.reason),
        // Do not send after an error, whatever it is.
        Err(error) => println!("no response, so no message: {error}"),
    }
    Ok(())
}

/// Depends on the trait instead of the client, so that tests can pass a fake.
async fn send_offer(consent: &impl OptInChecker, phone: &str) -> bool {
    // True only if the server allows it; false for every error.
    if !consent.may_send(phone.into(), MessageCategory::Marketing).await {
        return false;
    }
    // … send the template here …
    true
}
