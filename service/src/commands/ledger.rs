//! `audit export` and `audit restore`.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use contacts_service::config::Database;
use contacts_service::database::open_existing;
use contacts_service::ledger_export;
use contacts_service::store::sqlite::Access;

use super::{Outcome, open, open_lines};
use crate::say;

/// `audit export`
pub async fn export(database: &Database, workspace: &str, after: i64) -> Outcome {
    let store = open(database, Access::Read).await?;
    let mut out = BufWriter::new(io::stdout());
    let mut failed = None;
    let exported = ledger_export::export(&store, workspace, after, |line| {
        // Whoever reads the lines has to see that they are not all.
        if failed.is_none() {
            failed = writeln!(out, "{line}").err();
        }
    })
    .await;
    store.close().await;
    exported?;
    match failed.or(out.flush().err()) {
        Some(error) => Err(format!("cannot write the export: {error}").into()),
        None => Ok(()),
    }
}

/// `audit restore`
pub async fn restore(database: &Database, file: &Path) -> Outcome {
    let lines = open_lines(file)?;
    // No server may answer from it before it is complete.
    let (store, _lock) = open_existing(database, Access::Write, true).await?;
    let restored = ledger_export::restore(&store, lines).await;
    store.close().await;
    let ledger_export::Summary { head, contacts, suppressions } = restored?;
    let events = head.length;
    say(format_args!(
        "restored {events} events, {contacts} contacts, {suppressions} suppressions, head {head}"
    ));
    Ok(())
}
