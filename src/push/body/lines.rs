//! `application/x-ndjson`: a value on each line, checked as its line is complete.
//!
//! Kept between two pieces: the line that is not complete. Blank lines are left out; the last
//! line needs no newline.

use super::json;
use super::run::Run;
use crate::push::error::Error;

/// A line and its number.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    /// Lines that are complete.
    count: u64,
}

impl Lines {
    /// Takes a piece of the body.
    pub(super) fn feed(&mut self, mut piece: &[u8], run: &mut Run) -> Result<(), Error> {
        while let Some(at) = memchr::memchr(b'\n', piece) {
            let (line, rest) = piece.split_at(at);
            piece = rest.get(1..).unwrap_or_default();
            self.count = self.count.saturating_add(1);
            if self.partial.is_empty() {
                take(line, self.count, run)?;
            } else {
                self.partial.extend_from_slice(line);
                take(&self.partial, self.count, run)?;
                self.partial.clear();
            }
        }
        self.partial.extend_from_slice(piece);
        Ok(())
    }

    /// Takes what stands behind the last newline.
    pub(super) fn finish(&self, run: &mut Run) -> Result<(), Error> {
        take(&self.partial, self.count.saturating_add(1), run)
    }

    /// Bytes kept.
    pub(super) fn held_bytes(&self) -> usize {
        self.partial.capacity()
    }
}

fn take(line: &[u8], number: u64, run: &mut Run) -> Result<(), Error> {
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    let text = json::text(line);
    let text = text.map_err(|wrong| Error::Malformed(format!("line {number}: {wrong}")))?;
    let value = json::single(text).map_err(|wrong| {
        // Of a single line the parser's own line number says nothing.
        let what = wrong.to_string();
        let what = what
            .rsplit_once(" at line ")
            .map_or(&*what, |(what, _)| what);
        let column = wrong.column();
        Error::Malformed(format!("{what} at line {number} column {column}"))
    })?;
    run.add(None, value, &[])
}
