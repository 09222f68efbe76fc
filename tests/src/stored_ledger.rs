//! The ledger of the default workspace as it is in the database, to be tampered with.

use contacts_service::domain::ledger::{Detail, Entry};
use contacts_service::store::ledger_pack::{
    PACK, decode_details, decode_facts, encode_details, encode_facts,
};
use sqlx::{Connection, PgConnection, SqliteConnection, query, query_as};

use crate::TestDatabase;

/// What the rows of a ledger hold.
#[derive(Clone)]
pub struct StoredLedger {
    /// Entries without their details.
    pub entries: Vec<Entry>,
    /// Details and their positions.
    pub details: Vec<(i64, Detail)>,
    /// Position of the last entry, in the workspace's row.
    pub length: i64,
    /// Hash of the last entry, in the workspace's row.
    pub hash: Vec<u8>,
}

impl StoredLedger {
    /// The entry at a position.
    pub fn at(&mut self, position: i64) -> &mut Entry {
        self.entries.iter_mut().find(|entry| entry.position == position).expect("an entry")
    }

    /// The detail at a position.
    pub fn detail_at(&mut self, position: i64) -> &mut Detail {
        &mut self.details.iter_mut().find(|(at, _)| *at == position).expect("a detail").1
    }
}

const FACTS: &str = "SELECT facts FROM opt_in_event_pack ORDER BY last_position";
const DETAILS: &str = "SELECT details FROM opt_in_event_detail_pack ORDER BY last_position";
const HEAD: &str =
    "SELECT ledger_length, ledger_hash FROM workspace WHERE workspace_id = 'default'";

/// The same statements on each engine; `$key` is its column of workspaces.
macro_rules! of_engine {
    ($connection:ty, $read:ident, $write:ident, $key:literal) => {
        async fn $read(db: &mut $connection) -> StoredLedger {
            let facts: Vec<(Vec<u8>,)> = query_as(FACTS).fetch_all(&mut *db).await.expect("facts");
            let details: Vec<(Vec<u8>,)> =
                query_as(DETAILS).fetch_all(&mut *db).await.expect("details");
            let (length, hash) = query_as(HEAD).fetch_one(db).await.expect("the head");
            StoredLedger {
                entries: facts.iter().flat_map(|(bytes,)| decode_facts(bytes)).collect(),
                details: details.iter().flat_map(|(bytes,)| decode_details(bytes)).collect(),
                length,
                hash,
            }
        }

        async fn $write(db: &mut $connection, ledger: &StoredLedger) {
            let mut tx = db.begin().await.expect("a transaction");
            for sql in ["DELETE FROM opt_in_event_pack", "DELETE FROM opt_in_event_detail_pack"] {
                query(sql).execute(&mut *tx).await.expect(sql);
            }
            for pack in ledger.entries.chunks(PACK) {
                let last = pack.last().expect("entries").position;
                let first = pack[0].position;
                let sql = concat!(
                    "INSERT INTO opt_in_event_pack (",
                    $key,
                    ", last_position, facts) SELECT ",
                    $key,
                    ", $1, $2 FROM workspace WHERE workspace_id = 'default'",
                );
                query(sql).bind(last).bind(encode_facts(pack)).execute(&mut *tx).await.expect(sql);
                let within = |(at, _): &&(i64, Detail)| (first..=last).contains(at);
                let details =
                    ledger.details.iter().filter(within).map(|(at, detail)| (*at, detail));
                let sql = concat!(
                    "INSERT INTO opt_in_event_detail_pack (",
                    $key,
                    ", last_position, details) SELECT ",
                    $key,
                    ", $1, $2 FROM workspace WHERE workspace_id = 'default'",
                );
                let details = encode_details(details);
                query(sql).bind(last).bind(details).execute(&mut *tx).await.expect(sql);
            }
            let sql = "UPDATE workspace SET ledger_length = $1, ledger_hash = $2
                       WHERE workspace_id = 'default'";
            let head = query(sql).bind(ledger.length).bind(&ledger.hash);
            head.execute(&mut *tx).await.expect(sql);
            tx.commit().await.expect("committed");
        }
    };
}

of_engine!(SqliteConnection, read_sqlite, write_sqlite, "workspace_key");
of_engine!(PgConnection, read_postgres, write_postgres, "workspace_id");

impl TestDatabase {
    /// Reads the ledger of the default workspace, the only one with events.
    pub async fn read_ledger(&self) -> StoredLedger {
        match self.is_file() {
            true => read_sqlite(&mut self.open_file().await).await,
            false => read_postgres(&mut self.connect().await).await,
        }
    }

    /// Overwrites the ledger of the default workspace, the only one with events.
    pub async fn write_ledger(&self, ledger: &StoredLedger) {
        match self.is_file() {
            true => write_sqlite(&mut self.open_file().await, ledger).await,
            false => write_postgres(&mut self.connect().await, ledger).await,
        }
    }
}
