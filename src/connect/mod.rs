//! A connector's run: PostgreSQL's changes are read, converted to Debezium's events and appended
//! to the log together with the position they end at.
//!
//! ```text
//! Connectors -> run (retry for ever, or FAILED) -> prepare (checks, publication, slot, position)
//!                                               -> snapshot (rows as `r`)
//!                                               -> stream   (pgoutput -> Table -> Emitter -> Outgoing -> log)
//!                                                             -> Letters -> dlq.source.<connector>
//!                                                   feedback (status updates, own task)
//!            -> watch (what the server says of the slot, own task, also while the run is over)
//! ```
//!
//! Invariant: records and the position behind them are in one append, so a change is in its topic
//! exactly once, whatever is killed; so is the dead letter of a change that cannot be written.
//! Invariant: the slot is told a position only after it is
//! durable.
//!
//! Not here: transforms, and converters other than JSON.
//!
//! # Why an append may end inside of a transaction
//! Holding a transaction back until its commit would need memory or a spool of its size. Its
//! first changes are durable and visible early instead, and the position says how many there are.

mod changes;
mod connectors;
mod context;
mod emit;
mod error;
mod examine;
mod feedback;
mod figures;
mod gauges;
mod in_flight;
mod letter;
mod letters;
mod message;
mod outgoing;
mod position;
mod prepare;
mod run;
mod snapshot;
mod status;
mod stream;
mod table;
mod tables;
mod watch;

pub use connectors::{Connectors, Declared};
pub use error::Error;
pub use examine::{Finding, Level, examine};
pub use figures::{Observed, Slot, SnapshotRun};
pub use status::{Positions, SnapshotProgress, State, Status};
