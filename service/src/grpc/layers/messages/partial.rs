//! The beginning of a message that comes in several parts.

use bytes::{BufMut, Bytes, BytesMut};

/// Blocks of one size: a buffer that doubles leaves its former halves with the allocator, and takes up to
/// twice as much as it holds.
const BLOCK: usize = 64 << 10;

/// What there is of a message.
#[derive(Default)]
pub(super) struct Partial {
    /// All but the last are full.
    blocks: Vec<BytesMut>,
    len: usize,
}

impl Partial {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The first bytes, up to a block of them.
    pub(super) fn head(&self) -> &[u8] {
        self.blocks.first().map_or(&[], |block| block)
    }

    pub(super) fn extend(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len();
        while !bytes.is_empty() {
            let block = match self.blocks.last_mut() {
                Some(block) if block.len() < BLOCK => block,
                // Small messages have a small one.
                None => self.blocks.push_mut(BytesMut::new()),
                Some(_) => self.blocks.push_mut(BytesMut::with_capacity(BLOCK)),
            };
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - block.len()));
            block.put_slice(now);
            bytes = later;
        }
    }

    /// Takes all of it.
    pub(super) fn take(&mut self) -> Bytes {
        let Self { mut blocks, len } = std::mem::take(self);
        if blocks.len() < 2 {
            return blocks.pop().unwrap_or_default().freeze();
        }
        let mut whole = BytesMut::with_capacity(len);
        for block in blocks {
            whole.put_slice(&block);
        }
        whole.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_parts_is_whole() {
        let bytes: Vec<u8> = (0..3 * BLOCK + 7).map(|n| n as u8).collect();
        for size in [1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, bytes.len()] {
            let mut partial = Partial::default();
            for part in bytes.chunks(size) {
                partial.extend(part);
            }
            assert_eq!((partial.len(), &partial.head()[..7]), (bytes.len(), &bytes[..7]));
            assert_eq!(partial.take(), bytes, "{size}");
            assert!(partial.is_empty() && partial.head().is_empty());
            assert_eq!(partial.take(), Bytes::new());
        }
    }
}
