//! RecordBatch v2: the bytes in which records travel and are stored.
//!
//! A batch is kept as its producer sent it: compressed stays compressed, and only the base offset
//! and the leader epoch, which stand before the checksum, are ever rewritten. Everything here is
//! pure: bytes in, bytes out, no clock, no file, no socket.
//!
//! ```text
//! offset bytes
//!  0  8  base offset            \
//!  8  4  batch length (bytes from 12)  } not under the checksum
//! 12  4  leader epoch           |
//! 16  1  magic (2)              |
//! 17  4  CRC-32C of 21..        /
//! 21  2  attributes: 0-2 codec, 3 log append time, 4 transactional, 5 control, 6 delete horizon
//! 23  4  last offset delta
//! 27  8  base timestamp
//! 35  8  max timestamp
//! 43  8  producer id
//! 51  2  producer epoch
//! 53  4  base sequence
//! 57  4  records count
//! 61     records, compressed as one piece where there is a codec
//! ```
//!
//! Not here: message formats v0 and v1, which no client we serve sends to Produce 3 and later.
//!
//! Invariant: whatever the bytes are, nothing panics, and nothing is allocated beyond the bytes
//! given, the bound on decompressed bytes that the caller names, and a codec's working memory (an lz4
//! block of at most 8 MiB, a zstd window of at most 16 MiB).

mod builder;
mod codec;
pub mod dead_letter;
mod error;
mod filter;
mod header;
mod partitioner;
mod records;
mod varint;
mod verify;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

pub use builder::{BATCH_BYTES_MAX, BatchBuilder, Header};
pub use codec::Codec;
pub use error::Error;
pub use filter::{Filtered, empty_batch, filter};
pub use header::{
    BATCH_HEADER_BYTES, BatchHeader, Batches, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE,
    batches, set_base_offset, set_max_timestamp,
};
pub use partitioner::{murmur2, partition_for_key};
pub use records::{Headers, Record, Records, RecordsIter};
pub use verify::{Limits, verify, verify_produced};
