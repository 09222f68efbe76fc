//! Noticing that the database's file is no longer there. A server whose file was removed
//! or replaced goes on with the one it has open, and what it acknowledges is lost with it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::domain::error::{Error, Result};

/// The file at the database's path is not the one that is open.
#[derive(Debug, thiserror::Error)]
#[error("the database file was removed or replaced: put it back, or restart the server")]
struct Replaced;

/// The file that is open.
pub(super) struct FileWatch {
    path: PathBuf,
    file: Option<FileId>,
}

/// Device and inode, where there are such.
type FileId = (u64, u64);

impl FileWatch {
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), file: id(path) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails if the path leads to another file now, or to none.
    pub(super) fn check(&self) -> Result<()> {
        match self.file.is_none() || id(&self.path) == self.file {
            true => Ok(()),
            false => Err(Error::unavailable(Replaced)),
        }
    }
}

#[cfg(unix)]
fn id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn id(_: &Path) -> Option<FileId> {
    None
}
