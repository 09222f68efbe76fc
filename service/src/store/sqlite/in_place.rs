//! Statements for many rows, run in place: prepared once and run for each row, on the thread that
//! has the rows, instead of sent to the driver's thread with all values of hundreds of rows. A row
//! of an import costs half of that.

use std::ptr::NonNull;

use rusqlite::limits::Limit;
use rusqlite::{Connection, Statement, ToSql, ffi};
use sqlx::SqliteConnection;
use sqlx::sqlite::LockedSqliteHandle;

use super::session::SqliteSession;
use crate::domain::error::Result;
use crate::runtime;

/// From this number of rows on, the runtime's other tasks go on beside them on another thread.
const MANY: usize = 50;

impl SqliteSession {
    /// Runs statements of this transaction on the caller's thread.
    pub(super) async fn in_place<T>(
        &mut self,
        rows: usize,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.prepare().await?;
        let result = locked(self.connection(), rows, run).await;
        self.note(result)
    }

    /// Runs a statement for each of these rows, with the values that `bind` binds.
    pub(super) async fn for_each<T>(
        &mut self,
        sql: &str,
        rows: &[T],
        mut bind: impl FnMut(&mut Values<'_, '_>, &T) -> rusqlite::Result<()>,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.in_place(rows.len(), |db| {
            let mut statement = db.prepare(sql)?;
            rows.iter().try_for_each(|row| {
                Values::run(&mut statement, |values| bind(values, row)).map(drop)
            })
        })
        .await
    }
}

async fn locked<T>(
    connection: &mut SqliteConnection,
    rows: usize,
    run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T> {
    let mut handle = connection.lock_handle().await?;
    let connection = borrow(handle.as_raw_handle())?;
    let result = match rows < MANY {
        true => run(&connection),
        false => runtime::beside_others(|| run(&connection)),
    };
    Ok(result?)
}

/// Whether a connection has certainly no transaction.
pub(super) async fn has_no_transaction(connection: &mut SqliteConnection) -> bool {
    locked(connection, 0, |db| Ok(db.is_autocommit())).await.unwrap_or(false)
}

/// Limits the size of a value or row that a connection reads or makes, in bytes. A statement with a larger
/// one fails.
pub(super) fn limit_values(handle: &mut LockedSqliteHandle<'_>, bytes: i32) -> Result<()> {
    borrow(handle.as_raw_handle())?.set_limit(Limit::SQLITE_LIMIT_LENGTH, bytes)?;
    Ok(())
}

#[expect(unsafe_code, reason = "the only way to the handle of a connection of the driver")]
fn borrow(handle: NonNull<ffi::sqlite3>) -> rusqlite::Result<Connection> {
    // SAFETY: the caller holds the driver's lock of this handle until the connection is gone, so
    // that nobody else uses the handle, nor closes it. This connection does not close it either.
    unsafe { Connection::from_handle(handle.as_ptr()) }
}

/// The values of one run of a statement, bound one after the other.
pub(super) struct Values<'s, 'c> {
    statement: &'s mut Statement<'c>,
    bound: usize,
}

impl Values<'_, '_> {
    /// Runs a statement with the values that `bind` binds. Returns how many rows it changed.
    pub(super) fn run(
        statement: &mut Statement<'_>,
        bind: impl FnOnce(&mut Values<'_, '_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<usize> {
        let mut values = Values { statement, bound: 0 };
        bind(&mut values)?;
        let Values { statement, bound } = values;
        // A value that is not bound would be that of the row before.
        assert_eq!(bound, statement.parameter_count(), "every value is bound");
        statement.raw_execute()
    }

    /// Binds the next value.
    pub(super) fn bind(&mut self, value: impl ToSql) -> rusqlite::Result<&mut Self> {
        self.bound += 1;
        self.statement.raw_bind_parameter(self.bound, value)?;
        Ok(self)
    }
}
