//! The records of a batch, borrowed from its bytes or from what they decompress to.

use std::borrow::Cow;

use super::error::Error;
use super::header::{BATCH_HEADER_BYTES, BatchHeader, truncated};
use super::varint::{take_varint, take_varlong};

/// The records of one batch.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    header: BatchHeader,
    body: Cow<'a, [u8]>,
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp (ms): when it was made, or appended where the batch says so.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    pub(super) headers_count: i32,
    /// The headers as they stand in the batch, already walked once.
    pub(super) headers_raw: &'a [u8],
}

impl<'a> Record<'a> {
    /// The headers in their order: key bytes (UTF-8 by convention only) and value.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        Headers {
            count: self.headers_count,
            rest: self.headers_raw,
        }
    }

    /// The value of the last header with this key; the outer `None` where there is no such header.
    #[must_use]
    pub fn header(&self, key: &str) -> Option<Option<&'a [u8]>> {
        self.headers()
            .filter(|(name, _)| *name == key.as_bytes())
            .last()
            .map(|(_, value)| value)
    }
}

/// The headers of a record.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    count: i32,
    rest: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.count <= 0 {
            return None;
        }
        self.count -= 1;
        // The walk that made the record has checked them, so no error is hidden here.
        take_header(&mut self.rest).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = usize::try_from(self.count).unwrap_or(0);
        (0, Some(count))
    }
}

impl<'a> Records<'a> {
    /// Reads the one batch of `batch`, decompressing to at most `decompressed_bytes_max`. Neither
    /// the checksum nor the records are checked here: [`super::verify`] does the one, iterating
    /// does the other.
    pub fn decode(batch: &'a [u8], decompressed_bytes_max: usize) -> Result<Records<'a>, Error> {
        let header = BatchHeader::parse(batch)?;
        let total_bytes = header.total_bytes();
        let Some(body) = batch.get(BATCH_HEADER_BYTES..total_bytes) else {
            return Err(truncated("the records", total_bytes, batch.len()));
        };
        let codec = header.codec()?;
        // A batch that compaction emptied has no compressed stream either.
        let body = if header.records_count == 0 && body.is_empty() {
            Cow::Borrowed(body)
        } else {
            codec.decompress(body, decompressed_bytes_max)?
        };
        Ok(Records { header, body })
    }

    /// The batch's header.
    #[must_use]
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The records in offset order. Ends after the first error.
    #[must_use]
    pub fn iter(&self) -> RecordsIter<'_> {
        RecordsIter {
            header: &self.header,
            left: self.header.records_count,
            rest: &self.body,
        }
    }

    /// Bytes of the records before compression.
    #[must_use]
    pub fn plain_bytes(&self) -> usize {
        self.body.len()
    }
}

impl<'a> IntoIterator for &'a Records<'_> {
    type Item = Result<Record<'a>, Error>;
    type IntoIter = RecordsIter<'a>;

    fn into_iter(self) -> RecordsIter<'a> {
        self.iter()
    }
}

/// The walk of [`Records::iter`].
#[derive(Debug, Clone)]
pub struct RecordsIter<'a> {
    header: &'a BatchHeader,
    /// Records that the header promises and that are still to come; negative once done.
    left: i32,
    rest: &'a [u8],
}

/// A record with what the walk alone can tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walked<'a> {
    pub(super) record: Record<'a>,
    pub(super) offset_delta: i32,
    /// The record with its length, as it stands in the batch.
    pub(super) raw: &'a [u8],
}

impl<'a> RecordsIter<'a> {
    pub(super) fn next_walked(&mut self) -> Option<Result<Walked<'a>, Error>> {
        if self.left == 0 {
            self.left = -1;
            let stray = !self.rest.is_empty();
            return stray.then_some(Err(Error::Malformed("bytes follow its last record")));
        }
        if self.left < 0 {
            return None;
        }
        self.left -= 1;
        let walked = take_record(&mut self.rest, self.header);
        if walked.is_err() {
            self.left = -1;
        }
        Some(walked)
    }
}

impl<'a> Iterator for RecordsIter<'a> {
    type Item = Result<Record<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let walked = self.next_walked()?;
        Some(walked.map(|walked| walked.record))
    }
}

fn take_record<'a>(rest: &mut &'a [u8], header: &BatchHeader) -> Result<Walked<'a>, Error> {
    let start = *rest;
    let mut behind = start;
    let length = take_length(&mut behind, "a record")?;
    let Some((mut body, behind)) = behind.split_at_checked(length) else {
        return Err(truncated("a record", length, behind.len()));
    };
    let raw_bytes = start.len().saturating_sub(behind.len());
    let raw = start.get(..raw_bytes).unwrap_or_default();
    *rest = behind;

    let Some((_attributes, after)) = body.split_first() else {
        return Err(truncated("a record's attributes", 1, 0));
    };
    body = after;
    let timestamp_delta = take_varlong(&mut body)?;
    let offset_delta = take_varint(&mut body)?;
    let key = take_field(&mut body, "a key")?;
    let value = take_field(&mut body, "a value")?;
    let headers_count = take_varint(&mut body)?;
    if headers_count < 0 {
        return Err(Error::Malformed(
            "a record has a negative number of headers",
        ));
    }
    let headers_raw = body;
    for _ in 0..headers_count {
        take_header(&mut body)?;
    }
    if !body.is_empty() {
        return Err(Error::Malformed("bytes follow the headers of a record"));
    }
    let timestamp = if header.has_log_append_time() {
        header.max_timestamp
    } else {
        // As in Kafka, whose deltas wrap as well.
        header.base_timestamp.wrapping_add(timestamp_delta)
    };
    let record = Record {
        offset: header.base_offset.saturating_add(i64::from(offset_delta)),
        timestamp,
        key,
        value,
        headers_count,
        headers_raw,
    };
    Ok(Walked {
        record,
        offset_delta,
        raw,
    })
}

fn take_length(bytes: &mut &[u8], what: &'static str) -> Result<usize, Error> {
    let length = take_varint(bytes)?;
    usize::try_from(length).map_err(|_| truncated(what, usize::MAX, bytes.len()))
}

fn take_bytes<'a>(
    bytes: &mut &'a [u8],
    length: usize,
    what: &'static str,
) -> Result<&'a [u8], Error> {
    let Some((field, rest)) = bytes.split_at_checked(length) else {
        return Err(truncated(what, length, bytes.len()));
    };
    *bytes = rest;
    Ok(field)
}

fn take_field<'a>(bytes: &mut &'a [u8], what: &'static str) -> Result<Option<&'a [u8]>, Error> {
    match take_varint(bytes)? {
        -1 => Ok(None),
        length => {
            let length = usize::try_from(length)
                .map_err(|_| Error::Malformed("a key or value has a negative length"))?;
            take_bytes(bytes, length, what).map(Some)
        }
    }
}

fn take_header<'a>(bytes: &mut &'a [u8]) -> Result<(&'a [u8], Option<&'a [u8]>), Error> {
    let length = take_varint(bytes)?;
    let length = usize::try_from(length)
        .map_err(|_| Error::Malformed("the key of a record's header has a negative length"))?;
    let key = take_bytes(bytes, length, "the key of a record's header")?;
    let value = take_field(bytes, "the value of a record's header")?;
    Ok((key, value))
}
