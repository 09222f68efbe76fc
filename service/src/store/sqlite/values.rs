//! How values are bound to SQLite's statements.

use serde::Serialize;
use uuid::Uuid;

use crate::domain::error::{Error, Result};
use crate::domain::ids;

/// The row key of a contact.
pub(super) fn seq(contact_id: Uuid) -> i64 {
    // 60 bits, so it is never negative.
    ids::sequence(contact_id) as i64
}

/// A list as JSON, which `json_each` turns into rows.
pub(super) fn json<T: Serialize + ?Sized>(values: &T) -> Result<String> {
    serde_json::to_string(values).map_err(Error::internal)
}

/// A `LIMIT`.
pub(super) fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
