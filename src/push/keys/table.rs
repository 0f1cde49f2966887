//! The keys that are remembered, in memory.
//!
//! Bounded by count: [`KEYS_MAX`] keys of [`SHARDS`] maps. A full map of 12,500 entries has 16,384
//! slots of 49 bytes, so a key takes about 64 bytes. A request holds one shard's lock for the time
//! of one look-up; nothing is awaited under it.
//!
//! Invariant: a tombstone of a key is submitted to the log under its shard's lock, at the moment
//! it leaves the map. So the record of a later push with the same key stands behind it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};

use super::key::Hash;
use super::stored::StoredKey;
use crate::topic::{Offset, PartitionId, TopicName};

/// Keys remembered at once: a day of 11 keyed pushes a second, in about 64 MB.
pub const KEYS_MAX: usize = 1_000_000;
/// A key is remembered so long; what the Idempotency-Key draft asks a server to publish.
pub const REMEMBERED_MS: i64 = 24 * 3_600_000;

/// Maps of keys. Not a power of two: so many keys as there may be fill the maps to 76 %, where a
/// power of two would have every map doubled just before.
pub(super) const SHARDS: usize = 80;

/// All keys.
#[derive(Debug)]
pub(in crate::push) struct Keys {
    shards: Vec<Mutex<HashMap<Hash, Entry>>>,
    count: AtomicUsize,
    doubts: AtomicUsize,
    /// Numbers doubts, so that one is told from a later one about the same key.
    doubts_made: AtomicUsize,
    topics: RwLock<Topics>,
    keys_max: usize,
}

/// Topics that keys point to, by number. There are not more than integrations that ever pushed
/// with a key.
#[derive(Debug, Default)]
struct Topics {
    names: Vec<TopicName>,
    numbers: HashMap<TopicName, u32>,
}

/// 32 bytes.
#[derive(Debug, Clone, Copy)]
struct Entry {
    fingerprint: u64,
    /// By state: the offset, its lower bound, or the number of a doubt.
    number: i64,
    /// Seconds since 1970-01-01 UTC.
    stored_s: u32,
    topic: u32,
    count: u16,
    partition: u16,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Being appended for the first time.
    InFlight,
    /// Being appended again, while the outcome before is not known.
    InFlightInDoubt,
    /// The outcome is not known; `number` is the doubt's.
    InDoubt,
    /// Stored, `number` is the offset.
    At,
    /// Stored, `number` is at most the offset.
    From,
    /// Stored, and the records are gone.
    Gone,
}

/// Where the records of a stored key are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::push) enum Place {
    /// There.
    At(Offset),
    /// There or later.
    From(Offset),
    /// Retention has taken them.
    Gone,
}

/// A stored key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::push) struct Stored {
    pub(in crate::push) topic: TopicName,
    pub(in crate::push) partition: PartitionId,
    pub(in crate::push) count: u32,
    pub(in crate::push) place: Place,
}

/// What becomes of a claim.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::push) enum Claimed {
    /// The caller may append, and has to settle. `in_doubt`: an append of it may be stored.
    Yours {
        /// Whether an earlier append has an unknown outcome.
        in_doubt: bool,
    },
    /// It is stored already.
    Stored(Stored),
    /// With another payload.
    Reused,
    /// Somebody appends it now.
    InFlight,
    /// No room for one more key.
    Full,
}

/// How the append of a claimed key ended.
#[derive(Debug)]
pub(in crate::push) enum Settled {
    /// Durable.
    Stored(Stored),
    /// Surely not stored.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// A key in doubt, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::push) struct Doubt {
    hash: Hash,
    number: i64,
}

impl Keys {
    /// No keys, and room for `keys_max`.
    pub(in crate::push) fn new(keys_max: usize) -> Keys {
        Keys {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            count: AtomicUsize::new(0),
            doubts: AtomicUsize::new(0),
            doubts_made: AtomicUsize::new(0),
            topics: RwLock::default(),
            keys_max,
        }
    }

    fn shard(&self, hash: Hash) -> &Mutex<HashMap<Hash, Entry>> {
        let [first, _] = hash;
        let at = usize::try_from(first % 80).unwrap_or(0);
        self.shards.get(at).expect("a remainder is below the count")
    }

    /// Claims a key for an append.
    pub(in crate::push) fn claim(&self, hash: Hash, fingerprint: u64, now_ms: i64) -> Claimed {
        let mut shard = self.shard(hash).lock();
        let mut entry = Entry::in_flight(fingerprint, now_ms);
        match shard.get_mut(&hash) {
            None => {
                if self.count.fetch_add(1, Ordering::Relaxed) >= self.keys_max {
                    self.count.fetch_sub(1, Ordering::Relaxed);
                    return Claimed::Full;
                }
                shard.insert(hash, entry);
                Claimed::Yours { in_doubt: false }
            }
            Some(known) if known.is_expired(now_ms) => {
                *known = entry;
                Claimed::Yours { in_doubt: false }
            }
            Some(known) => match known.state {
                State::InFlight | State::InFlightInDoubt => Claimed::InFlight,
                // Whether the other payload holds the key is not known yet.
                State::InDoubt if known.fingerprint != fingerprint => Claimed::InFlight,
                State::InDoubt => {
                    entry.state = State::InFlightInDoubt;
                    *known = entry;
                    self.doubts.fetch_sub(1, Ordering::Relaxed);
                    Claimed::Yours { in_doubt: true }
                }
                State::At | State::From | State::Gone if known.fingerprint != fingerprint => {
                    Claimed::Reused
                }
                State::At | State::From | State::Gone => {
                    let known = *known;
                    drop(shard);
                    self.stored(known)
                        .map_or(Claimed::InFlight, Claimed::Stored)
                }
            },
        }
    }

    /// Says how the append of a claim ended.
    pub(in crate::push) fn settle(&self, hash: Hash, now_ms: i64, settled: &Settled) {
        let topic = match settled {
            Settled::Stored(stored) => self.topic_number(&stored.topic),
            Settled::Failed | Settled::Unknown => 0,
        };
        let mut shard = self.shard(hash).lock();
        let Some(entry) = shard.get_mut(&hash) else {
            return;
        };
        let was_in_doubt = entry.state == State::InFlightInDoubt;
        match settled {
            Settled::Stored(stored) => {
                entry.place(stored, topic);
                entry.stored_s = seconds(now_ms);
            }
            Settled::Failed if !was_in_doubt => {
                shard.remove(&hash);
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
            Settled::Failed | Settled::Unknown => {
                let number = self.doubts_made.fetch_add(1, Ordering::Relaxed);
                entry.number = i64::try_from(number).unwrap_or(i64::MAX);
                entry.state = State::InDoubt;
                self.doubts.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Remembers where the records of a key were found, or that they are gone.
    pub(in crate::push) fn found(&self, hash: Hash, fingerprint: u64, place: Place) {
        let mut shard = self.shard(hash).lock();
        if let Some(entry) = shard.get_mut(&hash)
            && entry.state == State::From
            && entry.fingerprint == fingerprint
        {
            entry.set_place(place);
        }
    }

    /// Takes over a key that was read back; a later record of a key replaces an earlier one.
    pub(super) fn restore(&self, hash: Hash, stored: &StoredKey, now_ms: i64) {
        let mut entry = Entry::in_flight(stored.fingerprint, stored.stored_ms);
        let place = Stored {
            topic: stored.topic.clone(),
            partition: stored.partition,
            count: stored.count,
            place: Place::From(stored.lower_bound),
        };
        entry.place(&place, self.topic_number(&stored.topic));
        let is_full = self.count.load(Ordering::Relaxed) >= self.keys_max;
        if is_full && entry.is_expired(now_ms) {
            // Left for the next start to be taken away.
            return;
        }
        if self.shard(hash).lock().insert(hash, entry).is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes a key away whose tombstone was read back.
    pub(super) fn forget(&self, hash: Hash) {
        if self.shard(hash).lock().remove(&hash).is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes the expired keys of one shard away, and calls `bury` with them under its lock.
    pub(in crate::push) fn expire<R>(
        &self,
        shard: usize,
        now_ms: i64,
        bury: impl FnOnce(&[Hash]) -> R,
    ) -> Option<R> {
        let mut shard = self.shards.get(shard % SHARDS)?.lock();
        let mut expired = Vec::new();
        shard.retain(|hash, entry| {
            let is_expired = entry.is_expired(now_ms);
            if is_expired {
                expired.push(*hash);
            }
            !is_expired
        });
        if expired.is_empty() {
            return None;
        }
        self.count.fetch_sub(expired.len(), Ordering::Relaxed);
        Some(bury(&expired))
    }

    /// Keys in doubt now.
    pub(in crate::push) fn doubts(&self) -> Vec<Doubt> {
        if self.doubts.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let mut doubts = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let in_doubt = |(_, entry): &(&Hash, &Entry)| entry.state == State::InDoubt;
            doubts.extend(shard.iter().filter(in_doubt).map(|(hash, entry)| Doubt {
                hash: *hash,
                number: entry.number,
            }));
        }
        doubts
    }

    /// Frees keys whose doubt is resolved: an append that was submitted after it has succeeded.
    pub(in crate::push) fn resolve(&self, doubts: &[Doubt]) {
        for doubt in doubts {
            let mut shard = self.shard(doubt.hash).lock();
            let same =
                |entry: &&Entry| entry.state == State::InDoubt && entry.number == doubt.number;
            if shard.get(&doubt.hash).filter(same).is_some() {
                shard.remove(&doubt.hash);
                self.count.fetch_sub(1, Ordering::Relaxed);
                self.doubts.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Keys remembered.
    pub(in crate::push) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn stored(&self, entry: Entry) -> Option<Stored> {
        let topics = self.topics.read();
        let topic = topics.names.get(usize::try_from(entry.topic).ok()?)?;
        Some(Stored {
            topic: topic.clone(),
            partition: PartitionId(entry.partition.into()),
            count: entry.count.into(),
            place: match entry.state {
                State::At => Place::At(Offset(entry.number)),
                State::From => Place::From(Offset(entry.number)),
                _ => Place::Gone,
            },
        })
    }

    fn topic_number(&self, topic: &TopicName) -> u32 {
        if let Some(number) = self.topics.read().numbers.get(topic) {
            return *number;
        }
        let mut topics = self.topics.write();
        if let Some(number) = topics.numbers.get(topic) {
            return *number;
        }
        let number = u32::try_from(topics.names.len()).unwrap_or(u32::MAX);
        topics.names.push(topic.clone());
        topics.numbers.insert(topic.clone(), number);
        number
    }
}

fn seconds(ms: i64) -> u32 {
    u32::try_from(ms.div_euclid(1000).max(0)).unwrap_or(u32::MAX)
}

impl Entry {
    fn in_flight(fingerprint: u64, now_ms: i64) -> Entry {
        Entry {
            fingerprint,
            number: 0,
            stored_s: seconds(now_ms),
            topic: 0,
            count: 0,
            partition: 0,
            state: State::InFlight,
        }
    }

    /// Only what is stored expires.
    fn is_expired(&self, now_ms: i64) -> bool {
        let is_stored = matches!(self.state, State::At | State::From | State::Gone);
        let age_s = seconds(now_ms).saturating_sub(self.stored_s);
        is_stored && i64::from(age_s) * 1000 >= REMEMBERED_MS
    }

    fn place(&mut self, stored: &Stored, topic: u32) {
        self.topic = topic;
        // Records of a request and partitions of a topic are at most 10,000.
        self.count = u16::try_from(stored.count).unwrap_or(u16::MAX);
        self.partition = u16::try_from(stored.partition.0).unwrap_or(u16::MAX);
        self.set_place(stored.place);
    }

    fn set_place(&mut self, place: Place) {
        (self.state, self.number) = match place {
            Place::At(offset) => (State::At, offset.0),
            Place::From(bound) => (State::From, bound.0),
            Place::Gone => (State::Gone, 0),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: Hash = [1, 2];

    fn stored() -> Stored {
        Stored {
            topic: TopicName::parse("integrations.a.data").unwrap(),
            partition: PartitionId(0),
            count: 2,
            place: Place::At(Offset(5)),
        }
    }

    #[test]
    fn a_slot_is_small() {
        assert_eq!(size_of::<(Hash, Entry)>(), 48);
    }

    #[test]
    fn a_stored_key_answers_the_same_payload_and_refuses_another() {
        let keys = Keys::new(10);
        assert_eq!(keys.claim(K, 7, 0), Claimed::Yours { in_doubt: false });
        assert_eq!(keys.claim(K, 7, 0), Claimed::InFlight);
        keys.settle(K, 0, &Settled::Stored(stored()));
        assert_eq!(keys.claim(K, 7, 0), Claimed::Stored(stored()));
        assert_eq!(keys.claim(K, 8, 0), Claimed::Reused);
        assert_eq!(keys.count(), 1);
    }

    #[test]
    fn a_failed_append_frees_its_key() {
        let keys = Keys::new(1);
        keys.claim(K, 7, 0);
        keys.settle(K, 0, &Settled::Failed);
        assert_eq!(keys.count(), 0);
        assert_eq!(keys.claim(K, 8, 0), Claimed::Yours { in_doubt: false });
    }

    #[test]
    fn a_full_table_takes_no_new_key_and_forgets_none() {
        let keys = Keys::new(1);
        keys.claim(K, 7, 0);
        keys.settle(K, 0, &Settled::Stored(stored()));
        assert_eq!(keys.claim([3, 4], 7, 0), Claimed::Full);
        assert_eq!(keys.claim(K, 7, 0), Claimed::Stored(stored()));
        assert_eq!(keys.count(), 1);
    }

    #[test]
    fn a_key_expires_after_a_day_and_is_buried_once() {
        let keys = Keys::new(10);
        keys.claim(K, 7, 0);
        keys.settle(K, 0, &Settled::Stored(stored()));
        assert!(matches!(
            keys.claim(K, 7, REMEMBERED_MS - 1000),
            Claimed::Stored(_)
        ));
        let buried = |now_ms| {
            (0..SHARDS)
                .filter_map(|at| keys.expire(at, now_ms, <[Hash]>::to_vec))
                .flatten()
                .collect::<Vec<_>>()
        };
        assert!(buried(REMEMBERED_MS - 1000).is_empty());
        assert_eq!(buried(REMEMBERED_MS), [K]);
        assert!(buried(REMEMBERED_MS).is_empty());
        assert_eq!(keys.count(), 0);
        assert_eq!(
            keys.claim(K, 8, REMEMBERED_MS),
            Claimed::Yours { in_doubt: false }
        );
    }

    #[test]
    fn an_expired_key_is_free_before_it_is_buried() {
        let keys = Keys::new(1);
        keys.claim(K, 7, 0);
        keys.settle(K, 0, &Settled::Stored(stored()));
        assert_eq!(
            keys.claim(K, 8, REMEMBERED_MS),
            Claimed::Yours { in_doubt: false }
        );
        assert_eq!(keys.count(), 1);
    }

    #[test]
    fn a_doubt_is_resolved_by_a_later_append_only() {
        let keys = Keys::new(10);
        keys.claim(K, 7, 0);
        keys.settle(K, 0, &Settled::Unknown);
        let before = keys.doubts();
        assert_eq!(before.len(), 1);
        assert_eq!(
            keys.claim(K, 8, 0),
            Claimed::InFlight,
            "another payload has to wait"
        );
        // A repetition is tried, refused, and leaves a doubt of its own.
        assert_eq!(keys.claim(K, 7, 0), Claimed::Yours { in_doubt: true });
        assert!(keys.doubts().is_empty());
        keys.settle(K, 0, &Settled::Failed);
        keys.resolve(&before);
        assert_eq!(
            keys.doubts().len(),
            1,
            "the first doubt's end says nothing of the second"
        );
        keys.resolve(&keys.doubts());
        assert_eq!(keys.count(), 0);
        assert!(keys.doubts().is_empty());
        assert_eq!(keys.claim(K, 8, 0), Claimed::Yours { in_doubt: false });
    }

    #[test]
    fn a_repetition_that_is_stored_ends_the_doubt() {
        let keys = Keys::new(10);
        keys.claim(K, 7, 0);
        keys.settle(K, 0, &Settled::Unknown);
        keys.claim(K, 7, 0);
        keys.settle(K, 0, &Settled::Stored(stored()));
        assert!(keys.doubts().is_empty());
        assert_eq!(keys.claim(K, 7, 0), Claimed::Stored(stored()));
    }

    #[test]
    fn what_was_read_back_is_found_later_and_kept() {
        let keys = Keys::new(10);
        let from = StoredKey {
            fingerprint: 7,
            stored_ms: 0,
            count: 2,
            topic: stored().topic,
            partition: PartitionId(0),
            lower_bound: Offset(3),
        };
        keys.restore(K, &from, 0);
        let Claimed::Stored(known) = keys.claim(K, 7, 0) else {
            panic!("it is stored");
        };
        assert_eq!(known.place, Place::From(Offset(3)));
        keys.found(K, 7, Place::At(Offset(5)));
        assert_eq!(keys.claim(K, 7, 0), Claimed::Stored(stored()));
        keys.forget(K);
        assert_eq!(keys.count(), 0);
    }
}
