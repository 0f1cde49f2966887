//! The dead letters of a connector: changes that cannot be written as events, in the topic
//! `dlq.source.<connector>`.
//!
//! A letter goes into the same [`Outgoing`] as the events around it, so it is in the append that
//! carries the position: exactly once, as they are. Its key is that of the event, its value the
//! text of [`super::letter`], its headers those of [`dead_letter`] without partition and offset,
//! which the change never had.
//!
//! - Whether there are letters at all is the connector's setting ([`Failures`]); where it asks for
//!   the stop, the error is given back and ends the run.
//! - A letter is at most what its topic takes as one message (`max.message.bytes`, 16 MiB unless
//!   changed). Where the values do not fit their sizes are told, where those do not fit nothing of
//!   the rows, and last the key is left out. A topic that takes not even that stops the connector.
//! - The log tells of the first letter at once, and then of their number every [`WARN_EVERY`]:
//!   a table in which no row can be converted does not fill the disk with lines.
//!
//! [`Failures`]: crate::config::Failures

use std::time::Duration;

use tokio::time::Instant;

use crate::config::OnFailure;
use crate::error::{Explain, chain};
use crate::record::dead_letter::{self, Reason};
use crate::record::{self, Header};
use crate::topic::TopicName;

use super::context::Context;
use super::error::Error;
use super::letter::{Detail, Letter};
use super::outgoing::{Lane, NewRecord, Outgoing, record_bytes_max};

/// Least time between two lines of the log about letters of one connector.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Partitions of the topic where it is made here: letters are few, and one partition keeps them in
/// the order of their changes.
const PARTITIONS: u32 = 1;

/// Writes letters; one for each run of a connector.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// `Some` once a letter was needed.
    target: Option<Target>,
    warned_at: Option<Instant>,
    /// Letters that the log has not told of.
    unwarned: u64,
}

/// Where letters go.
#[derive(Debug)]
struct Target {
    lanes: Vec<Lane>,
    record_bytes_max: usize,
}

impl Letters {
    /// Writes the letter of a change that failed by `error`, or gives the error back where it is
    /// not about one change or the settings ask for the stop.
    pub(super) async fn write(
        &mut self,
        context: &Context,
        out: &mut Outgoing,
        letter: &Letter<'_>,
        error: Error,
    ) -> Result<(), Error> {
        let Some(reason) = error.bad_change() else {
            return Err(error);
        };
        let failures = context.config.failures;
        let on_failure = match reason {
            Reason::TooLarge => failures.too_large,
            _ => failures.unconvertible,
        };
        if on_failure == OnFailure::Stop {
            return Err(error);
        }
        let target = match self.target.take() {
            Some(target) => target,
            None => Target::find(context, out).await?,
        };
        let message = format!("{}: failed to {}", error.code(), chain(&error));
        let added = target.add(context, out, letter, &error, (reason, &message));
        self.target = Some(target);
        if !added? {
            return Err(error);
        }
        self.tell(context, letter, on_failure, (reason, &message));
        Ok(())
    }

    fn tell(
        &mut self,
        context: &Context,
        letter: &Letter<'_>,
        on_failure: OnFailure,
        (reason, message): (Reason, &str),
    ) {
        let (connector, table) = (&context.config.name, letter.subject.title());
        let (lsn, reason) = (letter.lsn, reason.as_str());
        if on_failure == OnFailure::QuietDeadLetter {
            tracing::debug!(%connector, table, %lsn, reason, error = message,
                "a change became a dead letter");
            return;
        }
        self.unwarned += 1;
        if !self.may_warn() {
            return;
        }
        let letters = std::mem::take(&mut self.unwarned);
        self.warned_at = Some(Instant::now());
        tracing::warn!(%connector, table, %lsn, reason, error = message, letters,
            "a change became a dead letter");
    }

    fn may_warn(&self) -> bool {
        self.warned_at.is_none_or(|at| at.elapsed() >= WARN_EVERY)
    }

    /// Tells the log of letters it has not told of, when that is due or the run `is_over`.
    pub(super) fn tell_rest(&mut self, context: &Context, is_over: bool) {
        if self.unwarned == 0 || !(is_over || self.may_warn()) {
            return;
        }
        let letters = std::mem::take(&mut self.unwarned);
        self.warned_at = Some(Instant::now());
        tracing::warn!(connector = %context.config.name, letters,
            "more changes became dead letters");
    }
}

impl Target {
    /// Finds the topic, which is made on first need.
    async fn find(context: &Context, out: &mut Outgoing) -> Result<Target, Error> {
        let name = format!(
            "{}source.{}",
            dead_letter::TOPIC_PREFIX,
            context.config.name
        );
        let name = TopicName::parse(&name).map_err(|cause| Error::TopicName {
            table: "dead letters".to_owned(),
            cause,
        })?;
        let topic = match context.log.topic(name.as_str()) {
            Some(topic) => topic,
            None => {
                let config = context.log.default_topic_config(&name);
                context.log.create_topic(&name, PARTITIONS, config).await?
            }
        };
        let max_message_bytes = topic.config().max_message_bytes;
        let partitions = topic.partitions();
        let lanes = partitions
            .iter()
            .map(|partition| out.lane(partition, max_message_bytes));
        Ok(Target {
            lanes: lanes.collect(),
            record_bytes_max: record_bytes_max(max_message_bytes),
        })
    }

    /// Adds the record that tells as much as fits; `false` where nothing does.
    fn add(
        &self,
        context: &Context,
        out: &mut Outgoing,
        letter: &Letter<'_>,
        error: &Error,
        (reason, message): (Reason, &str),
    ) -> Result<bool, Error> {
        let header = |key, value| Header {
            key,
            value: Some(value),
        };
        let headers = [
            header(dead_letter::TOPIC, letter.topic.as_bytes()),
            header(dead_letter::MESSAGE, message.as_bytes()),
            header(dead_letter::REASON, reason.as_str().as_bytes()),
        ];
        let key = letter.key.as_deref();
        let tries = [
            (Detail::Values, key),
            (Detail::Sizes, key),
            (Detail::Nothing, key),
            (Detail::Nothing, None),
        ];
        for (detail, key) in tries {
            if detail == Detail::Values && reason == Reason::TooLarge {
                continue;
            }
            let mut record = NewRecord {
                timestamp_ms: context.clock.now_ms(),
                key,
                value: None,
                headers: &headers,
            };
            let room = self.record_bytes_max.saturating_sub(record.batch_bytes());
            let Some(text) = letter.text(detail, error.change_bytes(), room) else {
                continue;
            };
            record.value = Some(&text);
            let Some(lane) = self.lane(key) else {
                return Ok(false);
            };
            return out.add(lane, record).map(|()| true);
        }
        Ok(false)
    }

    /// By Kafka's default partitioner, as the lanes of a table.
    fn lane(&self, key: Option<&[u8]>) -> Option<Lane> {
        let count = u32::try_from(self.lanes.len()).ok()?;
        let partition = match count {
            0 => return None,
            1 => 0,
            _ => record::partition_for_key(key, count),
        };
        self.lanes.get(usize::try_from(partition).ok()?).copied()
    }
}
