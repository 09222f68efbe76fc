//! Every example runs, and says what it should.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output};

use contacts_sdk::{ContactsClient, NewContact, OptInSource};
use contacts_service::{Config, RunningServer, Server};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Cargo builds a package's examples with its tests, beside them.
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
    assert!(shown.starts_with("not sent\nno answer"), "{shown}");
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
