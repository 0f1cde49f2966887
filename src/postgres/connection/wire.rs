//! A connection that speaks messages: send some, receive one after the other, ask simple queries.

use bytes::{Bytes, BytesMut};
use postgres_protocol::message::backend;
use postgres_protocol::message::frontend;
use tokio::io::AsyncWriteExt;

use super::inbox::{Inbox, Message};
use super::stream::Stream;
use crate::postgres::error::{Action, Error, ServerError};

/// A message larger than this is refused outside of a stream or a copy; catalogue answers and
/// errors are far smaller.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// All rows of one simple query together.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Read at a time outside of a stream or a copy.
const CHUNK_BYTES: usize = 8 << 10;

/// A row of a simple query: values as text.
pub(in crate::postgres) type TextRow = Vec<Option<String>>;

/// A logged-in connection, or one on the way there.
#[derive(Debug)]
pub(in crate::postgres) struct Wire {
    stream: Stream,
    inbox: Inbox,
    outbox: BytesMut,
}

impl Wire {
    pub(in crate::postgres) fn new(stream: Stream) -> Wire {
        Wire {
            stream,
            inbox: Inbox::new(CHUNK_BYTES),
            outbox: BytesMut::new(),
        }
    }

    /// The stream, for what depends on its kind.
    pub(in crate::postgres) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The parts, to be split between a reader and a writer.
    pub(in crate::postgres) fn into_parts(self) -> (Stream, Inbox) {
        (self.stream, self.inbox)
    }

    /// Stream and inbox, to read something larger than messages.
    pub(in crate::postgres) fn parts_mut(&mut self) -> (&mut Stream, &mut Inbox) {
        (&mut self.stream, &mut self.inbox)
    }

    /// Sends what `encode` writes. Not cancel safe: a dropped call may have sent a part.
    pub(in crate::postgres) async fn send<E>(
        &mut self,
        encode: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), Error>
    where
        E: std::fmt::Display,
    {
        self.outbox.clear();
        encode(&mut self.outbox).map_err(|error| Error::protocol(error.to_string()))?;
        let lost = |source| Error::Lost { source };
        self.stream.write_all(&self.outbox).await.map_err(lost)?;
        // It may hold a password.
        self.outbox.clear();
        self.stream.flush().await.map_err(lost)
    }

    /// The next message of at most `limit` bytes; notices are logged, changed parameters passed
    /// over. Cancel safe.
    pub(in crate::postgres) async fn receive_within(
        &mut self,
        limit: usize,
    ) -> Result<Message, Error> {
        loop {
            match self.inbox.take(limit)? {
                Some(message) => match message.tag {
                    backend::NOTICE_RESPONSE_TAG => log_notice(&message.body),
                    backend::NOTIFICATION_RESPONSE_TAG => {}
                    // Everything else belongs to the conversation.
                    _ => return Ok(message),
                },
                None => self.inbox.fill(&mut self.stream).await?,
            }
        }
    }

    /// The next message outside of a stream or a copy. Cancel safe.
    pub(in crate::postgres) async fn receive(&mut self) -> Result<Message, Error> {
        loop {
            let message = self.receive_within(MESSAGE_BYTES_MAX).await?;
            if message.tag != backend::PARAMETER_STATUS_TAG {
                return Ok(message);
            }
        }
    }

    /// Sends a simple query.
    pub(in crate::postgres) async fn send_query(&mut self, sql: &str) -> Result<(), Error> {
        self.send(|out| frontend::query(sql, out)).await
    }

    /// Runs simple statements and gives the rows of all of them. After an error of a statement the
    /// connection can be used on.
    pub(in crate::postgres) async fn query(
        &mut self,
        sql: &str,
        action: &Action<'_>,
    ) -> Result<Vec<TextRow>, Error> {
        self.send_query(sql).await?;
        let mut rows = Vec::new();
        let mut failure: Option<Error> = None;
        let mut left = ANSWER_BYTES_MAX;
        loop {
            let message = match self.receive().await {
                Ok(message) => message,
                // A fatal error is followed by the end of the connection; the error says more.
                Err(Error::Closed | Error::Lost { .. }) if failure.is_some() => break,
                Err(error) => return Err(error),
            };
            match message.tag {
                backend::DATA_ROW_TAG => {
                    left = left
                        .checked_sub(message.body.len())
                        .ok_or(Error::TooLarge {
                            bytes: u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX) + 1,
                            limit: u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX),
                        })?;
                    rows.push(text_row(&message.body)?);
                }
                backend::ERROR_RESPONSE_TAG => {
                    failure = Some(ServerError::parse(&message.body).during(action));
                }
                backend::READY_FOR_QUERY_TAG => break,
                backend::ROW_DESCRIPTION_TAG
                | backend::COMMAND_COMPLETE_TAG
                | backend::EMPTY_QUERY_RESPONSE_TAG => {}
                tag => return Err(unexpected(tag, "a simple query")),
            }
        }
        failure.map_or(Ok(rows), Err)
    }

    /// Reads on to `ReadyForQuery` after an error, so that the connection can be used on.
    pub(in crate::postgres) async fn settle(&mut self) -> Result<(), Error> {
        loop {
            match self.receive().await?.tag {
                backend::READY_FOR_QUERY_TAG => return Ok(()),
                backend::ERROR_RESPONSE_TAG
                | backend::COMMAND_COMPLETE_TAG
                | backend::COPY_DONE_TAG => {}
                tag => return Err(unexpected(tag, "the end of a statement")),
            }
        }
    }

    /// Says good-bye and closes; whatever goes wrong is of no interest any more.
    pub(in crate::postgres) async fn terminate(mut self) {
        let sent = self
            .send(|out| {
                frontend::terminate(out);
                Ok::<(), std::io::Error>(())
            })
            .await;
        if sent.is_ok() {
            let _ = self.stream.shutdown().await;
        }
    }
}

/// A message that does not belong where it came.
pub(in crate::postgres) fn unexpected(tag: u8, during: &str) -> Error {
    Error::protocol(format!("a message {:?} during {during}", char::from(tag)))
}

/// Logs what the server remarks.
pub(in crate::postgres) fn log_notice(body: &[u8]) {
    let notice = ServerError::parse(body);
    if notice.severity == "WARNING" {
        tracing::warn!(notice = %notice, "the database warns");
    } else {
        tracing::debug!(notice = %notice, "the database remarks");
    }
}

fn text_row(body: &Bytes) -> Result<TextRow, Error> {
    let broken = || Error::protocol("a row with a length beyond its end");
    let (count, mut rest) = body.split_first_chunk::<2>().ok_or_else(broken)?;
    let count = usize::from(u16::from_be_bytes(*count));
    // Each value has a length of four bytes: what is reserved is bounded by what has come.
    let mut row = Vec::with_capacity(count.min(rest.len() / 4));
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
        rest = after;
        let length = i32::from_be_bytes(*length);
        if length == -1 {
            row.push(None);
            continue;
        }
        let length = usize::try_from(length).map_err(|_| broken())?;
        let (value, after) = rest.split_at_checked(length).ok_or_else(broken)?;
        rest = after;
        row.push(Some(String::from_utf8_lossy(value).into_owned()));
    }
    Ok(row)
}
