//! The memory of bodies on their way in, taken as their bytes arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::Error;

/// Bytes of all bodies and the batches made of them. With the default limit some thirty of the
/// largest bodies fit at once; a sender that finds no room is told to come again.
pub const BODIES_BYTES_MAX: usize = 64 << 20;

/// What all bodies share: the bytes that are taken. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget(Arc<AtomicUsize>);

/// What one body has taken; given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    /// A share of nothing.
    pub(super) fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

impl Share {
    /// Takes more until it has `bytes`, if there is room.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), Error> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let taken = &self.budget.0;
        let room = |taken: usize| {
            taken
                .checked_add(more)
                .filter(|all| *all <= BODIES_BYTES_MAX)
        };
        taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .map_err(|_| Error::Busy("the bodies of other pushes take all the room there is"))?;
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_once_and_given_back() {
        let budget = Budget::default();
        let mut first = budget.share();
        first.grow_to(BODIES_BYTES_MAX / 2).unwrap();
        first.grow_to(10).unwrap();
        let mut second = budget.share();
        second.grow_to(BODIES_BYTES_MAX / 2).unwrap();
        assert!(matches!(
            second.grow_to(BODIES_BYTES_MAX / 2 + 1),
            Err(Error::Busy(_))
        ));
        drop(first);
        second.grow_to(BODIES_BYTES_MAX).unwrap();
    }
}
