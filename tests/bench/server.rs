//! Runs the built program in a process.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use contacts_tests::resident_memory;

use super::{Result, processors};

pub struct ServerProcess {
    child: Child,
    address: String,
}

impl ServerProcess {
    /// Starts the program that was built next to this one.
    pub fn start(database: &str, key_file: &Path) -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("contacts-service");
        if !program.exists() {
            return Err("build the server first: cargo build --release".into());
        }
        let mut make_key = Command::new(&program);
        make_key.args(["key", "create", "--key-file"]).arg(key_file).stdout(Stdio::null());
        if !make_key.status()?.success() {
            return Err("the server's key could not be made".into());
        }
        let mut serve = Command::new(program);
        serve.args(["--listen", "127.0.0.1:0", "--database-url", database, "--migrate"]);
        serve.arg("--key-file").arg(key_file);
        Self::spawn(serve)
    }

    /// Makes the tables of a database.
    pub fn migrate(database: &str, key_file: &Path) -> Result {
        let program = std::env::current_exe()?.with_file_name("contacts-service");
        let mut migrate = Command::new(program);
        migrate.args(["migrate", "--database-url", database, "--key-file"]).arg(key_file);
        migrate.stdout(Stdio::null());
        match migrate.status()?.success() {
            true => Ok(()),
            false => Err("the tables could not be made".into()),
        }
    }

    /// Starts the echo of `echo.rs`.
    pub fn start_echo() -> Result<Self> {
        let mut serve = Command::new(std::env::current_exe()?);
        serve.arg("--serve-echo");
        Self::spawn(serve)
    }

    fn spawn(mut program: Command) -> Result<Self> {
        let mut child = program.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("the server has no standard output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address =
            line.trim().strip_prefix("listening on ").ok_or("the server did not start")?;
        Ok(Self { address: address.to_owned(), child })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Processor time used so far.
    pub fn cpu(&self) -> Result<Duration> {
        processors::of_process(self.child.id())
    }

    /// Waits until the server does nothing any more, two minutes at most.
    pub async fn rest(&self) -> Result {
        for _ in 0..120 {
            let before = self.cpu()?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            if self.cpu()? - before < Duration::from_millis(30) {
                break;
            }
        }
        Ok(())
    }

    /// Makes the peak of the memory the current one. False where that is not allowed.
    pub fn reset_peak(&self) -> bool {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").is_ok()
    }

    /// Resident memory in MiB: current and peak.
    pub fn memory(&self) -> (u64, u64) {
        resident_memory(self.child.id())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
