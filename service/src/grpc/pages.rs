//! Pages of lists: how large they are, and the token of the next one.

use super::tokens::Tokens;
use crate::domain::error::{Error, Reason, Result};
use crate::operations::token::Cursor;

const DEFAULT_SIZE: usize = 50;
const MAX_SIZE: usize = 1000;

/// A response ends at about so many bytes, even if more items were asked for:
/// clients accept 4 MiB.
pub(super) const MAX_BYTES: usize = 3 << 20;

/// The number of items on a page: 0 means 50, more than 1000 means 1000.
pub(super) fn size(page_size: i32) -> Result<usize> {
    match usize::try_from(page_size) {
        Ok(0) => Ok(DEFAULT_SIZE),
        Ok(size) => Ok(size.min(MAX_SIZE)),
        Err(_) => Err(negative("page_size", "50")),
    }
}

/// The error for a number that cannot be negative.
pub(super) fn negative(field: &str, meaning_of_zero: &str) -> Error {
    let message = format!("{field} cannot be negative; 0 means {meaning_of_zero}");
    Error::invalid(Reason::InvalidArgument, field, message)
}

/// Cuts items down to a page, and returns the token of the next page. It is
/// empty on the last page, so callers read one item more than `size`, or know that
/// these are not the last ones.
pub(super) fn cut<T>(
    items: &mut Vec<T>,
    size: usize,
    are_last: bool,
    tokens: &Tokens,
    cursor: impl FnOnce(&T) -> Cursor,
) -> String {
    if are_last && items.len() <= size {
        return String::new();
    }
    items.truncate(size);
    items.last().map(|last| tokens.seal(&cursor(last))).unwrap_or_default()
}

/// How many items of these sizes, in bytes, fit into one response: at least one.
pub(super) fn fitting(sizes: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let fits = |size: &usize| {
        bytes += size;
        bytes <= MAX_BYTES
    };
    sizes.take_while(fits).count().max(1)
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
        let cursor = |text: &&str| Cursor { text: (*text).to_owned(), ..Cursor::default() };
        let tokens = Tokens::new([0; 32], ["List"]);
        let mut items = vec!["a", "b", "c"];
        let next = cut(&mut items, 2, true, &tokens, cursor);
        let opened = tokens.open_page(&next).expect("a token").expect("a cursor");
        assert_eq!((items.len(), opened.text.as_str()), (2, "b"));
        assert_eq!(cut(&mut items, 2, true, &tokens, cursor), "");
        let next = cut(&mut items, 2, false, &tokens, cursor);
        let opened = tokens.open_page(&next).expect("a token").expect("a cursor");
        assert_eq!((items.len(), opened.text.as_str()), (2, "b"));
    }
}
