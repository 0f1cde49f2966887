//! What is known of a connector at this moment, for `/status`, the commands and the metrics.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use crate::clock::Clock;
use crate::lsn::Lsn;

/// Where a connector is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// The initial snapshot is being read.
    Snapshot,
    /// Changes are streamed.
    Running,
    /// The last try failed by something that may pass; the next try follows by itself.
    Retrying,
    /// Held by an operator.
    Paused,
    /// Not running and not meant to: switched off, or the process is stopping.
    Stopped,
    /// Failed by something that does not pass by itself; a restart is needed after mending.
    Failed,
}

/// The positions of a stream; always `received >= appended >= durable >= confirmed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Positions {
    /// The furthest position the server has sent.
    pub received: Lsn,
    /// The position that was handed to the log with the records before it.
    pub appended: Lsn,
    /// The position that is fsynced in the log.
    pub durable: Lsn,
    /// The position that the slot was told; the server may recycle what lies before it.
    pub confirmed: Lsn,
}

impl Serialize for Positions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("Positions", 4)?;
        fields.serialize_field("received", &self.received.to_string())?;
        fields.serialize_field("appended", &self.appended.to_string())?;
        fields.serialize_field("durable", &self.durable.to_string())?;
        fields.serialize_field("confirmed", &self.confirmed.to_string())?;
        fields.end()
    }
}

/// How far the initial snapshot is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SnapshotProgress {
    /// Tables that are captured.
    pub tables: usize,
    /// Tables that are read to their end.
    pub tables_done: usize,
    /// The table being read, as `schema.table`.
    pub table: Option<String>,
    /// Rows read so far, of all tables.
    pub rows: u64,
    /// Rows read so far of the table being read.
    pub table_rows: u64,
}

/// One connector as seen from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The connector's name.
    pub name: String,
    /// Where it is in its life.
    pub state: State,
    /// Why it is retrying, stopped or failed, and how to mend it.
    pub reason: Option<String>,
    /// When the state was entered, milliseconds since 1970.
    pub since_ms: i64,
    /// Prefix of the topics it owns.
    pub topic_prefix: String,
    /// The replication slot; empty where the configuration could not be read.
    pub slot: String,
    /// Positions of the stream.
    pub positions: Positions,
    /// Present while and after the initial snapshot of this run.
    pub snapshot: Option<SnapshotProgress>,
    /// Warnings about the configuration.
    pub warnings: Vec<String>,
}

/// The shared cell that a connector's task writes and everybody reads.
#[derive(Debug, Clone)]
pub(super) struct StatusCell {
    status: Arc<Mutex<Status>>,
    clock: Arc<dyn Clock>,
}

impl StatusCell {
    pub(super) fn new(status: Status, clock: Arc<dyn Clock>) -> StatusCell {
        StatusCell {
            status: Arc::new(Mutex::new(status)),
            clock,
        }
    }

    pub(super) fn read(&self) -> Status {
        self.status.lock().clone()
    }

    /// Enters `state`; the time is kept where neither state nor reason change.
    pub(super) fn enter(&self, state: State, reason: Option<String>) {
        let mut status = self.status.lock();
        if status.state == state && status.reason == reason {
            return;
        }
        status.state = state;
        status.reason = reason;
        status.since_ms = self.clock.now_ms();
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock());
    }
}
