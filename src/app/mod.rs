//! Builds everything from the configuration, starts it, and stops it in order. The only folder
//! that knows all others; nothing below knows it.
//!
//! ```text
//! start: listeners bound -> log -> declared topics -> groups, pushes -> connectors
//!        -> Kafka, HTTP, metrics -> ready
//! stop:  not ready, accept no more -> finish requests -> connectors -> groups, pushes -> log
//! ```

mod declared;
mod declared_plan;
mod demo;
mod error;
mod gauges;
mod logging;
mod parts;
mod ready;
mod runtime;
mod serve;
mod server;
mod settings;
mod signals;

pub use demo::{App, Demo, Issuer, PrivatePostgres, Registry, demo, postgres_program};
pub use error::Error;
pub use runtime::runtime;
pub use serve::{Serve, serve};
