//! Reading the validity of kept consent on the caller's own thread: it takes some microseconds,
//! a fifth of what the way to the driver's thread and back takes.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::domain::error::{Error, Result};
use crate::store::Validity;
use crate::store::policy::decode_policy;

/// Connections, so that threads need not wait for each other.
const CONNECTIONS: usize = 4;

pub(super) struct ValidityReader {
    path: PathBuf,
    connections: [Mutex<Option<Connection>>; CONNECTIONS],
}

impl ValidityReader {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, connections: Default::default() }
    }

    /// What is committed now. None if the workspace does not exist.
    pub(super) fn read(&self, workspace_id: &str) -> Result<Option<Validity>> {
        let mut slot = self.free();
        let connection = match slot.take() {
            Some(connection) => connection,
            None => self.open().map_err(Error::unavailable)?,
        };
        let found = read(&connection, workspace_id).map_err(Error::unavailable)?;
        // Only one that works is kept.
        *slot = Some(connection);
        drop(slot);
        let Some((policy, incarnation, revision, stamp)) = found else { return Ok(None) };
        let max_ages = decode_policy(&policy)?.max_ages();
        Ok(Some(Validity { incarnation, revision, stamp, max_ages }))
    }

    /// Opens all connections, which then need no more files.
    pub(super) fn connect(&self) -> Result<()> {
        for slot in &self.connections {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.is_none() {
                *slot = Some(self.open().map_err(Error::unavailable)?);
            }
        }
        Ok(())
    }

    fn free(&self) -> MutexGuard<'_, Option<Connection>> {
        let free = self.connections.iter().find_map(|slot| slot.try_lock().ok());
        free.unwrap_or_else(|| self.connections[0].lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        // Readers never wait for the writer in WAL mode; when they would, the caller may ask again.
        connection.busy_timeout(std::time::Duration::ZERO)?;
        Ok(connection)
    }

    pub(super) fn close(&self) {
        for slot in &self.connections {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

type Found = (Vec<u8>, [u8; 32], i64, i64);

fn read(connection: &Connection, workspace_id: &str) -> rusqlite::Result<Option<Found>> {
    let mut statement = connection.prepare_cached(
        "SELECT opt_in_policy, token_key, consent_revision, consent_stamp FROM workspace
         WHERE workspace_id = ?",
    )?;
    statement
        .query_row([workspace_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()
}
