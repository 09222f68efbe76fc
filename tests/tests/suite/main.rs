//! The conformance suite: tests the documented API of the real server on every database. The modules
//! mirror the API; `bad_inputs` follows a table of invalid requests.

#![expect(
    clippy::disallowed_methods,
    reason = "tests are clients with a clock and ids of their own"
)]

mod access;
mod attributes;
mod audit;
mod audit_states;
mod bad_inputs;
mod batch_upsert;
mod canary;
mod concurrency;
mod consent_cases;
mod contacts;
mod deadlines;
mod directory;
mod duplicates;
mod erasures;
mod etags;
mod export_data;
mod external_id;
#[cfg(debug_assertions)]
mod faults;
mod filters;
mod health;
mod idempotency;
mod identity;
mod imports;
mod incarnations;
mod ledger_export;
mod link_identity;
mod lives;
mod merge_contacts;
mod observability;
mod opt_in;
mod overload;
mod phone_forms;
mod policies;
mod privacy;
mod reflection;
mod sendable;
mod shutdown;
mod streams;
mod suppression;
mod tag_edit;
mod tags;
mod tls;
mod user_ids;
mod webhooks;
mod workspaces;
