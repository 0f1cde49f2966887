//! Tells the server how far the stream is durable, on a task of its own.
//!
//! The task owns the write half of the replication connection, so that status updates go on while
//! reading stands still under back-pressure (a silent client is dropped after `wal_sender_timeout`).
//! Invariant: only positions that the log has fsynced are ever sent, and they never go back.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::lsn::Lsn;
use crate::postgres::{self, StatusWriter};

/// Least time between two updates that nobody asked for: each costs the server a slot update.
const GAP: Duration = Duration::from_millis(200);

/// Longest time between two updates; Debezium's `status.update.interval.ms`.
pub(super) const INTERVAL_MAX: Duration = Duration::from_secs(10);

/// What the stream tells the task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The furthest position received.
    pub(super) received: Lsn,
    /// The furthest position that is durable in the log.
    pub(super) durable: Lsn,
    /// Counts the answers that the server has asked for.
    pub(super) asked: u64,
    /// The stream has ended in order: send a last update and say goodbye.
    pub(super) ending: bool,
}

/// Runs until the sender of `progress` is dropped, the stream ends in order, or the connection
/// fails. `confirmed` is called after each update with the position that was sent. Started and
/// joined by `stream::run`; a panic ends the stream as a failed connection does.
pub(super) async fn run(
    mut writer: StatusWriter,
    mut progress: watch::Receiver<Progress>,
    interval: Duration,
    confirmed: impl Fn(Lsn),
) -> Result<(), postgres::Error> {
    let mut sent = Progress::default();
    let mut sent_at: Option<Instant> = None;
    loop {
        let now = *progress.borrow_and_update();
        let due = match sent_at {
            None => Instant::now(),
            Some(_) if now.ending || now.asked != sent.asked => Instant::now(),
            Some(at) if now.durable > sent.durable => at + GAP,
            Some(at) => at + interval,
        };
        if due <= Instant::now() {
            // A periodic update asks for an answer, so that a dead server is noticed.
            let probe = now.durable == sent.durable && now.asked == sent.asked;
            writer
                .status(
                    now.received.max(now.durable),
                    now.durable,
                    now.durable,
                    probe,
                )
                .await?;
            confirmed(now.durable);
            if now.ending {
                writer.finish().await;
                return Ok(());
            }
            sent = now;
            sent_at = Some(Instant::now());
            continue;
        }
        tokio::select! {
            changed = progress.changed() => if changed.is_err() { return Ok(()) },
            () = tokio::time::sleep_until(due) => {}
        }
    }
}
