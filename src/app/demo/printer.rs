//! Prints every record of every topic but the internal ones, as it becomes durable.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::super::error::Error;
use crate::log::{Log, Partition};
use crate::record;
use crate::serve::http::RecordJson;
use crate::topic::{Offset, PartitionId, TopicName};

/// New topics are looked for this often; records wake the printer by themselves.
const TOPICS_INTERVAL: Duration = Duration::from_millis(200);
/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;
/// A batch is decompressed up to this size.
const DECOMPRESSED_BYTES_MAX: usize = 32 << 20;

/// Where printing goes on, by partition.
type Places = BTreeMap<(TopicName, PartitionId), (Arc<Partition>, Offset)>;

/// Prints until `stop`, or until nobody reads stdout any more, which is no error.
pub(super) async fn print(log: Log, stop: CancellationToken) -> Result<(), Error> {
    let mut places = Places::new();
    loop {
        add_new(&log, &mut places);
        for (partition, offset) in places.values_mut() {
            if !print_partition(&log, partition, offset).await? {
                return Ok(());
            }
        }
        let waited_for: Vec<_> = places.values().cloned().collect();
        tokio::select! {
            () = log.wait_for(&waited_for), if !waited_for.is_empty() => {}
            () = tokio::time::sleep(TOPICS_INTERVAL) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

fn add_new(log: &Log, places: &mut Places) {
    for topic in log.topics() {
        if topic.name.is_internal() {
            continue;
        }
        for partition in topic.partitions() {
            let place = (topic.name.clone(), partition.id);
            places
                .entry(place)
                .or_insert_with(|| (partition.clone(), partition.start()));
        }
    }
}

/// Prints what there is from `offset` on; whether somebody still reads.
async fn print_partition(
    log: &Log,
    partition: &Arc<Partition>,
    offset: &mut Offset,
) -> Result<bool, Error> {
    loop {
        let read = log.read(partition, *offset, READ_BYTES).await?;
        if read.chunks.is_empty() {
            return Ok(true);
        }
        let mut lines = Vec::new();
        for chunk in &read.chunks {
            add_lines(partition, chunk, offset, &mut lines).map_err(|error| Error::Demo {
                what: crate::error::chain(&error),
                mend: "this is a bug; please report it".to_owned(),
            })?;
        }
        // A reader that is slow holds the printer up, and nothing else.
        let written = tokio::task::block_in_place(|| {
            let mut out = std::io::stdout().lock();
            out.write_all(&lines).and_then(|()| out.flush())
        });
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(false),
            Err(cause) => {
                return Err(Error::System {
                    doing: "write events to stdout".to_owned(),
                    cause,
                    mend: "check where the output goes".to_owned(),
                });
            }
        }
    }
}

fn add_lines(
    partition: &Partition,
    chunk: &[u8],
    offset: &mut Offset,
    lines: &mut Vec<u8>,
) -> Result<(), record::Error> {
    for batch in record::batches(chunk) {
        let (header, bytes) = batch?;
        let records = record::Records::decode(bytes, DECOMPRESSED_BYTES_MAX)?;
        for record in records.iter() {
            let record = record?;
            if header.is_control() || record.offset < offset.0 {
                continue;
            }
            let shown = RecordJson {
                headers: None,
                ..RecordJson::of(partition.topic.as_str(), partition.id, &record)
            };
            lines.extend_from_slice(&shown.to_line());
            lines.push(b'\n');
        }
        *offset = Offset(header.next_offset().max(offset.0));
    }
    Ok(())
}
