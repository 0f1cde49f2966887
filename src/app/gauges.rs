//! Samples what changes without an event of its own: disk, topics, lag.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::group::Groups;
use crate::log::Log;

/// How often; well below the usual scrape interval of 15 s.
const INTERVAL: Duration = Duration::from_secs(5);

/// Samples until `stop`.
pub(super) async fn sample(
    log: Log,
    groups: Groups,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    loop {
        sample_once(&log, &groups, clock.as_ref()).await;
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}
