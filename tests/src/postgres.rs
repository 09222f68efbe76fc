//! A Postgres server for one test, which may kill it.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

use crate::service::send;

/// Finds the Postgres programs, and runs them as a user other than root.
const TOOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/postgres");

const TIMEOUT: Duration = Duration::from_secs(60);

/// A Postgres server with its own data directory. Commits are flushed to disk, as in production.
pub struct PostgresServer {
    /// Removed, with everything in it, when this is dropped.
    directory: TempDir,
    port: u16,
    settings: Vec<(String, String)>,
    server: Option<Child>,
}

impl PostgresServer {
    /// Creates a database cluster and starts a server with these settings.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let mut made = Self::new(settings);
        let log = made.run(
            "initdb",
            &[
                "-D",
                "data",
                "-U",
                "contacts",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            ],
        );
        assert!(made.wait_for(log), "initdb failed: {}", made.log());
        made.restart().await;
        made
    }

    /// Creates and starts a standby of this server. `name` is its application name, for
    /// `synchronous_standby_names`.
    pub async fn standby(&self, name: &str, settings: &[(&str, &str)]) -> Self {
        let mut made = Self::new(settings);
        let source =
            format!("host=127.0.0.1 port={} user=contacts application_name={name}", self.port);
        let arguments = [
            "-d",
            &source,
            "-D",
            "data",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        ];
        let copying = made.run("pg_basebackup", &arguments);
        assert!(made.wait_for(copying), "pg_basebackup failed: {}", made.log());
        made.restart().await;
        made
    }

    fn new(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // The server may run as another user than the test.
        let everybody = Permissions::from_mode(0o777);
        fs::set_permissions(directory.path(), everybody).expect("permissions");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            directory,
            port: port.expect("a free port").port(),
            settings: settings.collect(),
            server: None,
        }
    }

    /// Starts the server on its existing data.
    pub async fn restart(&mut self) {
        let mut arguments = vec![
            "-D".to_owned(),
            "data".to_owned(),
            format!("-cport={}", self.port),
            "-clisten_addresses=127.0.0.1".to_owned(),
            "-cunix_socket_directories=".to_owned(),
        ];
        arguments.extend(self.settings.iter().map(|(name, value)| format!("-c{name}={value}")));
        self.server = Some(self.run("postgres", &arguments));
        let started = Instant::now();
        while let Err(error) = PgConnection::connect(&self.url()).await {
            assert!(started.elapsed() < TIMEOUT, "no Postgres: {error}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills every process of the server at once, as a power cut would.
    pub fn kill(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let postmaster = Pid::from_child(&server);
        // A stopped postmaster starts no new processes while its children are listed.
        send(postmaster, Signal::STOP);
        for child in children(postmaster) {
            send(child, Signal::KILL);
        }
        drop(server.kill());
        drop(server.wait());
    }

    /// Freezes every process of the server with SIGSTOP, or continues them.
    pub fn freeze(&self, frozen: bool) {
        let Some(server) = &self.server else { return };
        let postmaster = Pid::from_child(server);
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        for process in [postmaster].into_iter().chain(children(postmaster)) {
            send(process, signal);
        }
    }

    /// Promotes a standby to primary.
    pub async fn promote(&self) {
        let mut connection = self.connect("postgres").await;
        let promoted: bool = sqlx::query_scalar("SELECT pg_promote()")
            .fetch_one(&mut connection)
            .await
            .expect("promoted");
        assert!(promoted, "the standby did not become a primary: {}", self.log());
    }

    /// Address of the server.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// URL of the database `postgres`.
    pub fn url(&self) -> String {
        format!("postgres://contacts@127.0.0.1:{}/postgres", self.port)
    }

    /// A connection to a database.
    pub async fn connect(&self, database: &str) -> PgConnection {
        let url = format!("postgres://contacts@127.0.0.1:{}/{database}", self.port);
        PgConnection::connect(&url).await.expect("a connection")
    }

    /// Runs SQL statements in the database `postgres`.
    pub async fn execute(&self, sql: &str) {
        let mut connection = self.connect("postgres").await;
        connection.execute(AssertSqlSafe(sql.to_owned())).await.expect("executed");
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Path of a Postgres program.
    pub fn program(&self, name: &str) -> PathBuf {
        let found = Command::new(TOOL).arg("--bindir").output().expect("python3");
        let folder = String::from_utf8(found.stdout).expect("a path");
        Path::new(folder.trim()).join(name)
    }

    /// Starts a Postgres program in the directory of this server.
    fn run(&self, program: &str, arguments: &[impl AsRef<std::ffi::OsStr>]) -> Child {
        let log = fs::File::options().append(true).create(true).open(self.log_path());
        let log = log.expect("a log file");
        Command::new(TOOL)
            .args(["--run", "--", program])
            .args(arguments)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("python3")
    }

    fn wait_for(&self, mut program: Child) -> bool {
        program.wait().expect("waited").success()
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Child processes of a process. Linux only, like the tests that kill processes.
pub(crate) fn children(parent: Pid) -> Vec<Pid> {
    let parent_of = |process: &Path| {
        let stat = fs::read_to_string(process.join("stat")).ok()?;
        // The process name, in parentheses, can contain anything. State and parent follow it.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<i32>().ok()
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let id: i32 = entry.file_name().to_str()?.parse().ok()?;
            (parent_of(&entry.path())? == parent.as_raw_nonzero().get())
                .then(|| Pid::from_raw(id))?
        })
        .collect()
}
