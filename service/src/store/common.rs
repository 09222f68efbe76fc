//! What is the same on every engine.

mod columns;
mod errors;
mod external_ids;
mod find;
pub mod ledger_pack;
mod pool;
mod rows;
mod summary;
mod values;

pub(super) use columns::Columns;
pub(super) use errors::is_disconnected;
pub(super) use external_ids::ExternalIdChanges;
pub(super) use find::{ContactLookup, find_contacts};
pub(super) use pool::connect_all;
pub(super) use rows::{
    api_token, attribute, check_row, consent_change, consent_row, contact_columns, head, key_id,
    policy_period, receipt, scope_lines, stop_words, stored_response, stored_response_info, tag,
    validity, workspace, workspace_lines,
};
pub(super) use summary::{
    ConsentColumns, SOURCE_SHIFT, STATE_MASK, consent_columns, consent_summary, shown_consent,
};
pub use values::sort_key;
pub(super) use values::{NameKeys, micros, name_keys, time};
