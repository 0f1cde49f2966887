//! Where log lines go: stderr, for people on a terminal, as JSON lines otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged where nobody says otherwise.
const DEFAULT_FILTER: &str = "info";

/// Takes `PENSTOCK_LOG`, else `RUST_LOG`, as filter; one that cannot be read counts as unset and
/// is told. Does nothing when called again.
pub(super) fn start(default: Option<&str>) {
    let named = ["PENSTOCK_LOG", "RUST_LOG"].into_iter().filter_map(|name| {
        Some((
            name,
            std::env::var(name).ok().filter(|text| !text.is_empty())?,
        ))
    });
    let default = default.unwrap_or(DEFAULT_FILTER);
    let mut refused = None;
    let filter = match named.into_iter().next() {
        Some((name, text)) => EnvFilter::try_new(&text).unwrap_or_else(|error| {
            refused = Some((name, error));
            EnvFilter::new(default)
        }),
        None => EnvFilter::new(default),
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Only a second start fails, and then the first one's lines go on.
    let _ = if std::io::stderr().is_terminal() {
        lines.with_target(false).finish().try_init()
    } else {
        lines.json().flatten_event(true).finish().try_init()
    };
    if let Some((name, error)) = refused {
        tracing::warn!(variable = name, %error, "could not read the log filter");
    }
}
