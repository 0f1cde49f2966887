//! The records of one request on their way into one batch.

use std::borrow::Cow;

use crate::config::topics::Schema;
use crate::push::error::{Error, Flaw};
use crate::record::{BatchBuilder, Header, partition_for_key};

/// Records of one request. A body of 1 MiB in lines of 100 bytes has as many; more are better sent
/// as several requests, each acknowledged by itself.
pub const RECORDS_MAX: u32 = 10_000;

/// Room for what a batch of one record has beside key, value and headers: the batch's own header
/// (61 bytes) and the lengths.
const RECORD_BYTES: usize = 128;

/// Places told of one refused request.
const FLAWS_MAX: usize = 32;

/// A header of records: most are the same for all, or moved here.
pub(in crate::push) type OwnedHeader = (Cow<'static, str>, Cow<'static, [u8]>);

/// What is known of the records before the body comes.
#[derive(Debug)]
pub(in crate::push) struct Run {
    batch: BatchBuilder,
    headers: Vec<OwnedHeader>,
    key: Option<Box<[u8]>>,
    schemas: Vec<Schema>,
    timestamp_ms: i64,
    /// `max.message.bytes` of the topic.
    bytes_max: usize,
    partitions: u32,
    /// Of the first record.
    partition: Option<i32>,
    count: u32,
    /// Where values do not fit, at most [`FLAWS_MAX`] places.
    flaws: Vec<Flaw>,
}

impl Run {
    /// An empty run.
    pub(in crate::push) fn new(
        headers: Vec<OwnedHeader>,
        key: Option<Box<[u8]>>,
        schemas: Vec<Schema>,
        timestamp_ms: i64,
        (bytes_max, partitions): (usize, u32),
    ) -> Run {
        Run {
            batch: BatchBuilder::new(),
            headers,
            key,
            schemas,
            timestamp_ms,
            bytes_max,
            partitions,
            partition: None,
            count: 0,
            flaws: Vec::new(),
        }
    }

    /// Makes room for a record with `value_bytes` of value, or for more smaller ones.
    pub(super) fn reserve(&mut self, value_bytes: usize) {
        if self.batch.is_empty() {
            let own = self
                .headers
                .iter()
                .map(|(name, value)| name.len() + value.len());
            let beside = own.sum::<usize>() + self.key.as_deref().map_or(0, <[u8]>::len);
            let bytes = value_bytes + beside + RECORD_BYTES;
            self.batch = BatchBuilder::with_capacity(bytes.min(self.bytes_max));
        }
    }

    /// Adds a record: a checked value, its own key if it has one, and headers of its own.
    pub(super) fn add(
        &mut self,
        key: Option<&[u8]>,
        value: &str,
        more: &[Header<'_>],
    ) -> Result<(), Error> {
        let index = self.count;
        if index >= RECORDS_MAX {
            return Err(Error::TooManyRecords(RECORDS_MAX));
        }
        self.check_schemas(index, value)?;
        let key = key.or(self.key.as_deref());
        let partition = partition_for_key(key, self.partitions);
        if *self.partition.get_or_insert(partition) != partition {
            return Err(Error::CloudEvent(format!(
                "event {index} has a partitionkey of another partition than event 0; send events \
                 of one partition in one batch"
            )));
        }
        let own = self.headers.iter().map(|(key, value)| Header {
            key,
            value: Some(value),
        });
        let headers: Vec<Header<'_>> = own.chain(more.iter().copied()).collect();
        let value = value.as_bytes();
        let too_large = || Error::BatchTooLarge(self.bytes_max);
        let appended = self
            .batch
            .append(self.timestamp_ms, key, Some(value), &headers);
        appended.map_err(|_| too_large())?;
        if self.batch.len_bytes() > self.bytes_max {
            return Err(too_large());
        }
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    fn check_schemas(&mut self, index: u32, value: &str) -> Result<(), Error> {
        if self.schemas.is_empty() {
            return Ok(());
        }
        let tree = serde_json::from_str(value)
            .map_err(|wrong| Error::Malformed(format!("value {index}: {wrong}")))?;
        for misfit in self.schemas.iter().flat_map(|schema| schema.misfits(&tree)) {
            if self.flaws.len() < FLAWS_MAX {
                self.flaws.push(Flaw {
                    pointer: misfit.pointer,
                    what: misfit.what,
                    index,
                });
            }
        }
        Ok(())
    }

    /// Puts a header on all records that are added from now on.
    pub(super) fn push_header(&mut self, header: OwnedHeader) {
        self.headers.push(header);
    }

    /// Records so far.
    pub(in crate::push) fn count(&self) -> u32 {
        self.count
    }

    /// Bytes held.
    pub(in crate::push) fn held_bytes(&self) -> usize {
        self.batch.len_bytes()
    }

    /// Where values do not fit.
    pub(in crate::push) fn take_flaws(&mut self) -> Vec<Flaw> {
        std::mem::take(&mut self.flaws)
    }

    /// The partition of its records.
    pub(in crate::push) fn partition(&self) -> i32 {
        self.partition.unwrap_or(0)
    }

    /// The batch, once; empty where no record was added.
    pub(in crate::push) fn finish(&mut self) -> Result<Vec<u8>, Error> {
        let bytes_max = self.bytes_max;
        let batch = self.batch.finish();
        batch.map_err(|_| Error::BatchTooLarge(bytes_max))
    }
}
