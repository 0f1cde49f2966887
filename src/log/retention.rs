//! What deletes old data: whole segments that are older, or more, than a topic's settings allow.
//!
//! A segment is removed in two steps: the checkpoint names the new start and no longer the
//! segment, then its files go. A start that was shown never goes back.

use std::sync::Arc;

use super::config::{Cleanup, TopicConfig};
use super::error::Error;
use super::segment::Segment;
use super::store::Store;
use super::writer::Writer;

impl Writer {
    /// Applies every topic's retention.
    pub(super) fn retain(&mut self) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let mut moved = false;
        for store in self.stores.values_mut() {
            let config = store.partition.settings.config.load_full();
            if config.cleanup == Cleanup::Compact {
                continue;
            }
            let segments = store.partition.view.lock().segments.clone();
            let start = start_by(&config, &segments, store, now_ms);
            if start > store.start {
                store.move_start(start, &self.shared.files, &mut self.dirs)?;
                moved = true;
            }
        }
        match moved {
            true => self.checkpoint(),
            false => Ok(()),
        }
    }
}

/// The first offset that the settings keep.
fn start_by(config: &TopicConfig, segments: &[Arc<Segment>], store: &Store, now_ms: i64) -> i64 {
    let mut start = store.start;
    let mut bytes: u64 = segments.iter().map(|s| s.extent().bytes).sum();
    for (at, segment) in segments.iter().enumerate() {
        let extent = segment.extent();
        if extent.bytes == 0 {
            break;
        }
        let next = segments.get(at + 1);
        let is_old = config.retention_ms.is_some_and(|kept| {
            extent.max_timestamp >= 0 && extent.max_timestamp.saturating_add(kept) < now_ms
        });
        // Only a closed segment goes for its size; the last one is always kept.
        let is_much = next.is_some()
            && config
                .retention_bytes
                .and_then(|kept| u64::try_from(kept).ok())
                .is_some_and(|kept| bytes.saturating_sub(extent.bytes) >= kept);
        if !is_old && !is_much {
            break;
        }
        bytes = bytes.saturating_sub(extent.bytes);
        start = start.max(next.map_or(store.written, |next| next.base));
    }
    start
}
