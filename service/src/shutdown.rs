//! How the program stops: the signals, the steps, and the end whatever happens.

use std::io;
#[cfg(unix)]
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The steps of a shutdown.
#[derive(Clone, Default)]
pub(crate) struct Shutdown {
    /// The server reports that it is not ready, and goes on serving.
    pub(crate) begun: CancellationToken,
    /// It takes no more connections, and ends streams.
    pub(crate) drain: CancellationToken,
}

/// Exits the process if it still runs this long after the first SIGINT or SIGTERM from
/// now on, even if the runtime is stuck.
///
/// # Errors
/// When the handlers or the thread cannot be made.
#[cfg(unix)]
pub fn exit_after_signal(limit: Duration) -> io::Result<()> {
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use signal_hook::consts::{SIGINT, SIGTERM};

    const POLL: Duration = Duration::from_millis(100);
    const STUCK: i32 = 70;

    let signalled = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&signalled))?;
    }
    thread::Builder::new().name("shutdown".to_owned()).spawn(move || {
        while !signalled.load(Ordering::Relaxed) {
            thread::sleep(POLL);
        }
        thread::sleep(limit);
        // Logging may be stuck too.
        drop(writeln!(io::stderr(), "contacts-service: did not stop in time, exiting"));
        std::process::exit(STUCK);
    })?;
    Ok(())
}

/// Makes the process survive SIGHUP, which tools that rotate logs send (the audit log notices by
/// itself that its file was renamed), and SIGXFSZ: a write past the limit of a file's size fails as
/// on a full disk.
///
/// # Errors
/// When a handler cannot be installed.
#[cfg(unix)]
pub fn ignore_signals() -> io::Result<()> {
    use std::sync::Arc;

    use signal_hook::consts::{SIGHUP, SIGXFSZ};

    for signal in [SIGHUP, SIGXFSZ] {
        signal_hook::flag::register(signal, Arc::default())?;
    }
    Ok(())
}

/// Returns a future that completes at the first SIGINT or SIGTERM from now on.
///
/// # Errors
/// When the handlers cannot be installed.
#[cfg(unix)]
pub fn signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Returns a future that completes at Ctrl-C, where there are no such signals.
///
/// # Errors
/// Never on this platform.
#[cfg(not(unix))]
pub fn signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        drop(tokio::signal::ctrl_c().await);
    })
}
