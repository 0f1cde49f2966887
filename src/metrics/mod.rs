//! Metrics: their names in one file, and the one recorder that renders them for Prometheus.
//!
//! Invariant: every metric that the program records stands in [`names`] with its unit and kind, and
//! its labels take a bounded number of values (configured objects, fixed words, status codes).
//! Not here: recording, which happens where things happen, through the `metrics` macros.

pub mod names;
mod reading;
mod recorder;

pub use reading::Reading;
pub use recorder::{Handle, InstallError, UPKEEP_INTERVAL, describe, install};
