//! What the servers of this process log: shown with a test that fails, and kept.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::TestWriter;

/// All of the server's own lines; of libraries what `contacts-service` logs of them, too.
const FILTER: &str = "warn,contacts_service=trace";

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Begins to keep what is logged.
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

/// What was logged so far, by all tests of this process.
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
