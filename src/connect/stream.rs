//! Follows the replication stream and appends what it says.
//!
//! One task reads, decodes, converts and batches; it hands appends to the log without waiting for
//! them, bounded by [`IN_FLIGHT_BYTES_MAX`]. Every append carries the position that is reached
//! with it. Another task ([`super::feedback`]) tells the server what is durable.
//!
//! Invariants:
//! - `received >= appended >= durable >= confirmed` ([`super::status::Positions`]).
//! - An append is cut between messages only, so that a message's records are never apart.
//! - A change that cannot be written becomes a dead letter in the same append ([`refused`]), or ends
//!   the stream, as the settings say.
//! - After a restart the first `open.changes` messages of the open transaction, and messages up
//!   to `message_lsn`, are skipped: they are in the log.
//! - While the log takes nothing, nothing is read, and after [`STALL_MAX`] the connection is given
//!   up: a walsender held unread keeps PostgreSQL from shutting down.

mod messages;
mod refused;

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::event::SnapshotMarker;
use crate::log::{Origin, PartitionBatch};
use crate::lsn::Lsn;
use crate::postgres::pgoutput::{self, Message};
use crate::postgres::{Frame, ReplicationReader, StatusWriter};
use crate::tasks;

use super::changes::Changes;
use super::context::Context;
use super::emit::{Emitter, Point};
use super::error::Error;
use super::feedback::{self, Progress};
use super::gauges;
use super::in_flight::{InFlight, Reached};
use super::letters::Letters;
use super::message::{MessagePoint, Messages};
use super::outgoing::{CHUNK_BYTES, Outgoing};
use super::position::{Open, Position};
use super::tables::Tables;

/// Bytes of records handed to the log and not yet durable; several appends are on their way so
/// that the journal is not idle while the next chunk is encoded.
const IN_FLIGHT_BYTES_MAX: usize = 8 << 20;

/// Frames after which others get their turn: about a millisecond of work.
const FRAMES_IN_TURN: u32 = 256;

/// How long the log may take nothing before the connection is given up.
const STALL_MAX: Duration = Duration::from_secs(10);

/// A position without records is stored when it moved this far...
const IDLE_BYTES: u64 = 512 << 10;

/// ...or after this time.
const IDLE_AFTER: Duration = Duration::from_secs(10);

/// How often time-bound work is looked at.
const TICK: Duration = Duration::from_secs(1);

/// A server that says nothing for this long, although asked every ten seconds, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long the last status update may take.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// What a run of the stream begins with.
pub(super) struct Start {
    pub(super) reader: ReplicationReader,
    pub(super) writer: StatusWriter,
    pub(super) tables: Tables,
    pub(super) position: Position,
    /// Longest time between two status updates, below the server's `wal_sender_timeout`.
    pub(super) status_interval: Duration,
}

/// The transaction whose messages are being read.
#[derive(Debug)]
struct Transaction {
    xid: u32,
    final_lsn: Lsn,
    commit_time_us: i64,
    /// Messages counted so far.
    changes: u64,
    /// So many of them are in the log already.
    skip: u64,
    origin: Option<(String, Lsn)>,
}

/// The state of a stream.
pub(super) struct Stream<'c> {
    context: &'c Context,
    tables: Tables,
    emitter: Emitter,
    out: Outgoing,
    letters: Letters,
    /// Reached with what is in `out`.
    position: Position,
    /// Reached with what was submitted last.
    submitted_lsn: Lsn,
    submitted_at: Instant,
    transaction: Option<Transaction>,
    /// The open transaction of the stored position, until its Begin was met.
    resume: Option<Open>,
    in_flight: InFlight,
    progress: watch::Sender<Progress>,
    /// The server waits for the present position to be confirmed.
    urgent: bool,
    heard: Instant,
    /// Commit time of the last change in `out`.
    last_change_us: Option<i64>,
    /// Commit time of the last transaction.
    last_commit_us: Option<i64>,
    /// `Some` once a message has come.
    messages: Option<Messages>,
    /// The furthest position that was read.
    received_lsn: Lsn,
    /// The furthest position the server has spoken of.
    server_lsn: Lsn,
}

/// Streams until the connection or the log fails, or until shutdown. On shutdown what was read is
/// made durable and confirmed first.
pub(super) async fn run(context: &Context, start: Start) -> Result<(), Error> {
    let Start {
        mut reader,
        writer,
        tables,
        position,
        status_interval,
    } = start;
    let first = Progress {
        durable: position.end_lsn,
        ..Progress::default()
    };
    let (progress, receiver) = watch::channel(first);
    let status = context.status.clone();
    let confirmed = move |lsn| status.update(|status| status.positions.confirmed = lsn);
    let teller = tasks::spawn(
        "feedback",
        feedback::run(writer, receiver, status_interval, confirmed),
    );
    let mut stream = Stream::new(context, tables, position, progress);
    let ended = stream.follow(&mut reader).await;
    stream.letters.tell_rest(context, true);
    let ended = match ended {
        Ok(()) => stream.finish().await,
        Err(error) => Err(error),
    };
    drop(stream);
    if ended.is_err() {
        teller.abort();
    }
    // The goodbye must not hold up a shutdown where the server does not read.
    match timeout(GOODBYE_MAX, teller).await {
        Ok(Ok(Err(error))) if ended.is_ok() => Err(error.into()),
        _ => ended,
    }
}

impl<'c> Stream<'c> {
    fn new(
        context: &'c Context,
        tables: Tables,
        position: Position,
        progress: watch::Sender<Progress>,
    ) -> Stream<'c> {
        let now = Instant::now();
        Stream {
            tables,
            emitter: Emitter::new(&context.config, &context.run_id),
            out: Outgoing::default(),
            letters: Letters::default(),
            submitted_lsn: position.end_lsn,
            submitted_at: now,
            transaction: None,
            resume: position.open,
            position,
            in_flight: InFlight::default(),
            progress,
            urgent: false,
            heard: now,
            last_change_us: None,
            last_commit_us: None,
            messages: None,
            received_lsn: Lsn::INVALID,
            server_lsn: Lsn::INVALID,
            context,
        }
    }

    /// The loop; ends with `Ok` at shutdown.
    async fn follow(&mut self, reader: &mut ReplicationReader) -> Result<(), Error> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut frames: u32 = 0;
            while self.out.bytes() < CHUNK_BYTES {
                let Some(frame) = reader.try_next()? else {
                    break;
                };
                self.on_frame(&frame).await?;
                frames += 1;
                if frames.is_multiple_of(FRAMES_IN_TURN) {
                    tokio::task::yield_now().await;
                }
            }
            self.submit_if_due()?;
            if self.out.bytes() >= CHUNK_BYTES {
                self.wait_for_room().await?;
                continue;
            }
            tokio::select! {
                biased;
                () = self.context.shutdown.cancelled() => return Ok(()),
                done = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.on_durable(done?);
                }
                // Before the frames, which may always be ready.
                _ = tick.tick() => self.on_tick()?,
                frame = reader.next() => self.on_frame(&frame?).await?,
            }
        }
    }

    /// Makes durable what was read and tells the server so; for an orderly end.
    async fn finish(&mut self) -> Result<(), Error> {
        self.submit()?;
        while !self.in_flight.is_empty() {
            self.wait_for_room().await?;
        }
        self.progress.send_modify(|progress| progress.ending = true);
        Ok(())
    }

    async fn on_frame(&mut self, frame: &Frame) -> Result<(), Error> {
        self.heard = Instant::now();
        match frame {
            Frame::XLogData {
                wal_start,
                wal_end,
                data,
                ..
            } => {
                self.received(*wal_start, *wal_end);
                let message = pgoutput::decode(data).map_err(|cause| Error::Decode {
                    lsn: *wal_start,
                    cause,
                })?;
                self.on_message(*wal_start, message).await
            }
            Frame::Oversized {
                wal_start,
                wal_end,
                bytes,
                head,
                ..
            } => {
                self.received(*wal_start, *wal_end);
                self.on_oversized(*wal_start, *bytes, head).await
            }
            Frame::Keepalive {
                wal_end,
                reply_requested,
                ..
            } => {
                self.received(*wal_end, *wal_end);
                self.on_keepalive(*wal_end, *reply_requested);
                Ok(())
            }
        }
    }

    fn received(&mut self, read: Lsn, server: Lsn) {
        self.received_lsn = self.received_lsn.max(read);
        self.server_lsn = self.server_lsn.max(server);
    }

    /// Between transactions the server has sent everything before a keepalive's position.
    fn on_keepalive(&mut self, wal_end: Lsn, reply_requested: bool) {
        if self.transaction.is_none() && self.resume.is_none() && wal_end > self.position.end_lsn {
            self.position.end_lsn = wal_end;
        }
        if reply_requested {
            self.urgent = true;
            self.tell();
            self.progress.send_modify(|progress| progress.asked += 1);
        }
    }

    fn on_tick(&mut self) -> Result<(), Error> {
        if self.heard.elapsed() > SILENCE_MAX {
            return Err(Error::Silent(SILENCE_MAX.as_secs()));
        }
        if self
            .in_flight
            .oldest_age()
            .is_some_and(|age| age > STALL_MAX)
        {
            return Err(Error::Stalled(STALL_MAX.as_secs()));
        }
        self.letters.tell_rest(self.context, false);
        self.tell();
        let lag = match self.in_flight.oldest_commit_us() {
            Some(commit) => seconds_since(commit, self.context.clock.now_ns()),
            None => 0.0,
        };
        self.context.gauges.lag_seconds.set(lag);
        Ok(())
    }

    /// Publishes positions to the feedback task and the status.
    fn tell(&mut self) {
        let received = self.received_lsn.max(self.position.end_lsn);
        self.progress.send_if_modified(|progress| {
            let changed = progress.received != received;
            progress.received = received;
            changed
        });
        let durable = self.progress.borrow().durable;
        let appended = self.submitted_lsn;
        self.context.status.update(|status| {
            status.positions.received = received;
            status.positions.appended = appended;
            status.positions.durable = durable;
        });
        self.context
            .gauges
            .lag_bytes
            .set(gauges::to_f64(self.server_lsn.bytes_since(durable)));
    }

    async fn on_message(&mut self, lsn: Lsn, message: Message<'_>) -> Result<(), Error> {
        match message {
            Message::Begin(begin) => self.on_begin(lsn, &begin),
            Message::Commit(commit) => self.on_commit(lsn, &commit),
            Message::Origin(origin) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.origin = Some((origin.name.to_owned(), origin.commit_lsn));
                }
                Ok(())
            }
            Message::Relation(relation) => {
                self.tables
                    .on_relation(self.context, &relation, &mut self.out)
                    .await
            }
            Message::Type(_) => Ok(()),
            Message::LogicalMessage(message) if !message.transactional => {
                self.on_message_outside(&message).await
            }
            change => self.on_change(lsn, &change).await,
        }
    }

    fn on_begin(&mut self, lsn: Lsn, begin: &pgoutput::Begin) -> Result<(), Error> {
        if self.transaction.is_some() {
            return Err(out_of_order(
                lsn,
                "a transaction begins inside of another one",
            ));
        }
        let skip = match self.resume.take() {
            None => 0,
            Some(open) if open.commit_lsn == begin.final_lsn && open.xid == begin.xid => {
                open.changes
            }
            Some(open) => {
                let what = format!(
                    "the log holds the first {} changes of transaction {} that commits at {}, but \
                     the server goes on with transaction {} that commits at {}",
                    open.changes, open.xid, open.commit_lsn, begin.xid, begin.final_lsn
                );
                return Err(Error::Gap {
                    stored: self.position.end_lsn,
                    what,
                });
            }
        };
        self.transaction = Some(Transaction {
            xid: begin.xid,
            final_lsn: begin.final_lsn,
            commit_time_us: begin.commit_time_us,
            changes: 0,
            skip,
            origin: None,
        });
        Ok(())
    }

    fn on_commit(&mut self, lsn: Lsn, commit: &pgoutput::Commit) -> Result<(), Error> {
        let Some(transaction) = self.transaction.take() else {
            return Err(out_of_order(lsn, "a commit without a transaction"));
        };
        if transaction.changes < transaction.skip {
            let what = format!(
                "the log holds {} changes of transaction {}, the server sent only {}",
                transaction.skip, transaction.xid, transaction.changes
            );
            return Err(Error::Gap {
                stored: self.position.end_lsn,
                what,
            });
        }
        self.position.end_lsn = self.position.end_lsn.max(commit.end_lsn);
        self.position.last_commit = Some(commit.end_lsn);
        self.last_commit_us = Some(transaction.commit_time_us);
        self.position.open = None;
        Ok(())
    }

    /// Counts a row, truncate or transactional message, before any filter. `None` for one that is
    /// in the log already.
    fn place(&mut self, lsn: Lsn) -> Result<Option<MessagePoint>, Error> {
        let Some(transaction) = &mut self.transaction else {
            return Err(out_of_order(lsn, "a change without a transaction"));
        };
        transaction.changes += 1;
        if transaction.changes <= transaction.skip {
            return Ok(None);
        }
        self.position.open = Some(Open {
            commit_lsn: transaction.final_lsn,
            xid: transaction.xid,
            changes: transaction.changes,
        });
        Ok(Some(MessagePoint {
            ts_us: transaction.commit_time_us,
            tx_id: Some(i64::from(transaction.xid)),
            last_commit: self.position.last_commit,
        }))
    }

    /// A row, a truncate or a transactional message.
    async fn on_change(&mut self, lsn: Lsn, change: &Message<'_>) -> Result<(), Error> {
        let Some(place) = self.place(lsn)? else {
            return Ok(());
        };
        if let Message::LogicalMessage(message) = change {
            return self.emit_message(place, message).await;
        }
        let transaction = self.transaction.as_ref();
        let origin = transaction.and_then(|transaction| transaction.origin.as_ref());
        let point = Point {
            lsn,
            ts_us: place.ts_us,
            tx_id: place.tx_id,
            last_commit: place.last_commit,
            marker: SnapshotMarker::False,
            origin: origin.map(|(name, lsn)| (name.as_str(), *lsn)),
        };
        self.last_change_us = Some(place.ts_us);
        let now_ns = self.context.clock.now_ns();
        let changes = Changes {
            context: self.context,
            tables: &self.tables,
            emitter: &mut self.emitter,
            out: &mut self.out,
        };
        let mut refused = Vec::new();
        changes.write(&point, change, now_ns, &mut refused)?;
        for refused in refused {
            self.on_refused(lsn, place, change, refused).await?;
        }
        Ok(())
    }

    /// Hands over what is due: records when the log is free or a chunk is full, a position alone
    /// when it moved far, is old, or is waited for.
    fn submit_if_due(&mut self) -> Result<(), Error> {
        let room = self.in_flight.bytes() < IN_FLIGHT_BYTES_MAX;
        let free = self.in_flight.is_empty();
        let records = self.out.records() > 0;
        let full = self.out.bytes() >= CHUNK_BYTES;
        let moved = self.position.end_lsn.bytes_since(self.submitted_lsn);
        let position = moved > 0
            && (moved >= IDLE_BYTES || self.urgent || self.submitted_at.elapsed() >= IDLE_AFTER);
        if (free && (records || position)) || (room && full) {
            self.submit()?;
        }
        Ok(())
    }

    /// Hands over everything, with the position.
    fn submit(&mut self) -> Result<(), Error> {
        if self.out.records() == 0 && self.position.end_lsn == self.submitted_lsn {
            return Ok(());
        }
        let bytes = self.out.bytes();
        // A position alone takes next to no room, and lets the server recycle its log.
        let origin = if self.out.records() > 0 {
            Origin::Outside
        } else {
            Origin::Inside
        };
        let mut append = self.out.take(origin)?;
        append.batches.push(self.position_batch()?);
        let ticket = self.context.log.submit_in(&self.context.chain, append);
        let reached = Reached {
            end_lsn: self.position.end_lsn,
            commit_time_us: self.last_change_us.take(),
        };
        self.in_flight.push(ticket, bytes, reached);
        self.submitted_lsn = self.position.end_lsn;
        self.submitted_at = Instant::now();
        self.urgent = false;
        Ok(())
    }

    fn position_batch(&self) -> Result<PartitionBatch, Error> {
        self.context.position_batch(&self.position)
    }

    /// Waits until the oldest append is durable, at most [`STALL_MAX`].
    async fn wait_for_room(&mut self) -> Result<(), Error> {
        let Ok(done) = timeout(STALL_MAX, self.in_flight.next()).await else {
            return Err(Error::Stalled(STALL_MAX.as_secs()));
        };
        self.on_durable(done?);
        Ok(())
    }

    fn on_durable(&mut self, reached: Reached) {
        let end_lsn = reached.end_lsn;
        self.progress.send_if_modified(|progress| {
            let changed = end_lsn > progress.durable;
            progress.durable = progress.durable.max(end_lsn);
            changed
        });
        if let Some(commit) = reached.commit_time_us {
            let now_ns = self.context.clock.now_ns();
            let seconds = seconds_since(commit, now_ns);
            self.context.gauges.commit_to_log.record(seconds);
            let now_ms = now_ns.div_euclid(1_000_000);
            let behind_ms = now_ms.saturating_sub(commit.div_euclid(1_000)).max(0);
            self.context.gauges.figures.changed(now_ms, behind_ms);
        }
    }
}

fn out_of_order(lsn: Lsn, what: &str) -> Error {
    Error::Protocol {
        lsn,
        what: what.to_owned(),
    }
}

fn seconds_since(commit_us: i64, now_ns: i64) -> f64 {
    let behind_us = now_ns.div_euclid(1_000).saturating_sub(commit_us).max(0);
    Duration::from_micros(behind_us.unsigned_abs()).as_secs_f64()
}
