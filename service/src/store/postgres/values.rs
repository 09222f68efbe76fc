//! How values are bound to Postgres' statements.

use crate::domain::phone::MatchKey;

/// Keys as `text[]`.
pub(super) fn texts(keys: &[MatchKey]) -> Vec<&str> {
    keys.iter().map(MatchKey::as_str).collect()
}

/// A `LIMIT`.
pub(super) fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
