//! What brings stored data up to this version where SQL cannot: after the
//! migrations, before anything is served. Each step may run again, and in
//! several processes at once.

use super::{ledger, suppression};
use crate::domain::error::{Error, Reason, Result};
use crate::store::Store;

/// Runs all steps.
pub async fn run(store: &Store) -> Result<()> {
    suppression::hash_all(store).await?;
    // The last one: the chain covers what the steps before it leave.
    ledger::seal_all(store).await
}

/// Refuses data that a step is still to be run on.
pub async fn verify(store: &Store) -> Result<()> {
    match ledger::unsealed(store).await? {
        None => Ok(()),
        Some(_) => {
            let message = "the database is not brought up to this version yet: run \
                           `contacts-service migrate`";
            Err(Error::new(Reason::DatabaseUnavailable, message))
        }
    }
}
