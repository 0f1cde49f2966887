//! Reads what a `COPY ... TO STDOUT` sends, a chunk of rows at a time.

use bytes::{Buf, Bytes};
use postgres_protocol::message::backend;

use super::batch::{OversizedRow, RowBatch};
use super::copy_text;
use super::reader::SnapshotReader;
use crate::postgres::connection::{log_notice, unexpected};
use crate::postgres::error::{Action, Error, ServerError};

/// Tag and length before each row.
const HEADER_BYTES: usize = 5;
/// What is kept of a row that is larger than the limit.
const OVERSIZED_HEAD_BYTES: usize = 64 << 10;
/// Other messages than rows (errors, notices) are at most this long.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Rows of one table. To be read to the end; a reader whose rows were dropped before cannot be
/// used on.
#[derive(Debug)]
pub struct CopyRows<'a> {
    reader: &'a mut SnapshotReader,
    columns: usize,
    /// Bytes of an oversized row that are still to be dropped.
    skip_bytes: u64,
    /// What ended the rows, told once the server is ready again.
    failure: Option<Error>,
}

impl<'a> CopyRows<'a> {
    pub(super) fn new(reader: &'a mut SnapshotReader, columns: usize) -> CopyRows<'a> {
        CopyRows {
            reader,
            columns,
            skip_bytes: 0,
            failure: None,
        }
    }

    /// Fills `batch` with the rows that have come, at least one (or an oversized one); `false` at
    /// the end of the table. Cancel safe. A table is complete only when `false` came: a broken
    /// connection is an error.
    pub async fn next(&mut self, batch: &mut RowBatch) -> Result<bool, Error> {
        batch.clear();
        batch.columns = self.columns;
        loop {
            if !self.reader.is_copying() {
                return Ok(false);
            }
            if self.take_rows(batch)? {
                return Ok(true);
            }
            if self.take_other()? {
                continue;
            }
            let (stream, inbox) = self.reader.wire_mut().parts_mut();
            match inbox.fill(stream).await {
                Ok(()) => {}
                Err(ended) => return Err(self.failure.take().unwrap_or(ended)),
            }
        }
    }

    /// Moves every row that is whole into `batch`; whether there was any.
    fn take_rows(&mut self, batch: &mut RowBatch) -> Result<bool, Error> {
        let row_bytes_max = self.reader.row_bytes_max();
        let (_, inbox) = self.reader.wire_mut().parts_mut();
        if self.skip_bytes > 0 {
            self.skip_bytes -= inbox.skip(self.skip_bytes);
            if self.skip_bytes > 0 {
                return Ok(false);
            }
        }
        let whole = whole_rows(inbox.as_slice());
        if whole > 0 {
            batch.received = inbox.split(whole);
            return index(batch).map(|()| true);
        }
        let Some(front) = inbox.front()? else {
            return Ok(false);
        };
        if front.tag != backend::COPY_DATA_TAG || front.body_bytes <= row_bytes_max {
            return Ok(false);
        }
        let Some(head) = inbox.take_head(OVERSIZED_HEAD_BYTES) else {
            return Ok(false);
        };
        self.skip_bytes = u64::try_from(front.body_bytes - head.len()).unwrap_or(u64::MAX);
        batch.oversized = Some(OversizedRow {
            bytes: u64::try_from(front.body_bytes).unwrap_or(u64::MAX),
            head,
        });
        Ok(true)
    }

    /// Takes the message at the front if it is whole and no row; whether it did.
    fn take_other(&mut self) -> Result<bool, Error> {
        let (_, inbox) = self.reader.wire_mut().parts_mut();
        let is_row = inbox
            .front()?
            .is_some_and(|front| front.tag == backend::COPY_DATA_TAG);
        if self.skip_bytes > 0 || is_row {
            return Ok(false);
        }
        let Some(message) = inbox.take(MESSAGE_BYTES_MAX)? else {
            return Ok(false);
        };
        match message.tag {
            backend::NOTICE_RESPONSE_TAG => log_notice(&message.body),
            backend::ERROR_RESPONSE_TAG => {
                let error = ServerError::parse(&message.body);
                self.failure = Some(error.during(&Action::Statement("read a table's rows")));
            }
            backend::READY_FOR_QUERY_TAG => {
                self.reader.copy_is_over();
                if let Some(failure) = self.failure.take() {
                    return Err(failure);
                }
            }
            backend::COPY_DONE_TAG
            | backend::COMMAND_COMPLETE_TAG
            | backend::PARAMETER_STATUS_TAG => {}
            tag => return Err(unexpected(tag, "a copy")),
        }
        Ok(true)
    }
}

/// How many bytes at the front are rows that are whole, headers included.
fn whole_rows(received: &[u8]) -> usize {
    let mut rest = received;
    while let Some((_, after)) = split_row(rest) {
        rest = after;
    }
    received.len() - rest.len()
}

/// Splits a whole row off the front: its body, and what follows.
fn split_row(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let ([tag, length @ ..], rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    if *tag != backend::COPY_DATA_TAG {
        return None;
    }
    let body_bytes = usize::try_from(u32::from_be_bytes(*length))
        .ok()?
        .checked_sub(4)?;
    rest.split_at_checked(body_bytes)
}

/// Finds the cells of the rows in `batch.received`.
fn index(batch: &mut RowBatch) -> Result<(), Error> {
    let mut rest = &batch.received[..];
    let whole = rest.len();
    while let Some((row, after)) = split_row(rest) {
        let offset = whole - rest.len() + HEADER_BYTES;
        rest = after;
        // The server sends one row a message, each with its line end.
        let Some((b'\n', line)) = row.split_last() else {
            return Err(Error::protocol("a row of a copy without its line end"));
        };
        batch.count += 1;
        if batch.columns == 0 && line.is_empty() {
            continue;
        }
        let count = copy_text::cells(line, offset, &mut batch.places, &mut batch.unescaped);
        if count != batch.columns {
            return Err(Error::protocol(format!(
                "a row of {count} cells where there are {} columns",
                batch.columns
            )));
        }
    }
    Ok(())
}

/// How many columns a `CopyOutResponse` announces; only the text format is asked for.
pub(super) fn announced_columns(body: &Bytes) -> Result<usize, Error> {
    let mut body = body.clone();
    if body.remaining() < 3 {
        return Err(Error::protocol(
            "an announcement of a copy without its columns",
        ));
    }
    if body.get_u8() != 0 {
        return Err(Error::protocol(
            "a copy in binary form where text was asked for",
        ));
    }
    Ok(usize::from(body.get_u16()))
}
