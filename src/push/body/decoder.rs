//! Bytes of a body, unpacked, to records of a run.

use sha2::{Digest, Sha256};

use super::cloud_event::Attributes;
use super::json;
use super::lines::Lines;
use super::media_type::MediaType;
use super::run::Run;
use crate::push::error::Error;
use crate::push::keys::HEADER;

/// A body that comes in.
#[derive(Debug)]
pub(in crate::push) enum Decoder {
    /// It is looked at when all of it is there.
    Whole {
        /// What it is.
        kind: Whole,
        /// What came.
        bytes: Vec<u8>,
    },
    /// A line is looked at as soon as it is complete.
    Lines(Box<LinesDecoder>),
}

/// Lines, in a type of their own so that the decoder's face does not show them.
#[derive(Debug, Default)]
pub(in crate::push) struct LinesDecoder(Lines);

/// What is looked at as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::push) enum Whole {
    /// One value, or an array of them.
    Values,
    /// The data of one event, whose attributes are headers.
    Data,
    /// One event.
    Event,
    /// An array of events.
    Events,
}

/// What the body said beside its records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::push) struct Decoded {
    /// The identity of its event or events.
    pub(in crate::push) identity: Option<String>,
}

impl Decoder {
    /// For a body of this type; `is_binary` where the event's attributes are headers.
    pub(in crate::push) fn new(media_type: MediaType, is_binary: bool) -> Result<Decoder, Error> {
        let kind = match (media_type, is_binary) {
            (MediaType::Json, true) => Whole::Data,
            (_, true) => {
                let what = "ce- headers describe one event, whose body is application/json";
                return Err(Error::CloudEvent(what.to_owned()));
            }
            (MediaType::Json, false) => Whole::Values,
            (MediaType::CloudEvent, false) => Whole::Event,
            (MediaType::CloudEvents, false) => Whole::Events,
            (MediaType::Lines, false) => return Ok(Decoder::Lines(Box::default())),
        };
        Ok(Decoder::Whole {
            kind,
            bytes: Vec::new(),
        })
    }

    /// Takes a piece.
    pub(in crate::push) fn feed(&mut self, piece: &[u8], run: &mut Run) -> Result<(), Error> {
        match self {
            Decoder::Whole { bytes, .. } => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
            Decoder::Lines(lines) => lines.0.feed(piece, run),
        }
    }

    /// Makes room for a body of `bytes`, which its sender announced and the limit allows.
    pub(in crate::push) fn expect(&mut self, bytes: usize) {
        if let Decoder::Whole { bytes: buffer, .. } = self {
            buffer.reserve_exact(bytes);
        }
    }

    /// Bytes held, those of the run apart.
    pub(in crate::push) fn held_bytes(&self) -> usize {
        match self {
            Decoder::Whole { bytes, .. } => bytes.capacity(),
            Decoder::Lines(lines) => lines.0.held_bytes(),
        }
    }

    /// Takes the end. Events put their identity as an idempotency key on the records where
    /// `wants_identity`.
    pub(in crate::push) fn finish(
        self,
        run: &mut Run,
        wants_identity: bool,
    ) -> Result<Decoded, Error> {
        let (kind, bytes) = match self {
            Decoder::Lines(lines) => {
                lines.0.finish(run)?;
                return Ok(Decoded::default());
            }
            Decoder::Whole { kind, bytes } => (kind, bytes),
        };
        let text = json::text(&bytes).map_err(Error::Malformed)?;
        run.reserve(text.len());
        match kind {
            Whole::Values if json::is_array(text) => {
                json::each(text, &mut |value| run.add(None, value, &[]))?;
            }
            Whole::Values | Whole::Data => {
                let value = json::single(text).map_err(|wrong| json::malformed(&wrong))?;
                run.add(None, value, &[])?;
            }
            Whole::Event => {
                let value = json::single(text).map_err(|wrong| json::malformed(&wrong))?;
                let found = Attributes::of_json(value)?;
                let identity = wants_identity.then(|| found.identity());
                label(run, identity.as_deref());
                run.add(
                    found.partition_key.as_deref().map(str::as_bytes),
                    value,
                    &[],
                )?;
                return Ok(Decoded { identity });
            }
            Whole::Events => return events(text, run, wants_identity),
        }
        Ok(Decoded::default())
    }
}

/// The events of a batch. Together they have one identity, made of all of theirs.
fn events(text: &str, run: &mut Run, wants_identity: bool) -> Result<Decoded, Error> {
    let mut found = Vec::new();
    let mut hash = Sha256::new();
    json::each(text, &mut |value| {
        if found.len() >= usize::try_from(super::RECORDS_MAX).unwrap_or(usize::MAX) {
            return Err(Error::TooManyRecords(super::RECORDS_MAX));
        }
        let attributes = Attributes::of_json(value).map_err(|error| match error {
            Error::CloudEvent(what) => Error::CloudEvent(format!("event {}: {what}", found.len())),
            other => other,
        })?;
        hash.update(attributes.identity());
        hash.update(b"\0");
        // Where the value stands in the text, since it cannot be borrowed out of here.
        let begin = value.as_ptr().addr().saturating_sub(text.as_ptr().addr());
        found.push((begin, value.len(), attributes.partition_key));
        Ok(())
    })?;
    let identity = wants_identity.then(|| {
        let digest = hash.finalize();
        let words = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
        format!("batch {}", words.collect::<String>())
    });
    label(run, identity.as_deref());
    for (begin, length, key) in found {
        let value = text
            .get(begin..begin.saturating_add(length))
            .unwrap_or_default();
        run.add(key.as_deref().map(str::as_bytes), value, &[])?;
    }
    Ok(Decoded { identity })
}

fn label(run: &mut Run, identity: Option<&str>) {
    if let Some(identity) = identity {
        let identity = identity.as_bytes().to_vec();
        run.push_header((HEADER.into(), identity.into()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::topics::Schema;
    use crate::record::Records;

    type Seen = Vec<(Option<String>, String)>;

    fn run() -> Run {
        Run::new(Vec::new(), None, Vec::new(), 0, (1 << 20, 1))
    }

    /// What comes of a body that is fed in pieces cut at `cuts`.
    fn decode(media_type: MediaType, body: &[u8], step: usize) -> Result<Seen, String> {
        let mut run = run();
        let outcome = (|| {
            let mut decoder = Decoder::new(media_type, false)?;
            for piece in body.chunks(step.max(1)) {
                decoder.feed(piece, &mut run)?;
            }
            decoder.finish(&mut run, true)
        })();
        outcome.map_err(|error| error.to_string())?;
        let batch = run.finish().unwrap();
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let records = Records::decode(&batch, 1 << 20).unwrap();
        let records = records.iter().map(|record| {
            let record = record.unwrap();
            (record.key.map(text), text(record.value.unwrap()))
        });
        Ok(records.collect())
    }

    fn values(media_type: MediaType, body: &[u8], step: usize) -> Result<Vec<String>, String> {
        let seen = decode(media_type, body, step)?;
        Ok(seen.into_iter().map(|(_, value)| value).collect())
    }

    const EVENT: &str =
        r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","partitionkey":"k","data":1.50}"#;

    #[test]
    fn every_cut_of_a_body_gives_the_same_records() {
        let lines: &[u8] = b"{\"a\": 1}\n\n \r\n[2,\"\xc3\xa9\"]\r\n3";
        let array: &[u8] = b" [{\"a\": 1}, 2.50 ,\"\xc3\xa9\"]\n";
        let events = format!("[{EVENT},{EVENT}]");
        for step in 1..80 {
            let seen = values(MediaType::Lines, lines, step).unwrap();
            assert_eq!(seen, ["{\"a\": 1}", "[2,\"\u{e9}\"]", "3"], "{step}");
            let seen = values(MediaType::Json, array, step).unwrap();
            assert_eq!(seen, ["{\"a\": 1}", "2.50", "\"\u{e9}\""], "{step}");
            let seen = decode(MediaType::CloudEvent, EVENT.as_bytes(), step).unwrap();
            assert_eq!(seen, [(Some("k".to_owned()), EVENT.to_owned())]);
            let seen = decode(MediaType::CloudEvents, events.as_bytes(), step).unwrap();
            assert_eq!(seen.len(), 2);
        }
    }

    #[test]
    fn a_bad_line_is_named_by_line_and_column() {
        let wrong = values(MediaType::Lines, b"1\n\n{\"a\": 1\n3", 2).unwrap_err();
        assert!(wrong.contains("line 3 column"), "{wrong}");
        let wrong = values(MediaType::Lines, b"1\n\"\xff\"", 100).unwrap_err();
        assert!(wrong.contains("line 2"), "{wrong}");
        let wrong = values(MediaType::Json, b"{\n \"a\" 1}", 100).unwrap_err();
        assert!(wrong.contains("line 2 column 6"), "{wrong}");
    }

    #[test]
    fn a_million_lines_end_at_the_bound() {
        let body = b"1\n".repeat(20_000);
        let wrong = values(MediaType::Lines, &body, 4096).unwrap_err();
        assert!(wrong.contains("more than 10000 records"), "{wrong}");
        let body = format!("[{}1]", "1,".repeat(20_000));
        assert!(values(MediaType::Json, body.as_bytes(), 4096).is_err());
    }

    #[test]
    fn events_of_several_partitions_do_not_go_into_one_request() {
        let mut run = Run::new(Vec::new(), None, Vec::new(), 0, (1 << 20, 16));
        let event = |key: u32| EVENT.replace("\"k\"", &format!("\"key {key}\""));
        let all: Vec<String> = (0..16).map(event).collect();
        let body = format!("[{}]", all.join(","));
        let mut decoder = Decoder::new(MediaType::CloudEvents, false).unwrap();
        decoder.feed(body.as_bytes(), &mut run).unwrap();
        assert!(decoder.finish(&mut run, true).is_err());
    }

    #[test]
    fn identities_of_batches_depend_on_every_event() {
        let identity = |body: &str| {
            let mut run = run();
            let mut decoder = Decoder::new(MediaType::CloudEvents, false).unwrap();
            decoder.feed(body.as_bytes(), &mut run).unwrap();
            decoder.finish(&mut run, true).unwrap().identity.unwrap()
        };
        let other = EVENT.replace("\"1\"", "\"2\"");
        let both = identity(&format!("[{EVENT},{other}]"));
        assert!(both.starts_with("batch "));
        assert_eq!(both, identity(&format!("[ {EVENT} , {other} ]")));
        assert_ne!(both, identity(&format!("[{other},{EVENT}]")));
        assert_ne!(both, identity(&format!("[{EVENT}]")));
    }

    #[test]
    fn values_that_do_not_fit_a_schema_are_told_with_their_index() {
        let schema = Schema::compile(serde_json::json!({"type": "integer"})).unwrap();
        let mut run = Run::new(Vec::new(), None, vec![schema], 0, (1 << 20, 1));
        let mut decoder = Decoder::new(MediaType::Lines, false).unwrap();
        decoder.feed(b"1\n\"x\"\n2\n{}", &mut run).unwrap();
        decoder.finish(&mut run, false).unwrap();
        let flaws = run.take_flaws();
        let at: Vec<u32> = flaws.iter().map(|flaw| flaw.index).collect();
        assert_eq!(at, [1, 3]);
    }

    proptest! {
        #[test]
        fn values_come_out_as_they_went_in(
            numbers in prop::collection::vec("-?[1-9][0-9]{0,30}(\\.[0-9]{1,9})?", 1..20),
            step in 1_usize..64,
        ) {
            let lines = numbers.join("\n");
            prop_assert_eq!(&values(MediaType::Lines, lines.as_bytes(), step).unwrap(), &numbers);
            let array = format!("[{}]", numbers.join(" , "));
            prop_assert_eq!(&values(MediaType::Json, array.as_bytes(), step).unwrap(), &numbers);
        }

        #[test]
        fn random_bytes_do_no_harm(body in prop::collection::vec(any::<u8>(), 0..200), step in 1_usize..64) {
            for media_type in [MediaType::Json, MediaType::Lines, MediaType::CloudEvent, MediaType::CloudEvents] {
                let _ = decode(media_type, &body, step);
            }
        }
    }
}
