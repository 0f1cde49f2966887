//! One consumer group as a pure state machine: what members ask goes in with the time, answers
//! come out. No sockets, clocks, files or randomness.
//!
//! The protocol is Kafka's classic one. A group is `Empty`, then `PreparingRebalance` while its
//! members join again, `CompletingRebalance` while the leader works out who reads what, and
//! `Stable` once that assignment is stored.
//!
//! Invariants:
//! - every waiter that was taken is answered exactly once, or its member is still there;
//! - a generation never goes backwards, and an assignment is only seen in its own generation;
//! - only the newest member of an instance id is a member; older ones are told they are fenced;
//! - an assignment is handed out only after it was stored ([`Output::Store`], [`Group::stored`]).

mod commit;
mod describe;
mod group;
mod heartbeat;
mod join;
mod leave;
mod member;
mod offsets;
mod rebalance;
mod restore;
mod sync;
#[cfg(test)]
mod tests;
mod tick;

pub use commit::Committer;
pub use describe::{Description, MemberDescription};
pub use group::{Group, Now, Output, Phase, Waiter};
pub use heartbeat::Heartbeat;
pub use join::{Join, Joined, JoinedMember};
pub use leave::Leaving;
pub use member::Member;
pub use offsets::{Committed, Offsets};
pub use restore::{Restored, RestoredMember};
pub use sync::{Sync, Synced};
