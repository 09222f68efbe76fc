//! Faults that tests inject into the statements of a file. Only debug builds have them; a release
//! build compiles this module to nothing.

#[cfg(debug_assertions)]
pub use debug::{Fault, arm, disarm};

#[cfg(not(debug_assertions))]
use crate::domain::error::Result;

/// Where the session of a file asks whether its next statement is to fail.
#[derive(Debug, Default)]
pub(super) struct FailPoint {
    /// Whether the statement that runs is to seem to have failed.
    #[cfg(debug_assertions)]
    answer_is_lost: bool,
}

#[cfg(not(debug_assertions))]
impl FailPoint {
    pub(super) async fn before<C, F>(&mut self, _connection: C, _file: F) -> sqlx::Result<()> {
        Ok(())
    }

    pub(super) fn after<T>(&mut self, result: Result<T>) -> Result<T> {
        result
    }
}

#[cfg(debug_assertions)]
mod debug {
    use std::collections::BTreeMap;
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use sqlx::{Executor, SqliteConnection};

    use super::FailPoint;
    use crate::domain::error::Result;

    /// How a statement fails.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Fault {
        /// It does not run.
        NotRun,
        /// It does not run, and SQLite ends the transaction by itself, as on a full disk.
        TransactionEnded,
        /// It runs, and seems to have failed.
        AnswerLost,
        /// Neither it runs nor any that follows, `ROLLBACK` included.
        AllFromHere,
    }

    struct Armed {
        fault: Fault,
        /// Statements until the one that fails.
        left: u64,
    }

    /// By the path of the database, because tests of one process have a file each.
    static ARMED: Mutex<BTreeMap<PathBuf, Armed>> = Mutex::new(BTreeMap::new());

    fn armed() -> MutexGuard<'static, BTreeMap<PathBuf, Armed>> {
        ARMED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the `nth` statement from now on fail, of all connections to this file, counted from 1.
    pub fn arm(path: &Path, fault: Fault, nth: u64) {
        armed().insert(path.to_owned(), Armed { fault, left: nth });
    }

    /// Makes no statement fail any more. Returns whether one was reached that had to.
    pub fn disarm(path: &Path) -> bool {
        armed().remove(path).is_some_and(|armed| armed.left == 0)
    }

    fn next(path: &Path) -> Option<Fault> {
        let mut all = armed();
        let armed = all.get_mut(path)?;
        match armed.left {
            0 => (armed.fault == Fault::AllFromHere).then_some(armed.fault),
            left => {
                armed.left = left - 1;
                (left == 1).then_some(armed.fault)
            }
        }
    }

    fn fault() -> sqlx::Error {
        sqlx::Error::Io(io::Error::other("a test makes this statement fail"))
    }

    impl FailPoint {
        pub(in crate::store::sqlite) async fn before(
            &mut self,
            connection: &mut SqliteConnection,
            path: &Path,
        ) -> sqlx::Result<()> {
            self.answer_is_lost = false;
            match next(path) {
                None => Ok(()),
                Some(Fault::AnswerLost) => {
                    self.answer_is_lost = true;
                    Ok(())
                }
                Some(Fault::TransactionEnded) => {
                    // Fails where there is no transaction.
                    drop(connection.execute("ROLLBACK").await);
                    Err(fault())
                }
                Some(Fault::NotRun | Fault::AllFromHere) => Err(fault()),
            }
        }

        pub(in crate::store::sqlite) fn after<T>(&mut self, result: Result<T>) -> Result<T> {
            match self.answer_is_lost {
                true => result.and(Err(fault().into())),
                false => result,
            }
        }
    }
}
