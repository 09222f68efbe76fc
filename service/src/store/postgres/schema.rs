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
const REFERENCE_TABLES: &[&str] = &["api_token", "workspace_list"];

/// What a migration did besides creating and changing tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Tables that it distributed over the nodes of a Citus cluster.
    pub distributed: Vec<&'static str>,
    /// Tables of whose rows it removed the copies that Citus leaves on the coordinator.
    pub emptied: Vec<&'static str>,
}

/// Migrates the schema to this version; with `citus`, and where that was done before, also
/// distributes the tables over the nodes of a Citus cluster, by workspace. Tables that are
/// distributed already stay as they are. Several processes may do so at once: advisory locks let
/// them migrate one after the other.
///
/// # Errors
/// When the database cannot be reached, or its schema is of a newer version of
/// this service; with `citus`, when the extension is not installed in this database.
pub async fn migrate(url: &str, citus: bool) -> Result<Migrated> {
    // A migration that changes rows fails where policies would hide them from it.
    let options = connect_options(url)?.options([("row_security", "off")]);
    let mut connection = options.connect().await?;
    let migrated = MIGRATOR.run(&mut connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(_) => newer().caused_by(error),
        MigrateError::Execute(error) => error.into(),
        _ => Error::internal(error),
    });
    let result = match migrated {
        Ok(()) => match row_security::complete(&mut connection).await {
            Ok(()) => distribute(&mut connection, citus).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    // Closing releases the advisory lock after a failure, too.
    drop(connection.close().await);
    result
}

/// Distributes the tables if that is asked for, or was done to others of them before.
async fn distribute(db: &mut PgConnection, citus: bool) -> Result<Migrated> {
    let state = Distribution::of(db).await?;
    if !citus && !state.is_distributed {
        return Ok(Migrated::default());
    }
    if !state.has_citus {
        let message = "the database has no extension citus: run CREATE EXTENSION citus in it";
        return Err(Error::new(Reason::DatabaseUnavailable, message));
    }
    row_security::ensure_off(&mut *db).await?;
    // Until the connection is closed. Another process waits, and finds nothing left to do.
    let lock = "SELECT pg_advisory_lock(hashtext('contacts distribution'))";
    sqlx::query(lock).execute(&mut *db).await?;
    let mut done = Migrated::default();
    for table in Distribution::of(db).await?.missing {
        let query = match REFERENCE_TABLES.contains(&table) {
            true => sqlx::query("SELECT create_reference_table($1::text::regclass)").bind(table),
            // The first table gets a colocation group of its own, which the others join.
            false => sqlx::query(
                "SELECT create_distributed_table($1::text::regclass, 'workspace_id',
                                                 colocate_with => $2)",
            )
            .bind(table)
            .bind(if table == TABLES[0] { "none" } else { TABLES[0] }),
        };
        query.execute(&mut *db).await?;
        done.distributed.push(table);
    }
    // Citus copies the rows of a table that it distributes, and leaves those on the coordinator where
    // they were: no statement reads them, and none erases them. Also those of a run that was
    // interrupted before this.
    for table in REFERENCE_TABLES.iter().chain(TABLES) {
        let has_rows = sqlx::query_scalar("SELECT pg_relation_size($1::text::regclass) > 0");
        if has_rows.bind(table).fetch_one(&mut *db).await? {
            let sql = "SELECT truncate_local_data_after_distributing_table($1::text::regclass)";
            sqlx::query(sql).bind(table).execute(&mut *db).await?;
            done.emptied.push(table);
        }
    }
    Ok(done)
}

/// How far the tables are distributed.
struct Distribution {
    /// Whether the database has the extension.
    has_citus: bool,
    /// Whether some tables are distributed.
    is_distributed: bool,
    /// Those that are not.
    missing: Vec<&'static str>,
}

impl Distribution {
    async fn of(db: &mut PgConnection) -> Result<Self> {
        let sql = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')";
        let all = || REFERENCE_TABLES.iter().chain(TABLES).copied();
        if !sqlx::query_scalar(sql).fetch_one(&mut *db).await? {
            return Ok(Self { has_citus: false, is_distributed: false, missing: all().collect() });
        }
        let sql =
            "SELECT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass(t))
                   FROM unnest($1::text[]) WITH ORDINALITY AS t (t, n) ORDER BY n";
        let found: Vec<bool> =
            sqlx::query_scalar(sql).bind(all().collect::<Vec<_>>()).fetch_all(&mut *db).await?;
        let missing = all().zip(&found).filter(|(_, found)| !**found).map(|(table, _)| table);
        let missing: Vec<_> = missing.collect();
        Ok(Self { has_citus: true, is_distributed: missing.len() < found.len(), missing })
    }
}

/// What a server finds out about a database that it opens.
pub(super) struct Verified {
    pub(super) policies: Option<RowSecurity>,
    /// Whether the tables are distributed over the nodes of a Citus cluster.
    pub(super) is_distributed: bool,
}

/// Fails on a standby server, and unless the schema is the one of this version, and distributed as a
/// whole or not at all.
pub(super) async fn verify(options: &PgConnectOptions, wait: Duration) -> Result<Verified> {
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
    let distribution = Distribution::of(&mut connection).await;
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
        let Distribution { is_distributed, missing, .. } = distribution?;
        if is_distributed && !missing.is_empty() {
            let message = "some tables are not distributed: run `contacts-service migrate`";
            return Err(Error::new(Reason::DatabaseUnavailable, message));
        }
        return Ok(Verified { policies: policies?, is_distributed });
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
