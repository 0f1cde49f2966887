//! A push on its way in: from its headers to the moment its body is complete.

use std::sync::Arc;

use tokio::time::Instant;

use super::admission::Admitted;
use super::append::{self, Accepted};
use super::body::{Attributes, Decoder, MediaType, OwnedHeader, Run, Unpack};
use super::budget::Share;
use super::error::Error;
use super::handle::Inner;
use super::keys::{Fingerprint, HEADER, Key};
use crate::config::topics::Schema;
use crate::log::Topic;
use crate::tasks;

/// Bytes of the key of records that a parameter gives.
const KEY_BYTES_MAX: usize = 1024;
/// Debezium Server's headers: a handful, each a few dozen bytes.
const DEBEZIUM_PREFIX: &str = "x-debezium-";
const DEBEZIUM_HEADERS_MAX: usize = 16;
const DEBEZIUM_BYTES_MAX: usize = 4096;

/// What came before the body, as any protocol can say it.
#[derive(Debug, Default)]
pub struct Head<'a> {
    /// `Content-Type`.
    pub media_type: Option<&'a [u8]>,
    /// `Content-Encoding`.
    pub encoding: Option<&'a [u8]>,
    /// `Content-Length`, where it was announced.
    pub length: Option<u64>,
    /// The parameter `key`.
    pub key: Option<&'a str>,
    /// `Idempotency-Key`.
    pub idempotency_key: Option<&'a [u8]>,
    /// Headers whose lower-case names begin with `ce-` or `x-debezium-`; others are left out.
    pub headers: Vec<(&'a str, &'a [u8])>,
}

/// A push whose body comes in. Dropping it gives it up: nothing was stored.
#[derive(Debug)]
pub struct Intake {
    pub(super) inner: Arc<Inner>,
    pub(super) admitted: Admitted,
    bytes_max: usize,
    /// Bytes as they were sent.
    received_bytes: usize,
    unpack: Unpack,
    decoder: Decoder,
    run: Run,
    share: Share,
    key: Option<Key>,
    /// Where there is or may be a key.
    fingerprint: Option<Fingerprint>,
    is_event: bool,
    /// The topic as it was found; `None` where it is not there yet.
    topic: Option<Arc<Topic>>,
}

/// A push whose body is complete and right.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) inner: Arc<Inner>,
    pub(super) admitted: Admitted,
    pub(super) run: Run,
    /// Held until the append is done.
    pub(super) _share: Share,
    pub(super) key: Option<(Key, u64)>,
    pub(super) received_bytes: usize,
    /// The topic as it was found before the body.
    pub(super) topic: Option<Arc<Topic>>,
    /// When the body was complete.
    pub(super) since: Instant,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("push::Inner")
    }
}

impl Intake {
    /// Checks everything that is known before the body.
    pub(super) fn begin(
        inner: Arc<Inner>,
        mut admitted: Admitted,
        head: &Head<'_>,
    ) -> Result<Intake, Error> {
        let media_type = MediaType::parse(head.media_type)?;
        let bytes_max = admitted.body_bytes_max();
        let unpack = Unpack::parse(head.encoding, bytes_max)?;
        let announced = head
            .length
            .map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if announced.is_some_and(|length| length > bytes_max) {
            return Err(Error::TooLarge {
                bytes_max,
                unpacked: "",
            });
        }
        let attributes = Attributes::of_headers(head.headers.iter().copied())?;
        let mut decoder = Decoder::new(media_type, attributes.is_some())?;
        let is_event = matches!(media_type, MediaType::CloudEvent | MediaType::CloudEvents);
        let key = idempotency_key(&admitted, head, attributes.as_ref())?;
        let is_required = admitted
            .integration()
            .is_some_and(|one| one.idempotency_required);
        if is_required && key.is_none() && !is_event {
            return Err(Error::Key(
                "it is missing, and the integration requires one",
            ));
        }
        let record_key = record_key(head, attributes.as_ref())?;
        let fingerprint = (key.is_some() || is_event)
            .then(|| Fingerprint::new(media_type.of_records(), record_key.as_deref()));
        let mut share = inner.budget.share();
        if let (Some(length), Unpack::Plain { .. }) = (announced, &unpack) {
            share.grow_to(length)?;
            decoder.expect(length);
        }
        let client_id = std::mem::take(&mut admitted.client_id);
        let headers = headers(client_id, media_type, head, attributes, key.as_ref())?;
        let topic = inner.log.topic(admitted.name().topic().as_str());
        let run = run(&inner, &admitted, topic.as_deref(), headers, record_key);
        Ok(Intake {
            inner,
            admitted,
            bytes_max,
            received_bytes: 0,
            unpack,
            decoder,
            run,
            share,
            key,
            fingerprint,
            is_event,
            topic,
        })
    }

    /// Takes a piece of the body.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.received_bytes = self.received_bytes.saturating_add(piece.len());
        if self.received_bytes > self.bytes_max {
            return Err(Error::TooLarge {
                bytes_max: self.bytes_max,
                unpacked: "",
            });
        }
        let Intake {
            unpack,
            decoder,
            run,
            fingerprint,
            share,
            ..
        } = self;
        unpack.feed(piece, self.bytes_max, |bytes| {
            take(bytes, decoder, run, fingerprint.as_mut(), share)
        })
    }

    /// Takes the end of the body, and appends. When it answers, the push is durable. Cancel safe
    /// in this: once the append is submitted it is finished whether somebody waits or not.
    pub fn finish(self) -> impl Future<Output = Result<Accepted, Error>> + Send {
        // Not held by the future but by a pointer: it passes through many hands.
        let since = Instant::now();
        let ready = tasks::heavy(self.received_bytes, || self.complete(since)).map(Box::new);
        async move { append::append(ready?).await }
    }

    fn complete(mut self, since: Instant) -> Result<Ready, Error> {
        let (decoder, run, share) = (&mut self.decoder, &mut self.run, &mut self.share);
        let fingerprint = &mut self.fingerprint;
        self.unpack.finish(self.bytes_max, |bytes| {
            take(bytes, decoder, run, fingerprint.as_mut(), share)
        })?;
        // The batch is a second copy of what is held as a whole.
        let held_bytes = self.decoder.held_bytes();
        let all_bytes = held_bytes.saturating_mul(2);
        self.share
            .grow_to(all_bytes.saturating_add(self.run.held_bytes()))?;
        let wants_identity = self.is_event && self.key.is_none();
        let decoded = self.decoder.finish(&mut self.run, wants_identity)?;
        if self.run.count() == 0 {
            let what = "there is no value in it";
            return Err(Error::Malformed(what.to_owned()));
        }
        self.share
            .grow_to(held_bytes.saturating_add(self.run.held_bytes()))?;
        let name = self.admitted.name();
        let identity = decoded.identity.map(|text| Key::new(name, text));
        let fingerprint = self.fingerprint.map(Fingerprint::finish);
        Ok(Ready {
            key: self.key.or(identity).zip(fingerprint),
            inner: self.inner,
            admitted: self.admitted,
            run: self.run,
            _share: self.share,
            received_bytes: self.received_bytes,
            topic: self.topic,
            since,
        })
    }
}

fn take(
    bytes: &[u8],
    decoder: &mut Decoder,
    run: &mut Run,
    fingerprint: Option<&mut Fingerprint>,
    share: &mut Share,
) -> Result<(), Error> {
    if let Some(fingerprint) = fingerprint {
        fingerprint.feed(bytes);
    }
    let held_bytes = decoder.held_bytes().saturating_add(run.held_bytes());
    share.grow_to(held_bytes.saturating_add(bytes.len()))?;
    decoder.feed(bytes, run)
}

/// The key of the request: the header's, else the event's in binary mode.
fn idempotency_key(
    admitted: &Admitted,
    head: &Head<'_>,
    attributes: Option<&Attributes>,
) -> Result<Option<Key>, Error> {
    let text = match head.idempotency_key {
        Some(header) => Some(Key::parse(header)?),
        None => attributes.map(Attributes::identity),
    };
    Ok(text.map(|text| Key::new(admitted.name(), text)))
}

/// The key of all records that have none of their own.
fn record_key(
    head: &Head<'_>,
    attributes: Option<&Attributes>,
) -> Result<Option<Box<[u8]>>, Error> {
    if let Some(key) = attributes.and_then(|found| found.partition_key.as_deref()) {
        return Ok(Some(key.as_bytes().into()));
    }
    let Some(key) = head.key else {
        return Ok(None);
    };
    let wrong = match key.len() {
        0 => "it is empty",
        1..=KEY_BYTES_MAX => return Ok(Some(key.as_bytes().into())),
        _ => "it is longer than 1,024 bytes",
    };
    Err(Error::Parameter {
        what: "the parameter \"key\"".to_owned(),
        wrong,
    })
}

/// The headers of every record.
fn headers(
    client_id: String,
    media_type: MediaType,
    head: &Head<'_>,
    attributes: Option<Attributes>,
    key: Option<&Key>,
) -> Result<Vec<OwnedHeader>, Error> {
    let mut headers: Vec<OwnedHeader> = Vec::with_capacity(4);
    let content_type = media_type.of_records().as_bytes();
    headers.push(("content-type".into(), content_type.into()));
    headers.push(("penstock.client_id".into(), client_id.into_bytes().into()));
    if let Some(key) = key {
        let text = key.text.as_bytes().to_vec();
        headers.push((HEADER.into(), text.into()));
    }
    headers.extend(attributes.into_iter().flat_map(|found| found.headers));
    let (mut count, mut bytes) = (0_usize, 0_usize);
    for (name, value) in &head.headers {
        if !name.starts_with(DEBEZIUM_PREFIX) {
            continue;
        }
        count += 1;
        bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
        let wrong = if count > DEBEZIUM_HEADERS_MAX || bytes > DEBEZIUM_BYTES_MAX {
            "there are more than 16 or 4,096 bytes of them"
        } else if value.iter().any(|b| *b < 0x20 || *b == 0x7f) {
            "a value has a control character"
        } else {
            headers.push((name.to_string().into(), value.to_vec().into()));
            continue;
        };
        return Err(Error::Parameter {
            what: "the headers X-DEBEZIUM-".to_owned(),
            wrong,
        });
    }
    Ok(headers)
}

/// An empty run for the topic as it is or will be.
fn run(
    inner: &Inner,
    admitted: &Admitted,
    topic: Option<&Topic>,
    headers: Vec<OwnedHeader>,
    key: Option<Box<[u8]>>,
) -> Run {
    let name = admitted.name().topic();
    let (config, partitions) = match topic {
        Some(topic) => (topic.config(), topic.partitions().len()),
        None => {
            let partitions = inner.log.default_partitions(name, 1);
            let partitions = usize::try_from(partitions).unwrap_or(1);
            (inner.log.default_topic_config(name), partitions)
        }
    };
    let bytes_max = usize::try_from(config.max_message_bytes).unwrap_or(usize::MAX);
    let partitions = u32::try_from(partitions).unwrap_or(1);
    let schemas = schemas(inner, admitted, name.as_str());
    let now_ms = inner.clock.now_ms();
    Run::new(headers, key, schemas, now_ms, (bytes_max, partitions))
}

/// All schemas that a value has to fit.
fn schemas(inner: &Inner, admitted: &Admitted, topic: &str) -> Vec<Schema> {
    let integrations = admitted.integration().and_then(|one| one.schema.clone());
    let topics = admitted.declarations.topic(topic);
    let topics = topics.and_then(|rule| rule.schema.clone());
    let lifecycle = admitted.name().is_lifecycle();
    let lifecycle = lifecycle.then(|| Schema::clone(&inner.lifecycle));
    [integrations, topics, lifecycle]
        .into_iter()
        .flatten()
        .collect()
}
