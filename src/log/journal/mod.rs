//! The journal: every append is one entry, durable or absent as a whole, in a few files that are
//! made ahead and used again.
//!
//! A file begins with a header (see [`file`]); entries follow (see [`entry`]). Sequence numbers
//! count entries over all files without a gap; every use of a file has a generation of its own,
//! so what an earlier use left behind is never taken for an entry of this one. The header of a
//! file names its first sequence: everything before is durable in older files or checkpointed, and
//! entries of older files from that sequence on are void (their sync failed).
//!
//! Not here: what the bytes mean. The journal knows topic ids, partitions and base offsets only.

mod entry;
mod file;
mod replay;

pub(super) use entry::{Part, PartHeader};
pub(super) use file::{Freeing, Journal, Rolled};
pub(super) use replay::{Entries, Scan, scan};
