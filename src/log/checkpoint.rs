//! The checkpoint: what segments hold durably, and up to which entry of the journal that is.
//!
//! It is the one commit point of everything about segments: files that it does not name are left
//! over from a crash. It is replaced as a whole.
//!
//! ```text
//! 0  magic "PENSCKPT" | 8 version u32 (1) | 12 crc u32 CRC32C of what follows
//! 16 sequence u64: entries of the journal up to it are in segments
//! 24 generation u64: newest generation of a journal file
//! 32 partitions u32, each:
//!    topic id 16 bytes, partition i32, start i64, end i64, dirty bytes u64, segments u32, each:
//!      base i64, log bytes u64, index entries u64, time entries u64, max timestamp i64,
//!      end i64, flags u8 (1: its files may still have temporary names; 2: compaction made it,
//!      so its offsets may have gaps)
//!    bytes since the last index entry u64, last offset of the batch with the highest timestamp
//!    i64, last indexed timestamp i64 (all three of the last segment), producers
//! ```

use std::path::Path;

use bytes::{Buf, BufMut};
use uuid::Uuid;

use super::disk::{self, Disk};
use super::error::Error;
use super::producer_state::Producers;
use super::segment::Extent;

const MAGIC: [u8; 8] = *b"PENSCKPT";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 16;

/// Bytes of one segment.
const SEGMENT_BYTES: usize = 49;

/// A checkpoint is read whole; this is 20 million segments.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// The name of the file in the data directory.
pub(super) const FILE_NAME: &str = "checkpoint";

/// A segment as the checkpoint knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownSegment {
    pub(super) base: i64,
    pub(super) extent: Extent,
    /// Its files may still have temporary names.
    pub(super) swap: bool,
    /// Compaction made it, so its offsets may have gaps.
    pub(super) has_gaps: bool,
}

/// Bits of a segment's flags. Persisted: never renumber.
const SWAP: u8 = 1;
const GAPS: u8 = 2;

/// A partition as the checkpoint knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownPartition {
    pub(super) topic: Uuid,
    pub(super) partition: i32,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) dirty_bytes: u64,
    /// In offset order; the last one is written on.
    pub(super) segments: Vec<KnownSegment>,
    pub(super) since_index: u64,
    pub(super) max_timestamp_offset: i64,
    pub(super) indexed_timestamp: i64,
    pub(super) producers: Producers,
}

/// What was durable in segments at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) sequence: u64,
    pub(super) generation: u64,
    pub(super) partitions: Vec<KnownPartition>,
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

impl Checkpoint {
    fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.put_u64(self.sequence);
        body.put_u64(self.generation);
        body.put_u32(count(self.partitions.len()));
        for known in &self.partitions {
            known.encode(&mut body);
        }
        let mut out = Vec::with_capacity(HEADER_BYTES + body.len());
        out.put_slice(&MAGIC);
        out.put_u32(VERSION);
        out.put_u32(crc32c::crc32c(&body));
        out.append(&mut body);
        out
    }

    fn decode(mut buf: &[u8]) -> Option<Checkpoint> {
        let sequence = buf.try_get_u64().ok()?;
        let generation = buf.try_get_u64().ok()?;
        let count = buf.try_get_u32().ok()?;
        let mut partitions = Vec::new();
        for _ in 0..count {
            partitions.push(KnownPartition::decode(&mut buf)?);
        }
        buf.is_empty().then_some(Checkpoint {
            sequence,
            generation,
            partitions,
        })
    }

    /// Replaces the checkpoint in `dir`; durable when it returns.
    pub(super) fn store(&self, disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
        let path = dir.join(FILE_NAME);
        disk::replace_file(disk, &path, &self.encode())
            .map_err(Error::io("replace the checkpoint", &path))
    }

    /// Reads the checkpoint in `dir`; `None` if there is none.
    pub(super) fn load(disk: &dyn Disk, dir: &Path) -> Result<Option<Checkpoint>, Error> {
        let path = dir.join(FILE_NAME);
        let bytes = match disk::read_file(disk, &path, FILE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(Error::io("read the checkpoint", &path)(cause)),
        };
        let damaged = |what: &str| Error::Format {
            path: path.clone(),
            what: what.to_owned(),
        };
        let mut buf = bytes.as_slice();
        if buf.len() < HEADER_BYTES || !buf.starts_with(&MAGIC) {
            return Err(damaged("it is no checkpoint"));
        }
        buf.advance(MAGIC.len());
        let version = buf.get_u32();
        if version > VERSION {
            return Err(Error::NewerFormat { path, version });
        }
        let crc = buf.get_u32();
        if version != VERSION || crc32c::crc32c(buf) != crc {
            return Err(damaged("it fails its checksum"));
        }
        match Checkpoint::decode(buf) {
            Some(checkpoint) => Ok(Some(checkpoint)),
            None => Err(damaged("its lengths do not add up")),
        }
    }
}

impl KnownPartition {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_slice(self.topic.as_bytes());
        out.put_i32(self.partition);
        out.put_i64(self.start);
        out.put_i64(self.end);
        out.put_u64(self.dirty_bytes);
        out.put_u32(count(self.segments.len()));
        for segment in &self.segments {
            let KnownSegment { base, extent, .. } = segment;
            out.put_i64(*base);
            out.put_u64(extent.bytes);
            out.put_u64(extent.index_entries);
            out.put_u64(extent.time_entries);
            out.put_i64(extent.max_timestamp);
            out.put_i64(extent.end);
            let swap = if segment.swap { SWAP } else { 0 };
            let gaps = if segment.has_gaps { GAPS } else { 0 };
            out.put_u8(swap | gaps);
        }
        out.put_u64(self.since_index);
        out.put_i64(self.max_timestamp_offset);
        out.put_i64(self.indexed_timestamp);
        self.producers.encode(out);
    }

    fn decode(buf: &mut &[u8]) -> Option<KnownPartition> {
        let topic = Uuid::from_u128(buf.try_get_u128().ok()?);
        let partition = buf.try_get_i32().ok()?;
        let start = buf.try_get_i64().ok()?;
        let end = buf.try_get_i64().ok()?;
        let dirty_bytes = buf.try_get_u64().ok()?;
        let count = usize::try_from(buf.try_get_u32().ok()?).ok()?;
        if count.checked_mul(SEGMENT_BYTES)? > buf.remaining() {
            return None;
        }
        let segments = (0..count)
            .map(|_| {
                let base = buf.get_i64();
                let extent = Extent {
                    bytes: buf.get_u64(),
                    index_entries: buf.get_u64(),
                    time_entries: buf.get_u64(),
                    max_timestamp: buf.get_i64(),
                    end: buf.get_i64(),
                };
                let flags = buf.get_u8();
                KnownSegment {
                    base,
                    extent,
                    swap: flags & SWAP != 0,
                    has_gaps: flags & GAPS != 0,
                }
            })
            .collect();
        Some(KnownPartition {
            topic,
            partition,
            start,
            end,
            dirty_bytes,
            segments,
            since_index: buf.try_get_u64().ok()?,
            max_timestamp_offset: buf.try_get_i64().ok()?,
            indexed_timestamp: buf.try_get_i64().ok()?,
            producers: Producers::decode(buf)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::disk::RealDisk;

    fn sample() -> Checkpoint {
        Checkpoint {
            sequence: 9,
            generation: 1 << 33,
            partitions: vec![KnownPartition {
                topic: Uuid::from_u128(5),
                partition: 1,
                start: 2,
                end: 40,
                dirty_bytes: 3,
                segments: vec![KnownSegment {
                    base: 2,
                    extent: Extent {
                        bytes: 100,
                        index_entries: 1,
                        time_entries: 1,
                        max_timestamp: 77,
                        end: 40,
                    },
                    swap: true,
                    has_gaps: false,
                }],
                since_index: 4,
                max_timestamp_offset: 39,
                indexed_timestamp: 70,
                producers: Producers::default(),
            }],
        }
    }

    #[test]
    fn a_checkpoint_comes_back_and_any_changed_bit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Checkpoint::load(&RealDisk, dir.path()).unwrap(), None);
        sample().store(&RealDisk, dir.path()).unwrap();
        assert_eq!(
            Checkpoint::load(&RealDisk, dir.path()).unwrap(),
            Some(sample())
        );
        let path = dir.path().join(FILE_NAME);
        let good = std::fs::read(&path).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bad).unwrap();
            assert!(
                Checkpoint::load(&RealDisk, dir.path()).is_err(),
                "bit {bit}"
            );
        }
        for len in 0..good.len() {
            std::fs::write(&path, &good[..len]).unwrap();
            assert!(Checkpoint::load(&RealDisk, dir.path()).is_err(), "{len}");
        }
    }
}
