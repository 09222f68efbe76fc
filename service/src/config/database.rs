//! Which database.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Which database holds the contacts.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A server, as a URL that may hold a password.
    Postgres(String),
}

impl FromStr for Database {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
        match path {
            Some(path) if path.contains(":memory:") || path.contains('?') => {
                Err("send the path of a file, without parameters, such as sqlite://contacts.db"
                    .to_owned())
            }
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err("send sqlite:// and the path of a file, such as sqlite://contacts.db or \
                      sqlite:///var/lib/contacts.db"
                .to_owned()),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => f.write_str(&without_secrets(url)),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

/// A URL without password and parameters, which can hold one too.
fn without_secrets(url: &str) -> String {
    let (url, parameters) = url.split_once('?').map_or((url, ""), |(url, _)| (url, "?…"));
    let shown = match url.rsplit_once('@') {
        Some((front, host)) => {
            let (scheme, user) = front.split_once("://").unwrap_or(("", front));
            let user =
                user.split_once(':').map_or(user.to_owned(), |(user, _)| format!("{user}:…"));
            format!("{scheme}://{user}@{host}")
        }
        None => url.to_owned(),
    };
    shown + parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_file_or_a_server() {
        for (url, path) in [
            ("sqlite://contacts.db", "contacts.db"),
            ("sqlite:contacts.db", "contacts.db"),
            ("sqlite:///var/lib/contacts.db", "/var/lib/contacts.db"),
        ] {
            assert_eq!(url.parse(), Ok(Database::Sqlite(path.into())), "{url}");
        }
        for url in
            ["", "contacts.db", "sqlite://", "sqlite::memory:", "sqlite://x?mode=ro", "mysql://x"]
        {
            assert!(url.parse::<Database>().is_err(), "{url}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("postgres://ana:s3cr3t@db:5432/contacts", "postgres://ana:…@db:5432/contacts"),
            ("postgres://ana:s3c@r3t@db/contacts", "postgres://ana:…@db/contacts"),
            ("postgres://ana@db/contacts?password=s3cr3t", "postgres://ana@db/contacts?…"),
            ("postgresql://db/contacts", "postgresql://db/contacts"),
        ] {
            let database: Database = url.parse().expect("a URL");
            assert_eq!(format!("{database:?}"), format!("Database({shown})"));
        }
    }
}
