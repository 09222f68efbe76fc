//! Runs every example, and checks its output.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use contacts_sdk::{
    CheckReason, ContactsClient, MessageCategory, NewContact, OptInSource, Recipient,
};
use contacts_service::{Config, RunningServer, Server};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The path of an example. Cargo builds the examples of a package together with its tests.
fn example(name: &str) -> Result<PathBuf> {
    let folder = std::env::current_exe()?;
    let folder = folder.ancestors().nth(2).ok_or("no target folder")?;
    Ok(folder.join("examples").join(name))
}

async fn run<A: AsRef<OsStr>>(name: &str, arguments: &[A]) -> Result<Output> {
    let mut command = Command::new(example(name)?);
    command.args(arguments);
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

async fn server() -> Result<(RunningServer, String, tempfile::TempDir)> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(Config::for_tests(folder.path().join("contacts.db"))).await?;
    let url = format!("http://{}", server.address());
    Ok((server, url, folder))
}

fn stdout(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[tokio::test]
async fn quickstart() -> Result {
    let shown = stdout(&run::<&str>("quickstart", &[]).await?);
    for expected in [
        "9968 created",
        "12 failed",
        "Search \"joao\": 103 people",
        "Allow, OptedIn",
        "may we send? false",
        "37 people, complete",
        "37 of 37 allowed",
        "grpcurl -plaintext",
    ] {
        assert!(shown.contains(expected), "no {expected:?} in:\n{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn check_before_send() -> Result {
    let (server, url, _folder) = server().await?;
    let client = ContactsClient::builder(&url).connect().await?;
    let shown = stdout(&run("check_before_send", &[&url, "15551234567"]).await?);
    assert!(shown.starts_with("not sent\nDeny: UnknownContact"), "{shown}");

    let ana = client.contacts().create(NewContact::new().phone("15551234567")).await?;
    client.opt_in().record_opt_in(&ana, OptInSource::WebForm).await?;
    let shown = stdout(&run("check_before_send", &[&url, "15551234567"]).await?);
    assert!(shown.starts_with("sent\nAllow: OptedIn"), "{shown}");

    server.stop().await?;
    let shown = stdout(&run("check_before_send", &[&url, "15551234567"]).await?);
    assert!(shown.starts_with("not sent\nno response"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn import_then_campaign() -> Result {
    let (server, url, folder) = server().await?;
    let imported = run("import_csv", &[&url]).await?;
    let shown = String::from_utf8_lossy(&imported.stdout).into_owned();
    assert_eq!(imported.status.code(), Some(1), "bad rows show in the exit status: {shown}");
    assert!(shown.contains("line 604: "), "{shown}");

    let state = folder.path().join("campaign.token").display().to_string();
    let filter = "tags:event_attendee AND opt_in = OPTED_IN";
    let client = ContactsClient::builder(&url).connect().await?;
    let count = client.contacts().count().filter(filter).await?;
    let shown = stdout(&run("campaign", &[&url, filter, &state]).await?);
    assert_eq!(shown, format!("{count} of {count} people sent to\n"));
    server.stop().await?;
    Ok(())
}

#[tokio::test]
async fn import_of_a_damaged_file_stores_the_rest() -> Result {
    let (server, url, folder) = server().await?;
    let path = folder.path().join("contacts.csv");
    std::fs::write(
        &path,
        b"phone_number,first_name\r\n15551234567,Jo\xe3o\r\n15557654321,Ana\r\n",
    )?;
    let imported = run("import_csv", &[&url, &path.display().to_string()]).await?;
    let shown = String::from_utf8_lossy(&imported.stdout).into_owned();
    assert_eq!(imported.status.code(), Some(1), "{shown}");
    assert!(shown.starts_with("line 2: not UTF-8"), "{shown}");
    let client = ContactsClient::builder(&url).connect().await?;
    assert_eq!(client.contacts().count().await?, 1);
    std::fs::write(&path, "")?;
    let imported = run("import_csv", &[&url, &path.display().to_string()]).await?;
    assert!(!imported.status.success());
    server.stop().await?;
    Ok(())
}

/// Runs the webhook example with this payload on its standard input.
async fn webhook(url: &str, payload: &Path) -> Result<Output> {
    let mut command = Command::new(example("webhook")?);
    command.arg(url).stdin(File::open(payload)?);
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

#[tokio::test]
async fn webhooks_record_who_stopped_marketing() -> Result {
    const SENDER: &str = "106540352242922";
    let (server, url, folder) = server().await?;
    let client = ContactsClient::builder(&url).connect().await?;
    let opt_in = client.opt_in();
    // Webhooks contain her number without the 9.
    let ana = client.contacts().create(NewContact::new().phone("5521987654321")).await?;
    opt_in.record_opt_in(&ana, OptInSource::WebForm).await?;
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");

    // User ids are learned only from webhooks of the last 30 days.
    let text = std::fs::read_to_string(data.join("webhook-user-preferences.json"))?;
    #[expect(clippy::disallowed_methods, reason = "a client with a clock of its own")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    // In whole seconds, and later than the contact: what is older may be of a previous holder.
    let now = (now + 1).to_string();
    let preferences = folder.path().join("preferences.json");
    std::fs::write(&preferences, text.replace("1767225600", &now).replace("1767225660", &now))?;
    assert_eq!(stdout(&webhook(&url, &preferences).await?), "2 recorded, 1 linked\n");
    let check = opt_in.check(&ana, MessageCategory::Marketing).sender_phone_number_id(SENDER);
    assert_eq!(check.await?.reason, CheckReason::PlatformOptedOut);
    let elsewhere = opt_in.check(&ana, MessageCategory::Marketing).sender_phone_number_id("1");
    assert!(elsewhere.await?.is_allowed());
    let bo = opt_in.events(Recipient::whatsapp_user_id("DE.9F8E7D6C5B4A3921")).await?.items;
    assert_eq!(bo.len(), 1);

    // The webhook told that this is her, too.
    let hers = Recipient::whatsapp_user_id("BR.1A2B3C4D5E6F7A8B");
    assert_eq!(client.contacts().get(hers).await?.contact_id, ana.contact_id);

    // Only error 131050 is about consent.
    let statuses = data.join("webhook-statuses.json");
    assert_eq!(stdout(&webhook(&url, &statuses).await?), "1 recorded, 0 linked\n");
    let stopped = opt_in.events("14155550123").await?.items;
    assert_eq!(stopped[0].evidence.message_id, "wamid.HBgMNTUyMTg3NjU0MzIxFQIAERgSQzQ3");
    let checked = opt_in.check("14155550123", MessageCategory::Marketing).await?;
    assert_eq!(checked.reason, CheckReason::PlatformOptedOut);
    for other in ["14155550124", "14155550125", "14155550126", "14155550127"] {
        assert!(opt_in.events(other).await?.items.is_empty(), "{other}");
    }

    // Meta sends webhooks more than once.
    let known = opt_in.events(&ana).await?.items.len();
    for payload in [&preferences, &statuses] {
        assert_eq!(stdout(&webhook(&url, payload).await?), "0 recorded, 0 linked\n");
    }
    assert_eq!(opt_in.events(&ana).await?.items.len(), known);
    assert_eq!(opt_in.events("14155550123").await?.items.len(), 1);

    // Other kinds of webhooks, and webhooks without a person, are ignored.
    let odd = folder.path().join("odd.json");
    for text in [
        r#"{"entry": []}"#,
        r#"{"entry": [{"changes": [{"field": "messages", "value": {"messages": [{}]}}]}]}"#,
        r#"{"entry": [{"changes": [{"value": {"user_preferences":
            [{"category": "marketing_messages", "value": "stop"},
             {"category": "marketing_messages", "value": "pause", "wa_id": "15551234567"}]}}]}]}"#,
    ] {
        std::fs::write(&odd, text)?;
        assert_eq!(stdout(&webhook(&url, &odd).await?), "0 recorded, 0 linked\n", "{text}");
    }
    std::fs::write(&odd, "{}")?;
    assert!(!webhook(&url, &odd).await?.status.success(), "not a webhook");
    server.stop().await?;
    let unreachable = webhook(&url, &preferences).await?;
    assert!(!unreachable.status.success(), "Meta has to send it again");
    Ok(())
}
