//! The records of `__consumer_offsets`, in Kafka's own formats.
//!
//! ```text
//! key                                     value
//! 1 group topic partition                 3 offset epoch metadata time        (OffsetCommit)
//! (i16, string, string, i32)              4 the same, compact, and the topic's id in tag 0
//! 2 group                                 3 protocol type, generation, protocol, leader, time,
//! (i16, string)                             members                           (GroupMetadata)
//! ```
//! A key without a value is a tombstone. Numbers are big-endian; a string is an `i16` length (-1:
//! null) and its bytes; bytes are an `i32` length and themselves. What is written: values of
//! version 4 for offsets whose topic id is known, else 3; version 3 for groups. What is read:
//! offsets of version 0 to 4, groups of version 0 to 3. Keys of other kinds are skipped, as Kafka
//! does.

mod group_metadata;
mod key;
mod offset_commit;
pub(super) mod reader;
pub(super) mod writer;

pub(super) use group_metadata::{decode_group, encode_group};
pub(super) use key::Key;
pub(super) use offset_commit::{decode_offset, encode_offset};
