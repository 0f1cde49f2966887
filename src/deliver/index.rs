//! Which dead letters are open, and why: one byte for each offset of a topic of dead letters.
//!
//! ```text
//! byte  0      settled: redriven, or no letter at this offset
//!       1 + n  open, for the n-th of Reason::ALL
//! ```
//!
//! Pure: no log, no clock. A partition's bytes begin with its first open letter, since what is
//! settled in front of it is dropped; so the memory follows the open letters and what came behind
//! them.
//!
//! Invariant: `counts` of a partition are those of its bytes.

use std::collections::{BTreeMap, VecDeque};

use uuid::Uuid;

use super::place::Place;
use crate::record::dead_letter::Reason;
use crate::topic::{Offset, PartitionId, TopicName};

/// Letters that are counted, open or between open ones: 16 MiB of memory at one byte each. Beyond
/// it reading stops until some are settled, and answers say how many records are uncounted.
pub const LETTERS_MAX: usize = 16 << 20;

/// Number of reasons.
const REASONS: usize = Reason::ALL.len();
/// The byte of an offset that holds no open letter.
const SETTLED: u8 = 0;

/// How many letters there are of each reason.
pub(super) type Counts = [u64; REASONS];

/// The open letters of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDepth {
    /// The topic.
    pub topic: TopicName,
    /// Whose letters they are.
    pub place: Place,
    /// Letters neither redriven, purged nor expired.
    pub depth: u64,
    /// The same by reason; every reason that occurred since the start or is usual here.
    pub reasons: BTreeMap<Reason, u64>,
    /// Timestamp (ms) of the open letter that has lain longest: of its record, which a dead letter
    /// keeps. `None` without open letters.
    pub oldest_ms: Option<i64>,
    /// Records that have not been looked at: 0 but for the moment after they were written, a
    /// range that cannot be read, or more than [`LETTERS_MAX`] letters.
    pub uncounted: u64,
}

impl TopicDepth {
    /// Age of the open letter that has lain longest.
    #[must_use]
    pub fn age_ms(&self, now_ms: i64) -> Option<u64> {
        let age_ms = now_ms.saturating_sub(self.oldest_ms?);
        Some(age_ms.max(0).unsigned_abs())
    }

    /// The depths of reasons by their words.
    #[must_use]
    pub fn by_word(&self) -> BTreeMap<&'static str, u64> {
        let words = self.reasons.iter();
        words.map(|(reason, n)| (reason.as_str(), *n)).collect()
    }
}

/// All topics of dead letters.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) topics: BTreeMap<TopicName, TopicIndex>,
}

/// One topic.
#[derive(Debug)]
pub(super) struct TopicIndex {
    pub(super) id: Uuid,
    pub(super) place: Place,
    pub(super) partitions: Vec<PartitionIndex>,
    /// Reasons that were seen, still open or not.
    occurred: [bool; REASONS],
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct PartitionIndex {
    /// Offset of the first byte.
    base: i64,
    states: VecDeque<u8>,
    counts: Counts,
    /// Offset and timestamp of the first open letter; stale where the offset is not `base`.
    oldest: Option<(i64, i64)>,
}

impl Index {
    /// Bytes of all partitions.
    pub(super) fn letters(&self) -> usize {
        let partitions = self.topics.values().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| partition.states.len()).sum()
    }

    pub(super) fn partition(&self, topic: &str, id: PartitionId) -> Option<&PartitionIndex> {
        self.topics.get(topic)?.partition(id)
    }

    pub(super) fn partition_mut(
        &mut self,
        topic: &str,
        id: PartitionId,
    ) -> Option<&mut PartitionIndex> {
        let id = usize::try_from(id.0).ok()?;
        self.topics.get_mut(topic)?.partitions.get_mut(id)
    }
}

impl TopicIndex {
    /// A topic whose partitions begin at these offsets.
    pub(super) fn new(id: Uuid, place: Place, starts: impl Iterator<Item = Offset>) -> TopicIndex {
        let mut occurred = [false; REASONS];
        for reason in place.usual_reasons() {
            mark(&mut occurred, *reason);
        }
        TopicIndex {
            id,
            place,
            partitions: starts.map(PartitionIndex::at).collect(),
            occurred,
        }
    }

    pub(super) fn partition(&self, id: PartitionId) -> Option<&PartitionIndex> {
        self.partitions.get(usize::try_from(id.0).ok()?)
    }

    /// Takes a letter of partition `id`.
    pub(super) fn open(&mut self, id: PartitionId, offset: i64, reason: Reason, timestamp: i64) {
        let partition = usize::try_from(id.0).ok();
        let Some(partition) = partition.and_then(|id| self.partitions.get_mut(id)) else {
            return;
        };
        mark(&mut self.occurred, reason);
        partition.open(offset, reason, timestamp);
    }

    /// Notes that partition `id` has no open letter up to `offset` but those taken.
    pub(super) fn skip_to(&mut self, id: PartitionId, offset: Offset) {
        let partition = usize::try_from(id.0).ok();
        if let Some(partition) = partition.and_then(|id| self.partitions.get_mut(id)) {
            partition.skip_to(offset);
        }
    }

    /// Open letters by reason, for every reason that occurred.
    pub(super) fn reasons(&self) -> BTreeMap<Reason, u64> {
        let count = |at: usize| {
            let of_partition = |partition: &PartitionIndex| partition.counts.get(at).copied();
            self.partitions.iter().filter_map(of_partition).sum()
        };
        let all = Reason::ALL.into_iter().enumerate().zip(self.occurred);
        all.filter(|(_, occurred)| *occurred)
            .map(|((at, reason), _)| (reason, count(at)))
            .collect()
    }
}

impl PartitionIndex {
    fn at(start: Offset) -> PartitionIndex {
        PartitionIndex {
            base: start.0,
            ..PartitionIndex::default()
        }
    }

    /// The offset to read next.
    pub(super) fn next(&self) -> Offset {
        let length = i64::try_from(self.states.len()).unwrap_or(i64::MAX);
        Offset(self.base.saturating_add(length))
    }

    /// Takes an open letter. Offsets come in their order; those that came before are left alone.
    fn open(&mut self, offset: i64, reason: Reason, timestamp: i64) {
        if offset < self.next().0 {
            return;
        }
        self.skip_to(Offset(offset));
        if self.states.is_empty() {
            self.oldest = Some((offset, timestamp));
        }
        self.states.push_back(byte(reason));
        self.count(reason, |count| count.saturating_add(1));
    }

    /// Notes that there is no open letter from [`PartitionIndex::next`] up to `offset`.
    pub(super) fn skip_to(&mut self, offset: Offset) {
        let missing = offset.0.saturating_sub(self.next().0);
        let Ok(missing) = usize::try_from(missing) else {
            return;
        };
        if self.states.is_empty() {
            self.base = self.base.max(offset.0);
        } else {
            let length = self.states.len().saturating_add(missing);
            self.states.resize(length, SETTLED);
        }
    }

    /// Settles a letter; whether it was open.
    pub(super) fn settle(&mut self, offset: Offset) -> bool {
        let Some(state) = self.position(offset).and_then(|at| self.states.get_mut(at)) else {
            return false;
        };
        let Some(reason) = reason(std::mem::replace(state, SETTLED)) else {
            return false;
        };
        self.count(reason, |count| count.saturating_sub(1));
        self.drop_settled();
        true
    }

    /// Forgets what lies before the log start; the number of open letters among it.
    pub(super) fn expire(&mut self, start: Offset) -> u64 {
        let mut open = 0;
        while self.base < start.0 {
            let Some(state) = self.states.pop_front() else {
                self.base = start.0;
                break;
            };
            self.base += 1;
            if let Some(reason) = reason(state) {
                self.count(reason, |count| count.saturating_sub(1));
                open += 1;
            }
        }
        self.drop_settled();
        open
    }

    fn drop_settled(&mut self) {
        while self.states.front() == Some(&SETTLED) {
            self.states.pop_front();
            self.base += 1;
        }
        // A flood that was worked off gives its memory back.
        if self.states.len() < self.states.capacity() / 4 {
            self.states.shrink_to(self.states.len().saturating_mul(2));
        }
    }

    /// Open letters from `from` on, at most `max`, in their order.
    pub(super) fn open_from(&self, from: Offset, max: usize) -> Vec<Offset> {
        let skipped = self.position(from).unwrap_or(0);
        let offsets = (self.base..).zip(&self.states).skip(skipped);
        let open = offsets.filter(|(_, state)| **state != SETTLED);
        open.map(|(offset, _)| Offset(offset)).take(max).collect()
    }

    /// The first open letter, where its timestamp is not known.
    pub(super) fn undated(&self) -> Option<Offset> {
        let is_known = self.oldest.is_some_and(|(offset, _)| offset == self.base);
        (!self.states.is_empty() && !is_known).then_some(Offset(self.base))
    }

    /// Notes the timestamp of the letter that [`PartitionIndex::undated`] named.
    pub(super) fn date(&mut self, offset: Offset, timestamp: i64) {
        self.oldest = Some((offset.0, timestamp));
    }

    /// Timestamp of the first open letter, where it is known.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        let known = self.oldest.filter(|(offset, _)| *offset == self.base);
        known
            .filter(|_| !self.states.is_empty())
            .map(|(_, timestamp)| timestamp)
    }

    fn position(&self, offset: Offset) -> Option<usize> {
        usize::try_from(offset.0.checked_sub(self.base)?).ok()
    }

    fn count(&mut self, reason: Reason, change: impl Fn(u64) -> u64) {
        if let Some(count) = self.counts.get_mut(number(reason)) {
            *count = change(*count);
        }
    }
}

fn mark(occurred: &mut [bool; REASONS], reason: Reason) {
    if let Some(occurred) = occurred.get_mut(number(reason)) {
        *occurred = true;
    }
}

/// Where `reason` stands in [`Reason::ALL`].
fn number(reason: Reason) -> usize {
    let mut all = Reason::ALL.iter();
    all.position(|one| *one == reason).unwrap_or(0)
}

fn byte(reason: Reason) -> u8 {
    u8::try_from(number(reason).saturating_add(1)).unwrap_or(u8::MAX)
}

fn reason(byte: u8) -> Option<Reason> {
    let number = usize::from(byte.checked_sub(1)?);
    Reason::ALL.get(number).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: PartitionId = PartitionId(0);

    fn topic() -> TopicIndex {
        let place = Place::Group("g".to_owned());
        TopicIndex::new(Uuid::nil(), place, std::iter::once(Offset(10)))
    }

    fn reasons(topic: &TopicIndex) -> Vec<(&'static str, u64)> {
        let reasons = topic.reasons().into_iter();
        reasons.map(|(reason, n)| (reason.as_str(), n)).collect()
    }

    fn open(partition: &PartitionIndex) -> u64 {
        partition.counts.iter().sum()
    }

    #[test]
    fn usual_reasons_begin_at_zero_and_others_when_they_occur() {
        let mut topic = topic();
        assert_eq!(reasons(&topic), [("rejected", 0), ("exhausted", 0)]);
        topic.open(P, 10, Reason::Webhook, 1);
        topic.open(P, 11, Reason::Exhausted, 2);
        let expected = [("rejected", 0), ("exhausted", 1), ("webhook", 1)];
        assert_eq!(reasons(&topic), expected);
    }

    #[test]
    fn a_letter_is_settled_once_and_counts_no_more() {
        let mut topic = topic();
        topic.open(P, 10, Reason::Rejected, 1);
        topic.open(P, 11, Reason::Rejected, 2);
        let partition = &mut topic.partitions[0];
        assert!(partition.settle(Offset(11)));
        assert!(!partition.settle(Offset(11)));
        for outside in [i64::MIN, 9, 12, i64::MAX] {
            assert!(!partition.settle(Offset(outside)));
        }
        assert_eq!(open(partition), 1);
        assert_eq!(partition.open_from(Offset(0), 9), [Offset(10)]);
    }

    #[test]
    fn expiry_takes_what_lies_before_the_log_start() {
        let mut topic = topic();
        for offset in 10..15 {
            topic.open(P, offset, Reason::Rejected, offset);
        }
        let partition = &mut topic.partitions[0];
        assert!(partition.settle(Offset(11)));
        assert_eq!(partition.expire(Offset(13)), 2);
        assert_eq!(open(partition), 2);
        assert_eq!(partition.next(), Offset(15));
        assert_eq!(partition.expire(Offset(40)), 2);
        assert_eq!((open(partition), partition.next()), (0, Offset(40)));
    }

    #[test]
    fn memory_follows_the_open_letters() {
        let mut index = Index::default();
        let name = TopicName::parse("dlq.g").unwrap();
        index.topics.insert(name, topic());
        let topic = index.topics.get_mut("dlq.g").unwrap();
        topic.partitions[0].skip_to(Offset(1_000_000));
        topic.open(P, 1_000_000, Reason::Rejected, 1);
        topic.partitions[0].skip_to(Offset(1_000_010));
        assert_eq!(index.letters(), 10);
        let partition = index.partition_mut("dlq.g", P).unwrap();
        assert!(partition.settle(Offset(1_000_000)));
        assert_eq!(partition.next(), Offset(1_000_010));
        assert_eq!(index.letters(), 0);
    }

    #[test]
    fn the_oldest_letter_is_dated_anew_when_the_first_is_settled() {
        let mut topic = topic();
        topic.open(P, 10, Reason::Rejected, 500);
        topic.open(P, 11, Reason::Rejected, 700);
        let partition = &mut topic.partitions[0];
        assert_eq!(
            (partition.oldest_ms(), partition.undated()),
            (Some(500), None)
        );
        partition.settle(Offset(10));
        assert_eq!(partition.oldest_ms(), None);
        assert_eq!(partition.undated(), Some(Offset(11)));
        partition.date(Offset(11), 700);
        assert_eq!(
            (partition.oldest_ms(), partition.undated()),
            (Some(700), None)
        );
        partition.settle(Offset(11));
        assert_eq!((partition.oldest_ms(), partition.undated()), (None, None));
    }

    #[test]
    fn open_letters_are_listed_from_an_offset_on() {
        let mut topic = topic();
        for offset in 10..20 {
            topic.open(P, offset, Reason::Rejected, 0);
        }
        let partition = &mut topic.partitions[0];
        partition.settle(Offset(12));
        let listed = partition.open_from(Offset(11), 3);
        assert_eq!(listed, [Offset(11), Offset(13), Offset(14)]);
        assert_eq!(partition.open_from(Offset(20), 3), []);
    }
}
