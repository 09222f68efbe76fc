//! Migrating the schema, verifying it and distributing it with Citus.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::row_security::RowSecurity;
use super::{connect_options, row_security};
use crate::domain::error::{Error, Reason, Result};

/// The SQLSTATE of a table that does not exist.
const UNDEFINED_TABLE: &str = "42P01";

static MIGRATOR: Migrator = sqlx::migrate!("src/store/postgres/migrations");

/// Every table of a workspace. All others are colocated with the first.
const TABLES: &[&str] = &[
    "workspace",
    "tag",
    "attribute",
    "contact",
    "contact_redirect",
    "external_id",
    "usage_count",
    "consent",
    "consent_change",
    "opt_in_event_pack",
    "opt_in_event_detail_pack",
    "opt_in_event_subject",
    "opt_in_event_pointer",
    "deletion_receipt",
    "stored_response",
    "webhook_record",
    "suppression_key",
    "opt_in_policy",
];

/// Tables that belong to no workspace: every node has a copy of them.
const REFERENCE_TABLES: &[&str] = &["api_token"];

/// Migrates the schema to this version. Several processes may do so at once: an
/// advisory lock lets them migrate one after the other.
///
/// # Errors
/// When the database cannot be reached, or its schema is of a newer version of
/// this service.
pub async fn migrate(url: &str) -> Result<()> {
    // A migration that changes rows fails where policies would hide them from it.
    let options = connect_options(url)?.options([("row_security", "off")]);
    let mut connection = options.connect().await?;
    let migrated = MIGRATOR.run(&mut connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(_) => newer().caused_by(error),
        MigrateError::Execute(error) => error.into(),
        _ => Error::internal(error),
    });
    let result = match migrated {
        Ok(()) => row_security::complete(&mut connection).await,
        failed => failed,
    };
    // Closing releases the advisory lock after a failure, too.
    drop(connection.close().await);
    result
}

/// Distributes the tables over the nodes of a Citus cluster, by workspace. Tables
/// that are distributed already stay as they are.
///
/// # Errors
/// When the extension is not installed in this database.
pub async fn distribute(url: &str) -> Result<()> {
    let mut connection = connect_options(url)?.connect().await?;
    let result = distribute_tables(&mut connection).await;
    drop(connection.close().await);
    result
}

async fn distribute_tables(db: &mut PgConnection) -> Result<()> {
    let installed: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')")
            .fetch_one(&mut *db)
            .await?;
    if !installed {
        let message = "the database has no extension citus: run CREATE EXTENSION citus in it";
        return Err(Error::new(Reason::DatabaseUnavailable, message));
    }
    row_security::ensure_off(&mut *db).await?;
    for table in REFERENCE_TABLES {
        let sql = "SELECT create_reference_table($1::text::regclass)
                   WHERE NOT EXISTS (SELECT FROM pg_dist_partition
                                     WHERE logicalrelid = $1::text::regclass)";
        sqlx::query(sql).bind(table).execute(&mut *db).await?;
    }
    for table in TABLES {
        // The first table gets a colocation group of its own, which the others join.
        let group = if *table == TABLES[0] { "none" } else { TABLES[0] };
        let sql = "SELECT create_distributed_table($1::text::regclass, 'workspace_id',
                                                   colocate_with => $2)
                   WHERE NOT EXISTS (SELECT FROM pg_dist_partition
                                     WHERE logicalrelid = $1::text::regclass)";
        sqlx::query(sql).bind(table).bind(group).execute(&mut *db).await?;
    }
    Ok(())
}

/// Fails on a standby server, and unless the schema is the one of this version. Returns its policies.
pub(super) async fn verify(
    options: &PgConnectOptions,
    wait: Duration,
) -> Result<Option<RowSecurity>> {
    let connecting = tokio::time::timeout(wait, options.connect()).await;
    let mut connection = connecting.map_err(Error::unavailable)?.map_err(Error::unavailable)?;
    let (is_standby, is_durable): (bool, bool) = sqlx::query_as(
        "SELECT pg_is_in_recovery(),
             current_setting('fsync')::bool AND current_setting('synchronous_commit') <> 'off'",
    )
    .fetch_one(&mut connection)
    .await?;
    if is_standby {
        let message = "the database server is a standby: use the address of the primary";
        return Err(Error::new(Reason::DatabaseUnavailable, message));
    }
    if !is_durable {
        tracing::warn!(
            "fsync or synchronous_commit is off: an acknowledged opt-out can be lost in a crash of \
             the database server"
        );
    }
    let applied = sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success")
        .fetch_all(&mut connection)
        .await;
    let policies = row_security::find(&mut connection).await;
    drop(connection.close().await);
    let applied: Vec<(i64, Vec<u8>)> = match applied {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => {
            Vec::new()
        }
        applied => applied?,
    };
    let known = |version| MIGRATOR.iter().find(|migration| migration.version == version);
    for (version, checksum) in &applied {
        match known(*version) {
            None => return Err(newer()),
            Some(migration) if *migration.checksum != **checksum => {
                return Err(Error::internal(MigrateError::VersionMismatch(*version)));
            }
            Some(_) => {}
        }
    }
    if applied.len() == MIGRATOR.iter().count() {
        return policies;
    }
    let message = match applied.is_empty() {
        true => "the database has no schema yet: run `contacts-service migrate`",
        false => "the database has the schema of an older version: run `contacts-service migrate`",
    };
    Err(Error::new(Reason::DatabaseUnavailable, message))
}

fn newer() -> Error {
    let message = "the database has the schema of a newer version: run that version of the service";
    Error::new(Reason::DatabaseUnavailable, message)
}
