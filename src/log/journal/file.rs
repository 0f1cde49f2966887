//! The journal's files: one that is written, those a checkpoint must still cover, and those that
//! can be used again.
//!
//! ```text
//! 0  magic           "PENSJRNL"
//! 8  version         u32  1
//! 12 crc             u32  CRC32C of 16 to 32
//! 16 generation      u64  count of uses in the upper half, a random number in the lower half, so
//!                         that nobody can put bytes into a record that pass for an entry
//! 24 first sequence  u64  of the first entry in this file
//! 4096               entries
//! ```
//!
//! Invariants: `synced < next_sequence`; a header is durable before an entry follows it; a file
//! whose write or sync failed is never written or synced again, and is removed, not used again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, BufMut};
use parking_lot::Mutex;

use super::entry::{self, Part, encode_head};
use crate::log::disk::{self, Disk, DiskFile, Open};
use crate::log::error::Error;

const MAGIC: [u8; 8] = *b"PENSJRNL";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 32;

/// Entries begin here: a block of its own, so that writing entries never rewrites the header.
pub(super) const ENTRIES_FROM: u64 = 4096;

/// Batches up to this size are copied behind the heads of their entries: the kernel takes one long
/// slice more quickly than many short ones.
const COPIED_BYTES_MAX: usize = 2 << 10;

/// A new file is filled with zeros so far ahead of its entries. A block that was reserved and never
/// written makes the file system note its first write, which each sync would have to wait for too
/// (PostgreSQL's `wal_init_zero`).
static ZEROS: [u8; 256 << 10] = [0; 256 << 10];

/// What a file's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub(super) generation: u64,
    pub(super) first_sequence: u64,
}

/// Why a header cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadHeader {
    /// Never written, or not by us.
    Invalid,
    /// Written by a newer version.
    Newer(u32),
}

impl FileHeader {
    fn encode(self) -> Vec<u8> {
        let mut rest = Vec::with_capacity(16);
        rest.put_u64(self.generation);
        rest.put_u64(self.first_sequence);
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.put_slice(&MAGIC);
        out.put_u32(VERSION);
        out.put_u32(crc32c::crc32c(&rest));
        out.put_slice(&rest);
        out
    }

    pub(super) fn read(file: &dyn DiskFile) -> std::io::Result<Result<FileHeader, BadHeader>> {
        let mut bytes = [0; HEADER_BYTES];
        let read = disk::read_full(file, &mut bytes, 0)?;
        let mut buf: &[u8] = bytes.get(..read).unwrap_or_default();
        if buf.len() < HEADER_BYTES || !buf.starts_with(&MAGIC) {
            return Ok(Err(BadHeader::Invalid));
        }
        buf.advance(MAGIC.len());
        let version = buf.get_u32();
        if version > VERSION {
            return Ok(Err(BadHeader::Newer(version)));
        }
        let crc = buf.get_u32();
        if version != VERSION || crc32c::crc32c(buf) != crc {
            return Ok(Err(BadHeader::Invalid));
        }
        Ok(Ok(FileHeader {
            generation: buf.get_u64(),
            first_sequence: buf.get_u64(),
        }))
    }
}

/// Whether a name in the journal's folder is one of the journal's files.
pub(super) fn is_journal_name(name: &str) -> bool {
    name.ends_with(".journal")
}

/// The next use's generation after `last`.
fn generation_after(last: u64) -> u64 {
    let (_, random) = uuid::Uuid::new_v4().as_u64_pair();
    (((last >> 32) + 1) << 32) | (random & 0xffff_ffff)
}

#[derive(Debug)]
struct Active {
    file: Arc<dyn DiskFile>,
    slot: u32,
    generation: u64,
    position: u64,
    capacity: u64,
    /// Bytes from the start that have been written before, in this use or an earlier one.
    filled: u64,
}

impl Active {
    /// Zeros that belong behind entries that end at `end`.
    fn zeros_behind(&self, end: u64) -> &'static [u8] {
        if end <= self.filled {
            return &[];
        }
        let left = usize::try_from(self.capacity.saturating_sub(end)).unwrap_or(usize::MAX);
        ZEROS.get(..left).unwrap_or(&ZEROS)
    }
}

#[derive(Debug)]
struct Sealed {
    slot: u32,
    /// Last sequence in it that is durable.
    last_sequence: u64,
    /// Of ordinary size and without a failure.
    reusable: bool,
}

/// Files that are not being written. Shared with the writer of segments, which frees them.
#[derive(Debug, Default)]
struct Shelf {
    sealed: Vec<Sealed>,
    free: Vec<u32>,
    slots_made: u32,
}

/// Files a checkpoint gives back; cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::log) struct Freeing {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    shelf: Arc<Mutex<Shelf>>,
    generation: Arc<AtomicU64>,
}

impl Freeing {
    /// Generation of the newest use of a file.
    pub(in crate::log) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Gives back the files whose entries all lie at or before `sequence`.
    pub(in crate::log) fn free_up_to(&self, sequence: u64) -> Result<(), Error> {
        let done: Vec<Sealed> = {
            let mut shelf = self.shelf.lock();
            let all = std::mem::take(&mut shelf.sealed);
            let (done, kept) = all.into_iter().partition(|s| s.last_sequence <= sequence);
            shelf.sealed = kept;
            done
        };
        for sealed in done {
            if sealed.reusable {
                self.shelf.lock().free.push(sealed.slot);
                continue;
            }
            let path = slot_path(&self.dir, sealed.slot);
            disk::remove_if_there(&*self.disk, &path)
                .map_err(Error::io("remove the journal file", &path))?;
        }
        Ok(())
    }

    /// Removes the files that could be used again, as nothing more will be written: the next start
    /// has nothing to read then.
    pub(in crate::log) fn remove_free(&self) -> Result<(), Error> {
        let free = std::mem::take(&mut self.shelf.lock().free);
        for slot in free {
            let path = slot_path(&self.dir, slot);
            disk::remove_if_there(&*self.disk, &path)
                .map_err(Error::io("remove the journal file", &path))?;
        }
        Ok(())
    }

    /// Whether files wait for a checkpoint.
    pub(in crate::log) fn wants_checkpoint(&self) -> bool {
        !self.shelf.lock().sealed.is_empty()
    }
}

fn slot_path(dir: &Path, slot: u32) -> PathBuf {
    dir.join(format!("{slot:06}.journal"))
}

/// What [`Journal::roll`] found.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::log) enum Rolled {
    /// There is a file with room.
    Ready,
    /// All files wait for a checkpoint.
    Full,
}

/// Writes entries. Owned by the appender.
#[derive(Debug)]
pub(in crate::log) struct Journal {
    freeing: Freeing,
    file_bytes: u64,
    files_max: usize,
    active: Option<Active>,
    /// Sequence of the next entry.
    next_sequence: u64,
    /// Last sequence that is durable; below `next_sequence`.
    synced: u64,
    /// Files of an earlier process.
    old: Vec<PathBuf>,
}

impl Journal {
    /// A journal in `dir` that goes on behind what is there. [`Journal::remove_old`] must follow
    /// once a checkpoint covers the files that are there.
    pub(in crate::log) fn new(
        disk: Arc<dyn Disk>,
        dir: &Path,
        (file_bytes, files_max): (u64, u32),
        next_sequence: u64,
        generation: u64,
    ) -> Result<Journal, Error> {
        let entries = disk
            .list(dir)
            .map_err(Error::io("list the journal folder", dir))?;
        let old: Vec<String> = entries
            .into_iter()
            .map(|entry| entry.name)
            .filter(|name| is_journal_name(name))
            .collect();
        // Names are not used again at once: should a removal be lost in a crash, the old file
        // stands beside the new one, and its generation tells which is which.
        let slots = old
            .iter()
            .map(|name| name.trim_end_matches(".journal").parse::<u32>());
        let slots_made = slots.map(|s| s.map_or(0, |s| s.wrapping_add(1))).max();
        Ok(Journal {
            freeing: Freeing {
                disk,
                shelf: Arc::new(Mutex::new(Shelf {
                    slots_made: slots_made.unwrap_or(0),
                    ..Shelf::default()
                })),
                generation: Arc::new(AtomicU64::new(generation)),
                dir: dir.to_owned(),
            },
            file_bytes,
            files_max: usize::try_from(files_max.max(2)).unwrap_or(2),
            active: None,
            next_sequence,
            synced: next_sequence - 1,
            old: old.into_iter().map(|name| dir.join(name)).collect(),
        })
    }

    /// Removes the files that were there when it was opened.
    pub(in crate::log) fn remove_old(&mut self) -> Result<(), Error> {
        for path in self.old.drain(..) {
            disk::remove_if_there(&*self.freeing.disk, &path)
                .map_err(Error::io("remove the journal file", &path))?;
        }
        Ok(())
    }

    /// The handle that gives files back.
    pub(in crate::log) fn freeing(&self) -> Freeing {
        self.freeing.clone()
    }

    /// Sequence of the next entry.
    pub(in crate::log) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Whether an entry of this size fits behind what the file holds and `pending` more bytes.
    pub(in crate::log) fn has_room(&self, pending: u64, entry_bytes: u64) -> bool {
        self.active
            .as_ref()
            .is_some_and(|a| a.position + pending + entry_bytes <= a.capacity)
    }

    /// Goes on in another file, one with room for an entry of this size. Everything written must
    /// be synced. On an error nothing changed but that the file in use is given up.
    pub(in crate::log) fn roll(&mut self, entry_bytes: u64) -> Result<Rolled, Error> {
        debug_assert_eq!(self.synced + 1, self.next_sequence);
        let needed = ENTRIES_FROM + entry_bytes;
        let large = needed > self.file_bytes;
        if let Some(active) = self.active.take() {
            self.seal(&active, active.capacity == self.file_bytes);
        }
        let reused = {
            let mut shelf = self.freeing.shelf.lock();
            if large { None } else { shelf.free.pop() }
        };
        let waiting = self.freeing.shelf.lock().sealed.len();
        if reused.is_none() && waiting >= self.files_max {
            return Ok(Rolled::Full);
        }
        let capacity = if large { needed } else { self.file_bytes };
        match self.start(reused, capacity) {
            Ok(active) => {
                self.active = Some(active);
                Ok(Rolled::Ready)
            }
            Err(error) => {
                if let Some(slot) = reused {
                    // Its header may have been written and not synced: never touch it again.
                    self.freeing.shelf.lock().sealed.push(Sealed {
                        slot,
                        last_sequence: self.synced,
                        reusable: false,
                    });
                }
                Err(error)
            }
        }
    }

    fn seal(&self, active: &Active, reusable: bool) {
        self.freeing.shelf.lock().sealed.push(Sealed {
            slot: active.slot,
            last_sequence: self.synced,
            reusable,
        });
    }

    fn start(&mut self, reused: Option<u32>, capacity: u64) -> Result<Active, Error> {
        let Freeing {
            disk,
            dir,
            shelf,
            generation: newest,
        } = self.freeing.clone();
        let slot = reused.unwrap_or_else(|| {
            let mut shelf = shelf.lock();
            shelf.slots_made = shelf.slots_made.wrapping_add(1);
            shelf.slots_made - 1
        });
        let path = slot_path(&dir, slot);
        // Counted even if this fails: the file may have been written all the same.
        let generation = generation_after(newest.load(Ordering::Acquire));
        newest.store(generation, Ordering::Release);
        let header = FileHeader {
            generation,
            first_sequence: self.next_sequence,
        };
        let begin = || -> std::io::Result<Arc<dyn DiskFile>> {
            let how = if reused.is_some() {
                Open::Write
            } else {
                Open::Replace
            };
            let file = disk.open(&path, how)?;
            if reused.is_none() {
                file.reserve(capacity, false)?;
            }
            disk::write_all(&*file, &[&header.encode()], 0)?;
            file.sync()?;
            if reused.is_none() {
                disk.sync_dir(&dir)?;
            }
            Ok(file)
        };
        let file = begin().map_err(|cause| {
            if reused.is_none() {
                // Half a file would only take room; should this fail, opening removes it.
                let _ = disk.remove_file(&path);
            }
            Error::io("start the journal file", &path)(cause)
        })?;
        Ok(Active {
            file,
            slot,
            generation,
            position: ENTRIES_FROM,
            capacity,
            filled: if reused.is_some() { capacity } else { 0 },
        })
    }

    /// Writes entries behind the last one, without syncing. They must fit ([`Journal::has_room`]).
    /// After an error [`Journal::give_up`] must follow.
    pub(in crate::log) fn write(&mut self, entries: &[&[Part]]) -> Result<(), Error> {
        let Some(active) = &mut self.active else {
            return Err(Error::Refusing("no journal file is open".to_owned()));
        };
        let mut copied = Vec::new();
        // Large batches, and how much of what is copied comes before each.
        let mut large: Vec<(usize, &[u8])> = Vec::new();
        for parts in entries {
            let (sequence, synced) = (self.next_sequence, self.synced);
            let padding = encode_head(&mut copied, active.generation, sequence, synced, parts);
            for part in *parts {
                match part.bytes.len() {
                    ..=COPIED_BYTES_MAX => copied.extend_from_slice(&part.bytes),
                    _ => large.push((copied.len(), &part.bytes)),
                }
            }
            copied.extend_from_slice(padding);
            self.next_sequence += 1;
        }
        let mut slices: Vec<&[u8]> = Vec::with_capacity(2 * large.len() + 2);
        let mut from = 0;
        for (to, batch) in large {
            slices.extend([copied.get(from..to).unwrap_or_default(), batch]);
            from = to;
        }
        slices.push(copied.get(from..).unwrap_or_default());
        let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        let end = active.position + u64::try_from(bytes).unwrap_or(u64::MAX);
        assert!(end <= active.capacity, "entries fit the journal file");
        let zeros = active.zeros_behind(end);
        slices.push(zeros);
        let filled = end + u64::try_from(zeros.len()).unwrap_or(u64::MAX);
        active.filled = active.filled.max(filled);
        disk::write_all(&*active.file, &slices, active.position).map_err(Error::io(
            "write the journal file",
            &slot_path(&self.freeing.dir, active.slot),
        ))?;
        active.position = end;
        Ok(())
    }

    /// Makes everything written durable; returns the last sequence. After an error
    /// [`Journal::give_up`] must follow.
    pub(in crate::log) fn sync(&mut self) -> Result<u64, Error> {
        if let Some(active) = &self.active {
            active.file.sync().map_err(Error::io(
                "sync the journal file",
                &slot_path(&self.freeing.dir, active.slot),
            ))?;
        }
        self.synced = self.next_sequence - 1;
        Ok(self.synced)
    }

    /// Leaves a file whose write or sync failed. What was not synced is void as soon as the next
    /// file's header is durable.
    pub(in crate::log) fn give_up(&mut self) {
        self.next_sequence = self.synced + 1;
        if let Some(active) = self.active.take() {
            self.seal(&active, false);
        }
    }

    /// Takes the file in use out of use, as nothing more will be written.
    pub(in crate::log) fn retire(&mut self) {
        if let Some(active) = self.active.take() {
            self.seal(&active, false);
        }
    }

    /// Size of an entry with that many parts and bytes.
    pub(in crate::log) fn entry_bytes(parts: usize, bytes: usize) -> u64 {
        u64::try_from(entry::entry_bytes(parts, bytes)).unwrap_or(u64::MAX)
    }
}
