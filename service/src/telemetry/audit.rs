//! The audit log: who read, exported, erased and changed what, as lines of JSON. It names people
//! only by the ids of their contacts.
//!
//! A thread of its own writes, so that a slow disk holds up no call. Lines that it cannot write are
//! counted and lost: an opt-out has to be recorded whatever becomes of the log.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use chrono::SecondsFormat;
use metrics::Counter;
use serde::Serialize;
use uuid::Uuid;

use super::call::Call;
use super::metrics::{AUDIT_LINES, AUDIT_LINES_LOST, Metrics};
use crate::config::AuditTarget;
use crate::domain::Time;

/// Lines that wait to be written.
const WAITING: usize = 8192;
/// Time that lines have to be written in when the server stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// What a call does, as far as the audit log is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// Reads contacts or their history.
    Read,
    /// Reads everything stored about one person.
    Export,
    /// Erases people.
    Erase,
    /// Changes what somebody consented to, or could.
    Consent,
    /// Changes anything else.
    Change,
}

/// Writes the audit log.
pub(crate) struct AuditLog {
    writer: Option<SyncSender<Message>>,
    lines: Counter,
    lost: Counter,
}

enum Message {
    Line(Vec<u8>),
    /// Asks for a reply when all lines before it are written.
    Flush(SyncSender<()>),
}

/// A line.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    request_id: &'a str,
    actor: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<std::net::SocketAddr>,
    action: Action,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_id: Option<Uuid>,
    outcome: &'a str,
}

impl AuditLog {
    /// Opens the log, and starts the thread that writes it.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn open(target: &AuditTarget, metrics: &Metrics) -> io::Result<Self> {
        let writer: Box<dyn Writer> = match target {
            AuditTarget::Off => {
                let (lines, lost) = (Counter::noop(), Counter::noop());
                return Ok(Self { writer: None, lines, lost });
            }
            AuditTarget::Stderr => Box::new(Stderr),
            AuditTarget::File(path) => Box::new(Rotated::open(path)?),
        };
        let lines = metrics.counter(&AUDIT_LINES, &[]);
        let lost = metrics.counter(&AUDIT_LINES_LOST, &[]);
        let (sender, messages) = mpsc::sync_channel(WAITING);
        let failed = lost.clone();
        let thread = thread::Builder::new().name("audit".to_owned());
        thread.spawn(move || write(writer, &messages, &failed))?;
        Ok(Self { writer: Some(sender), lines, lost })
    }

    /// Whether lines are written anywhere.
    pub(crate) fn is_on(&self) -> bool {
        self.writer.is_some()
    }

    /// Adds a line about a call.
    pub(crate) fn record(&self, time: Time, action: Action, call: &Call, outcome: &str) {
        let Some(writer) = &self.writer else { return };
        let line = Line {
            time: time.to_rfc3339_opts(SecondsFormat::Micros, true),
            request_id: call.request_id(),
            actor: call.actor(),
            peer: call.peer(),
            action,
            method: call.method.trim_start_matches('/'),
            workspace_id: call.workspace_id(),
            contact_id: call.contact_id(),
            outcome,
        };
        let Ok(mut line) = serde_json::to_vec(&line) else { return self.lost.increment(1) };
        line.push(b'\n');
        self.lines.increment(1);
        match writer.try_send(Message::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.lost.increment(1),
        }
    }

    /// Waits until what was recorded is written, but not for long.
    pub(crate) async fn flush(&self) {
        let Some(writer) = self.writer.clone() else { return };
        let flushed = tokio::task::spawn_blocking(move || {
            let (done, flushed) = mpsc::sync_channel(1);
            writer.try_send(Message::Flush(done)).is_ok()
                && flushed.recv_timeout(FLUSH_TIMEOUT).is_ok()
        });
        if !flushed.await.unwrap_or(false) {
            tracing::warn!("the audit log was not written in time");
        }
    }
}

/// Where lines go.
trait Writer: Send {
    fn write(&mut self, line: &[u8]) -> io::Result<()>;
}

fn write(mut writer: Box<dyn Writer>, messages: &Receiver<Message>, lost: &Counter) {
    let mut fails = false;
    for message in messages {
        match message {
            Message::Line(line) => {
                let result = writer.write(&line);
                if result.is_err() {
                    lost.increment(1);
                }
                let failed_before = std::mem::replace(&mut fails, result.is_err());
                match result {
                    Err(error) if !failed_before => {
                        tracing::error!(error.kind = ?error.kind(), "the audit log cannot be written");
                    }
                    Ok(()) if failed_before => tracing::warn!("the audit log is written again"),
                    _ => {}
                }
            }
            // Fails if nobody waits any more.
            Message::Flush(done) => drop(done.try_send(())),
        }
    }
}

struct Stderr;

impl Writer for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        io::stderr().lock().write_all(line)
    }
}

/// A file that others may rename or remove: the next line goes to a new one.
struct Rotated {
    path: PathBuf,
    file: File,
}

impl Rotated {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: open(path)? })
    }
}

impl Writer for Rotated {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if !is_at(&self.file, &self.path) {
            self.file = open(&self.path)?;
        }
        self.file.write_all(line)
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whether this is the file at the path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let id = |data: std::fs::Metadata| (data.dev(), data.ino());
    let there = std::fs::metadata(path).map(id).ok();
    there.is_some() && there == file.metadata().map(id).ok()
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::Value;

    use super::*;
    use crate::telemetry::call::Actor;

    fn call(request_id: &'static str) -> Call {
        let id = HeaderValue::from_static(request_id);
        Call::new("/whatatalk.contacts.v1.ContactService/GetContact".into(), id, None)
    }

    async fn read(log: &AuditLog, path: &Path) -> Vec<Value> {
        log.flush().await;
        let text = std::fs::read_to_string(path).expect("a file");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    #[tokio::test]
    async fn a_line_says_who_did_what_and_when() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.jsonl");
        let open = || AuditLog::open(&AuditTarget::File(path.clone()), &Metrics::default());
        let log = open().expect("a log");
        let time = Time::from_timestamp(1_767_225_600, 5000).expect("a time");
        let full = call("7\"");
        full.set_actor(Actor("token-7".into()));
        full.set_workspace("acme");
        full.set_contact(Uuid::from_u128(7));
        log.record(time, Action::Export, &full, "OK");
        log.record(time, Action::Read, &call("8"), "NOT_FOUND");
        let lines = read(&log, &path).await;
        assert_eq!(
            lines[0],
            serde_json::json!({
                "time": "2026-01-01T00:00:00.000005Z", "request_id": "7\"", "actor": "token-7",
                "action": "export", "method": "whatatalk.contacts.v1.ContactService/GetContact",
                "workspace_id": "acme", "contact_id": "00000000-0000-0000-0000-000000000007",
                "outcome": "OK",
            })
        );
        assert_eq!(
            (&lines[1]["actor"], &lines[1]["outcome"]),
            (&"anonymous".into(), &"NOT_FOUND".into())
        );
        assert!(lines[1].get("contact_id").is_none() && lines.len() == 2);

        // A server that starts again appends.
        let again = open().expect("a log");
        again.record(time, Action::Erase, &call("9"), "OK");
        assert_eq!(read(&again, &path).await.len(), 3);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_that_was_rotated_is_opened_again() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a folder");
        let (path, old) = (folder.path().join("audit.jsonl"), folder.path().join("audit.1"));
        let target = AuditTarget::File(path.clone());
        let log = AuditLog::open(&target, &Metrics::default()).expect("a log");
        let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        log.record(Time::default(), Action::Read, &call("1"), "OK");
        assert_eq!(read(&log, &path).await.len(), 1);
        std::fs::rename(&path, &old).expect("renamed");
        log.record(Time::default(), Action::Read, &call("2"), "OK");
        assert_eq!(read(&log, &path).await[0]["request_id"], "2");
        std::fs::remove_file(&path).expect("removed");
        log.record(Time::default(), Action::Read, &call("3"), "OK");
        assert_eq!(read(&log, &path).await[0]["request_id"], "3");
        assert_eq!(read(&log, &old).await.len(), 1);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn lines_that_cannot_be_written_are_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("logs").join("audit.jsonl");
        std::fs::create_dir(path.parent().expect("a folder")).expect("a folder");
        let metrics = Metrics::recorded();
        let log = AuditLog::open(&AuditTarget::File(path.clone()), &metrics).expect("a log");
        std::fs::remove_dir_all(path.parent().expect("a folder")).expect("removed");
        log.record(Time::default(), Action::Read, &call("1"), "OK");
        log.flush().await;
        let text = metrics.render();
        assert!(text.contains("\ncontacts_audit_lines_lost_total 1\n"), "{text}");
        std::fs::create_dir(path.parent().expect("a folder")).expect("a folder");
        log.record(Time::default(), Action::Read, &call("2"), "OK");
        assert_eq!(read(&log, &path).await[0]["request_id"], "2");
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_an_error() {
        let target = AuditTarget::File("no-such-folder/audit.jsonl".into());
        assert!(AuditLog::open(&target, &Metrics::default()).is_err());
    }
}
