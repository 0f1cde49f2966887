//! The stored position of a connector: how far its source has been taken into the log.
//!
//! A record in `__connect_offsets`, keyed as Kafka Connect keys source offsets
//! (`["<connector>",{"server":"<prefix>"}]`), written in the same append as the records it speaks
//! of. So records and position are durable together or not at all, and a restart goes on exactly
//! behind the last durable record.
//!
//! Invariant: a position only moves forward, and the slot is never told more than `end_lsn`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::log::{Log, Read};
use crate::lsn::Lsn;
use crate::record::{self, Records};
use crate::topic::{CONNECT_OFFSETS, Offset, PartitionId};

use super::error::Error;

/// Bytes read from the topic at a time when the last position is looked up.
const READ_BYTES: usize = 1 << 20;

/// How far a source has been taken into the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// `IDENTIFY_SYSTEM`'s system identifier: another one is another database.
    pub(super) system_id: String,
    /// The server's timeline: a promoted standby or a restored backup has another one.
    pub(super) timeline: u32,
    /// The slot the position belongs to.
    pub(super) slot: String,
    /// Everything that was committed before this position is in the log, and `START_REPLICATION`
    /// goes on here. The end of a commit record, or a keepalive's position.
    #[serde(serialize_with = "write_lsn", deserialize_with = "read_lsn")]
    pub(super) end_lsn: Lsn,
    /// `Some` only while the last append cut a transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) open: Option<Open>,
    /// Position of the last non-transactional message that is in the log.
    #[serde(serialize_with = "write_lsn", deserialize_with = "read_lsn")]
    pub(super) message_lsn: Lsn,
    /// What `source.sequence` names as the last commit; `None` before the first one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_optional_lsn",
        deserialize_with = "read_optional_lsn"
    )]
    pub(super) last_commit: Option<Lsn>,
}

/// A transaction of which the first changes are in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    /// Begin's final position, which names the transaction together with `xid`.
    #[serde(serialize_with = "write_lsn", deserialize_with = "read_lsn")]
    pub(super) commit_lsn: Lsn,
    /// Begin's transaction id.
    pub(super) xid: u32,
    /// Rows, truncates and transactional messages taken so far, counted before any filter.
    pub(super) changes: u64,
}

fn write_lsn<S: Serializer>(lsn: &Lsn, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(lsn)
}

fn read_lsn<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Lsn, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}

fn write_optional_lsn<S: Serializer>(lsn: &Option<Lsn>, serializer: S) -> Result<S::Ok, S::Error> {
    match lsn {
        Some(lsn) => serializer.collect_str(lsn),
        None => serializer.serialize_none(),
    }
}

fn read_optional_lsn<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Lsn>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom))
        .transpose()
}

/// The key of a connector's position, in Kafka Connect's form.
pub(super) fn key(connector: &str, prefix: &str) -> Vec<u8> {
    serde_json::json!([connector, { "server": prefix }])
        .to_string()
        .into_bytes()
}

/// The last stored position of this key, or `None` where there is none (or its tombstone).
pub(super) async fn load(log: &Log, key: &[u8]) -> Result<Option<Position>, Error> {
    let Some(topic) = log.topic(CONNECT_OFFSETS) else {
        return Ok(None);
    };
    let Some(partition) = topic.partition(PartitionId(0)) else {
        return Ok(None);
    };
    let mut found = None;
    let mut offset = partition.start();
    while offset < partition.end() {
        let read = log.read(partition, offset, READ_BYTES).await?;
        let Some(next) = scan(&read, key, &mut found)? else {
            break;
        };
        offset = next;
    }
    let Some(value) = found else { return Ok(None) };
    serde_json::from_slice(&value)
        .map(Some)
        .map_err(|cause| Error::StoredPosition { cause })
}

/// Keeps the last value of `key` in `found`; answers the offset behind what was scanned.
fn scan(read: &Read, key: &[u8], found: &mut Option<Vec<u8>>) -> Result<Option<Offset>, Error> {
    let mut next = None;
    for chunk in &read.chunks {
        for batch in record::batches(chunk) {
            let (header, bytes) = batch?;
            for record in Records::decode(bytes, READ_BYTES)?.iter() {
                let record = record?;
                if record.key == Some(key) {
                    *found = record.value.map(<[u8]>::to_vec);
                }
            }
            next = Some(Offset(header.last_offset().saturating_add(1)));
        }
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        Position {
            system_id: "7412".to_owned(),
            timeline: 1,
            slot: "debezium".to_owned(),
            end_lsn: Lsn(0x16_B374_D848),
            open: Some(Open {
                commit_lsn: Lsn(0x16_B374_D900),
                xid: 731,
                changes: 12,
            }),
            message_lsn: Lsn(0),
            last_commit: None,
        }
    }

    #[test]
    fn stored_form_is_read_back() {
        let text = serde_json::to_string(&position()).unwrap();
        assert_eq!(
            text,
            r#"{"system_id":"7412","timeline":1,"slot":"debezium","end_lsn":"16/B374D848","open":{"commit_lsn":"16/B374D900","xid":731,"changes":12},"message_lsn":"0/0"}"#
        );
        assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), position());
    }

    #[test]
    fn key_is_that_of_kafka_connect() {
        assert_eq!(key("golden", "pg"), br#"["golden",{"server":"pg"}]"#);
    }
}
