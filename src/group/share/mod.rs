//! Shared groups: every record of a topic is handed to one member at a time, who accepts, releases
//! or rejects it. What cannot be worked off goes to the topic `dlq.<group>`.
//!
//! [`Shares`] is the handle, [`Service`] does what is due without being asked. The pure rules are
//! those of KIP-932's share groups with a redelivery back-off and dead letters (KIP-1191).

mod face;
pub mod limits;
mod redrive;
pub mod state;
mod stored;

pub use face::{Delivery, Lag, Listing, Read, Service, Shares};
pub use redrive::{NotRedriven, Redrive, Redriven};
