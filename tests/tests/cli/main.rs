//! The command line, as an operator uses it: settings, errors, exit codes, and what may run beside
//! a server.

mod audit_log;
mod beside_a_server;
mod errors;
mod receipts;
mod settings;
mod sqlite_file;
mod tls;
mod tokens;

use std::path::Path;
use std::process::{Command, Output};

use contacts_tests::service;

/// The program without any settings.
fn program() -> Command {
    let mut command = service();
    command.env_remove("CONTACTS_KEY_FILE");
    command
}

/// The URL of a SQLite file.
fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

/// How a command ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// Whether it failed with this exit code and said this in its first line.
    #[track_caller]
    fn assert_refused(&self, code: i32, said: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let first = self.stderr.lines().next().unwrap_or_default();
        assert!(first.contains(said), "{said:?} is not in {first:?}");
        // clap adds how to get help.
        let lines = self.stderr.lines().filter(|line| !line.is_empty());
        assert_eq!(lines.filter(|line| !line.starts_with("For more information")).count(), 1);
    }

    #[track_caller]
    fn assert_succeeded(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        &self.stdout
    }
}

/// Runs a command to its end.
fn run(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().expect("the program");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// Runs a command on a SQLite file.
fn run_on(path: &Path, arguments: &[&str]) -> Ended {
    run(program().args(arguments).args(["--database-url", &url(path)]))
}
