//! Everything that is set from outside: `penstock.hcl`, the environment, and connector files in
//! Debezium's form, as typed and checked values.
//!
//! Invariant: one table ([`KEYS`]) names every key, its variable, its default and whether it is
//! built; loading, `check`, the documentation and the tests work from it. All problems are
//! collected and told with their place and how to mend them. The environment and the paths come
//! in as arguments, so nothing here looks at the process.
//! Not here: acting on a setting.

mod connector;
mod connectors;
pub mod debezium;
mod environment;
mod file;
mod glob;
mod key;
mod listen;
mod load;
mod problem;
pub mod quantity;
mod secret;
mod serve;
mod source;
mod suggest;
mod tables;
pub mod topics;

pub use connector::{
    AutocreateMode, ConnectorConfig, ConnectorProblem, DatabaseConfig, DecimalFormat, Failures,
    JsonSettings, OffConnector, OnFailure, OnSlotLoss, SkippedOperations, SnapshotMode, SslMode,
};
pub use connectors::{Connectors, load_connectors};
pub use environment::Environment;
pub use key::{Built, KEYS, Key, OTHER_VARIABLES, Shape};
pub use listen::{Advertise, Listen};
pub use load::{Origin, Setting, Sources};
pub use problem::{Place, Problem, Problems};
pub use secret::Secret;
pub use serve::{Anonymous, Config, Logto, load, load_settings};
pub use suggest::nearest;
pub use tables::TableFilter;
