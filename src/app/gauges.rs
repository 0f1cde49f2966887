//! Samples what changes without an event of its own: disk, topics, lag.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::group::Groups;
use crate::group::share::Shares;
use crate::log::{Log, State};
use crate::metrics::names;

/// How often; well below the usual scrape interval of 15 s.
const INTERVAL: Duration = Duration::from_secs(5);

/// Samples until `stop`.
pub(super) async fn sample(
    log: Log,
    groups: Groups,
    shares: Shares,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let mut seen = Seen::default();
    loop {
        seen.sample(&log, &groups, &shares, clock.as_ref()).await;
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Topics, or groups with their topics and partitions, that a gauge was set for.
#[derive(Debug, Default)]
struct Seen {
    topics: BTreeSet<String>,
    lags: BTreeSet<(String, String, String)>,
}

impl Seen {
    /// Sets every gauge; what has gone since is set to 0 once.
    async fn sample(&mut self, log: &Log, groups: &Groups, shares: &Shares, clock: &dyn Clock) {
        let is_writable = log.state() == State::Writable;
        metrics::gauge!(names::LOG_WRITABLE).set(f64::from(u8::from(is_writable)));
        metrics::gauge!(names::DISK_FREE_BYTES).set(float(log.disk().free));
        let mut topics = BTreeSet::new();
        for topic in log.topics() {
            let name = topic.name.to_string();
            metrics::gauge!(names::LOG_BYTES, "topic" => name.clone()).set(float(topic.bytes()));
            topics.insert(name);
        }
        for gone in self.topics.difference(&topics) {
            metrics::gauge!(names::LOG_BYTES, "topic" => gone.clone()).set(0.0);
        }
        self.topics = topics;
        let mut lags = BTreeSet::new();
        for lag in groups.lag().into_iter().chain(shares.lag()) {
            let place = (
                lag.group.to_string(),
                lag.topic.to_string(),
                lag.partition.to_string(),
            );
            let since_ms = groups.waiting_since_ms(&lag).await;
            let waited_ms = since_ms.map_or(0, |since_ms| clock.now_ms().saturating_sub(since_ms));
            set_lag(
                &place,
                float(lag.records.unsigned_abs()),
                waited_ms.max(0).unsigned_abs(),
            );
            lags.insert(place);
        }
        for gone in self.lags.difference(&lags) {
            set_lag(gone, 0.0, 0);
        }
        self.lags = lags;
    }
}

fn set_lag((group, topic, partition): &(String, String, String), records: f64, waited_ms: u64) {
    let labels = [
        ("group", group.clone()),
        ("topic", topic.clone()),
        ("partition", partition.clone()),
    ];
    metrics::gauge!(names::CONSUMER_LAG_RECORDS, &labels).set(records);
    metrics::gauge!(names::CONSUMER_LAG_SECONDS, &labels).set(float(waited_ms) / 1000.0);
}

/// A metric's value; beyond 2^53 it is rounded.
fn float(number: u64) -> f64 {
    number as f64
}
