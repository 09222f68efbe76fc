//! The file with the suppression keys (see [`Keyring`]). It is kept apart from the database, so that
//! a copy of the database alone identifies nobody.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};
use tempfile::NamedTempFile;

use crate::domain::keyring::{Keyring, KeyringError, Secret};

const HEADER: &str = "\
# Keys of a contacts service. It stores opt-outs and erasures of people without a contact under hashes
# with these keys, and signs decision receipts with keys derived from them. Keep this file secret, back
# it up apart from the database, and never remove a line.
";

/// Why a key file cannot be used. The messages show no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is no such file.
    #[error(
        "there is no key file {}: create one with `contacts-service key create --key-file {}`, or, \
         if the database is not new, restore the one it was used with",
        .0.display(), .0.display()
    )]
    Missing(PathBuf),
    /// Creating it would overwrite keys.
    #[error("{} exists; `contacts-service key rotate` adds a version to it", .0.display())]
    Exists(PathBuf),
    /// Other users could read or change it.
    #[error(
        "other users can read or change the key file {}: run chmod 600 on it (640 if root owns it)",
        .0.display()
    )]
    Exposed(PathBuf),
    /// It contains something else.
    #[error("{} is not a key file: {source}", path.display())]
    Malformed {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with its content.
        source: KeyringError,
    },
    /// It cannot be read or written.
    #[error("cannot use the key file {}: {source}", path.display())]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// Reason of the operating system.
        source: io::Error,
    },
}

/// Reads the keys.
///
/// # Errors
/// When there is no such file, it is malformed, or other users can read it.
pub fn read(path: &Path) -> Result<Keyring, KeyFileError> {
    let text = read_text(path)?;
    Keyring::parse(text.expose_secret())
        .map_err(|source| KeyFileError::Malformed { path: path.into(), source })
}

/// Creates a file with one key.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn create(path: &Path) -> Result<Keyring, KeyFileError> {
    let text = SecretString::from(format!("{HEADER}{}", line(1, path)?.expose_secret()));
    let written = write_beside(path, &text)?;
    match written.persist_noclobber(path) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(KeyFileError::Exists(path.into()))
        }
        created => created
            .map_err(|error| error.error)
            .and_then(|_| sync_folder(path))
            .map_err(failed(path))
            .and_then(|()| read(path)),
    }
}

/// Adds a version of the key, which servers that read the file write under from then on. The file
/// is replaced as a whole.
///
/// # Errors
/// When the file cannot be read or replaced.
pub fn rotate(path: &Path) -> Result<Keyring, KeyFileError> {
    let path = &fs::canonicalize(path).map_err(failed(path))?;
    let version = read(path)?.current().version + 1;
    let text = read_text(path)?;
    let line = line(version, path)?;
    let end = if text.expose_secret().ends_with('\n') { "" } else { "\n" };
    let text = format!("{}{end}{}", text.expose_secret(), line.expose_secret()).into();
    let written = write_beside(path, &text)?;
    let replaced = written.persist(path).map_err(|error| error.error);
    replaced.and_then(|_| sync_folder(path)).map_err(failed(path))?;
    read(path)
}

fn read_text(path: &Path) -> Result<SecretString, KeyFileError> {
    let metadata = fs::metadata(path).map_err(failed(path))?;
    if is_exposed(&metadata) {
        return Err(KeyFileError::Exposed(path.into()));
    }
    fs::read_to_string(path).map(Into::into).map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> KeyFileError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::NotFound => KeyFileError::Missing(path.clone()),
        _ => KeyFileError::Io { path: path.clone(), source },
    }
}

/// A line with a new key.
#[expect(clippy::disallowed_methods, reason = "the one place that makes secrets")]
fn line(version: u32, path: &Path) -> Result<SecretString, KeyFileError> {
    let mut secret = SecretBox::<Secret>::default();
    let filled = getrandom::fill(secret.expose_secret_mut());
    filled.map_err(|error| failed(path)(io::Error::other(error)))?;
    Ok(Keyring::line(version, secret.expose_secret()).into())
}

/// Writes a temporary file with mode 0600 in the directory of the key file.
fn write_beside(path: &Path, text: &SecretString) -> Result<NamedTempFile, KeyFileError> {
    let write = || {
        let mut file = NamedTempFile::new_in(folder(path))?;
        file.write_all(text.expose_secret().as_bytes())?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeyFileError::Io { path: path.to_owned(), source },
        _ => failed(path)(source),
    })
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A group may read what root owns: orchestrators mount secrets that way.
#[cfg(unix)]
pub(crate) fn is_exposed(file: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let forbidden = if file.uid() == 0 { 0o037 } else { 0o077 };
    file.mode() & forbidden != 0
}

#[cfg(not(unix))]
pub(crate) fn is_exposed(_: &fs::Metadata) -> bool {
    false
}

/// Makes a new name survive a power cut.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder(path))?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_created_read_and_rotated() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("contacts.key");
        assert!(matches!(read(&path), Err(KeyFileError::Missing(_))));
        assert!(matches!(rotate(&path), Err(KeyFileError::Missing(_))));
        let made = create(&path).expect("a key");
        assert_eq!(made.current(), read(&path).expect("the same").current());
        assert!(matches!(create(&path), Err(KeyFileError::Exists(_))));

        let rotated = rotate(&path).expect("a second key");
        assert_eq!(rotated.current().version, 2);
        assert_eq!(rotated.ids().next(), Some(made.current()), "the first is kept");
        let files = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(files, 1, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_may_read_a_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("contacts.key");
        create(&path).expect("a key");
        let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        rotate(&path).expect("a second key");
        assert_eq!(mode(&path), 0o600);
        for mode in [0o644, 0o604, 0o660, 0o606] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
            let refused = read(&path).expect_err("exposed");
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
    }

    #[test]
    fn an_error_shows_no_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("contacts.key");
        create(&path).expect("a key");
        let text = fs::read_to_string(&path).expect("a key");
        let secret = text.lines().last().expect("a key")[2..].to_owned();
        let text = format!("one {secret}\n");
        fs::write(&path, text).expect("written");
        let refused = read(&path).expect_err("malformed").to_string();
        assert!(refused.contains("line 1") && !refused.contains(&secret), "{refused}");
    }
}
