//! Logical decoding messages of the stream: inside of a transaction they are counted as its changes
//! are, outside of one they are known by their own position.

use crate::event::Op;
use crate::lsn::Lsn;
use crate::postgres::pgoutput::LogicalMessage;

use super::super::error::Error;
use super::super::letter::{Letter, Subject};
use super::super::message::{MessagePoint, Messages};
use super::Stream;

impl Stream<'_> {
    /// A message outside of any transaction.
    pub(super) async fn on_message_outside(
        &mut self,
        message: &LogicalMessage<'_>,
    ) -> Result<(), Error> {
        match self.place_outside(message.lsn) {
            Some(place) => self.emit_message(place, message).await,
            None => Ok(()),
        }
    }

    /// The place of a message outside of any transaction; `None` where it is in the log already.
    pub(super) fn place_outside(&mut self, lsn: Lsn) -> Option<MessagePoint> {
        if lsn <= self.position.message_lsn {
            return None;
        }
        self.position.message_lsn = lsn;
        self.position.last_commit = Some(lsn);
        Some(MessagePoint {
            ts_us: self
                .last_commit_us
                .unwrap_or(self.context.clock.now_ns() / 1_000),
            tx_id: None,
            last_commit: self.position.last_commit,
        })
    }

    pub(super) async fn emit_message(
        &mut self,
        point: MessagePoint,
        message: &LogicalMessage<'_>,
    ) -> Result<(), Error> {
        let messages = self.messages().await?;
        self.context.gauges.count(Op::Message, 1);
        let added = messages.add(self.context, point, message, &mut self.out);
        self.messages = Some(messages);
        match added {
            Err(error) if error.bad_change().is_some() => {
                let (prefix, lsn) = (message.prefix, message.lsn);
                self.on_refused_message(prefix, lsn, point, error).await
            }
            added => added,
        }
    }

    /// The writer of messages, to be put back.
    async fn messages(&mut self) -> Result<Messages, Error> {
        match self.messages.take() {
            Some(messages) => Ok(messages),
            None => Messages::new(self.context, &mut self.out).await,
        }
    }

    /// A logical decoding message that is too large.
    pub(super) async fn on_refused_message(
        &mut self,
        prefix: &str,
        lsn: Lsn,
        place: MessagePoint,
        error: Error,
    ) -> Result<(), Error> {
        let messages = self.messages().await?;
        let letter = Letter {
            topic: &messages.topic,
            subject: Subject::Message { prefix },
            op: Op::Message,
            lsn,
            tx_id: place.tx_id,
            ts_ms: place.ts_us.div_euclid(1_000),
            key: messages.key_of(prefix).ok(),
            rows: None,
        };
        let written = self
            .letters
            .write(self.context, &mut self.out, &letter, error)
            .await;
        self.messages = Some(messages);
        written
    }
}
