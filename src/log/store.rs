//! A partition as the writer sees it: batches that came from the journal go into segments, and
//! what a checkpoint has to say about the partition is kept here.
//!
//! Invariant: `written` is the offset behind the last batch in a segment; the producers are those
//! of the batches before it, so a checkpoint taken after the segments were synced is consistent.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::batch;
use super::disk::{self, Open};
use super::error::Error;
use super::partition::{Chunk, Partition};
use super::producer_state::Producers;
use super::segment::{Batches, Extent, Kind, OpenFiles, Resume, Segment, SegmentWriter};

/// A segment is read back in pieces of about this size.
const REBUILD_BYTES: usize = 1 << 20;

/// The writer's side of a partition.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) partition: Arc<Partition>,
    /// `None` until the first batch.
    writer: Option<SegmentWriter>,
    pub(super) producers: Producers,
    pub(super) written: i64,
    /// Start as it will be after the next checkpoint; never below the partition's.
    pub(super) start: i64,
    /// Batches to be written; not empty between steps only after a failure.
    pending: VecDeque<Chunk>,
    /// Offset up to which compaction has come since the start of the process.
    pub(super) compacted: i64,
    /// Bytes written since the last compaction.
    pub(super) dirty_bytes: u64,
}

impl Store {
    pub(super) fn new(partition: Arc<Partition>) -> Store {
        Store {
            partition,
            writer: None,
            producers: Producers::default(),
            written: 0,
            start: 0,
            pending: VecDeque::new(),
            dirty_bytes: 0,
            compacted: 0,
        }
    }

    /// A partition whose segments are known; the last one is to be written on.
    pub(super) fn restored(
        partition: Arc<Partition>,
        writer: Option<SegmentWriter>,
        producers: Producers,
        (start, written): (i64, i64),
        dirty_bytes: u64,
    ) -> Store {
        Store {
            dirty_bytes,
            writer,
            producers,
            written,
            start,
            ..Store::new(partition)
        }
    }

    pub(super) fn writer(&self) -> Option<&SegmentWriter> {
        self.writer.as_ref()
    }

    /// Puts batches behind those that are to be written.
    pub(super) fn push(&mut self, chunk: Chunk) {
        self.pending.push_back(chunk);
    }

    /// Bytes that are not in a segment.
    pub(super) fn pending_bytes(&self) -> usize {
        self.pending.iter().map(|chunk| chunk.bytes.len()).sum()
    }

    /// Offset behind the last batch that was handed in.
    pub(super) fn next_offset(&self) -> i64 {
        self.pending.back().map_or(self.written, |chunk| chunk.end)
    }

    /// Moves the start up; it is shown to readers after the next checkpoint. If everything lies
    /// before it, the last segment is ended, so that it can go too.
    pub(super) fn move_start(
        &mut self,
        start: i64,
        files: &OpenFiles,
        dirs: &mut BTreeSet<PathBuf>,
    ) -> Result<(), Error> {
        self.start = self.start.max(start.min(self.written));
        if self.start == self.written && self.pending.is_empty() {
            self.roll(files, dirs)?;
        }
        Ok(())
    }

    /// The segments that hold something from the start on.
    pub(super) fn kept(&self) -> Vec<Arc<Segment>> {
        let segments = &self.partition.view.lock().segments;
        let from = kept_from(segments, self.start);
        segments.get(from..).unwrap_or_default().to_vec()
    }

    /// Takes segments that end at or before the start out of the view.
    pub(super) fn drop_before_start(&mut self) -> Vec<Arc<Segment>> {
        let mut view = self.partition.view.lock();
        let from = kept_from(&view.segments, self.start);
        let dropped: Vec<Arc<Segment>> = view.segments.drain(..from).collect();
        drop(view);
        if !dropped.is_empty() {
            self.partition.count_bytes();
        }
        dropped
    }

    /// Writes what is pending; returns how many bytes are now in segments. After an error what is
    /// left is written by the next call. Folders to be synced are added to `dirs`.
    pub(super) fn write(
        &mut self,
        files: &OpenFiles,
        dirs: &mut BTreeSet<PathBuf>,
        now_ms: i64,
    ) -> (usize, Result<(), Error>) {
        let mut bytes = 0;
        let outcome = loop {
            if self.pending.is_empty() {
                break Ok(());
            }
            match self.write_run(files, dirs, now_ms) {
                Ok(run) => bytes += run,
                Err(error) => break Err(error),
            }
        };
        self.partition.written_up_to(self.written);
        (bytes, outcome)
    }

    /// Writes pending batches up to the end of the segment.
    fn write_run(
        &mut self,
        files: &OpenFiles,
        dirs: &mut BTreeSet<PathBuf>,
        now_ms: i64,
    ) -> Result<usize, Error> {
        let segment_bytes = self.partition.settings.config.load().segment_bytes;
        self.open_writer(files, dirs)?;
        let Some(writer) = self.writer.as_mut() else {
            return Ok(0);
        };
        let run = Run::collect(&self.pending, writer, segment_bytes);
        if run.pieces.is_empty() {
            self.roll(files, dirs)?;
            return Ok(0);
        }
        writer.append(files, &run.pieces)?;
        for piece in &run.pieces {
            for (header, _) in batch::whole(piece) {
                self.producers.note(&header, now_ms);
            }
        }
        self.written = run.end;
        for _ in 0..run.whole {
            self.pending.pop_front();
        }
        if let (Some(rest), Some(front)) = (run.rest, self.pending.front_mut()) {
            *front = rest;
        }
        self.dirty_bytes += u64::try_from(run.bytes).unwrap_or(0);
        Ok(run.bytes)
    }

    /// Takes up the segment the appender made, or makes one.
    fn open_writer(
        &mut self,
        files: &OpenFiles,
        dirs: &mut BTreeSet<PathBuf>,
    ) -> Result<(), Error> {
        if self.writer.is_some() {
            return Ok(());
        }
        self.note_dirs(dirs);
        let existing = self.partition.view.lock().segments.last().cloned();
        let segment = match existing {
            Some(segment) => segment,
            None => self.make_segment(files)?,
        };
        self.writer = Some(SegmentWriter::new(segment, Resume::EMPTY));
        Ok(())
    }

    fn note_dirs(&self, dirs: &mut BTreeSet<PathBuf>) {
        let dir = &self.partition.dir;
        dirs.insert(dir.to_path_buf());
        dirs.extend(dir.parent().map(ToOwned::to_owned));
    }

    fn make_segment(&self, files: &OpenFiles) -> Result<Arc<Segment>, Error> {
        let dir = &self.partition.dir;
        files
            .disk()
            .create_dir_all(dir)
            .map_err(Error::io("make the folder", dir))?;
        let segment = Segment::new(Arc::clone(dir), self.written, Extent::EMPTY);
        // What an unsynced crash left under this name is void.
        files.get(&segment, Open::Replace)?;
        segment.close();
        self.partition
            .view
            .lock()
            .segments
            .push(Arc::clone(&segment));
        Ok(segment)
    }

    /// Ends the segment that is written and begins the next, if it holds anything.
    pub(super) fn roll(
        &mut self,
        files: &OpenFiles,
        dirs: &mut BTreeSet<PathBuf>,
    ) -> Result<(), Error> {
        let Some(writer) = self.writer.as_mut() else {
            return Ok(());
        };
        if writer.resume().extent.bytes == 0 {
            return Ok(());
        }
        writer.finish(files)?;
        writer.sync(files)?;
        self.note_dirs(dirs);
        let segment = self.make_segment(files)?;
        self.writer = Some(SegmentWriter::new(segment, Resume::EMPTY));
        Ok(())
    }

    /// Whether a sync of the segment that is written failed.
    pub(super) fn is_poisoned(&self) -> bool {
        self.writer.as_ref().is_some_and(SegmentWriter::is_poisoned)
    }

    /// Writes the segment, a sync of which failed, into a new file, batch by batch as far as the
    /// checksums hold, and goes on there. The new file has a temporary name until a checkpoint
    /// names it. If a batch cannot be read back, a restart writes it again from the journal.
    pub(super) fn rebuild(&mut self, files: &OpenFiles) -> Result<Option<Arc<Segment>>, Error> {
        let Some(old) = self.partition.view.lock().segments.last().cloned() else {
            return Ok(None);
        };
        let segment = Segment::temporary(Arc::clone(&old.dir), old.base, old.has_gaps);
        // A file of an earlier try may have failed to sync too.
        for kind in Kind::ALL {
            let path = segment.path(kind);
            disk::remove_if_there(files.disk(), &path)
                .map_err(Error::io("remove the left-over file", &path))?;
        }
        let mut writer = SegmentWriter::new(Arc::clone(&segment), Resume::EMPTY);
        let mut offset = old.base;
        while let Batches::Found(bytes) = old.read(files, offset, REBUILD_BYTES)? {
            offset = batch::whole(&bytes)
                .last()
                .map_or(i64::MAX, |(h, _)| h.next_offset());
            writer.append(files, &[bytes])?;
        }
        if writer.resume().extent.bytes != old.extent().bytes {
            return Err(Error::Refusing(format!(
                "\"{}\" could not be synced nor read back; a restart mends it from the journal",
                old.path(Kind::Log).display()
            )));
        }
        writer.sync(files)?;
        if let Some(last) = self.partition.view.lock().segments.last_mut() {
            *last = Arc::clone(&segment);
        }
        old.retire();
        self.writer = Some(writer);
        Ok(Some(segment))
    }

    /// Makes everything written durable.
    pub(super) fn sync(&mut self, files: &OpenFiles) -> Result<(), Error> {
        match self.writer.as_mut() {
            Some(writer) => writer.sync(files),
            None => Ok(()),
        }
    }
}

/// Number of segments that end at or before `start`; a segment ends where the next begins.
fn kept_from(segments: &[Arc<Segment>], start: i64) -> usize {
    segments
        .iter()
        .skip(1)
        .position(|next| next.base > start)
        .unwrap_or(segments.len().saturating_sub(1))
}

/// Batches that go into one segment with one write.
struct Run {
    pieces: Vec<Bytes>,
    bytes: usize,
    /// Offset behind the last of them.
    end: i64,
    /// Chunks that are in `pieces` in whole.
    whole: usize,
    /// What is left of the chunk behind those.
    rest: Option<Chunk>,
}

/// Pieces of one write: bounded by what one vectored write takes.
const PIECES_MAX: usize = 1000;

impl Run {
    fn collect(pending: &VecDeque<Chunk>, writer: &SegmentWriter, segment_bytes: u32) -> Run {
        let mut run = Run {
            pieces: Vec::new(),
            bytes: 0,
            end: 0,
            whole: 0,
            rest: None,
        };
        for chunk in pending.iter().take(PIECES_MAX) {
            let last = chunk.end - 1;
            if !writer.is_full_for(segment_bytes, run.bytes + chunk.bytes.len(), last) {
                run.bytes += chunk.bytes.len();
                run.end = chunk.end;
                run.whole += 1;
                run.pieces.push(chunk.bytes.clone());
                continue;
            }
            run.split(chunk, writer, segment_bytes);
            break;
        }
        run
    }

    /// Takes the batches of a chunk that still fit.
    fn split(&mut self, chunk: &Chunk, writer: &SegmentWriter, segment_bytes: u32) {
        let mut cut = 0;
        for (header, _) in batch::whole(&chunk.bytes) {
            let after = self.bytes + cut + header.total_bytes();
            // A segment holds at least one batch, however large.
            let is_first = writer.resume().extent.bytes == 0 && self.bytes + cut == 0;
            if !is_first && writer.is_full_for(segment_bytes, after, header.last_offset()) {
                break;
            }
            cut += header.total_bytes();
            self.end = header.next_offset();
        }
        if cut == 0 {
            return;
        }
        self.pieces.push(chunk.bytes.slice(..cut));
        self.bytes += cut;
        if cut == chunk.bytes.len() {
            self.whole += 1;
        } else {
            self.rest = Some(Chunk {
                base: self.end,
                end: chunk.end,
                bytes: chunk.bytes.slice(cut..),
            });
        }
    }
}
