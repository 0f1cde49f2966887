//! What was acknowledged is there after a power cut, a kill or a failure at every single I/O; what
//! was refused is not; an append is there as a whole or not at all.
//!
//! One scenario is run over and over, each time with a fault at the next I/O, without threads, so
//! that a run can be repeated. `PENSTOCK_TEST_CRASH_STEP` (default 1) tries only every so many I/Os.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::backlog::Request;
use super::batch::{self, sample};
use super::config::{Cleanup, Config, TopicConfig};
use super::crash_disk::{CrashDisk, Fault, Random};
use super::disk::Disk;
use super::error::Error;
use super::metadata::{Change, StoredConfig, StoredTopic};
use super::partition::{Partition, Place};
use super::recovery::{self, Opened};
use super::segment::Batches;
use super::status::State;
use super::ticket::{Append, Appended, Effect, Origin, PartitionBatch, Taken};
use super::topic::Topic;
use super::verify::verify_on;
use crate::clock::{Clock, ManualClock};
use crate::record::Records;
use crate::topic::{CLUSTER_METADATA, CONNECT_OFFSETS, Offset, PartitionId, TopicName};

const DAY_MS: i64 = 24 * 3_600_000;

fn config() -> Config {
    let mut config = Config::at("/data");
    config.journal_file_bytes = 12 << 10;
    config.topic_defaults.segment_bytes = 2 << 10;
    config.floors.outside = Some(0);
    config.floors.inside = 0;
    config
}

/// A log without threads.
struct Engine {
    opened: Opened,
}

impl Engine {
    fn open(disk: &CrashDisk, clock: &Arc<ManualClock>) -> Result<Engine, Error> {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let clock: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
        let opened = recovery::open(&config(), disk, clock)?;
        Ok(Engine { opened })
    }

    /// Commits a group of appends.
    fn commit(&mut self, group: Vec<(Append, Option<Effect>)>) -> Vec<Result<Appended, Error>> {
        let queue = &self.opened.shared.queue;
        let tickets: Vec<_> = group
            .into_iter()
            .map(|(append, effect)| queue.submit(append, effect, None))
            .collect();
        if let Taken::Group(group) = queue.take(Some(Duration::ZERO)) {
            self.opened.appender.commit(group);
        }
        let answered = tickets.into_iter().map(FutureExt::now_or_never);
        answered.map(|outcome| outcome.expect("answered")).collect()
    }

    fn write(&mut self) {
        let work = self.opened.shared.backlog.take(Duration::ZERO);
        self.opened.writer.work(work);
    }

    fn compact(&mut self) {
        let stop = Arc::new(AtomicBool::new(false));
        if let Ok(Some(job)) = self.opened.writer.next_job(&stop)
            && let Ok(cleaned) = job.run(&self.opened.shared.files)
        {
            // A failed checkpoint is tried again later.
            let _ = self.opened.writer.install(cleaned);
        }
    }

    /// The log must come back by itself once the fault is over, without a restart.
    fn settle(&mut self) -> Result<(), String> {
        let mut last = String::new();
        for _ in 0..20 {
            self.opened.appender.retry_if_failing();
            self.write();
            let outcome = self.opened.writer.checkpoint();
            self.write();
            let state = self.opened.shared.status.state();
            if outcome.is_ok() && state == State::Writable {
                return Ok(());
            }
            last = format!("{outcome:?}, {state:?}");
        }
        Err(last)
    }

    fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.opened.shared.catalog.load().get(name).cloned()
    }

    fn partition(&self, name: &str, id: i32) -> Arc<Partition> {
        let topic = self.topic(name).expect("the topic is there");
        Arc::clone(topic.partition(PartitionId(id)).unwrap())
    }

    fn change(&mut self, change: &Change<'_>, effect: Effect) -> Result<(), Error> {
        let append = Append {
            origin: Origin::Outside,
            batches: vec![PartitionBatch {
                partition: self.partition(CLUSTER_METADATA, 0),
                bytes: change.batch(1),
            }],
        };
        let mut outcome = self.commit(vec![(append, Some(effect))]);
        outcome.remove(0).map(drop)
    }

    fn create(&mut self, name: &str, partitions: u32, config: TopicConfig) -> Result<(), Error> {
        let name = TopicName::parse(name).unwrap();
        let stored = StoredTopic {
            id: Uuid::new_v4(),
            partitions,
            config: StoredConfig::from(&config),
        };
        let dir = PathBuf::from("/data/topics");
        let topic = Topic::new(name.clone(), stored.id, partitions, config, &dir);
        let effect = Effect::Create(Arc::new(topic));
        self.change(&Change::Topic(&name, &stored), effect)
    }

    fn delete(&mut self, name: &str) -> Result<(), Error> {
        let topic = self.topic(name).expect("the topic is there");
        self.change(&Change::NoTopic(&topic.name), Effect::Delete(topic.id))
    }

    /// All records: offset and value.
    fn read_all(&self, partition: &Partition) -> Result<Vec<(i64, Vec<u8>)>, String> {
        let mut found = Vec::new();
        let mut offset = partition.start().0;
        let end = partition.end().0;
        let dense = partition.settings.config.load().cleanup == Cleanup::Delete;
        let mut due = None;
        while offset < end {
            let chunks = self.read_at(partition, offset)?;
            let Some(chunks) = chunks else {
                break;
            };
            for (header, bytes) in chunks.iter().flat_map(|c| batch::whole(c)) {
                let due_now = due.replace(header.next_offset());
                if due_now.is_some_and(|due| header.base_offset < due)
                    || (dense && due_now.is_some_and(|due| header.base_offset != due))
                {
                    return Err(format!(
                        "{partition:?}: {due_now:?} was due, not {header:?}"
                    ));
                }
                for record in &Records::decode(bytes, 1 << 20).map_err(|e| e.to_string())? {
                    let record = record.map_err(|e| e.to_string())?;
                    let value = record.value.unwrap_or_default().to_vec();
                    found.push((record.offset, value));
                }
                offset = header.next_offset();
            }
        }
        if dense && due.is_some_and(|due| due != end) {
            return Err(format!("{partition:?} ends at {due:?}"));
        }
        Ok(found)
    }

    fn read_at(
        &self,
        partition: &Partition,
        offset: i64,
    ) -> Result<Option<Vec<bytes::Bytes>>, String> {
        match partition.locate(offset, 1000) {
            Place::Memory(chunks) => Ok(Some(chunks)),
            Place::Disk(segments) => {
                for segment in &segments {
                    match segment.read(&self.opened.shared.files, offset, 1000) {
                        Ok(Batches::Found(bytes)) => return Ok(Some(vec![bytes])),
                        Ok(Batches::Behind) => {}
                        other => return Err(format!("{partition:?} at {offset}: {other:?}")),
                    }
                }
                let last = segments.last().map_or(offset, |s| s.base.max(offset));
                match partition.base_after(last) {
                    Some(next) => self.read_at(partition, next),
                    None => Ok(None),
                }
            }
        }
    }
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Stored(Vec<i64>),
    Absent,
    Unknown,
}

impl Fate {
    fn of(outcome: Result<Appended, Error>) -> Fate {
        match outcome {
            Ok(appended) => {
                Fate::Stored(appended.batches.iter().map(|w| w.base_offset.0).collect())
            }
            Err(Error::OutcomeUnknown(_)) => Fate::Unknown,
            Err(_) => Fate::Absent,
        }
    }
}

#[derive(Debug)]
struct Sent {
    id: u64,
    to: Vec<(&'static str, i32)>,
    fate: Fate,
}

/// What was done and what became of it.
#[derive(Debug, Default)]
struct Model {
    sent: Vec<Sent>,
    /// Key of the compacted topic -> ids written to it, in order.
    keys: BTreeMap<u64, Vec<usize>>,
    created: HashMap<&'static str, bool>,
    deleted: Option<Fate>,
    trimmed: i64,
    /// The last batch of the idempotent producer that was acknowledged.
    sequence: i32,
    last_acked: Option<(i32, u64, i64)>,
}

const PRODUCER: i64 = 77;

fn value(id: u64) -> Vec<u8> {
    let mut value = id.to_be_bytes().to_vec();
    value.resize(60 + usize::try_from(id % 7).unwrap() * 40, 0xab);
    value
}

fn id_of(value: &[u8]) -> u64 {
    u64::from_be_bytes(value[..8].try_into().unwrap())
}

impl Model {
    /// An append to some partitions; the compacted one gets a keyed record.
    fn build(&mut self, engine: &Engine, to: &[(&'static str, i32)]) -> Option<Append> {
        let id = self.sent.len() as u64;
        let mut batches = Vec::new();
        for (topic, partition) in to {
            engine.topic(topic)?;
            let partition = engine.partition(topic, *partition);
            let bytes = match *topic {
                CONNECT_OFFSETS => {
                    let key = id % 3;
                    self.keys.entry(key).or_default().push(self.sent.len());
                    sample::keyed(&key.to_be_bytes(), Some(&value(id)), 1)
                }
                "a" if partition.id.0 == 0 => {
                    let producer = (PRODUCER, 0, self.sequence);
                    sample::from_producer(1, &value(id), 1, producer)
                }
                _ => sample::batch(1, &value(id), 1),
            };
            batches.push(PartitionBatch { partition, bytes });
        }
        self.sent.push(Sent {
            id,
            to: to.to_vec(),
            fate: Fate::Absent,
        });
        Some(Append {
            origin: Origin::Outside,
            batches,
        })
    }

    fn append(&mut self, engine: &mut Engine, groups: &[&[(&'static str, i32)]]) {
        let first = self.sent.len();
        let mut group = Vec::new();
        for to in groups {
            let sequence = self.sequence;
            if let Some(append) = self.build(engine, to) {
                group.push((append, None));
                if to.contains(&("a", 0)) {
                    self.sequence += 1;
                }
            } else {
                self.sequence = sequence;
            }
        }
        let outcomes = engine.commit(group);
        for (at, outcome) in outcomes.into_iter().enumerate() {
            let sent = &mut self.sent[first + at];
            sent.fate = Fate::of(outcome);
            if sent.to.first() != Some(&("a", 0)) {
                continue;
            }
            // A producer sends nothing new until the last batch is decided; here it simply begins
            // again with a sequence that is due.
            match &sent.fate {
                Fate::Stored(offsets) => {
                    let sequence = self.sequence - 1;
                    self.last_acked = Some((sequence, sent.id, offsets[0]));
                }
                Fate::Absent | Fate::Unknown => self.sequence -= 1,
            }
        }
    }

    /// Runs the scenario; it goes on after failures, as the log does.
    fn run(&mut self, engine: &mut Engine, clock: &ManualClock) {
        let defaults = config().topic_defaults;
        let keep = TopicConfig {
            retention_ms: None,
            ..defaults.clone()
        };
        let compact = TopicConfig {
            cleanup: Cleanup::Compact,
            ..keep.clone()
        };
        for (name, partitions, config) in [
            ("a", 2, keep.clone()),
            ("old", 1, defaults),
            ("gone", 1, keep),
            (CONNECT_OFFSETS, 1, compact),
        ] {
            let fate = engine.create(name, partitions, config);
            self.created.insert(name, fate.is_ok());
            engine.opened.appender.retry_if_failing();
        }
        self.appends(engine, 9);
        engine.write();
        if engine.topic("gone").is_some() {
            let outcome = engine.delete("gone");
            self.deleted = Some(match outcome {
                Ok(()) => Fate::Stored(Vec::new()),
                Err(Error::OutcomeUnknown(_)) => Fate::Unknown,
                Err(_) => Fate::Absent,
            });
        }
        engine.write();
        // By then the producer is forgotten.
        self.last_acked = None;
        clock.advance_ms(8 * DAY_MS);
        let _ = engine.opened.writer.retain();
        engine.compact();
        engine.write();
        self.trim(engine);
        self.appends(engine, 6);
        engine.compact();
        let _ = engine.opened.writer.checkpoint();
        self.appends(engine, 2);
    }

    fn appends(&mut self, engine: &mut Engine, rounds: u32) {
        for round in 0..rounds {
            self.append(engine, &[&[("a", 0), ("a", 1), (CONNECT_OFFSETS, 0)]]);
            self.append(
                engine,
                &[
                    &[("a", 1), (CONNECT_OFFSETS, 0)],
                    &[("old", 0)],
                    &[("a", 1), ("old", 0)],
                ],
            );
            self.append(engine, &[&[("gone", 0)]]);
            engine.opened.appender.retry_if_failing();
            if round % 2 == 1 {
                engine.write();
            }
        }
    }

    fn trim(&mut self, engine: &mut Engine) {
        if engine.topic("a").is_none() {
            return;
        }
        let partition = engine.partition("a", 1);
        let (done, outcome) = oneshot::channel();
        engine.opened.shared.backlog.request(Request::Trim {
            before: 5.min(partition.end().0),
            partition,
            done,
        });
        engine.write();
        if let Some(Ok(Ok(Offset(start)))) = outcome.now_or_never() {
            self.trimmed = start;
        }
    }

    /// Compares a reopened log with what was promised.
    fn check(&self, engine: &Engine) -> Result<(), String> {
        let mut found: HashMap<(&str, i32), BTreeMap<u64, i64>> = HashMap::new();
        for (name, created) in &self.created {
            let is_deleted = *name == "gone" && self.deleted.is_some();
            let Some(topic) = engine.topic(name) else {
                if *created && (!is_deleted || self.deleted == Some(Fate::Absent)) {
                    return Err(format!("topic {name} is gone"));
                }
                continue;
            };
            if is_deleted && self.deleted == Some(Fate::Stored(Vec::new())) {
                return Err(format!("topic {name} is back"));
            }
            for partition in topic.partitions() {
                let mut ids = BTreeMap::new();
                let mut last = None;
                for (offset, value) in engine.read_all(partition)? {
                    let id = id_of(&value);
                    if last.replace(id).is_some_and(|last| last >= id) {
                        return Err(format!("{partition:?}: {id} behind {last:?}"));
                    }
                    ids.insert(id, offset);
                }
                found.insert((name, partition.id.0), ids);
            }
        }
        for sent in &self.sent {
            self.check_sent(engine, sent, &found)?;
        }
        self.check_keys(&found)?;
        if engine.topic("a").is_some() && engine.partition("a", 1).start().0 < self.trimmed {
            return Err("the trimmed start went back".to_owned());
        }
        Ok(())
    }

    fn check_sent(
        &self,
        engine: &Engine,
        sent: &Sent,
        found: &HashMap<(&str, i32), BTreeMap<u64, i64>>,
    ) -> Result<(), String> {
        let mut whole: Option<bool> = None;
        for (at, (name, id)) in sent.to.iter().enumerate() {
            let Some(ids) = found.get(&(*name, *id)) else {
                continue; // The topic was deleted, or never came to be.
            };
            if *name == CONNECT_OFFSETS {
                continue; // Checked by key.
            }
            let offset = ids.get(&sent.id).copied();
            let start = engine.partition(name, *id).start().0;
            match (&sent.fate, offset) {
                (Fate::Stored(at_offsets), None) if at_offsets[at] >= start => {
                    return Err(format!("lost {sent:?} in {name}-{id}"));
                }
                (Fate::Stored(at_offsets), Some(offset)) if at_offsets[at] != offset => {
                    return Err(format!("moved {sent:?} in {name}-{id} to {offset}"));
                }
                (Fate::Absent, Some(_)) => {
                    return Err(format!("refused and there: {sent:?} in {name}-{id}"));
                }
                // Before the start nothing can be told about an unknown one.
                (Fate::Unknown, None) if start > 0 => {}
                (Fate::Unknown, there) => {
                    let before = whole.replace(there.is_some());
                    if before.is_some_and(|before| before != there.is_some()) {
                        return Err(format!("half of {sent:?}"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_keys(&self, found: &HashMap<(&str, i32), BTreeMap<u64, i64>>) -> Result<(), String> {
        let Some(ids) = found.get(&(CONNECT_OFFSETS, 0)) else {
            return Ok(());
        };
        for (key, written) in &self.keys {
            let fate = |at: &&usize| &self.sent[**at].fate;
            let stored = |at: &&usize| matches!(fate(at), Fate::Stored(_));
            let Some(last) = written.iter().rev().find(stored) else {
                continue;
            };
            let last = self.sent[*last].id;
            let there = ids.keys().rev().find(|id| **id % 3 == *key);
            let allowed = |id: u64| {
                id >= last
                    && written
                        .iter()
                        .any(|at| self.sent[*at].id == id && self.sent[*at].fate != Fate::Absent)
            };
            if !there.is_some_and(|id| allowed(*id)) {
                return Err(format!("key {key} is at {there:?}, not {last}"));
            }
        }
        Ok(())
    }

    /// The reopened log still knows its producer and takes appends.
    fn go_on(&mut self, engine: &mut Engine) -> Result<(), String> {
        if engine.topic("a").is_none() {
            return Ok(());
        }
        if let Some((sequence, id, offset)) = self.last_acked {
            let again = Append {
                origin: Origin::Outside,
                batches: vec![PartitionBatch {
                    partition: engine.partition("a", 0),
                    bytes: sample::from_producer(1, &value(id), 1, (PRODUCER, 0, sequence)),
                }],
            };
            let outcome = engine.commit(vec![(again, None)]).remove(0);
            let duplicate = |w: &super::ticket::Written| w.duplicate && w.base_offset.0 == offset;
            if !outcome.as_ref().is_ok_and(|a| duplicate(&a.batches[0])) {
                return Err(format!("sequence {sequence} sent again gave {outcome:?}"));
            }
        }
        self.append(engine, &[&[("a", 1)]]);
        match &self.sent.last().unwrap().fate {
            Fate::Stored(_) => Ok(()),
            other => Err(format!("a new append after recovery: {other:?}")),
        }
    }
}

/// Runs the scenario with a fault and checks what a power cut and a kill leave.
fn try_fault(at: u64, fault: Option<Fault>, short: Option<usize>) -> Result<u64, String> {
    let disk = CrashDisk::default();
    if let Some(fault) = fault {
        disk.fault(at, fault);
    }
    if let Some(short) = short {
        disk.short_writes(short);
    }
    let clock = Arc::new(ManualClock::at_ms(DAY_MS));
    let mut model = Model::default();
    let mut engine = Engine::open(&disk, &clock).ok();
    if let Some(engine) = engine.as_mut() {
        model.run(engine, &clock);
        // While the process lives, what it acknowledged can be read.
        if !matches!(fault, Some(Fault::Stop | Fault::Tear)) {
            model.check(engine)?;
            engine.settle().map_err(|what| {
                let history = disk.history().join("\n  ");
                format!("{what}\nfault {fault:?} at {at}, last:\n  {history}")
            })?;
            model.check(engine)?;
        }
    }
    if let (Some(engine), None) = (&engine, fault) {
        covers_everything(engine);
    }
    drop(engine);
    let count = disk.count();
    for cut in 0..2 {
        let mut random = Random::new(at * 31 + cut);
        let left = match cut {
            0 => disk.after_kill(),
            _ => disk.after_power_cut(&mut random),
        };
        check_left(&model, &left, &clock, &mut random).map_err(|what| {
            let history = disk.history().join("\n  ");
            format!("{what}\nfault {fault:?} at {at}, cut {cut}, last:\n  {history}")
        })?;
    }
    Ok(count)
}

/// Without a fault the scenario rolls, compacts, trims, removes old segments and deletes.
fn covers_everything(engine: &Engine) {
    let segments = |name| engine.partition(name, 0).view.lock().segments.clone();
    assert!(segments("a").len() > 1, "a segment was rolled");
    assert!(
        segments(CONNECT_OFFSETS).iter().any(|s| s.has_gaps),
        "compacted"
    );
    assert!(engine.partition("old", 0).start() > Offset(0), "retention");
    assert_eq!(engine.partition("a", 1).start(), Offset(5), "trimmed");
    assert!(engine.topic("gone").is_none(), "deleted");
}

fn check_left(
    model: &Model,
    left: &CrashDisk,
    clock: &Arc<ManualClock>,
    random: &mut Random,
) -> Result<(), String> {
    // Half of the time recovery itself is cut short first.
    let left = match random.below(2) {
        0 => left.clone(),
        _ => {
            left.fault(1 + random.below(60), Fault::Tear);
            drop(Engine::open(left, clock));
            left.after_power_cut(random)
        }
    };
    let mut engine = Engine::open(&left, clock).map_err(|e| crate::error::chain(&e))?;
    model.check(&engine)?;
    let mut more = Model {
        sequence: model.sequence,
        last_acked: model.last_acked,
        created: model.created.clone(),
        ..Model::default()
    };
    // Ids go on, so that order can be checked again.
    more.sent = model
        .sent
        .iter()
        .map(|s| Sent {
            id: s.id,
            to: s.to.clone(),
            fate: s.fate.clone(),
        })
        .collect();
    more.keys.clone_from(&model.keys);
    more.deleted.clone_from(&model.deleted);
    more.trimmed = model.trimmed;
    more.go_on(&mut engine)?;
    engine.write();
    drop(engine);
    let left = left.after_power_cut(random);
    let dir = std::path::Path::new("/data");
    let report = verify_on(&left, dir, &mut |_, _| {}).map_err(|e| e.to_string())?;
    if !report.problems.is_empty() {
        return Err(format!("{:?}", report.problems));
    }
    let engine = Engine::open(&left, clock).map_err(|e| crate::error::chain(&e))?;
    more.check(&engine)
        .map_err(|what| format!("second time: {what}"))
}

fn step() -> u64 {
    let step = std::env::var("PENSTOCK_TEST_CRASH_STEP");
    step.ok().and_then(|s| s.parse().ok()).unwrap_or(1)
}

fn sweep(fault: Fault) {
    let total = try_fault(0, None, None).unwrap();
    assert!(total > 200, "the scenario does {total} I/Os");
    let mut at = 1;
    while at <= total {
        if let Err(what) = try_fault(at, Some(fault), None) {
            panic!("{what}");
        }
        at += step();
    }
}

#[test]
fn a_stop_before_any_io_loses_nothing_that_was_acknowledged() {
    sweep(Fault::Stop);
}

#[test]
fn a_write_torn_anywhere_loses_nothing_that_was_acknowledged() {
    sweep(Fault::Tear);
}

#[test]
fn a_failure_of_any_io_loses_nothing_that_was_acknowledged() {
    sweep(Fault::Fail);
}

#[test]
fn a_disk_that_fills_up_anywhere_loses_nothing_that_was_acknowledged() {
    sweep(Fault::Full(9));
}

#[test]
fn short_writes_are_continued() {
    try_fault(0, None, Some(7)).unwrap();
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    let disk = CrashDisk::default();
    let clock = Arc::new(ManualClock::at_ms(DAY_MS));
    let mut model = Model::default();
    let mut engine = Engine::open(&disk, &clock).unwrap();
    disk.lie();
    model.run(&mut engine, &clock);
    drop(engine);
    let found_out = (0..20).any(|seed| {
        let mut random = Random::new(seed);
        let left = disk.after_power_cut(&mut random);
        check_left(&model, &left, &clock, &mut random).is_err()
    });
    assert!(found_out, "the check would not notice a loss");
}
