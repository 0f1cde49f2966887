//! The Kafka face: Kafka's protocol over TCP, translated to calls on the log and the groups.
//!
//! ```text
//! Listener -> Service -> connection -> frame -> dispatch -> api::handle_<api> -> log, groups
//! ```
//!
//! It is one node that calls itself broker [`NODE_ID`], leads every partition in epoch 0,
//! coordinates every group and is the controller. Every file below `api` is one API: its versions,
//! how it behaves, what it ignores.
//!
//! Invariants:
//! - requests of a connection are answered in their order; only Produce requests overlap;
//! - an acknowledged record is synced;
//! - memory is taken from a budget before it is filled: frames being read and worked on, records
//!   being sent ([`Config`] has the limits);
//! - no state outlives a connection here.
//!
//! Not here: SASL, TLS and ACL; transactions; replication.

mod access;
mod api;
mod broker;
mod budget;
mod connection;
mod dispatch;
mod error;
mod frame;
mod listener;
mod service;
#[cfg(test)]
mod tests;

pub use access::{Nobody, Ownership};
pub use broker::{Advertise, Config, Handles, NODE_ID};
pub use error::Error;
pub use listener::Listener;
pub use service::Service;
