//! Test harness: runs the real server in this process, on a database of its own.
//!
//! [`ServiceProcess`] runs the built program instead, and [`PostgresServer`] a database server that a
//! test may kill.
//!
//! A test is an async function with a [`TestApp`] parameter. The macro runs it on every database:
//!
//! ```
//! use contacts_tests::{TestApp, apply, on_each_store};
//!
//! #[apply(on_each_store!)]
//! async fn a_new_server_has_no_contacts(app: TestApp) {
//!     assert_eq!(app.contacts().count().await.expect("a count"), 0);
//! }
//! ```

mod app;
mod backend;
mod citus;
mod citus_worker;
mod dump;
mod errors;
#[cfg(debug_assertions)]
mod faults;
#[cfg(debug_assertions)]
mod faulty_postgres;
mod fixtures;
mod integrity;
mod logs;
mod percentile;
mod postgres;
mod proxy;
mod service;
mod stored_ledger;
mod table_rows;
mod tokens;
mod wire;
mod without_conditions;

pub use app::{TestApp, run};
pub use backend::{Backend, TestDatabase};
pub use citus_worker::CitusWorker;
pub use dump::{Column, contains};
pub use errors::{Refused, rpc_error};
#[cfg(debug_assertions)]
pub use faults::{Fault, Faults};
pub use fixtures::{TIERS, ids, of_another_key, phone, phones, raw_contact, timestamp};
pub use integrity::assert_consistent;
pub use logs::logged;
pub use macro_rules_attribute::apply;
pub use percentile::percentile;
pub use postgres::PostgresServer;
pub use proxy::Proxy;
pub use service::{
    ServiceProcess, builder_with_long_deadlines, built_program, resident_memory, service, terminate,
};
pub use stored_ledger::StoredLedger;
pub use table_rows::TableRows;
pub use wire::{Call, RawResponse, Wire, message};

/// Generates one test per database from a function with a [`TestApp`] parameter.
#[macro_export]
macro_rules! on_each_store {
    ($(#[$meta:meta])* async fn $name:ident($($app:tt)*) $body:block) => {
        $(#[$meta])*
        async fn $name($($app)*) $body

        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                $crate::run($crate::Backend::Sqlite, super::$name).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                $crate::run($crate::Backend::Postgres, super::$name).await;
            }
        }
    };
}
