//! Opens the database that the settings name.
//!
//! Only `open_and_upgrade` and [`migrate`] create or upgrade anything. Everything else uses what
//! is there, so that a mistyped path is an error and not a new, empty database.

mod file;

use std::path::{Path, PathBuf};

pub use self::file::{DatabaseFileError, DatabaseLock};
use crate::config::{Config, Database, DatabaseUrl, PostgresUrl};
use crate::domain::error::{Error, Reason};
use crate::domain::keyring::Keyring;
use crate::key_file::{self, KeyFileError};
use crate::server::ServerError;
use crate::store::postgres::{self, Migrated, PostgresOptions};
use crate::store::sqlite::{self, Access, SqliteOptions};
use crate::store::{Clock, Store};

/// Opens an existing database for one command. Connections have the default settings.
///
/// A SQLite file may be open in a server meanwhile. With `exclusive` it may not, and is locked
/// until what is returned is dropped.
///
/// # Errors
/// When there is no database, it is of another version, or its key file is missing.
pub async fn open_existing(
    database: &Database,
    access: Access,
    exclusive: bool,
) -> Result<(Store, Option<DatabaseLock>), ServerError> {
    let failed = |source| failed(database, source);
    match &database.url {
        DatabaseUrl::Sqlite(path) => {
            let path = file::find(path)?;
            let lock = exclusive.then(|| DatabaseLock::acquire(&path)).transpose()?;
            file::check(&path)?;
            let keyring = key_file::read(&key_path(database)?)?;
            let options = SqliteOptions::default();
            let opened = sqlite::open(&path, access, &options, Clock::system(), keyring).await;
            Ok((opened.map_err(failed)?, lock))
        }
        DatabaseUrl::Postgres(url) => {
            let keyring = key_file::read(&key_path(database)?)?;
            let opened = open_postgres(url, PostgresOptions::default(), keyring).await;
            Ok((opened.map_err(failed)?, None))
        }
    }
}

/// Opens the database of a server: creates or upgrades it if the settings allow, and locks a SQLite
/// file until the lock is dropped.
pub(crate) async fn open_and_upgrade(
    config: &Config,
) -> Result<(Store, Option<DatabaseLock>), ServerError> {
    let database = &config.database;
    let failed = |source| failed(database, source);
    let (store, lock) = match &database.url {
        DatabaseUrl::Sqlite(path) => {
            let (path, lock) = file::create_and_lock(path)?;
            let keyring = sqlite_keyring(database, &path).await?;
            let options = config.sqlite.options();
            (open_sqlite(&path, &options, keyring).await.map_err(failed)?, Some(lock))
        }
        DatabaseUrl::Postgres(url) => {
            let keyring = key_file::read(&key_path(database)?)?;
            if config.migrate {
                let migrated = migrate_postgres(url, false, None).await.map_err(failed)?;
                if migrated != Migrated::default() {
                    let Migrated { distributed, emptied } = migrated;
                    tracing::info!(?distributed, ?emptied, "distributed new tables");
                }
            }
            let opened = open_postgres(url, config.postgres.options(), keyring).await;
            (opened.map_err(failed)?, None)
        }
    };
    Ok((store.with_response_retention(config.retention.response_retention), lock))
}

/// Creates or upgrades the schema; with `citus` also distributes the tables; turns row-level security
/// on or off if that is said. On Postgres, several processes may try at once.
///
/// # Errors
/// When the database cannot be reached or changed, or a server uses the SQLite file.
pub async fn migrate(
    database: &Database,
    citus: bool,
    row_level_security: Option<bool>,
) -> Result<Migrated, ServerError> {
    let migrated = match &database.url {
        DatabaseUrl::Sqlite(_) if row_level_security == Some(true) => {
            let message = "SQLite has no row-level security: the option is for Postgres";
            Err(Error::invalid(Reason::InvalidArgument, "row_level_security", message))
        }
        DatabaseUrl::Sqlite(path) => {
            let (path, _lock) = file::create_and_lock(path)?;
            let keyring = sqlite_keyring(database, &path).await?;
            match open_sqlite(&path, &SqliteOptions::default(), keyring).await {
                Ok(store) => {
                    store.close().await;
                    Ok(Migrated::default())
                }
                Err(error) => Err(error),
            }
        }
        DatabaseUrl::Postgres(url) => {
            // Not used, but a server would not start without it.
            key_file::read(&key_path(database)?)?;
            migrate_postgres(url, citus, row_level_security).await
        }
    };
    migrated.map_err(|source| failed(database, source))
}

/// Path of the key file of a database.
///
/// # Errors
/// When the database is Postgres and the settings name no file.
pub fn key_path(database: &Database) -> Result<PathBuf, ServerError> {
    match (&database.key_file, &database.url) {
        (Some(path), _) => Ok(path.clone()),
        (None, DatabaseUrl::Sqlite(path)) => Ok(file::with_suffix(path, ".key")),
        (None, DatabaseUrl::Postgres(_)) => Err(ServerError::NoKeyFile),
    }
}

/// The keys of a SQLite file. A new file gets a key file, unless the settings name one.
async fn sqlite_keyring(database: &Database, path: &Path) -> Result<Keyring, ServerError> {
    let key_path = key_path(database)?;
    match key_file::read(&key_path) {
        Err(KeyFileError::Missing(_)) if database.key_file.is_none() => {
            let is_keyed = sqlite::is_keyed(path).await;
            match is_keyed.map_err(|source| failed(database, source))? {
                true => Err(KeyFileError::Missing(key_path).into()),
                false => Ok(key_file::create(&key_path)?),
            }
        }
        read => Ok(read?),
    }
}

async fn open_sqlite(
    path: &Path,
    options: &SqliteOptions,
    keyring: Keyring,
) -> Result<Store, Error> {
    sqlite::open(path, Access::Create, options, Clock::system(), keyring).await
}

async fn open_postgres(
    url: &PostgresUrl,
    options: PostgresOptions,
    keyring: Keyring,
) -> Result<Store, Error> {
    postgres::open(url.expose(), options, Clock::system(), keyring).await
}

async fn migrate_postgres(
    url: &PostgresUrl,
    citus: bool,
    row_level_security: Option<bool>,
) -> Result<Migrated, Error> {
    let migrated = postgres::migrate(url.expose(), citus).await?;
    if let Some(on) = row_level_security {
        postgres::set_row_level_security(url.expose(), on).await?;
    }
    Ok(migrated)
}

/// The clock of every store that this program opens.
fn failed(database: &Database, source: Error) -> ServerError {
    ServerError::Database { database: database.url.to_string(), source }
}
