//! The contacts service: the system of record for the contacts of a WhatsApp
//! CRM. See ARCHITECTURE.md for the map.
//!
//! The program `contacts-service` is this library with a command line. To run a
//! server inside another program, for example in tests:
//!
//! ```no_run
//! use contacts_service::{Config, Server};
//!
//! # async fn example() -> Result<(), contacts_service::ServerError> {
//! let server = Server::start(Config::embedded("contacts.db")).await?;
//! println!("listening on {}", server.address());
//! server.stop().await
//! # }
//! ```

mod authenticator;
pub mod config;
pub mod database;
pub mod domain;
pub mod erasures;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod grpc;
pub mod key_file;
pub mod ledger_export;
mod maintenance;
pub mod operations;
pub mod opt_in;
mod runtime;
mod server;
pub mod shutdown;
pub mod store;
pub mod telemetry;
mod tls;
mod webhook_secrets;

pub use config::Config;
pub use server::{RunningServer, Server, ServerError, bind, run};
pub use tls::TlsError;
pub use webhook_secrets::WebhookSecretError;
