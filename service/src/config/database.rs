//! Which database, and where its key file is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::value::Unrepeated;

/// Which database, and where its key file is.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Database")]
pub struct Database {
    /// URL of the database: sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME.
    ///
    /// Parameters of a Postgres URL, such as sslmode=verify-full and
    /// sslrootcert=PATH, are those of libpq.
    #[arg(
        long = "database-url",
        env = "CONTACTS_DATABASE_URL",
        value_name = "URL",
        default_value = "sqlite://contacts.db",
        hide_env_values = true,
        value_parser = Unrepeated::new("--database-url <URL>", DatabaseUrl::from_str)
    )]
    pub url: DatabaseUrl,

    /// File with the suppression keys.
    ///
    /// Opt-outs and erasures of people without a contact are stored under keyed
    /// hashes, and decision receipts are signed. SQLite: defaults to the path of the database with .key appended, and
    /// is created with a new database. Postgres: required, and the same for all
    /// servers; `contacts-service key create` creates it.
    #[arg(long, env = "CONTACTS_KEY_FILE", value_name = "PATH")]
    pub key_file: Option<PathBuf>,
}

/// URL of a database. `Display` and `Debug` show no password.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// Path of a SQLite file.
    Sqlite(PathBuf),
    /// A database of a Postgres server.
    Postgres(PostgresUrl),
}

/// URL of a Postgres database, which may contain a password.
#[derive(Clone)]
pub struct PostgresUrl(SecretString);

impl PostgresUrl {
    /// The URL with its password.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Parameters that sqlx understands. It ignores others, a misspelt `sslmode` included, and logs
/// their values, which can be a misplaced password.
const PARAMETERS: [&str; 17] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
];

/// `allow` is not among them: sqlx treats it as `disable`.
const SSL_MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        match url.split_once(':') {
            Some(("sqlite", rest)) => sqlite_path(rest).map(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => url.parse().map(Self::Postgres),
            Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => Err(format!(
                "unknown scheme {scheme:?}: expected sqlite://PATH or postgres://HOST/NAME"
            )),
            _ => Err("not a URL: expected sqlite://PATH or postgres://HOST/NAME".to_owned()),
        }
    }
}

fn sqlite_path(rest: &str) -> Result<PathBuf, String> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.contains(":memory:") || path.contains('?') {
        return Err("expected the path of a file, without parameters, such as \
                    sqlite://contacts.db or sqlite:///var/lib/contacts.db"
            .to_owned());
    }
    Ok(path.into())
}

impl FromStr for PostgresUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| {
            format!(
                "{error}: expected postgres://USER:PASSWORD@HOST:PORT/NAME, special characters in \
                 the password percent-encoded"
            )
        })?;
        for (name, value) in url.query_pairs() {
            let is_option = name.starts_with("options[") || name == "options";
            if !is_option && !PARAMETERS.contains(&&*name) {
                return Err(format!("unknown parameter {name:?}"));
            }
            if ["sslmode", "ssl-mode"].contains(&&*name) && !SSL_MODES.contains(&&*value) {
                return Err(format!("unknown sslmode: expected {}", SSL_MODES.join(", ")));
            }
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl fmt::Display for PostgresUrl {
    /// Without password and parameters, which can contain one too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(mut url) = Url::parse(self.expose()) else { return f.write_str("postgres://…") };
        let has_parameters = url.query().is_some();
        url.set_query(None);
        url.set_fragment(None);
        let has_password = url.password().is_some();
        // Fails for a URL without a host, which has no password either.
        let _ = url.set_password(has_password.then_some("***"));
        write!(f, "{url}{}", if has_parameters { "?***" } else { "" })
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn urls_name_a_file_or_a_server() {
        for (url, path) in [
            ("sqlite://contacts.db", "contacts.db"),
            ("sqlite:contacts.db", "contacts.db"),
            ("sqlite:///var/lib/contacts.db", "/var/lib/contacts.db"),
        ] {
            let Ok(DatabaseUrl::Sqlite(parsed)) = url.parse() else { panic!("{url}") };
            assert_eq!(parsed, Path::new(path), "{url}");
        }
        for (url, reason) in [
            ("", "not a URL"),
            ("contacts.db", "not a URL"),
            ("sqlite://", "path of a file"),
            ("sqlite::memory:", "path of a file"),
            ("sqlite://x?mode=ro", "path of a file"),
            ("mysql://x", "unknown scheme \"mysql\""),
            ("postgres://ana:s3/c@db/contacts", "percent-encoded"),
            ("postgres://db/contacts?sslmod=require", "unknown parameter \"sslmod\""),
            ("postgres://db/contacts?sslmode=allow", "verify-full"),
        ] {
            let error = url.parse::<DatabaseUrl>().expect_err(url);
            assert!(error.contains(reason), "{url}: {error}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("postgres://ana:s3cr3t@db:5432/contacts", "postgres://ana:***@db:5432/contacts"),
            ("postgres://ana:s3c@r3t@db/contacts", "postgres://ana:***@db/contacts"),
            ("postgres://ana@db/contacts?password=s3cr3t", "postgres://ana@db/contacts?***"),
            ("postgresql://db/contacts", "postgresql://db/contacts"),
        ] {
            let database: DatabaseUrl = url.parse().expect("a URL");
            assert_eq!(format!("{database:?}"), format!("DatabaseUrl({shown})"));
        }
    }
}
