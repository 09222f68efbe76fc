//! The file with the keys under which erased people and non_contacts are
//! remembered (see [`Keyring`]). It is kept apart from the database, so that a
//! copy of the database alone names nobody.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::domain::keyring::{Keyring, KeyringError, Secret};

const HEADER: &str = "\
# Keys of a contacts service. Under them it remembers who objected or was erased. Keep this file
# secret, keep a copy of it apart from the database's, and take no line out of it.
";

/// Why there are no keys, in one sentence that shows none.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is no such file.
    #[error(
        "there is no key file {}: make one with `contacts-service key create --key-file {}`, or, \
         if the database is not new, bring back the one it was used with",
        .0.display(), .0.display()
    )]
    Missing(PathBuf),
    /// Somebody might lose their keys.
    #[error("{} exists; `contacts-service key rotate` adds a version to it", .0.display())]
    Exists(PathBuf),
    /// Anybody could read it.
    #[error(
        "others than its owner can read or change the key file {}: run chmod 600 on it (640 if it \
         is root's)",
        .0.display()
    )]
    Exposed(PathBuf),
    /// It holds something else.
    #[error("{} is no key file: {source}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why.
        source: KeyringError,
    },
    /// It cannot be read or written.
    #[error("cannot use the key file {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Reads the keys.
///
/// # Errors
/// When there are none, or others can read them.
pub fn read(path: &Path) -> Result<Keyring, KeyFileError> {
    let text = read_text(path)?;
    Keyring::parse(&text).map_err(|source| KeyFileError::Malformed { path: path.into(), source })
}

/// Makes a file with one key.
///
/// # Errors
/// When there is such a file.
pub fn create(path: &Path) -> Result<Keyring, KeyFileError> {
    let text = format!("{HEADER}{}", Keyring::line(1, &secret(path)?));
    let written = write_beside(path, &text)?;
    // Unlike a renaming, a link never replaces what another process made.
    let linked = fs::hard_link(&written, path);
    let removed = fs::remove_file(&written);
    match linked.and(removed).and_then(|()| sync_folder(path)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(KeyFileError::Exists(path.into()))
        }
        made => made.map_err(failed(path)).and_then(|()| read(path)),
    }
}

/// Adds a version, which rows are written under from then on by whoever reads
/// the file. It has the old content or the new one, never half of it.
///
/// # Errors
/// When the file cannot be read or replaced.
pub fn rotate(path: &Path) -> Result<Keyring, KeyFileError> {
    let path = &fs::canonicalize(path).map_err(failed(path))?;
    let version = read(path)?.current().version + 1;
    let mut text = read_text(path)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&Keyring::line(version, &secret(path)?));
    let written = write_beside(path, &text)?;
    fs::rename(&written, path).and_then(|()| sync_folder(path)).map_err(failed(path))?;
    read(path)
}

fn read_text(path: &Path) -> Result<String, KeyFileError> {
    let metadata = fs::metadata(path).map_err(failed(path))?;
    if is_exposed(&metadata) {
        return Err(KeyFileError::Exposed(path.into()));
    }
    fs::read_to_string(path).map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> KeyFileError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::NotFound => KeyFileError::Missing(path.clone()),
        _ => KeyFileError::Io { path: path.clone(), source },
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that makes secrets")]
fn secret(path: &Path) -> Result<Secret, KeyFileError> {
    let mut secret = Secret::default();
    getrandom::fill(&mut secret).map_err(|error| failed(path)(io::Error::other(error)))?;
    Ok(secret)
}

/// Writes a file for nobody else's eyes next to where it is to be.
fn write_beside(path: &Path, text: &str) -> Result<PathBuf, KeyFileError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(name);
    let write = || {
        let mut file = private().open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(failed(&beside)).map(|()| beside)
}

#[cfg(unix)]
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}

#[cfg(not(unix))]
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    options
}

/// A group may read what root owns, which is how files are handed to services.
#[cfg(unix)]
fn is_exposed(file: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let forbidden = if file.uid() == 0 { 0o037 } else { 0o077 };
    file.mode() & forbidden != 0
}

#[cfg(not(unix))]
fn is_exposed(_: &fs::Metadata) -> bool {
    false
}

/// So that a new name survives a power cut.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if cfg!(unix) { File::open(folder.unwrap_or(Path::new(".")))?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_read_and_rotated() {
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
        assert_eq!(files, 1, "nothing lies about");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_for_its_owner() {
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
        let secret =
            read_text(&path).expect("a key").lines().last().expect("a key")[2..].to_owned();
        let text = format!("one {secret}\n");
        private().create_new(false).truncate(true).open(&path).expect("the file");
        fs::write(&path, text).expect("written");
        let refused = read(&path).expect_err("malformed").to_string();
        assert!(refused.contains("line 1") && !refused.contains(&secret), "{refused}");
    }
}
