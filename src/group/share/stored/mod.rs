//! The records of `__share_group_state`: what groups have open, in Kafka's share snapshot format,
//! and which dead letters were redriven, in one of our own.
//!
//! ```text
//! key of a group's partition                        value (version 0, flexible)
//!   i16     0                                         i16     0
//!   string  group (i16 length)                        i32     snapshot epoch: the write's number
//!   uuid    topic id                                  i32     state epoch: 0
//!   i32     partition                                 i32     leader epoch: 0
//!                                                     i64     start: first open offset, or next
//!                                                     i64     made, ms
//!                                                     i64     written, ms
//!                                                     array   batches (uvarint count + 1):
//!                                                       i64     first offset
//!                                                       i64     last offset
//!                                                       i8      0 available, 2 done
//!                                                       i16     delivery count (done: 0)
//!                                                       tags    100 i64 not before, ms since 1970
//!                                                               101 i16 redrive count
//!                                                     tags    0   i32 done at or above start
//!                                                             100 i64 next
//! key of marks                                      value
//!   i16     100                                       i16     0
//!   uuid    id of the topic of dead letters           i32     number of ranges
//!   i32     partition                                 ranges  i64 first, i64 last offset
//! ```
//! Numbers are big-endian; a key without a value is a tombstone. Every value is the whole state of
//! its key, so that compaction may keep just the last; Kafka's updates (key 1) are not written, and
//! like all other keys they are skipped. Batches cover every offset from start to next without a
//! gap. A lease is not stored: an acquired record is written as available with the delivery
//! counted. Tags of ours that are 0 are left out. Kafka's own classes read these values: they skip
//! the tags from 100 on.

mod key;
mod marks;
mod snapshot;

pub(super) use key::Key;
pub(super) use marks::{Ranges, decode_marks, encode_marks};
pub(super) use snapshot::{Snapshot, decode_snapshot, encode_snapshot};
