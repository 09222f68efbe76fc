//! The Postgres store on a real server: alone, beside other servers, and compared with
//! SQLite and with the rules of the domain.
//!
//! `tests/tools/postgres -- cargo test -p contacts-service --test postgres_store`

#![expect(
    clippy::disallowed_methods,
    reason = "tests on the real clock, in databases with random names"
)]

mod cancelled_calls;
mod concurrency;
mod filters;
mod lost_server;
mod names;
mod operations;
mod retention;
mod row_security;
mod schema;
mod statistics;
mod support;
