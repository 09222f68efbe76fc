//! Runs the built program in a process.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use contacts_sdk::{ClientBuilder, ContactsClient};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process};
use tempfile::NamedTempFile;

use crate::backend::{key_file, target_folder};

/// A running `contacts-service`. Killed when this is dropped.
pub struct ServiceProcess {
    program: PathBuf,
    arguments: Vec<String>,
    /// The address of the first start, which is reused at each restart.
    address: Option<SocketAddr>,
    child: Child,
    log: NamedTempFile,
}

impl ServiceProcess {
    /// Starts a server on a database and waits until it is ready.
    pub fn start(database: &str) -> Self {
        let mut started = Self::launch(database);
        started.wait_until_ready();
        started
    }

    /// Starts a server without waiting.
    pub fn launch(database: &str) -> Self {
        Self::launch_with(&["--database-url", database, "--migrate"])
    }

    /// Starts a server with these arguments, without waiting.
    pub fn launch_with(arguments: &[&str]) -> Self {
        Self::launch_program(built_program(), arguments)
    }

    /// Starts a server that may open so many files, without waiting.
    pub fn launch_with_files(program: &Path, files: u32, arguments: &[&str]) -> Self {
        let script = format!("ulimit -n {files}; exec \"$@\"");
        let shell = Path::new("sh");
        let program = program.to_str().expect("a path of characters");
        let mut all = vec!["-c", &script, "sh", program, "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let arguments: Vec<_> = all.iter().map(|&argument| argument.to_owned()).collect();
        let log = NamedTempFile::new().expect("a log file");
        let output = fs::File::options().append(true).open(log.path()).expect("a log file");
        let mut command = without_settings(shell);
        command.args(&arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(output);
        let child = command.spawn().expect("the program");
        Self { program: shell.to_owned(), arguments, address: None, child, log }
    }

    /// Permits the server no file more than it has open.
    pub fn permit_no_more_files(&self) {
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("a process");
        let open = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok());
        // The limit is of the number of the next one.
        self.permit_files(open.max().unwrap_or(0) + 1);
    }

    /// Permits the server so many files.
    pub fn permit_files(&self, files: u64) {
        let process = Some(Pid::from_child(&self.child));
        let limit = rustix::process::prlimit(
            process,
            Resource::Nofile,
            Rlimit {
                current: Some(files),
                maximum: rustix::process::getrlimit(Resource::Nofile).maximum,
            },
        );
        limit.expect("a limit");
    }

    /// Sends SIGTERM, without waiting.
    pub fn terminate(&self) {
        send(Pid::from_child(&self.child), Signal::TERM);
    }

    /// Starts another version of the program.
    pub fn start_release(program: &Path, database: &str) -> Self {
        let arguments = ["--database-url", database, "--migrate"];
        let mut started = Self::launch_program(program.to_owned(), &arguments);
        started.wait_until_ready();
        started
    }

    fn launch_program(program: PathBuf, arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let log = NamedTempFile::new().expect("a log file");
        let child = spawn(&program, &arguments, "127.0.0.1:0", &log);
        Self { program, arguments, address: None, child, log }
    }

    /// Waits until the server listens. Panics if it exits.
    pub fn wait_until_ready(&mut self) {
        if let Err(status) = self.try_until_ready() {
            panic!("the server ended with {status}: {}", self.log());
        }
    }

    /// Waits until the server listens or exits.
    pub fn try_until_ready(&mut self) -> Result<(), ExitStatus> {
        let stdout = self.child.stdout.take().expect("read once");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("its first line");
        match line.trim().strip_prefix("listening on ") {
            Some(address) => {
                self.address = Some(address.parse().expect("an address"));
                Ok(())
            }
            None => Err(self.child.wait().expect("its end")),
        }
    }

    /// The address the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("it is ready")
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// A client with long deadlines, see [`builder_with_long_deadlines`].
    pub fn client(&self) -> ContactsClient {
        builder_with_long_deadlines(&self.url()).connect_lazy().expect("a client")
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in MiB: current and peak.
    pub fn memory(&self) -> (u64, u64) {
        resident_memory(self.pid())
    }

    /// Forgets the peak of the resident memory so far.
    pub fn reset_peak_memory(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").expect("a process of this user");
    }

    /// Kills the process with SIGKILL.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Stops the server gracefully with SIGTERM and waits until it has exited.
    pub fn stop(&mut self) {
        send(Pid::from_child(&self.child), Signal::TERM);
        let status = self.child.wait().expect("its end");
        assert!(status.success(), "the server ended with {status}: {}", self.log());
    }

    /// Kills the server and starts it again on the same address.
    pub fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.program, &self.arguments, &self.address().to_string(), &self.log);
        self.wait_until_ready();
    }

    /// Freezes the process with SIGSTOP, or continues it.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        send(Pid::from_child(&self.child), signal);
    }

    /// Everything the process logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap_or_default()
    }
}

impl Drop for ServiceProcess {
    #[expect(clippy::print_stderr, reason = "shown with a test that fails")]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}", self.log());
        }
    }
}

/// Resident memory of a process in MiB: current and peak.
pub fn resident_memory(pid: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.expect("its memory") / 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// Sends a signal to a process, unless it has already exited.
pub(crate) fn send(process: Pid, signal: Signal) {
    let _ = kill_process(process, signal);
}

/// Sends SIGTERM to a process.
pub fn terminate(process: &Child) {
    send(Pid::from_child(process), Signal::TERM);
}

/// Builds a client with deadlines that are long enough for a slow machine.
pub fn builder_with_long_deadlines(url: &str) -> ClientBuilder {
    let deadline = Duration::from_secs(30);
    ContactsClient::builder(url).deadline(deadline).check_deadline(deadline)
}

fn spawn(program: &Path, arguments: &[String], listen: &str, log: &NamedTempFile) -> Child {
    let log = fs::File::options().append(true).open(log.path()).expect("a log file");
    let mut command = without_settings(program);
    command.args(["--listen", listen]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    command.spawn().expect("the program")
}

/// A command that runs the program with the key file of all tests and without the settings of this
/// shell.
pub fn service() -> Command {
    without_settings(&built_program())
}

fn without_settings(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("CONTACTS_KEY_FILE", key_file());
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CONTACTS_") && name != "CONTACTS_KEY_FILE")
        {
            command.env_remove(name);
        }
    }
    command
}

/// Path of the built program. Cargo does not build the binaries of other packages with a test or
/// program of this one, so this panics if it is missing or older than its sources.
pub fn built_program() -> PathBuf {
    const BUILD: &str = "build it first: cargo build --workspace --bins, with the same profile";
    let folder = target_folder();
    let program = folder.join("contacts-service");
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let Some(built) = changed(&program) else {
        panic!("{} is missing; {BUILD}", program.display())
    };
    let sources = fs::read_to_string(folder.join("contacts-service.d")).unwrap_or_default();
    for source in sources.split_whitespace().skip(1) {
        let newer = changed(Path::new(source)).is_some_and(|time| time > built);
        assert!(!newer, "the program is older than {source}; {BUILD}");
    }
    program
}
