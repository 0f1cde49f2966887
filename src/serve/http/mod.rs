//! The HTTP face: health, status, topics and their records, groups, connectors, and `/metrics` on
//! a listener of its own. One file per area.
//!
//! Invariants: it holds no durable state; every refusal is a problem with a code
//! ([`error`](self)) and changes nothing; whatever a caller sends, memory and time are bounded by
//! the named limits of these files. What is not built (WebSockets, the registry) is refused by name
//! in `not_built`.

mod access;
mod answer;
mod assets;
mod connectors;
mod credentials;
mod declarations;
mod dlq;
mod error;
mod from;
mod groups;
mod guard;
mod handles;
mod health;
mod local;
mod logins;
mod metrics_page;
mod not_built;
mod produce;
mod push;
mod readings;
mod record_json;
mod records;
mod router;
mod server;
mod service;
mod share;
mod socket;
mod status;
mod stream;
#[cfg(test)]
mod tests;
mod topic_settings;
mod topics;
mod waits;

pub use access::Admission;
pub use assets::{Asset, Assets};
pub use declarations::{Action, Declaring, Outcome, Standing, Step};
pub use from::{From, InvalidFrom};
pub use handles::{Handles, Listeners};
pub use metrics_page::{Broker, MetricsPages};
pub use record_json::{RecordHeader, RecordJson};
pub use server::{Error, Listener};
pub use service::{Service, serve_metrics};
