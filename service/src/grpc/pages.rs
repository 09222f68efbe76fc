//! Pages of lists: sizes and tokens.

use crate::domain::error::{Error, Reason, Result};
use crate::operations::token::{self, Binding, Cursor};

const DEFAULT_SIZE: usize = 50;
const MAX_SIZE: usize = 1000;

/// How many items a page has: 0 means 50, more than 1000 means 1000.
pub fn size(page_size: i32) -> Result<usize> {
    match usize::try_from(page_size) {
        Ok(0) => Ok(DEFAULT_SIZE),
        Ok(size) => Ok(size.min(MAX_SIZE)),
        Err(_) => Err(negative("page_size", "50")),
    }
}

/// The error for a number that cannot be negative.
pub fn negative(field: &str, meaning_of_zero: &str) -> Error {
    let message = format!("{field} cannot be negative; 0 means {meaning_of_zero}");
    Error::invalid(Reason::InvalidArgument, field, message)
}

/// Cuts items, of which one more than `size` was asked for, down to a page, and
/// returns the token of the next: empty if this is the last.
pub fn cut<T>(
    items: &mut Vec<T>,
    size: usize,
    key: &[u8; 32],
    binding: Binding<'_>,
    place: impl FnOnce(&T) -> Cursor,
) -> String {
    if items.len() <= size {
        return String::new();
    }
    items.truncate(size);
    items.last().map(|last| token::seal(key, binding, &place(last))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_default_and_a_limit() {
        for (sent, expected) in [(0, 50), (1, 1), (1000, 1000), (i32::MAX, 1000)] {
            assert_eq!(size(sent).expect("a size"), expected);
        }
        let error = size(-1).expect_err("negative");
        assert_eq!((error.reason(), error.field()), (Reason::InvalidArgument, Some("page_size")));
    }

    #[test]
    fn there_is_a_token_only_if_there_is_more() {
        let place = |text: &&str| Cursor { text: (*text).to_owned(), ..Cursor::default() };
        let mut items = vec!["a", "b", "c"];
        let next = cut(&mut items, 2, &[0; 32], &["List"], place);
        let opened = token::open(&[0; 32], &["List"], &next).expect("a token");
        assert_eq!((items.len(), opened.text.as_str()), (2, "b"));
        assert_eq!(cut(&mut items, 2, &[0; 32], &["List"], place), "");
    }
}
