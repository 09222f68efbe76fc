//! Captures the logs of the servers in this process, and shows them with a failed test.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::TestWriter;

/// All lines of the server; warnings of libraries, as in production.
const FILTER: &str = "warn,contacts_service=trace";

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Starts capturing, once per process.
pub(crate) fn begin() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(FILTER))
            .with_ansi(false)
            .with_writer(|| Kept(TestWriter::new()))
            .init();
    });
}

/// Everything logged so far by all tests of this process.
pub fn logged() -> String {
    String::from_utf8_lossy(&lines()).into_owned()
}

fn lines() -> MutexGuard<'static, Vec<u8>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Kept(TestWriter);

impl Write for Kept {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        lines().extend_from_slice(line);
        self.0.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
