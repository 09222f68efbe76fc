//! When the program is asked to stop.

use std::io;

/// Listens from now on for SIGINT and SIGTERM; what is returned ends at the
/// first of them.
///
/// # Errors
/// When the system does not let signals be listened for.
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

/// The same where there is only Ctrl-C.
///
/// # Errors
/// Never here.
#[cfg(not(unix))]
pub fn signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        drop(tokio::signal::ctrl_c().await);
    })
}
