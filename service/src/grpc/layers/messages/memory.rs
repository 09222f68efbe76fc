//! The memory that requests take, over all connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::domain::error::{Error, Reason, Result};

/// A budget of memory.
pub(super) struct Memory {
    max: usize,
    used: AtomicUsize,
}

impl Memory {
    pub(super) fn new(max: usize) -> Self {
        Self { max, used: AtomicUsize::new(0) }
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// A part of the budget, given back when this is dropped.
pub(super) struct Charge {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Charge {
    pub(super) fn new(memory: Arc<Memory>) -> Self {
        Self { memory, bytes: 0 }
    }

    /// Takes more of the budget, if there is as much.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<()> {
        let before = self.memory.used.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        // Given back with the rest.
        match before.saturating_add(bytes) <= self.memory.max {
            true => Ok(()),
            false => Err(exhausted()),
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn exhausted() -> Error {
    let message = "requests take as much memory as the server has for them; retry later";
    Error::new(Reason::Overloaded, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_given_back() {
        let memory = Arc::new(Memory::new(100));
        let mut first = Charge::new(Arc::clone(&memory));
        let mut second = Charge::new(Arc::clone(&memory));
        first.grow(60).expect("room");
        assert_eq!(second.grow(41).expect_err("none").reason(), Reason::Overloaded);
        drop(second);
        first.grow(40).expect("room");
        drop(first);
        assert_eq!(memory.used(), 0);
    }
}
