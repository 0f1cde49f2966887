//! Samples what is there rather than what happens: disk, topics, lag, slots.
//!
//! Each round is published as a whole, so that the series of a topic, group or limit that has gone
//! go with it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::connect::{Connectors, Observed, Slot};
use crate::deliver::{Letters, TopicDepth};
use crate::group::share::Shares;
use crate::group::{Groups, Lag};
use crate::log::{Log, State};
use crate::metrics::names::{self, ALL};
use crate::metrics::{self, Samples};

/// How often; well below the usual scrape interval of 15 s.
const INTERVAL: Duration = Duration::from_secs(5);

/// PostgreSQL's words for `wal_status`.
const WAL_STATUSES: [&str; 4] = ["reserved", "extended", "unreserved", "lost"];

/// What is looked at.
#[derive(Debug, Clone)]
pub(super) struct Sampled {
    pub(super) log: Log,
    pub(super) groups: Groups,
    pub(super) shares: Shares,
    pub(super) connectors: Connectors,
    pub(super) letters: Letters,
    pub(super) clock: Arc<dyn Clock>,
}

/// Samples until `stop`.
pub(super) async fn sample(sampled: Sampled, page: metrics::Handle, stop: CancellationToken) {
    loop {
        let round = sampled.round();
        tokio::select! {
            samples = round => page.publish(&samples),
            () = stop.cancelled() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}

impl Sampled {
    async fn round(&self) -> Samples {
        let mut samples = Samples::default();
        add_log(&mut samples, &self.log);
        for observed in self.connectors.observe() {
            add_slot(&mut samples, &observed);
        }
        // Nothing while they are still being counted.
        for depth in self.letters.depths_now().unwrap_or_default() {
            add_letters(&mut samples, &depth, self.clock.now_ms());
        }
        for lag in self.groups.lag().into_iter().chain(self.shares.lag()) {
            let since_ms = self.groups.waiting_since_ms(&lag).await;
            let waited_ms = since_ms.map_or(0, |ms| self.clock.now_ms().saturating_sub(ms));
            add_lag(&mut samples, &lag, waited_ms.max(0).unsigned_abs());
        }
        samples
    }
}

fn add_log(samples: &mut Samples, log: &Log) {
    let is_writable = log.state() == State::Writable;
    samples.set(ALL, names::LOG_WRITABLE, &[], flag(is_writable));
    samples.set(ALL, names::DISK_FREE_BYTES, &[], float(log.disk().free));
    for topic in log.topics() {
        let labels = [("topic", topic.name.as_str())];
        samples.set(ALL, names::LOG_BYTES, &labels, float(topic.bytes()));
    }
}

/// What the server says of a connector's slot; nothing where it did not answer.
fn add_slot(samples: &mut Samples, observed: &Observed) {
    let connector = ("connector", observed.status.name.as_str());
    let (is_active, state) = match &observed.slot {
        Slot::Unknown => return,
        Slot::Absent => (false, None),
        Slot::There(state) => (state.holder.is_some(), Some(state)),
    };
    samples.set(ALL, names::SLOT_ACTIVE, &[connector], flag(is_active));
    for status in WAL_STATUSES {
        let is_it = state.is_some_and(|state| state.wal_status.as_str() == status);
        let labels = [connector, ("status", status)];
        samples.set(ALL, names::SLOT_WAL_STATUS, &labels, flag(is_it));
    }
    let Some(state) = state else { return };
    let retained = float(state.retained_bytes);
    samples.set(ALL, names::SLOT_RETAINED_WAL_BYTES, &[connector], retained);
    if let Some(safe) = state.safe_wal_bytes {
        let safe = float(u64::try_from(safe).unwrap_or_default());
        samples.set(ALL, names::SLOT_SAFE_WAL_BYTES, &[connector], safe);
    }
}

fn add_letters(samples: &mut Samples, depth: &TopicDepth, now_ms: i64) {
    let topic = ("topic", depth.topic.as_str());
    let group = ("group", depth.place.group().unwrap_or_default());
    for (reason, count) in &depth.reasons {
        let labels = [topic, group, ("reason", reason.as_str())];
        samples.set(ALL, names::DLQ_DEPTH_RECORDS, &labels, float(*count));
    }
    let seconds = float(depth.age_ms(now_ms).unwrap_or(0)) / 1000.0;
    samples.set(ALL, names::DLQ_OLDEST_AGE_SECONDS, &[topic], seconds);
}

fn add_lag(samples: &mut Samples, lag: &Lag, waited_ms: u64) {
    let partition = lag.partition.to_string();
    let labels = [
        ("group", lag.group.as_str()),
        ("topic", lag.topic.as_str()),
        ("partition", partition.as_str()),
    ];
    let records = float(lag.records.unsigned_abs());
    samples.set(ALL, names::CONSUMER_LAG_RECORDS, &labels, records);
    let seconds = float(waited_ms) / 1000.0;
    samples.set(ALL, names::CONSUMER_LAG_SECONDS, &labels, seconds);
}

fn flag(is_set: bool) -> f64 {
    f64::from(u8::from(is_set))
}

/// A metric's value; beyond 2^53 it is rounded.
fn float(number: u64) -> f64 {
    number as f64
}
