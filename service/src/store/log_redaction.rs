//! Keeping stored data out of the log.

use std::error::Error as StdError;

/// Describes an error for the log by its kind and code. The message of a driver or a
/// panic is left out, because it may contain values of a row.
pub(crate) fn loggable(cause: &(dyn StdError + 'static)) -> String {
    if let Some(error) = cause.downcast_ref::<sqlx::Error>() {
        return sqlx_error(error);
    }
    if let Some(error) = cause.downcast_ref::<tokio::task::JoinError>() {
        let what = if error.is_panic() { "panicked" } else { "was cancelled" };
        return format!("a task {what}");
    }
    match cause.downcast_ref::<sqlx::migrate::MigrateError>() {
        Some(sqlx::migrate::MigrateError::Execute(error)) => sqlx_error(error),
        // Other messages come from this crate, or from decoders, which name the field and
        // not its value.
        _ => cause.to_string(),
    }
}

fn sqlx_error(error: &sqlx::Error) -> String {
    if let Some(database) = error.as_database_error() {
        let code = database.code().unwrap_or_default();
        return format!("database error {code} ({:?})", database.kind());
    }
    match error {
        sqlx::Error::Io(error) => format!("I/O error ({:?})", error.kind()),
        sqlx::Error::PoolTimedOut => "no connection came free in time".to_owned(),
        sqlx::Error::PoolClosed => "the connection pool is closed".to_owned(),
        sqlx::Error::WorkerCrashed => "the database worker stopped".to_owned(),
        sqlx::Error::RowNotFound => "a row is missing".to_owned(),
        sqlx::Error::ColumnDecode { index, .. } => format!("column {index} does not decode"),
        sqlx::Error::ColumnNotFound(column) => format!("no column {column}"),
        sqlx::Error::Protocol(_) => "protocol error".to_owned(),
        _ => "database driver error".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drivers_message_stays_out_of_the_log() {
        let secret = "15551234567";
        for error in [
            sqlx::Error::Protocol(secret.to_owned()),
            sqlx::Error::Decode(secret.into()),
            sqlx::Error::Encode(secret.into()),
            sqlx::Error::Io(std::io::Error::other(secret)),
        ] {
            assert!(!loggable(&error).contains(secret), "{error:?}");
        }
    }
}
