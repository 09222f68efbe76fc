//! What production does to the service: several real processes over one real Postgres, killed,
//! frozen and cut off while they work.

mod kill_replica;
mod migrate;
mod replicas;
mod writers;
