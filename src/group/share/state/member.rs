//! Who holds leases: a member, as far as whoever speaks its protocol can tell.
//!
//! The owner of a lease is a number of which the upper half is the member and the lower half one
//! read of it: an answer from an earlier read is not taken for one from a later read, and all that
//! a member holds can be counted. Two members that happen to have the same number share what one
//! may hold, and nothing else.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A member of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member(u32);

impl Member {
    /// The member that `identity` tells from others: a name it gave, or its connection.
    #[must_use]
    pub fn of(identity: &impl Hash) -> Member {
        let mut hasher = DefaultHasher::new();
        identity.hash(&mut hasher);
        Member::holding(hasher.finish())
    }

    /// Whose lease it is that `owner` owns.
    #[must_use]
    pub fn holding(owner: u64) -> Member {
        Member(u32::try_from(owner >> 32).unwrap_or_default())
    }

    /// The owner of what one read of the member gets; `random` tells its reads apart.
    #[must_use]
    pub fn owner(self, random: u64) -> u64 {
        u64::from(self.0) << 32 | (random & u64::from(u32::MAX))
    }
}
