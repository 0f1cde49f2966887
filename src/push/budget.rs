//! The memory of bodies on their way in, taken as their bytes arrive.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Error;

/// Bytes of all bodies and the batches made of them. With the default limit some thirty of the
/// largest bodies fit at once; a sender that finds no room is told to come again.
pub const BODIES_BYTES_MAX: usize = 64 << 20;

/// What all bodies share. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Semaphore>);

/// What one body has taken; given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Budget {
    pub(super) fn new() -> Budget {
        Budget(Arc::new(Semaphore::new(BODIES_BYTES_MAX)))
    }

    /// A share of nothing.
    pub(super) fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            permit: None,
            bytes: 0,
        }
    }
}

impl Share {
    /// Takes more until it has `bytes`, if there is room.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), Error> {
        let full = || Error::Busy("the bodies of other pushes take all the room there is");
        if bytes <= self.bytes {
            return Ok(());
        }
        let more = u32::try_from(bytes - self.bytes).map_err(|_| full())?;
        let taken = Arc::clone(&self.budget.0).try_acquire_many_owned(more);
        let taken = taken.map_err(|_| full())?;
        match &mut self.permit {
            Some(permit) => permit.merge(taken),
            none => *none = Some(taken),
        }
        self.bytes = bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_once_and_given_back() {
        let budget = Budget::new();
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
