//! Where the log lies, how large it may be, and the settings of its topics.

use std::path::PathBuf;

use crate::config::topics::{CleanupPolicy, Rules, TopicRule};
use crate::topic::TopicName;

/// Bytes that may be acknowledged or waiting but not yet written to segments.
pub const IN_FLIGHT_BYTES_MAX: usize = 64 << 20;

/// Appends from outside are refused when this much waits for the appender: the disk has stalled,
/// and callers did not wait for [`super::Log::room`].
pub(super) const QUEUE_BYTES_MAX: usize = 4 * IN_FLIGHT_BYTES_MAX;

/// One append holds at most this much: above the frame limit of 32 MiB, below a journal file.
pub const APPEND_BYTES_MAX: usize = 48 << 20;

/// Appends that wait are written and synced together up to this many bytes.
pub(super) const GROUP_BYTES_MAX: usize = 16 << 20;

/// Partitions of one topic: a mistyped number must not make a million folders.
pub const PARTITIONS_MAX: u32 = 10_000;

/// Floor for appends from outside: at least this much of the disk stays free.
const FLOOR_BYTES: u64 = 1 << 30;

/// Appends from inside go on until only this much is free.
const RESERVE_BYTES: u64 = 64 << 20;

/// Segments of internal topics: small, so that compaction can follow soon.
const INTERNAL_SEGMENT_BYTES: u32 = 16 << 20;

/// `retention.ms` of `dlq.*`: 30 days.
const DLQ_RETENTION_MS: i64 = 30 * 24 * 3_600_000;

/// What deletes old data of a topic (`cleanup.policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// Whole segments go once they are older or more than allowed.
    Delete,
    /// The latest record of every key stays.
    Compact,
    /// The latest record of every key stays, until its segment is older or more than allowed.
    CompactDelete,
}

/// Settings of one topic; every value is effective (defaults filled in).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfig {
    /// `retention.ms`; `None` keeps for ever (-1).
    pub retention_ms: Option<i64>,
    /// `retention.bytes` per partition; `None` is no limit (-1).
    pub retention_bytes: Option<i64>,
    /// `segment.bytes`.
    pub segment_bytes: u32,
    /// `cleanup.policy`.
    pub cleanup: Cleanup,
    /// `max.message.bytes`, of a batch as stored.
    pub max_message_bytes: u32,
}

impl TopicConfig {
    /// Sets what `rule` declares, and leaves the rest as it is.
    pub fn declare(&mut self, rule: &TopicRule) {
        if let Some(kept) = rule.retention_ms {
            self.retention_ms = Some(kept).filter(|kept| *kept >= 0);
        }
        if let Some(kept) = rule.retention_bytes {
            self.retention_bytes = Some(kept).filter(|kept| *kept >= 0);
        }
        if let Some(cleanup) = rule.cleanup {
            self.cleanup = match cleanup {
                CleanupPolicy::Delete => Cleanup::Delete,
                CleanupPolicy::Compact => Cleanup::Compact,
                CleanupPolicy::CompactDelete => Cleanup::CompactDelete,
            };
        }
        if let Some(bytes) = rule.max_message_bytes {
            self.max_message_bytes = bytes;
        }
    }
}

/// Free bytes below which appends are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskFloors {
    /// For [`super::Origin::Outside`]; `None`: the larger of 1 GiB and 5 % of the file system, at
    /// most half of it.
    pub outside: Option<u64>,
    /// For [`super::Origin::Inside`].
    pub inside: u64,
}

impl Default for DiskFloors {
    fn default() -> DiskFloors {
        DiskFloors {
            outside: None,
            inside: RESERVE_BYTES,
        }
    }
}

impl DiskFloors {
    /// The floor for appends from outside on a file system of `total` bytes.
    pub(super) fn outside(&self, total: u64) -> u64 {
        self.outside
            .unwrap_or_else(|| FLOOR_BYTES.max(total / 20).min(total / 2))
    }
}

/// Where and how large.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data directory.
    pub dir: PathBuf,
    /// Bytes of one journal file (64 MiB).
    pub journal_file_bytes: u64,
    /// Number of journal files (4).
    pub journal_files: u32,
    /// Settings of topics made without settings.
    pub topic_defaults: TopicConfig,
    /// What `topics.yaml` declares for topics of a name; it goes before `topic_defaults`.
    pub rules: Rules,
    /// Free bytes below which appends are refused.
    pub floors: DiskFloors,
}

impl Config {
    /// The default settings for a data directory.
    #[must_use]
    pub fn at(dir: impl Into<PathBuf>) -> Config {
        Config {
            dir: dir.into(),
            journal_file_bytes: 64 << 20,
            journal_files: 4,
            topic_defaults: TopicConfig {
                retention_ms: Some(7 * 24 * 3_600_000),
                retention_bytes: None,
                segment_bytes: 1 << 30,
                cleanup: Cleanup::Delete,
                max_message_bytes: 16 << 20,
            },
            rules: Rules::default(),
            floors: DiskFloors::default(),
        }
    }

    /// Defaults for a topic of this name.
    pub(super) fn topic_defaults(&self, name: &TopicName) -> TopicConfig {
        let mut config = self.topic_defaults.clone();
        if name.is_internal() {
            config.cleanup = Cleanup::Compact;
            config.segment_bytes = config.segment_bytes.min(INTERNAL_SEGMENT_BYTES);
            config.retention_ms = None;
            config.retention_bytes = None;
        } else if name.as_str().starts_with("dlq.") {
            config.retention_ms = Some(DLQ_RETENTION_MS);
        }
        // Internal topics hold Penstock's own state: no declaration reaches them.
        if !name.is_internal()
            && let Some(rule) = self.rules.now().topic(name.as_str())
        {
            config.declare(rule);
        }
        config
    }
}
