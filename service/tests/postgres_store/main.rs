//! The Postgres store on a real server: what it does alone, next to others like
//! it, and in agreement with SQLite and with the plain rules.
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
mod schema;
mod support;
