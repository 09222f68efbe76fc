//! Where in a webhook something stands.

use std::fmt;

use super::{Fault, Unreadable};

/// A path of Meta's names and indexes, such as `entry[0].changes[1].value.messages[2].from`. It has
/// nothing in it that the webhook's sender chose.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    entry: usize,
    change: Option<usize>,
    list: &'static str,
    index: Option<usize>,
    field: &'static str,
}

impl Place {
    pub(super) fn entry(entry: usize) -> Self {
        Self { entry, ..Self::default() }
    }

    pub(super) fn change(self, change: usize) -> Self {
        Self { change: Some(change), ..self }
    }

    pub(super) fn list(self, list: &'static str) -> Self {
        Self { list, ..self }
    }

    pub(super) fn index(self, index: usize) -> Self {
        Self { index: Some(index), ..self }
    }

    /// What cannot be read there.
    pub(super) fn unreadable(self, fault: Fault) -> Unreadable {
        let change = self.change.unwrap_or_default();
        Unreadable { entry: self.entry, change, path: self.to_string(), fault }
    }

    /// A field of the entry, of the change, or of the item.
    pub(super) fn field(self, field: &'static str) -> Self {
        Self { field, ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry[{}]", self.entry)?;
        if let Some(change) = self.change {
            write!(f, ".changes[{change}]")?;
        }
        if !self.list.is_empty() {
            write!(f, ".value.{}", self.list)?;
        }
        if let Some(index) = self.index {
            write!(f, "[{index}]")?;
        }
        if self.field.is_empty() { Ok(()) } else { write!(f, ".{}", self.field) }
    }
}
