//! Appends that are on their way to the disk, in the order they were handed over.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};

use crate::log::Ticket;
use crate::lsn::Lsn;

use super::error::Error;

/// What is durable once an append is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    /// The position that the append carries.
    pub(super) end_lsn: Lsn,
    /// Commit time of the last change in it; `None` without changes.
    pub(super) commit_time_us: Option<i64>,
}

/// Appends on their way.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    appends: VecDeque<OnItsWay>,
    bytes: usize,
}

#[derive(Debug)]
struct OnItsWay {
    ticket: Ticket,
    bytes: usize,
    since: Instant,
    reached: Reached,
}

impl InFlight {
    /// Adds an append that was just handed over.
    pub(super) fn push(&mut self, ticket: Ticket, bytes: usize, reached: Reached) {
        self.bytes += bytes;
        self.appends.push_back(OnItsWay {
            ticket,
            bytes,
            since: Instant::now(),
            reached,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.appends.is_empty()
    }

    /// Bytes of records on their way.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How long the oldest append is on its way.
    pub(super) fn oldest_age(&self) -> Option<Duration> {
        self.appends.front().map(|append| append.since.elapsed())
    }

    /// Commit time of the oldest changes that are not durable.
    pub(super) fn oldest_commit_us(&self) -> Option<i64> {
        self.appends
            .iter()
            .find_map(|append| append.reached.commit_time_us)
    }

    /// Waits until the oldest append is durable and takes it out; for ever where there is none.
    /// Cancel safe: an append is taken out only together with its outcome.
    pub(super) async fn next(&mut self) -> Result<Reached, Error> {
        let Some(oldest) = self.appends.front_mut() else {
            return std::future::pending().await;
        };
        (&mut oldest.ticket).await?;
        let reached = oldest.reached;
        self.bytes = self.bytes.saturating_sub(oldest.bytes);
        self.appends.pop_front();
        Ok(reached)
    }
}
