//! The server under attack.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use contacts_sdk::{ContactsClient, ImportOptions, OnConflict, RetryPolicy};
use contacts_tests::ServiceProcess;
use tempfile::TempDir;

use super::attacks::Attack;
use super::{Result, data};

const FILE: &str = "contacts.db";
/// Changes of many contacts take as long as they take.
const DEADLINE: Duration = Duration::from_secs(300);

/// A server with a database of its own.
pub struct Target {
    pub server: ServiceProcess,
    /// Number of contacts in the database.
    pub contacts: u64,
    folder: Folder,
}

/// A database with many contacts, to be copied.
pub struct Template {
    folder: TempDir,
    contacts: u64,
}

impl Template {
    /// Imports contacts with the server that will be attacked.
    pub async fn fill(program: &Path, contacts: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut server = start(program, &folder.path().join(FILE), None);
        let client = ContactsClient::builder(server.url()).connect().await?;
        data::define(&client).await?;
        let options = ImportOptions::new().on_conflict(OnConflict::Merge).create_missing_tags(true);
        let summary = client.contacts().import(options).send(data::rows(contacts)).await?;
        if summary.created != contacts {
            return Err(format!("{} of {contacts} rows imported", summary.created).into());
        }
        // Moves the write-ahead log into the file.
        server.stop();
        Ok(Self { folder, contacts })
    }
}

impl Target {
    pub fn start(attack: Attack, program: &Path, template: Option<&Template>) -> Result<Self> {
        let folder = match attack {
            Attack::FullDisk => Folder::small()?,
            _ => Folder::Plain(tempfile::tempdir()?),
        };
        let file = folder.path().join(FILE);
        let template = template.filter(|_| attack.needs_contacts());
        if let Some(template) = template {
            fs::copy(template.folder.path().join(FILE), &file)?;
        }
        let server = start(program, &file, attack.open_files());
        Ok(Self { server, contacts: template.map_or(0, |template| template.contacts), folder })
    }

    /// The folder of the database.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client that waits long and repeats nothing.
    pub fn client(&self) -> Result<ContactsClient> {
        let builder = ContactsClient::builder(self.server.url());
        let builder = builder.deadline(DEADLINE).check_deadline(DEADLINE);
        Ok(builder.retry_policy(RetryPolicy::never()).connect_lazy()?)
    }
}

fn start(program: &Path, file: &Path, open_files: Option<u32>) -> ServiceProcess {
    let url = format!("sqlite://{}", file.display());
    match open_files {
        None => ServiceProcess::start_release(program, &url),
        Some(files) => {
            let arguments = ["--database-url", &url];
            let mut server = ServiceProcess::launch_with_files(program, files, &arguments);
            server.wait_until_ready();
            server
        }
    }
}

enum Folder {
    Plain(TempDir),
    /// A file system of its own, which is soon full.
    Mounted(TempDir),
}

impl Folder {
    fn small() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64m", "none"]).arg(folder.path());
        match mount.output() {
            Ok(done) if done.status.success() => Ok(Self::Mounted(folder)),
            _ => Err("a small file system cannot be mounted, which root can".into()),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Plain(folder) | Self::Mounted(folder) => folder.path(),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Self::Mounted(folder) = self {
            // Lazily, as the server may be exiting.
            drop(Command::new("umount").arg("-l").arg(folder.path()).status());
        }
    }
}
