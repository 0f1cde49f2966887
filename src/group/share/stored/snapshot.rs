//! What a group has open of one partition: Kafka's `ShareSnapshotValue` with two tags of ours in a
//! batch and one behind them.

use bytes::BufMut;

use crate::group::share::limits::OPEN_RECORDS_MAX;
use crate::group::share::state::{Entry, Partition, Phase};
use crate::group::stored::reader::{Malformed, Reader};

const VERSION: i16 = 0;
const AVAILABLE: u8 = 0;
/// Kafka tells accepted (2) from archived (4) ones; here both are done. Both are read.
const DONE: u8 = 2;
const ARCHIVED: u8 = 4;
/// Tags of a batch.
const NOT_BEFORE_TAG: u32 = 100;
const REDRIVE_COUNT_TAG: u32 = 101;
/// Tags of the whole.
const DONE_COUNT_TAG: u32 = 0;
const NEXT_TAG: u32 = 100;

/// The whole state of one partition of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::group::share) struct Snapshot {
    /// Grows with every write.
    pub(in crate::group::share) epoch: i32,
    /// When the group began to read the partition, ms since 1970-01-01 UTC.
    pub(in crate::group::share) made_ms: i64,
    pub(in crate::group::share) partition: Partition,
}

/// Offsets that are stored alike.
struct Batch {
    first: i64,
    last: i64,
    state: u8,
    delivery_count: u16,
    redrive_count: u16,
    not_before_ms: i64,
}

pub(in crate::group::share) fn encode_snapshot(
    partition: &Partition,
    epoch: i32,
    made_ms: i64,
    written_ms: i64,
) -> Vec<u8> {
    let batches = batches(partition);
    let mut out = Vec::with_capacity(64 + 34 * batches.len());
    out.put_i16(VERSION);
    out.put_i32(epoch);
    out.put_i32(0);
    out.put_i32(0);
    out.put_i64(partition.start());
    out.put_i64(made_ms);
    out.put_i64(written_ms);
    put_uvarint(&mut out, batches.len() + 1);
    for batch in &batches {
        put_batch(&mut out, batch);
    }
    let done = partition.next() - partition.start();
    let open = i64::try_from(partition.open_count()).unwrap_or(i64::MAX);
    let done = i32::try_from(done.saturating_sub(open)).unwrap_or(i32::MAX);
    out.put_slice(&[2, 0, 4]);
    out.put_i32(done);
    out.put_slice(&[100, 8]);
    out.put_i64(partition.next());
    out
}

fn batches(partition: &Partition) -> Vec<Batch> {
    let mut all: Vec<Batch> = Vec::new();
    let mut done_from = partition.start();
    for (offset, entry) in partition.open() {
        if offset > done_from {
            all.push(done(done_from, offset - 1));
        }
        done_from = offset + 1;
        let not_before_ms = match entry.phase {
            Phase::Available { not_before_ms } => not_before_ms,
            // What is stored is what holds after a restart, when the lease is gone.
            Phase::Acquired { .. } => 0,
        };
        match all.last_mut() {
            Some(before)
                if before.state == AVAILABLE
                    && before.last + 1 == offset
                    && before.delivery_count == entry.delivery_count
                    && before.redrive_count == entry.redrive_count
                    && before.not_before_ms == not_before_ms =>
            {
                before.last = offset;
            }
            _ => all.push(Batch {
                first: offset,
                last: offset,
                state: AVAILABLE,
                delivery_count: entry.delivery_count,
                redrive_count: entry.redrive_count,
                not_before_ms,
            }),
        }
    }
    if partition.next() > done_from {
        all.push(done(done_from, partition.next() - 1));
    }
    all
}

fn done(first: i64, last: i64) -> Batch {
    Batch {
        first,
        last,
        state: DONE,
        delivery_count: 0,
        redrive_count: 0,
        not_before_ms: 0,
    }
}

fn put_batch(out: &mut Vec<u8>, batch: &Batch) {
    out.put_i64(batch.first);
    out.put_i64(batch.last);
    out.put_u8(batch.state);
    out.put_i16(i16::try_from(batch.delivery_count).unwrap_or(i16::MAX));
    let tags = u8::from(batch.not_before_ms != 0) + u8::from(batch.redrive_count != 0);
    out.put_u8(tags);
    if batch.not_before_ms != 0 {
        out.put_slice(&[100, 8]);
        out.put_i64(batch.not_before_ms);
    }
    if batch.redrive_count != 0 {
        out.put_slice(&[101, 2]);
        out.put_u16(batch.redrive_count);
    }
}

fn put_uvarint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.put_u8(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    out.put_u8(u8::try_from(number).unwrap_or_default());
}

pub(in crate::group::share) fn decode_snapshot(bytes: &[u8]) -> Result<Snapshot, Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.i16()? != VERSION {
        return Err("a snapshot's version is not known");
    }
    let epoch = reader.i32()?;
    let (_state_epoch, _leader_epoch) = (reader.i32()?, reader.i32()?);
    let start = reader.i64()?;
    let (made_ms, _written_ms) = (reader.i64()?, reader.i64()?);
    let count = reader
        .uvarint()?
        .checked_sub(1)
        .ok_or("its batches are null")?;
    let mut next = start;
    let mut open = Vec::new();
    for _ in 0..count {
        let batch = read_batch(&mut reader)?;
        if batch.first < next || batch.last < batch.first || batch.last == i64::MAX {
            return Err("its batches are out of order");
        }
        next = batch.last + 1;
        if batch.state != AVAILABLE {
            continue;
        }
        let length = usize::try_from(batch.last - batch.first).unwrap_or(usize::MAX);
        if length >= OPEN_RECORDS_MAX.saturating_sub(open.len()) {
            return Err("it has more open records than there may be");
        }
        let entry = Entry {
            phase: Phase::Available {
                not_before_ms: batch.not_before_ms,
            },
            delivery_count: batch.delivery_count,
            redrive_count: batch.redrive_count,
        };
        open.extend((batch.first..=batch.last).map(|offset| (offset, entry)));
    }
    tags(&mut reader, |tag, reader| {
        match tag {
            NEXT_TAG => next = next.max(reader.i64()?),
            DONE_COUNT_TAG => drop(reader.i32()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let mut partition = Partition::new(next);
    for (offset, entry) in open {
        partition.restore(offset, entry);
    }
    Ok(Snapshot {
        epoch,
        made_ms,
        partition,
    })
}

fn read_batch(reader: &mut Reader<'_>) -> Result<Batch, Malformed> {
    let (first, last) = (reader.i64()?, reader.i64()?);
    let [state] = *reader.take(1)? else {
        return Err("it is cut");
    };
    if !matches!(state, AVAILABLE | DONE | ARCHIVED) {
        return Err("a batch's state is not known");
    }
    let delivery_count = u16::try_from(reader.i16()?).map_err(|_| "a count is negative")?;
    let (mut not_before_ms, mut redrive_count) = (0, 0);
    tags(reader, |tag, reader| {
        match tag {
            NOT_BEFORE_TAG => not_before_ms = reader.i64()?,
            REDRIVE_COUNT_TAG => redrive_count = reader.i16()?.cast_unsigned(),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(Batch {
        first,
        last,
        state,
        delivery_count,
        redrive_count,
        not_before_ms,
    })
}

/// Reads tagged fields; those that `take` does not know are skipped.
fn tags(
    reader: &mut Reader<'_>,
    mut take: impl FnMut(u32, &mut Reader<'_>) -> Result<bool, Malformed>,
) -> Result<(), Malformed> {
    for _ in 0..reader.uvarint()? {
        let tag = reader.uvarint()?;
        let length = usize::try_from(reader.uvarint()?).map_err(|_| "a length is too large")?;
        let field = reader.take(length)?;
        take(tag, &mut Reader::new(field))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes written by Kafka 4.3.1's generated classes, but for the tag of `next` at the end and
    /// the count of tags before: two records were delivered, offset 7 is open.
    const PLAIN: &[u8] = b"\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\
        \x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x03\xe8\
        \x00\x00\x00\x00\x00\x00\x07\xd0\x03\
        \x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x02\x00\
        \x00\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x09\x02\x00\x00\x00\
        \x02\x00\x04\x00\x00\x00\x02\x64\x08\x00\x00\x00\x00\x00\x00\x00\x0a";
    /// A batch that waits and was redriven, as it stands in a value.
    const TAGGED: &[u8] = b"\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x08\
        \x00\x00\x02\x02\x64\x08\x00\x00\x00\x00\x00\x00\x03\xe8\x65\x02\x00\x03";

    fn entry(delivery_count: u16, redrive_count: u16, not_before_ms: i64) -> Entry {
        Entry {
            phase: Phase::Available { not_before_ms },
            delivery_count,
            redrive_count,
        }
    }

    #[test]
    fn a_snapshot_is_kafkas_bytes_and_a_lease_is_not_in_it() {
        let mut partition = Partition::new(10);
        partition.restore(7, entry(2, 0, 0));
        assert_eq!(encode_snapshot(&partition, 5, 1000, 2000), PLAIN);
        let mut leased = Partition::new(10);
        let phase = Phase::Acquired {
            owner: 3,
            deadline_ms: 4,
            lease_ms: 1,
        };
        leased.restore(
            7,
            Entry {
                phase,
                ..entry(2, 0, 0)
            },
        );
        assert_eq!(encode_snapshot(&leased, 5, 1000, 2000), PLAIN);
        let read = decode_snapshot(PLAIN).unwrap();
        assert_eq!(
            (read.epoch, read.made_ms, read.partition),
            (5, 1000, partition)
        );
    }

    #[test]
    fn times_and_redrives_stand_in_tags() {
        let mut partition = Partition::new(9);
        partition.restore(7, entry(2, 3, 1000));
        partition.restore(8, entry(2, 3, 1000));
        let bytes = encode_snapshot(&partition, 0, 0, 0);
        assert!(
            bytes.windows(TAGGED.len()).any(|part| part == TAGGED),
            "{bytes:?}"
        );
        assert_eq!(decode_snapshot(&bytes).unwrap().partition, partition);
    }

    #[test]
    fn cut_and_disordered_snapshots_are_refused() {
        for end in 0..PLAIN.len() {
            assert!(decode_snapshot(&PLAIN[..end]).is_err(), "{end}");
        }
        let mut huge = PLAIN.to_vec();
        huge[54..58].copy_from_slice(&[0x7f; 4]);
        assert!(decode_snapshot(&huge).is_err(), "a range above every bound");
        let mut newer = PLAIN.to_vec();
        newer[1] = 1;
        assert!(decode_snapshot(&newer).is_err());
    }

    proptest! {
        #[test]
        fn what_is_stored_is_what_is_read(
            first in 0_i64..100,
            open in prop::collection::btree_map(0_i64..200, (0_u16..6, 0_u16..3, 0_i64..3), 0..60),
        ) {
            let mut partition = Partition::new(first + 200);
            for (offset, (deliveries, redrives, wait)) in open {
                partition.restore(first + offset, entry(deliveries, redrives, wait * 1000));
            }
            let bytes = encode_snapshot(&partition, 1, 2, 3);
            prop_assert_eq!(decode_snapshot(&bytes).unwrap().partition, partition);
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(decode_snapshot(&bytes));
        }
    }
}
