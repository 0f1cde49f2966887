//! One partition as one shared group sees it, as a pure state machine: what members ask goes in
//! with the time, what became of it comes out. No sockets, clocks, files or randomness.
//!
//! ```text
//!  next ---acquire---> acquired ---accept-------------------------> done
//!                       |  ^  |----reject, or the last release----> dead letter, done
//!                 release  acquire
//!                 or expiry |
//!                       v   |
//!                     available (after a back-off)
//! ```
//! A record below [`Partition::next`] that is not open is done; one at or above it was never
//! considered. A delivery counts when the record is acquired. The owner of a lease is a number
//! of which the upper half names the [`Member`], so that whoever speaks a protocol with members or
//! sessions can make it; acquiring and acknowledging are by offset, and [`Partition::leased`] gives
//! the offsets of a range.
//!
//! Invariants:
//! - every record is acknowledged or becomes a dead letter exactly once, unless a seek gives it
//!   out again or retention takes it;
//! - a delivery count never goes down but by a redrive or a seek;
//! - an acknowledgement without a running lease of its owner changes nothing;
//! - no member holds more than is left for the others ([`Partition::allowance`]), so that one that
//!   never acknowledges does not stop the group.
//!
//! [`Breaker`] watches what becomes of the records of all partitions of a group.

mod ack;
mod acquire;
mod breaker;
mod change;
mod expire;
mod member;
mod partition;
#[cfg(test)]
mod tests;

pub use ack::{Ack, Acked, Death};
pub use acquire::Acquired;
pub use breaker::Breaker;
pub use change::Redrivable;
pub use member::Member;
pub use partition::{Entry, Partition, Phase};

pub use super::super::state::Now;
