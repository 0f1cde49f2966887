//! What idempotent producers wrote to one partition, so that a batch that is sent again is
//! recognised: the last five batches of every producer id, as in Kafka.
//!
//! A producer that is not known may begin with any sequence number: its records may have been
//! removed by retention, and Kafka accepts it too.

use std::collections::{HashMap, VecDeque};

use bytes::{Buf, BufMut};

use super::error::Error;
use crate::record::BatchHeader;

/// Batches remembered per producer; clients have at most five requests in flight.
const BATCHES_MAX: usize = 5;

/// `producer.id.expiration.ms`: a day.
const EXPIRATION_MS: i64 = 24 * 3_600_000;

/// Producers remembered per partition; beyond it the one that wrote longest ago is forgotten.
const PRODUCERS_MAX: usize = 2_000;

/// Bytes of one remembered batch on disk.
const RECENT_BYTES: usize = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Recent {
    base_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    last_offset: i64,
}

/// One producer's last batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Producer {
    epoch: i16,
    timestamp_ms: i64,
    /// Oldest first; never empty, at most [`BATCHES_MAX`].
    recent: VecDeque<Recent>,
}

impl Producer {
    fn last_offset(&self) -> i64 {
        self.recent.back().map_or(-1, |r| r.last_offset)
    }
}

/// What a batch is to its producer's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// To be appended.
    New,
    /// Appended before, at these offsets (the second is behind the last).
    Duplicate(i64, i64),
}

/// The producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Producers(HashMap<i64, Producer>);

impl Producers {
    /// Checks a batch's epoch and sequence. Batches without a producer id are always new.
    pub(super) fn check(&self, batch: &BatchHeader) -> Result<Check, Error> {
        let producer_id = batch.producer_id;
        let Some(producer) = self.0.get(&producer_id).filter(|_| producer_id >= 0) else {
            return Ok(Check::New);
        };
        if batch.producer_epoch < producer.epoch {
            return Err(Error::InvalidProducerEpoch {
                producer_id,
                current: producer.epoch,
                got: batch.producer_epoch,
            });
        }
        let got = batch.base_sequence;
        if got < 0 {
            // Control batches and the like carry no sequence.
            return Ok(Check::New);
        }
        if batch.producer_epoch > producer.epoch {
            return match got {
                0 => Ok(Check::New),
                _ => Err(Error::OutOfOrderSequence {
                    producer_id,
                    wanted: 0,
                    got,
                }),
            };
        }
        let last_sequence = batch.last_sequence();
        let same = |r: &&Recent| r.base_sequence == got && r.last_sequence == last_sequence;
        if let Some(recent) = producer.recent.iter().find(same) {
            return Ok(Check::Duplicate(recent.base_offset, recent.last_offset + 1));
        }
        let wanted = match producer.recent.back().map(|r| r.last_sequence) {
            None | Some(i32::MAX) => 0,
            Some(last) => last + 1,
        };
        if got == wanted {
            return Ok(Check::New);
        }
        let oldest = producer.recent.front().map_or(0, |r| r.base_sequence);
        if last_sequence < oldest && got <= last_sequence {
            return Err(Error::DuplicateSequence { producer_id });
        }
        Err(Error::OutOfOrderSequence {
            producer_id,
            wanted,
            got,
        })
    }

    /// Remembers a batch that is appended at the offsets in its header. Returns the state before,
    /// for [`Producers::restore`]. The time is that of the append: records may be of any age.
    pub(super) fn note(&mut self, batch: &BatchHeader, now_ms: i64) -> Option<Producer> {
        if batch.producer_id < 0 || batch.base_sequence < 0 {
            return None;
        }
        let before = self.0.get(&batch.producer_id).cloned();
        if before.is_none() && self.0.len() >= PRODUCERS_MAX {
            self.forget_oldest();
        }
        let producer = self.0.entry(batch.producer_id).or_insert(Producer {
            epoch: batch.producer_epoch,
            timestamp_ms: now_ms,
            recent: VecDeque::with_capacity(1),
        });
        if producer.epoch != batch.producer_epoch {
            producer.recent.clear();
        }
        producer.epoch = batch.producer_epoch;
        producer.timestamp_ms = now_ms;
        if producer.recent.len() == BATCHES_MAX {
            producer.recent.pop_front();
        }
        producer.recent.push_back(Recent {
            base_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence(),
            base_offset: batch.base_offset,
            last_offset: batch.last_offset(),
        });
        before
    }

    /// Takes back what [`Producers::note`] did.
    pub(super) fn restore(&mut self, producer_id: i64, before: Option<Producer>) {
        match before {
            Some(producer) => drop(self.0.insert(producer_id, producer)),
            None => drop(self.0.remove(&producer_id)),
        }
    }

    /// Forgets producers that wrote nothing for a day.
    pub(super) fn expire(&mut self, now_ms: i64) {
        self.0
            .retain(|_, p| p.timestamp_ms.saturating_add(EXPIRATION_MS) > now_ms);
    }

    fn forget_oldest(&mut self) {
        let oldest = self.0.iter().min_by_key(|(_, p)| p.last_offset());
        if let Some(id) = oldest.map(|(id, _)| *id) {
            self.0.remove(&id);
        }
    }

    /// Writes the state: count u32, then for each producer id i64, epoch i16, timestamp i64,
    /// batches u8, and for each batch base sequence i32, last sequence i32, base offset i64, last
    /// offset i64.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        for (id, producer) in &self.0 {
            out.put_i64(*id);
            out.put_i16(producer.epoch);
            out.put_i64(producer.timestamp_ms);
            out.put_u8(u8::try_from(producer.recent.len()).unwrap_or(u8::MAX));
            for r in &producer.recent {
                out.put_i32(r.base_sequence);
                out.put_i32(r.last_sequence);
                out.put_i64(r.base_offset);
                out.put_i64(r.last_offset);
            }
        }
    }

    /// Reads what [`Producers::encode`] wrote; `None` if the bytes end early.
    pub(super) fn decode(buf: &mut &[u8]) -> Option<Producers> {
        let count = buf.try_get_u32().ok()?;
        let mut producers = HashMap::new();
        for _ in 0..count {
            let id = buf.try_get_i64().ok()?;
            let epoch = buf.try_get_i16().ok()?;
            let timestamp_ms = buf.try_get_i64().ok()?;
            let batches = usize::from(buf.try_get_u8().ok()?);
            if buf.remaining() < batches * RECENT_BYTES {
                return None;
            }
            let recent = (0..batches)
                .map(|_| Recent {
                    base_sequence: buf.get_i32(),
                    last_sequence: buf.get_i32(),
                    base_offset: buf.get_i64(),
                    last_offset: buf.get_i64(),
                })
                .collect();
            producers.insert(
                id,
                Producer {
                    epoch,
                    timestamp_ms,
                    recent,
                },
            );
        }
        Some(Producers(producers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::batch::sample;

    fn header(epoch: i16, sequence: i32, records: u32, offset: i64) -> BatchHeader {
        let bytes = sample::from_producer(records, b"", 5, (7, epoch, sequence));
        BatchHeader {
            base_offset: offset,
            ..BatchHeader::parse(&bytes).unwrap()
        }
    }

    fn with(batches: &[BatchHeader]) -> Producers {
        let mut producers = Producers::default();
        for batch in batches {
            assert_eq!(producers.check(batch).unwrap(), Check::New, "{batch:?}");
            producers.note(batch, 5);
        }
        producers
    }

    #[test]
    fn each_of_the_last_five_batches_is_recognised_and_older_ones_are_named() {
        let batches: Vec<BatchHeader> = (0..6)
            .map(|i| header(0, i * 2, 2, i64::from(i) * 2))
            .collect();
        let producers = with(&batches);
        for batch in &batches[1..] {
            let same = Check::Duplicate(batch.base_offset, batch.next_offset());
            assert_eq!(producers.check(batch).unwrap(), same);
        }
        assert!(matches!(
            producers.check(&batches[0]),
            Err(Error::DuplicateSequence { producer_id: 7 })
        ));
        assert!(matches!(
            producers.check(&header(0, 14, 1, 0)),
            Err(Error::OutOfOrderSequence {
                wanted: 12,
                got: 14,
                ..
            })
        ));
    }

    #[test]
    fn sequences_wrap_to_zero_and_an_unknown_producer_begins_anywhere() {
        let producers = with(&[header(0, i32::MAX - 1, 2, 0)]);
        assert_eq!(producers.check(&header(0, 0, 1, 2)).unwrap(), Check::New);
        let producers = with(&[header(0, i32::MAX - 1, 4, 0)]);
        assert_eq!(producers.check(&header(0, 2, 1, 4)).unwrap(), Check::New);
    }

    #[test]
    fn a_newer_epoch_begins_at_zero_and_fences_the_older() {
        let mut producers = with(&[header(3, 0, 1, 0)]);
        assert!(producers.check(&header(4, 1, 1, 1)).is_err());
        let newer = header(4, 0, 1, 1);
        let before = producers.note(&newer, 5);
        assert!(matches!(
            producers.check(&header(3, 1, 1, 2)),
            Err(Error::InvalidProducerEpoch {
                current: 4,
                got: 3,
                ..
            })
        ));
        producers.restore(7, before);
        assert_eq!(producers.check(&header(3, 1, 1, 1)).unwrap(), Check::New);
    }

    #[test]
    fn a_producer_is_forgotten_a_day_after_its_last_batch() {
        let mut producers = with(&[header(0, 0, 1, 0)]);
        producers.expire(EXPIRATION_MS);
        assert!(producers.check(&header(0, 5, 1, 1)).is_err());
        producers.expire(EXPIRATION_MS + 5);
        assert_eq!(producers.check(&header(0, 5, 1, 1)).unwrap(), Check::New);
    }

    #[test]
    fn state_comes_back_from_its_bytes_and_short_bytes_are_refused() {
        let producers = with(&[header(0, 0, 2, 0), header(0, 2, 1, 2)]);
        let mut bytes = Vec::new();
        producers.encode(&mut bytes);
        assert_eq!(Producers::decode(&mut &bytes[..]), Some(producers));
        for len in 0..bytes.len() {
            assert_eq!(Producers::decode(&mut &bytes[..len]), None, "{len}");
        }
    }
}
