//! Reads the journal back: which entries count, where they end, and whether that end is a torn
//! tail or damage.
//!
//! Everything is checked before anything is applied: [`scan`] goes through all files, [`Entries`]
//! then yields the entries behind the checkpoint.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::entry::{self, ALIGN, HEADER_BYTES, Header, Part};
use super::file::{BadHeader, ENTRIES_FROM, FileHeader, is_journal_name};
use crate::log::disk::{self, Disk, DiskFile, Open};
use crate::log::error::Error;

/// Bytes read at once; larger entries are read whole.
const WINDOW_BYTES: usize = 1 << 20;

/// Entries begin at multiples of this.
const STEP: u64 = 8;

/// A file and which of its entries count.
#[derive(Debug)]
struct Plan {
    path: PathBuf,
    header: FileHeader,
    /// Sequence behind the last entry that counts.
    end_sequence: u64,
}

/// What the journal holds.
#[derive(Debug)]
pub(in crate::log) struct Scan {
    plans: Vec<Plan>,
    /// Sequence of the next entry to be written.
    pub(in crate::log) next_sequence: u64,
    /// Highest generation found.
    pub(in crate::log) generation: u64,
    /// Entries at or before this sequence are covered by the checkpoint.
    checkpointed: u64,
}

impl Scan {
    /// Number of entries to apply.
    pub(in crate::log) fn entries_count(&self) -> u64 {
        self.next_sequence - 1 - self.checkpointed
    }
}

/// A window over a file.
#[derive(Debug)]
struct Window {
    file: Arc<dyn DiskFile>,
    bytes: u64,
    buf: Vec<u8>,
    from: u64,
}

impl Window {
    fn new(file: Arc<dyn DiskFile>) -> std::io::Result<Window> {
        let bytes = file.size()?;
        Ok(Window {
            file,
            bytes,
            buf: Vec::new(),
            from: 0,
        })
    }

    /// `len` bytes at `at`; `None` if the file ends before. Never allocates beyond the file.
    fn get(&mut self, at: u64, len: usize) -> std::io::Result<Option<&[u8]>> {
        let end = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        if end > self.bytes {
            return Ok(None);
        }
        let held = self.from + u64::try_from(self.buf.len()).unwrap_or(u64::MAX);
        if at < self.from || end > held {
            let left = usize::try_from(self.bytes - at).unwrap_or(usize::MAX);
            self.buf.resize(len.max(WINDOW_BYTES).min(left), 0);
            let read = disk::read_full(&*self.file, &mut self.buf, at)?;
            self.buf.truncate(read);
            self.from = at;
        }
        let start = usize::try_from(at - self.from).unwrap_or(usize::MAX);
        Ok(self.buf.get(start..).and_then(|rest| rest.get(..len)))
    }

    /// Bytes from `at` on that need not be read.
    fn held_from(&self, at: u64) -> usize {
        let skipped = at
            .checked_sub(self.from)
            .and_then(|s| usize::try_from(s).ok());
        skipped.map_or(0, |skipped| self.buf.len().saturating_sub(skipped))
    }

    /// The entry at `at` of this generation, if it is whole and its CRC holds.
    fn entry(&mut self, at: u64, generation: Option<u64>) -> std::io::Result<Option<Found>> {
        let Some(bytes) = self.get(at, HEADER_BYTES)? else {
            return Ok(None);
        };
        let Some(header) = Header::parse(bytes) else {
            return Ok(None);
        };
        if generation.is_some_and(|g| g != header.generation) {
            return Ok(None);
        }
        let whole = HEADER_BYTES.saturating_add(header.body_bytes);
        let Some(bytes) = self.get(at, whole)? else {
            return Ok(None);
        };
        if !entry::crc_holds(&header, bytes) || whole % ALIGN != 0 {
            return Ok(None);
        }
        let end = at + u64::try_from(whole).unwrap_or(u64::MAX);
        Ok(Some(Found { header, end }))
    }

    fn body(&mut self, at: u64, header: &Header) -> std::io::Result<Option<Bytes>> {
        let from = at + u64::try_from(HEADER_BYTES).unwrap_or(0);
        let body = self.get(from, header.body_bytes)?;
        Ok(body.map(Bytes::copy_from_slice))
    }

    /// Looks from `at` on for a valid entry for which `wanted` holds.
    fn find(
        &mut self,
        at: u64,
        generation: Option<u64>,
        wanted: impl Fn(&Header) -> bool,
    ) -> std::io::Result<Option<Found>> {
        let magic = entry::MAGIC.to_be_bytes();
        let mut at = at;
        loop {
            let left = usize::try_from(self.bytes.saturating_sub(at)).unwrap_or(usize::MAX);
            let held = self.held_from(at);
            let len = match held >= HEADER_BYTES {
                true => held,
                false => left.min(WINDOW_BYTES),
            };
            let window = self.get(at, len)?.unwrap_or_default();
            if window.len() < HEADER_BYTES {
                return Ok(None);
            }
            let Some(hit) = memchr::memmem::find(window, &magic) else {
                // The magic may lie across the window's end.
                at += u64::try_from(len - (magic.len() - 1)).unwrap_or(u64::MAX);
                continue;
            };
            at += u64::try_from(hit).unwrap_or(u64::MAX);
            if at.is_multiple_of(STEP)
                && let Some(found) = self.entry(at, generation)?
                && wanted(&found.header)
            {
                return Ok(Some(found));
            }
            at += 1;
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Found {
    header: Header,
    end: u64,
}

fn damage(path: &Path, what: String) -> Error {
    Error::Format {
        path: path.to_owned(),
        what,
    }
}

/// Checks all files of the journal in `dir` against a checkpoint that covers everything up to
/// `checkpointed`. Changes nothing.
pub(in crate::log) fn scan(disk: &dyn Disk, dir: &Path, checkpointed: u64) -> Result<Scan, Error> {
    let mut files = headers(disk, dir, checkpointed)?;
    let generation = files.last().map_or(0, |(_, h)| h.generation);
    // Only the newest file that begins at or before what is needed counts, and those after it.
    let first = files
        .iter()
        .rposition(|(_, h)| h.first_sequence <= checkpointed + 1);
    match first {
        Some(first) => drop(files.drain(..first)),
        None if files.is_empty() => {}
        None => {
            let what = format!(
                "the checkpoint ends at entry {checkpointed} and the journal begins after the next"
            );
            return Err(damage(dir, what));
        }
    }
    let mut plans: Vec<Plan> = Vec::with_capacity(files.len());
    let ends: Vec<Option<u64>> = files
        .iter()
        .skip(1)
        .map(|(_, h)| Some(h.first_sequence))
        .chain([None])
        .collect();
    for ((path, header), end) in files.into_iter().zip(ends) {
        if end.is_some_and(|end| end < header.first_sequence) {
            return Err(damage(&path, "its successor begins before it".to_owned()));
        }
        let end_sequence = check_file(disk, &path, header, end, checkpointed)?;
        plans.push(Plan {
            path,
            header,
            end_sequence,
        });
    }
    let next = plans.last().map_or(0, |plan| plan.end_sequence);
    Ok(Scan {
        plans,
        next_sequence: next.max(checkpointed + 1),
        generation,
        checkpointed,
    })
}

/// The files with their headers, by generation.
fn headers(
    disk: &dyn Disk,
    dir: &Path,
    checkpointed: u64,
) -> Result<Vec<(PathBuf, FileHeader)>, Error> {
    let mut files = Vec::new();
    for entry in disk
        .list(dir)
        .map_err(Error::io("list the journal folder", dir))?
    {
        if entry.is_dir || !is_journal_name(&entry.name) {
            continue;
        }
        let path = dir.join(&entry.name);
        let open = || -> std::io::Result<_> {
            let file = disk.open(&path, Open::Read)?;
            let header = FileHeader::read(&*file)?;
            Ok((file, header))
        };
        let (file, header) = open().map_err(Error::io("read the journal file", &path))?;
        match header {
            Ok(header) => files.push((path, header)),
            Err(BadHeader::Newer(version)) => return Err(Error::NewerFormat { path, version }),
            // A header is synced before an entry follows, so one that was never written stands
            // before nothing that counts.
            Err(BadHeader::Invalid) => {
                let found = Window::new(file)
                    .and_then(|mut w| w.find(ENTRIES_FROM, None, |h| h.sequence > checkpointed))
                    .map_err(Error::io("read the journal file", &path))?;
                if let Some(found) = found {
                    let what = format!(
                        "the file's header is damaged, and entry {} follows it",
                        found.header.sequence
                    );
                    return Err(damage(&path, what));
                }
            }
        }
    }
    files.sort_by_key(|(_, h)| h.generation);
    Ok(files)
}

/// The sequence behind the last entry of a file that counts. `end` is where the next file begins:
/// every entry before it was synced.
fn check_file(
    disk: &dyn Disk,
    path: &Path,
    header: FileHeader,
    end: Option<u64>,
    checkpointed: u64,
) -> Result<u64, Error> {
    let io = |cause| Error::io("read the journal file", path)(cause);
    let mut window = disk
        .open(path, Open::Read)
        .and_then(Window::new)
        .map_err(io)?;
    let generation = Some(header.generation);
    let mut at = ENTRIES_FROM;
    let mut sequence = header.first_sequence;
    while end.is_none_or(|end| sequence < end) {
        match window.entry(at, generation).map_err(io)? {
            Some(found) if found.header.sequence == sequence => {
                at = found.end;
                sequence += 1;
            }
            _ if end.is_some_and(|end| end > checkpointed + 1) => {
                let what = format!("entry {sequence} is damaged, which was durable");
                return Err(damage(path, what));
            }
            _ => break,
        }
    }
    if end.is_some_and(|end| sequence >= end) {
        return Ok(sequence);
    }
    // A later entry that knew this one to be durable tells damage from a torn tail.
    let later = window
        .find(at, generation, |h| {
            h.synced >= sequence && h.sequence > sequence.max(checkpointed)
        })
        .map_err(io)?;
    match later {
        Some(later) => Err(damage(
            path,
            format!(
                "entry {sequence} is damaged, which was durable when entry {} was written",
                later.header.sequence
            ),
        )),
        None => Ok(sequence),
    }
}

/// Yields the entries behind the checkpoint, in order.
#[derive(Debug)]
pub(in crate::log) struct Entries<'a> {
    disk: &'a dyn Disk,
    scan: &'a Scan,
    plan: usize,
    open: Option<(Window, u64, u64)>,
}

impl<'a> Entries<'a> {
    /// The entries that `scan` found.
    pub(in crate::log) fn new(disk: &'a dyn Disk, scan: &'a Scan) -> Entries<'a> {
        Entries {
            disk,
            scan,
            plan: 0,
            open: None,
        }
    }

    /// The next entry: its sequence and parts.
    pub(in crate::log) fn next(&mut self) -> Result<Option<(u64, Vec<Part>)>, Error> {
        while let Some(plan) = self.scan.plans.get(self.plan) {
            let io = |cause| Error::io("read the journal file", &plan.path)(cause);
            let (mut window, at, sequence) = match self.open.take() {
                Some(open) => open,
                None => {
                    let file = self.disk.open(&plan.path, Open::Read).map_err(io)?;
                    let window = Window::new(file).map_err(io)?;
                    (window, ENTRIES_FROM, plan.header.first_sequence)
                }
            };
            if sequence >= plan.end_sequence {
                self.plan += 1;
                continue;
            }
            let changed = || {
                damage(
                    &plan.path,
                    format!("entry {sequence} changed while reading"),
                )
            };
            let found = window
                .entry(at, Some(plan.header.generation))
                .map_err(io)?
                .ok_or_else(changed)?;
            if sequence <= self.scan.checkpointed {
                self.open = Some((window, found.end, sequence + 1));
                continue;
            }
            let body = window.body(at, &found.header).map_err(io)?;
            let parts = body
                .and_then(|body| entry::decode(&found.header, body))
                .ok_or_else(changed)?;
            self.open = Some((window, found.end, sequence + 1));
            return Ok(Some((sequence, parts)));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
