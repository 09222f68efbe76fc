//! How many connections of clients the server takes.

/// Files kept for the database, logs and the files of the settings.
const RESERVED: u64 = 100;
/// The limit to set where the system permits any.
const MANY: u64 = 1 << 20;

/// The number of connections, below the limit of open files, which is raised as far
/// as the operating system permits.
pub(super) fn max(wanted: usize) -> usize {
    let Some(files) = open_files() else { return wanted };
    let max = connections(wanted, files);
    if max < wanted {
        tracing::warn!(
            limits.max_connections = max,
            limits.open_files = files,
            "fewer connections than the settings say: raise the limit of open files (ulimit -n)"
        );
    }
    max
}

/// A process with few files keeps half of them.
fn connections(wanted: usize, files: u64) -> usize {
    let left = files - RESERVED.min(files / 2);
    wanted.min(usize::try_from(left).unwrap_or(usize::MAX)).max(1)
}

/// The limit of open files. None if there is none.
#[cfg(unix)]
fn open_files() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let raised = limit.maximum.unwrap_or(MANY);
    if limit.current.is_some_and(|current| current < raised) {
        // If the system refuses, the old limit stands.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit });
    }
    getrlimit(Resource::Nofile).current
}

#[cfg(not(unix))]
fn open_files() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_files_are_kept_for_the_database() {
        for (wanted, files, expected) in [
            (10_000, 1 << 20, 10_000),
            (10_000, 1024, 924),
            (10_000, 64, 32),
            (5, 64, 5),
            (5, 0, 1),
        ] {
            assert_eq!(connections(wanted, files), expected, "{wanted} of {files}");
        }
    }
}
