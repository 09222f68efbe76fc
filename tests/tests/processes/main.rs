//! Fault tests: several server processes over one Postgres server, which are killed, frozen and
//! disconnected while they work.

#![expect(clippy::disallowed_methods, reason = "tests are clients with a clock of their own")]

mod attack;
mod audit;
mod cancelled_calls;
mod citus;
mod consistency;
mod descriptors;
mod drain;
mod failover;
mod kill_postgres;
mod kill_replica;
mod migrate;
mod replicas;
mod sample;
mod sqlite_faults;
mod standby;
mod statements;
mod traces;
mod writers;
