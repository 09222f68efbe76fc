//! Connection pools.

use sqlx::{Database, Error, Pool};

/// The wait for a connection is short for a call, and can be too short for a start.
const ATTEMPTS: u32 = 20;

/// Opens all connections that a pool may have.
pub(in crate::store) async fn connect_all<D: Database>(pool: &Pool<D>) -> Result<(), Error> {
    let mut connections = Vec::new();
    let mut attempt = 1;
    while connections.len() < pool.options().get_max_connections() as usize {
        match pool.acquire().await {
            Ok(connection) => connections.push(connection),
            Err(Error::PoolTimedOut) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
