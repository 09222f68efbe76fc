//! The memory that requests take, over all connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;

use crate::domain::error::{Error, Reason, Result};

/// Size of a block.
pub(super) const BLOCK: usize = 64 << 10;

/// A budget of memory.
pub(super) struct Memory {
    max: usize,
    used: AtomicUsize,
    /// Blocks that requests gave back, for the next ones: the allocator would keep those of many
    /// requests apart, and take up to twice the budget. Never more than what is in use.
    spare: Mutex<Vec<BytesMut>>,
}

impl Memory {
    pub(super) fn new(max: usize) -> Self {
        Self { max, used: AtomicUsize::new(0), spare: Mutex::default() }
    }

    /// An empty block. It belongs to who asks for it, and has to be a part of its charge.
    pub(super) fn block(&self) -> BytesMut {
        self.spare().pop().unwrap_or_else(|| BytesMut::with_capacity(BLOCK))
    }

    /// Keeps a block for the next one, if it is needed.
    pub(super) fn keep(&self, mut block: BytesMut) {
        if block.capacity() < BLOCK {
            return;
        }
        let used = self.used.load(Ordering::Relaxed);
        let mut spare = self.spare();
        let most = used.div_ceil(BLOCK);
        if spare.len() < most {
            block.clear();
            spare.push(block);
        } else {
            spare.truncate(most);
        }
    }

    fn spare(&self) -> MutexGuard<'_, Vec<BytesMut>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn blocks_are_used_again_while_others_are_in_use() {
        let memory = Arc::new(Memory::new(10 * BLOCK));
        let mut charge = Charge::new(Arc::clone(&memory));
        charge.grow(2 * BLOCK).expect("room");
        let mut block = memory.block();
        block.extend_from_slice(b"what one sent");
        let place = block.as_ptr();
        for block in [block, memory.block(), memory.block(), BytesMut::new()] {
            memory.keep(block);
        }
        assert_eq!(memory.spare().len(), 2, "as many as are in use");
        memory.block();
        let again = memory.block();
        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (place, 0, BLOCK));
        memory.keep(again);
        drop(charge);
        memory.keep(memory.block());
        assert_eq!(memory.spare().len(), 0, "nothing is in use");
    }

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
