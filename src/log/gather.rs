//! Small batches, one behind the other in memory.
//!
//! Each comes in memory of its own, which another thread wrote. Kept like that, the kernel would
//! gather them one by one when they are written to segments, long after they left the caches, and
//! the writer would free them one by one.

use bytes::{Bytes, BytesMut};

/// Batches up to this size are copied; larger ones stay where they are.
const SMALL_BYTES_MAX: usize = 2 << 10;
/// Bytes of a block. A reader who keeps one batch of it keeps all of it.
const BLOCK_BYTES: usize = 16 << 10;

/// The block that is filled.
#[derive(Debug, Default)]
pub(super) struct Gather(BytesMut);

impl Gather {
    /// The same bytes, small ones behind those before them.
    pub(super) fn add(&mut self, batch: Vec<u8>) -> Bytes {
        if batch.len() > SMALL_BYTES_MAX {
            return batch.into();
        }
        if self.0.capacity() < batch.len() {
            self.0 = BytesMut::with_capacity(BLOCK_BYTES);
        }
        self.0.extend_from_slice(&batch);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_batches_lie_behind_each_other_and_large_ones_stay() {
        let mut gather = Gather::default();
        let all: Vec<Vec<u8>> = (0..200).map(|i| vec![i; 300]).collect();
        let added: Vec<Bytes> = all.iter().map(|batch| gather.add(batch.clone())).collect();
        assert_eq!(added, all);
        let neighbours = added
            .windows(2)
            .filter(|pair| pair[0].as_ptr().wrapping_add(300) == pair[1].as_ptr());
        // Four blocks hold them.
        assert!(neighbours.count() >= 196);
        let large = vec![1; SMALL_BYTES_MAX + 1];
        let place = large.as_ptr();
        assert_eq!(gather.add(large).as_ptr(), place);
    }
}
