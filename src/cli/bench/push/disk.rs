//! How long the disk takes to make a small write durable: the physical limit of a durable answer.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::numbers::median;

/// Syncs that the median is taken of.
const SYNCS: usize = 400;
/// Bytes of a write: a block of the file system.
const BLOCK_BYTES: usize = 4096;
/// Blocks of the file; written before, so that no sync has to extend it.
const BLOCKS: u64 = 256;

/// The median time of an fdatasync after one block was written over in a file at `path`.
pub(super) fn fdatasync_median(path: &Path) -> std::io::Result<Duration> {
    let block = vec![0x5a_u8; BLOCK_BYTES];
    let mut file = File::create(path)?;
    for _ in 0..BLOCKS {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    let mut times = Vec::with_capacity(SYNCS);
    for at in (0..BLOCKS).cycle().take(SYNCS) {
        file.seek(SeekFrom::Start(at * BLOCK_BYTES as u64))?;
        file.write_all(&block)?;
        let begin = Instant::now();
        file.sync_data()?;
        times.push(begin.elapsed().as_secs_f64());
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok(Duration::from_secs_f64(median(times).unwrap_or(0.0)))
}
