//! Metrics: their names in one file, and the page that Prometheus reads.
//!
//! What happens is recorded where it happens, through the `metrics` macros; its series stay for as
//! long as the process lives. What there is (topics, lags, dead letters, slots) is sampled: a round
//! of [`Samples`] takes the place of the one before, so that the series of what has gone go too.
//!
//! Invariant: every metric that the program records stands in [`names`] with its unit and kind, and
//! its labels take a bounded number of values (configured objects, fixed words, status codes).
//! Not here: recording and sampling, which other folders do.

pub mod compatible;
pub mod names;
mod process;
mod reading;
mod recorder;
mod samples;

pub use reading::Reading;
pub use recorder::{Handle, InstallError, UPKEEP_INTERVAL, describe, install};
pub use samples::Samples;
