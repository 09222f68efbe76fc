//! A worker of a Citus cluster that exists, which a test may kill.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use sqlx::{Connection, PgConnection};

use crate::citus::citus_workers;
use crate::postgres::children;
use crate::service::send;

const TIMEOUT: Duration = Duration::from_secs(60);

/// A worker, whose server is a process of this machine.
pub struct CitusWorker {
    url: String,
    port: u16,
    postmaster: Pid,
    /// How it was started.
    program: PathBuf,
    arguments: Vec<String>,
    directory: PathBuf,
    user: (u32, u32),
}

impl CitusWorker {
    /// The workers of the cluster that the tests run on. None where they run on no cluster, or its workers
    /// are not processes of this machine.
    pub async fn all() -> Option<Vec<Self>> {
        let mut all = Vec::new();
        for url in citus_workers() {
            all.push(Self::find(url).await?);
        }
        (!all.is_empty()).then_some(all)
    }

    async fn find(url: String) -> Option<Self> {
        let mut connection = PgConnection::connect(&url).await.expect("a worker");
        let (process, port): (i32, i32) = sqlx::query_as(
            "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int,
                 current_setting('port')::int",
        )
        .fetch_one(&mut connection)
        .await
        .expect("a superuser");
        connection.close().await.expect("closed");
        let files = PathBuf::from(format!("/proc/{process}"));
        let is_here = ["127.0.0.1", "localhost"].iter().any(|host| url.contains(host));
        let program = fs::read_link(files.join("exe")).ok()?;
        if !is_here || !program.ends_with("postgres") {
            return None;
        }
        let line = fs::read_to_string(files.join("cmdline")).expect("its arguments");
        let owner = fs::metadata(&files).expect("its user");
        Some(Self {
            url,
            port: u16::try_from(port).expect("a port"),
            postmaster: Pid::from_raw(process)?,
            program,
            arguments: line.split_terminator('\0').skip(1).map(str::to_owned).collect(),
            directory: fs::read_link(files.join("cwd")).expect("its directory"),
            user: (owner.uid(), owner.gid()),
        })
    }

    /// The port of its server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Freezes every process of the server with SIGSTOP, or continues them.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        for process in [self.postmaster].into_iter().chain(children(self.postmaster)) {
            send(process, signal);
        }
    }

    /// Kills every process of the server at once.
    pub fn kill(&self) {
        self.freeze(true);
        for process in children(self.postmaster).into_iter().chain([self.postmaster]) {
            send(process, Signal::KILL);
        }
    }

    /// Starts the server again, which was killed.
    pub async fn restart(&mut self) {
        let started = Instant::now();
        loop {
            let mut command = Command::new(&self.program);
            command.args(&self.arguments).current_dir(&self.directory).process_group(0);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if rustix::process::geteuid().is_root() {
                command.uid(self.user.0).gid(self.user.1);
            }
            let mut server = command.spawn().expect("a server");
            // Its predecessor may still be there.
            while server.try_wait().expect("a process").is_none() {
                if PgConnection::connect(&self.url).await.is_ok() {
                    self.postmaster = Pid::from_child(&server);
                    return;
                }
                assert!(started.elapsed() < TIMEOUT, "the worker does not start");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert!(started.elapsed() < TIMEOUT, "the worker does not start");
        }
    }
}

impl Drop for CitusWorker {
    /// For the tests that follow one that failed.
    fn drop(&mut self) {
        self.freeze(false);
    }
}
