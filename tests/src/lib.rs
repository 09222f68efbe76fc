//! The harness of the conformance suite: the real server on a database of its own, in this process,
//! and what a test needs to talk to it. For what production does to it, [`ServiceProcess`] is the
//! built program, and [`PostgresServer`] a database server that a test may kill.
//!
//! A test is an async function that gets a [`TestApp`]. It runs once on every database:
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
mod contents;
mod fixtures;
mod integrity;
mod logs;
mod postgres;
mod proxy;
mod refusal;
mod service;
mod wire;

pub use app::{TestApp, run};
pub use backend::{Backend, TestDatabase};
pub use contents::{Column, contains};
pub use fixtures::{TIERS, ids, phone, phones, raw_contact, timestamp};
pub use integrity::assert_whole;
pub use logs::logged;
pub use macro_rules_attribute::apply;
pub use postgres::PostgresServer;
pub use proxy::Proxy;
pub use refusal::{Refused, rpc_error};
pub use service::{ServiceProcess, patient, service, terminate};
pub use wire::{Answer, Wire, message};

/// Makes a test of every database out of a function that gets a [`TestApp`].
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
