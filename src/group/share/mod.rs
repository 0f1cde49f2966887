//! Shared groups: every record of a topic is handed to one member at a time, who accepts, releases
//! or rejects it. What cannot be worked off goes to the topic `dlq.<group>`.
//!
//! ```text
//!  read  --> gather: records from the log --> state: acquire --+
//!  ack   --> acks: letters of what dies   --> state: ack ------+--> one append, one chain a group
//!  lease --> service: run out             --> state: expire ---+    __share_group_state, dlq.<group>
//! ```
//! [`state`] is one partition of one group as a pure state machine, with the rules of KIP-932 and
//! a back-off between deliveries. [`Shares`] is the thin shell around it: it reads records, stores
//! what must not be lost in the compacted topic `__share_group_state` in Kafka's format, and
//! copies what cannot be worked off to `dlq.<group>` as in KIP-1191, in the same append as the
//! state. [`Service`] does what is due without being asked.
//!
//! Invariants:
//! - a delivery is counted durably before its record is handed out, and an acknowledgement is
//!   answered after it is synced; a lease that is lost in a restart has counted as a delivery;
//! - a dead letter and the end of its record are one append: neither is there without the other;
//! - the appends of a group are one [`crate::log::Chain`], submitted in order under its lock: each
//!   holds the whole state of its partitions, so one that was stored after another failed would
//!   take away a record whose dead letter was lost with that other one. When one fails, or its
//!   outcome is not known, the later ones fail too, and the group goes back to what is stored;
//! - a group is ordered or shared, never both: [`super::Groups`] knows the shared ids.
//!
//! What is decided here: a group begins with the first read that names a topic, where its policy
//! says. A flood of failures pauses the group ([`state::Breaker`]); while it is paused leases run
//! on, and what dies then still becomes a dead letter. What cannot be read (damage with a known
//! end, a batch that cannot be unpacked) becomes one dead letter without a value for each range,
//! and reading goes on behind it. A record that compaction or retention took leaves the state.
//!
//! Not here: members and their sessions (whoever speaks a protocol makes an owner's number),
//! counting dead letters and choosing which to redrive (`deliver`), HTTP.

mod ack_id;
mod acks;
mod cell;
mod fetch;
mod gather;
mod letters;
pub mod limits;
mod marks;
mod read;
mod redrive;
mod replay;
mod service;
mod shared;
mod shares;
pub mod state;
mod stored;
mod tally;
#[cfg(test)]
mod tests;
mod write;

pub use super::lag::Lag;
pub use acks::Status;
pub use read::{Deliveries, Delivery, Read};
pub use redrive::{NotRedriven, Redrive, Redriven};
pub use service::Service;
pub use shares::{Description, Listing, Position, Shares};
pub use state::{Ack, Member};
