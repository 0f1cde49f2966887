//! Consumer groups: who reads which partition, and how far each group has read.
//!
//! [`state`] is the coordinator of one group as a pure state machine. [`Groups`] is the thin shell
//! around it: it keeps all groups of the process, tells them the time, and stores what must not be
//! lost in the compacted topic `__consumer_offsets`, in Kafka's own record formats. [`Service`]
//! does what is due without being asked.
//!
//! Invariants:
//! - a commit is answered after its record is synced, and only then seen by a fetch;
//! - what a fetch says after a restart is what it said before;
//! - a group's memory is bounded by [`limits`], whatever its members send.
//!
//! [`share`] holds the shared groups, which are made the same way; an id is of one kind only.
//! Not here: the wire protocols (`serve`).

mod error;
mod groups;
mod id;
mod lag;
pub mod limits;
mod replay;
mod service;
pub mod share;
mod shared;
pub mod state;
mod stored;
#[cfg(test)]
mod tests;
mod write;

pub use error::Error;
pub use groups::{Commit, Fetched, Groups, Listing};
pub use id::GroupId;
pub use lag::Lag;
pub use limits::Config;
pub use service::Service;
