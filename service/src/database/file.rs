//! The SQLite file, before SQLite opens it: is it there, is it a database, does another process use
//! it, and who may read it.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The first bytes of every SQLite database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Why a SQLite file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseFileError {
    /// There is no such file.
    #[error(
        "there is no database {}: check the path; a server creates a new database, and so does \
         `contacts-service migrate`",
        .0.display()
    )]
    Missing(PathBuf),
    /// The file cannot be created where there is no directory.
    #[error("cannot create {}: there is no directory {}", path.display(), directory.display())]
    NoDirectory {
        /// Path of the database.
        path: PathBuf,
        /// The directory it would be in.
        directory: PathBuf,
    },
    /// The path leads to a directory.
    #[error("{path} is a directory: give the path of a file, such as {path}/contacts.db", path = .0.display())]
    IsDirectory(PathBuf),
    /// The file holds something else.
    #[error("{} is not a SQLite database", .0.display())]
    NotADatabase(PathBuf),
    /// Another process has locked the file.
    #[error(
        "{} is in use by {}: a SQLite file takes one server at a time, and this command none; stop \
         that process first",
        path.display(), holder(*pid)
    )]
    InUse {
        /// Path of the database.
        path: PathBuf,
        /// Process that holds the lock, if it told.
        pid: Option<u32>,
    },
    /// The file cannot be opened, created or locked.
    #[error("cannot open {}: {source}", path.display())]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// Reason of the operating system.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// The path with this at the end of its file name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(OsStr::new(suffix));
    path.into()
}

/// The real path of an existing file.
pub(super) fn find(path: &Path) -> Result<PathBuf, DatabaseFileError> {
    let found = fs::canonicalize(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => DatabaseFileError::Missing(path.to_owned()),
        _ => failed(path)(source),
    })?;
    if found.is_dir() {
        return Err(DatabaseFileError::IsDirectory(path.to_owned()));
    }
    Ok(found)
}

/// Refuses a file that is no database. An empty one is a database without tables.
///
/// Nobody in this process may have it open: closing any handle of a file releases SQLite's locks.
pub(super) fn check(path: &Path) -> Result<(), DatabaseFileError> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(failed(path))?;
    file.take(MAGIC.len() as u64).read_to_end(&mut start).map_err(failed(path))?;
    match start.is_empty() || start == MAGIC {
        true => Ok(()),
        false => Err(DatabaseFileError::NotADatabase(path.to_owned())),
    }
}

/// Creates the file unless it exists, and locks it. Returns its real path.
pub(super) fn create_and_lock(path: &Path) -> Result<(PathBuf, DatabaseLock), DatabaseFileError> {
    // SQLite gives the files beside it, -wal and -shm, the mode of the file itself.
    match private().write(true).create_new(true).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = path.parent().unwrap_or(path).to_owned();
            return Err(DatabaseFileError::NoDirectory { path: path.to_owned(), directory });
        }
        Err(error) => return Err(failed(path)(error)),
    }
    let path = find(path)?;
    let lock = DatabaseLock::acquire(&path)?;
    check(&path)?;
    Ok((path, lock))
}

/// Keeps other servers from a SQLite file until it is dropped.
///
/// A lock of the operating system on a file beside the database, which ends with the process,
/// however that ends. Not on the database itself, whose locks are SQLite's.
#[derive(Debug)]
pub struct DatabaseLock {
    _file: File,
}

impl DatabaseLock {
    /// Locks the database at this real path.
    ///
    /// # Errors
    /// When another process has locked it.
    pub(super) fn acquire(path: &Path) -> Result<Self, DatabaseFileError> {
        let lock_path = with_suffix(path, ".lock");
        let options =
            private().read(true).write(true).create(true).truncate(false).open(&lock_path);
        let mut file = options.map_err(failed(&lock_path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Just started, it may not have written its id yet.
                let pid =
                    file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(DatabaseFileError::InUse { path: path.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(failed(&lock_path)(error)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(failed(&lock_path))?;
        Ok(Self { _file: file })
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> DatabaseFileError {
    let path = path.to_owned();
    move |source| DatabaseFileError::Io { path: path.clone(), source }
}

/// New files are for their owner only.
#[cfg(unix)]
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(not(unix))]
fn private() -> OpenOptions {
    OpenOptions::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_file_names_its_holder() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("contacts.db");
        let (found, lock) = create_and_lock(&path).expect("a new file");
        let error = create_and_lock(&path).expect_err("locked").to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(lock);
        drop(DatabaseLock::acquire(&found).expect("released"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_leads_to_the_same_lock() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("contacts.db");
        let link = directory.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        let error = create_and_lock(&link).expect_err("it leads nowhere");
        assert!(matches!(error, DatabaseFileError::Missing(_)), "{error}");
        let (_, _lock) = create_and_lock(&path).expect("a new file");
        let error = create_and_lock(&link).expect_err("locked");
        assert!(matches!(error, DatabaseFileError::InUse { .. }), "{error}");
    }

    #[test]
    fn other_files_are_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let text = directory.path().join("text");
        fs::write(&text, "hello").expect("written");
        let refused = |path: &Path| create_and_lock(path).expect_err("refused");
        assert!(matches!(refused(&text), DatabaseFileError::NotADatabase(_)));
        assert!(matches!(refused(directory.path()), DatabaseFileError::IsDirectory(_)));
        let lost = directory.path().join("no/such/contacts.db");
        assert!(matches!(refused(&lost), DatabaseFileError::NoDirectory { .. }));
        let missing = directory.path().join("missing.db");
        assert!(matches!(find(&missing), Err(DatabaseFileError::Missing(_))));
        assert!(!missing.exists());
    }
}
