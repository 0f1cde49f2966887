//! Tokens that were verified, by their SHA-256: a signature is checked once for each token.
//!
//! A look takes one shared lock of one of [`SHARDS`] maps. Bounded in tokens and in bytes; the
//! token that expires first gives way. An entry that was found expired stays refused while it is
//! remembered, even if the clock is set back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;

use super::claims::check_expiry;
use super::error::Error;
use super::jwks::Key;
use super::principal::Principal;

/// Tokens remembered at once: apps of a large installation, each with a few.
pub(super) const TOKENS_MAX: usize = 10_000;
/// Bytes of these tokens, as they came. Taken apart they need some times as much.
pub(super) const TOKENS_BYTES_MAX: usize = 8 << 20;
/// Maps, each with its lock, so that workers do not wait for each other.
const SHARDS: usize = 16;

/// SHA-256 of a token.
pub(super) type Fingerprint = [u8; 32];

/// One verified token.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) principal: Arc<Principal>,
    pub(super) kid: String,
    pub(super) key: Arc<Key>,
    /// The keys under which it was last seen to be good.
    pub(super) generation: AtomicU64,
    /// Bytes of the token.
    pub(super) bytes: usize,
    expired: AtomicBool,
}

impl Entry {
    pub(super) fn new(
        principal: Arc<Principal>,
        kid: String,
        key: Arc<Key>,
        generation: u64,
        bytes: usize,
    ) -> Entry {
        Entry {
            principal,
            kid,
            key,
            generation: AtomicU64::new(generation),
            bytes,
            expired: AtomicBool::new(false),
        }
    }

    /// Refuses once it has expired, and from then on.
    pub(super) fn check_expiry(&self, now_ms: i64) -> Result<(), Error> {
        if self.expired.load(Ordering::Relaxed) {
            let ago_ms = now_ms.saturating_sub(self.principal.expires_ms).max(0);
            return Err(Error::Expired {
                ago_s: ago_ms / 1000,
            });
        }
        let checked = check_expiry(self.principal.expires_ms, now_ms);
        if checked.is_err() {
            self.expired.store(true, Ordering::Relaxed);
        }
        checked
    }
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Fingerprint, Arc<Entry>>,
    bytes: usize,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Remembered([RwLock<Shard>; SHARDS]);

impl Remembered {
    pub(super) fn get(&self, fingerprint: &Fingerprint) -> Option<Arc<Entry>> {
        self.shard(fingerprint)
            .read()
            .entries
            .get(fingerprint)
            .cloned()
    }

    pub(super) fn insert(&self, fingerprint: Fingerprint, entry: Arc<Entry>) {
        let mut shard = self.shard(&fingerprint).write();
        shard.remove(&fingerprint);
        while shard.entries.len() >= TOKENS_MAX / SHARDS
            || shard.bytes + entry.bytes > TOKENS_BYTES_MAX / SHARDS
        {
            let first = shard
                .entries
                .iter()
                .min_by_key(|(_, entry)| entry.principal.expires_ms);
            let Some(first) = first.map(|(fingerprint, _)| *fingerprint) else {
                break;
            };
            shard.remove(&first);
        }
        shard.bytes += entry.bytes;
        shard.entries.insert(fingerprint, entry);
    }

    pub(super) fn remove(&self, fingerprint: &Fingerprint) {
        self.shard(fingerprint).write().remove(fingerprint);
    }

    fn shard(&self, fingerprint: &Fingerprint) -> &RwLock<Shard> {
        &self.0[usize::from(fingerprint[0]) % SHARDS]
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|shard| shard.read().entries.len()).sum()
    }
}

impl Shard {
    fn remove(&mut self, fingerprint: &Fingerprint) {
        if let Some(gone) = self.entries.remove(fingerprint) {
            self.bytes -= gone.bytes;
        }
    }
}
