//! `penstock bench`: what a server does on this machine, and at which cost.
//!
//! `produce`, `consume` and `e2e` speak Kafka's protocol to any broker, so that the same client
//! measures Penstock and Apache Kafka; `cdc` runs a `serve` of its own beside `pg_recvlogical` on
//! the same backlog, `push` one beside a bare handler. Each tells people one line and, with `--json`, prints one object.
//!
//! Invariants: memory does not grow with the number of records; what is made for a measurement
//! (topics, tables, slots, folders) is removed when it ends, fails or is interrupted, or it is said
//! that it stays.
//!
//! Not here: comparisons between brokers, which scripts make of several runs.

mod arguments;
mod cdc;
mod client;
mod consume;
mod e2e;
mod latencies;
mod numbers;
mod payload;
mod process;
mod produce;
mod push;
mod report;
mod run;
mod running;
mod scratch;
mod temporary;

pub(super) use arguments::Bench;
pub(super) use run::run;
