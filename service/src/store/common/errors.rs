//! What a database error means for the caller.

use sqlx::error::ErrorKind;
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use sqlx::sqlite::SqliteError;

use crate::domain::error::Error;

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Another transaction interfered: run the transaction again.
    Conflict,
    /// The database cannot be used now: try later.
    Unavailable,
    /// A defect of the service or of the stored data.
    Internal,
}

/// The message never contains data of the statement that failed.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match meaning(&error) {
            Meaning::Conflict => Self::write_conflict().caused_by(error),
            Meaning::Unavailable => Self::unavailable(error),
            Meaning::Internal => Self::internal(error),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let code = match &error {
            rusqlite::Error::SqliteFailure(failure, _) => failure.extended_code,
            _ => 0,
        };
        match is_unique_violation(code) {
            true => Self::write_conflict().caused_by(error),
            false => match sqlite_meaning(&code.to_string()) {
                Meaning::Conflict => Self::write_conflict().caused_by(error),
                Meaning::Unavailable => Self::unavailable(error),
                Meaning::Internal => Self::internal(error),
            },
        }
    }
}

/// By SQLite's extended result code, as the driver does.
fn is_unique_violation(code: i32) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    [SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE].contains(&code)
}

fn meaning(error: &sqlx::Error) -> Meaning {
    match error {
        sqlx::Error::Database(error) if error.kind() == ErrorKind::UniqueViolation => {
            Meaning::Conflict
        }
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            match error.try_downcast_ref::<SqliteError>() {
                Some(_) => sqlite_meaning(&code),
                None => postgres_meaning(&code),
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Meaning::Unavailable,
        _ => Meaning::Internal,
    }
}

/// By SQLite's extended result code.
fn sqlite_meaning(code: &str) -> Meaning {
    /// Primary codes: busy, locked, read-only, I/O error, corrupt, full, cannot
    /// open, not a database.
    const UNUSABLE: [u32; 8] = [5, 6, 8, 10, 11, 13, 14, 26];
    match code.parse::<u32>() {
        Ok(code) if UNUSABLE.contains(&(code & 0xff)) => Meaning::Unavailable,
        _ => Meaning::Internal,
    }
}

/// By SQLSTATE alone: Citus does not pass on the names of tables and
/// constraints.
fn postgres_meaning(sqlstate: &str) -> Meaning {
    match sqlstate {
        // Unique violation, serialization failure, deadlock.
        "23505" | "40001" | "40P01" => Meaning::Conflict,
        // Read-only transaction, idle transaction ended, lock not available.
        "25006" | "25P03" | "55P03" => Meaning::Unavailable,
        _ => match sqlstate.get(..2) {
            // Connection failure, out of resources, operator intervention, system
            // error.
            Some("08" | "53" | "57" | "58") => Meaning::Unavailable,
            _ => Meaning::Internal,
        },
    }
}

/// Whether an error of Postgres means that its connection, and most likely every
/// other one, is broken or leads to a server that takes no more changes.
///
/// The coordinator of a Citus cluster (`relays`) also passes on what its workers say, and waits for
/// them. Only what ends the session is then about the coordinator.
pub(in crate::store) fn is_disconnected(error: &Error, relays: bool) -> bool {
    let Some(cause) = std::error::Error::source(error) else { return false };
    if cause.is::<tokio::time::error::Elapsed>() {
        return !relays;
    }
    match cause.downcast_ref() {
        Some(sqlx::Error::Io(_)) => true,
        Some(sqlx::Error::Database(error)) => {
            let ends_session = || {
                error
                    .try_downcast_ref::<PgDatabaseError>()
                    .is_some_and(|error| ends_session(error.severity()))
            };
            let of_connection = |code: std::borrow::Cow<'_, str>| {
                code.starts_with("08") || code.starts_with("57P") || code == "25006"
            };
            error.code().is_some_and(of_connection) && (!relays || ends_session())
        }
        _ => false,
    }
}

fn ends_session(severity: PgSeverity) -> bool {
    matches!(severity, PgSeverity::Fatal | PgSeverity::Panic)
}

#[cfg(test)]
mod tests {
    use super::Meaning::{Conflict, Internal, Unavailable};
    use super::*;

    #[test]
    fn postgres_errors_are_mapped_by_sqlstate() {
        for (sqlstate, meaning) in [
            ("40001", Conflict),
            ("40P01", Conflict),
            ("55P03", Unavailable),
            ("57P01", Unavailable),
            ("08006", Unavailable),
            ("53300", Unavailable),
            ("42P01", Internal),
            ("23502", Internal),
            ("", Internal),
        ] {
            assert_eq!(postgres_meaning(sqlstate), meaning, "{sqlstate}");
        }
    }

    #[test]
    fn a_worker_that_does_not_answer_says_nothing_about_its_coordinator() {
        let waited = || {
            let now = std::time::Instant::now().into();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let never = async {
                tokio::time::timeout_at(now, std::future::pending::<()>()).await.expect_err("late")
            };
            Error::unavailable(runtime.expect("a runtime").block_on(never))
        };
        assert!(is_disconnected(&waited(), false) && !is_disconnected(&waited(), true));
        let lost = || Error::unavailable(sqlx::Error::Io(std::io::ErrorKind::BrokenPipe.into()));
        assert!(is_disconnected(&lost(), false) && is_disconnected(&lost(), true));
        assert!(ends_session(PgSeverity::Fatal) && !ends_session(PgSeverity::Error));
    }

    #[test]
    fn sqlite_errors_are_mapped_by_primary_code() {
        // SQLITE_BUSY_SNAPSHOT, SQLITE_READONLY, SQLITE_ERROR.
        for (code, meaning) in [("517", Unavailable), ("8", Unavailable), ("1", Internal)] {
            assert_eq!(sqlite_meaning(code), meaning, "{code}");
        }
    }
}
