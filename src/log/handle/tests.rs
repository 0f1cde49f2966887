//! The log from outside, on the real disk.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::{ManualClock, SystemClock};
use crate::log::batch::{self, sample};
use crate::log::config::DiskFloors;
use crate::log::disk::RealDisk;
use crate::log::ticket::Chain;

fn small(dir: &std::path::Path) -> Config {
    let mut config = Config::at(dir);
    config.journal_file_bytes = 64 << 10;
    config.topic_defaults.segment_bytes = 8 << 10;
    // The records of tests are of 1970.
    config.topic_defaults.retention_ms = None;
    config.floors = DiskFloors {
        outside: Some(0),
        inside: 0,
    };
    config
}

fn open(dir: &std::path::Path) -> Log {
    Log::open(small(dir), Arc::new(RealDisk), Arc::new(SystemClock)).unwrap()
}

fn name(text: &str) -> TopicName {
    TopicName::parse(text).unwrap()
}

async fn topic(log: &Log, text: &str, partitions: u32) -> Arc<Topic> {
    let name = name(text);
    let config = log.default_topic_config(&name);
    log.create_topic(&name, partitions, config).await.unwrap()
}

fn append(to: &[(&Arc<Partition>, Vec<u8>)]) -> Append {
    Append {
        origin: Origin::Outside,
        batches: to
            .iter()
            .map(|(partition, bytes)| PartitionBatch {
                partition: Arc::clone(partition),
                bytes: bytes.clone(),
            })
            .collect(),
    }
}

/// Offsets of all batches from `from` to the end, in reads of `max_bytes`.
async fn offsets(log: &Log, partition: &Arc<Partition>, from: i64, max_bytes: usize) -> Vec<i64> {
    let mut found = Vec::new();
    let mut offset = Offset(from);
    while offset < partition.end() {
        let read = log.read(partition, offset, max_bytes).await.unwrap();
        assert!(
            !read.chunks.is_empty(),
            "nothing at {offset} of {partition:?}"
        );
        for (header, bytes) in read.chunks.iter().flat_map(|c| batch::whole(c)) {
            assert!(batch::crc_holds(&header, bytes));
            found.push(header.base_offset);
            offset = Offset(header.next_offset());
        }
    }
    found
}

#[tokio::test]
async fn appends_come_back_from_memory_from_segments_and_after_a_stop_without_goodbye() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let id = log.cluster_id().to_owned();
    assert_eq!(id.len(), 22);
    let orders = topic(&log, "orders", 2).await;
    let [first, second] = orders.partitions() else {
        panic!("two partitions");
    };
    for i in 0..300_i64 {
        let one = (first, sample::batch(2, &[7; 100], i));
        let both = append(&[one, (second, sample::batch(1, b"x", i))]);
        let appended = log.append(both).await.unwrap();
        assert_eq!(appended.batches[0].base_offset, Offset(i * 2));
        assert_eq!(appended.batches[0].end_offset, Offset(i * 2 + 2));
        assert_eq!(appended.batches[1].base_offset, Offset(i));
    }
    let evens: Vec<i64> = (0..300).map(|i| i * 2).collect();
    for max_bytes in [1, 1000, 1 << 20] {
        assert_eq!(offsets(&log, first, 0, max_bytes).await, evens);
        assert_eq!(offsets(&log, first, 11, max_bytes).await, evens[5..]);
    }
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.cluster_id(), id);
    let orders = log.topic("orders").unwrap();
    let [first, second] = orders.partitions() else {
        panic!("two partitions");
    };
    assert_eq!(first.end(), Offset(600));
    for max_bytes in [1, 1000, 1 << 20] {
        assert_eq!(offsets(&log, first, 0, max_bytes).await, evens);
        assert_eq!(offsets(&log, first, 11, max_bytes).await, evens[5..]);
    }
    assert_eq!(offsets(&log, second, 0, 1 << 20).await.len(), 300);
    assert_eq!(
        log.offset_for_time(first, 150).await.unwrap(),
        Some((Offset(300), 150))
    );
    assert_eq!(log.offset_for_time(first, 300).await.unwrap(), None);
    log.close().await.unwrap();
    assert!(matches!(
        log.append(append(&[(first, sample::batch(1, b"x", 0))]))
            .await,
        Err(Error::Refusing(_))
    ));
    drop(log);
    let log = open(dir.path());
    let orders = log.topic("orders").unwrap();
    let appended = append(&[(&orders.partitions()[0], sample::batch(1, b"x", 0))]);
    let appended = log.append(appended).await.unwrap();
    assert_eq!(appended.batches[0].base_offset, Offset(600));
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let again = Log::open(small(dir.path()), Arc::new(RealDisk), Arc::new(SystemClock));
    assert!(matches!(again, Err(Error::InUse(_))));
    drop(log);
    open(dir.path());
}

#[tokio::test]
async fn topics_collide_by_metric_name_and_survive_deletion_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let first = topic(&log, "a.b", 1).await;
    let config = first.config();
    let collision = log.create_topic(&name("a_b"), 1, config.clone()).await;
    assert!(matches!(collision, Err(Error::InvalidTopic(_))));
    let again = log.create_topic(&name("a.b"), 1, config.clone()).await;
    assert!(matches!(again, Err(Error::TopicExists(_))));
    let data = sample::batch(1, &[1; 500], 1);
    for _ in 0..100 {
        let one = append(&[(&first.partitions()[0], data.clone())]);
        log.append(one).await.unwrap();
    }
    log.delete_topic(&first.name).await.unwrap();
    assert!(log.topic("a.b").is_none());
    let late = append(&[(&first.partitions()[0], data.clone())]);
    assert!(matches!(
        log.append(late).await,
        Err(Error::UnknownTopic(_))
    ));
    let other = topic(&log, "a_b", 1).await;
    let second = topic(&log, "x", 1).await;
    log.append(append(&[(&other.partitions()[0], data)]))
        .await
        .unwrap();
    let mut changed = config;
    changed.retention_ms = Some(1_000_000_000_000_000);
    log.alter_topic(&second.name, changed.clone())
        .await
        .unwrap();
    drop(log);
    let log = open(dir.path());
    let names: Vec<String> = log.topics().iter().map(|t| t.name.to_string()).collect();
    assert_eq!(names, ["__cluster_metadata", "a_b", "x"]);
    assert_eq!(log.topic("x").unwrap().config(), changed);
    assert_eq!(
        log.topic_by_id(other.id).unwrap().partitions()[0].end(),
        Offset(1)
    );
    assert!(!dir.path().join("topics/a.b-0").exists());
}

#[tokio::test]
async fn a_deleted_topic_made_again_begins_empty_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for round in 0..5_i64 {
        let topic = topic(&log, "again", 1).await;
        let partition = &topic.partitions()[0];
        assert_eq!(partition.end(), Offset(0));
        for _ in 0..=round {
            let one = append(&[(partition, sample::batch(1, &[1; 3000], 1))]);
            log.append(one).await.unwrap();
        }
        if round < 4 {
            log.delete_topic(&topic.name).await.unwrap();
        }
    }
    drop(log);
    let log = open(dir.path());
    let topic = log.topic("again").unwrap();
    assert_eq!(
        offsets(&log, &topic.partitions()[0], 0, 1).await,
        [0, 1, 2, 3, 4]
    );
}

#[tokio::test]
async fn a_batch_that_is_sent_again_gets_its_first_offsets_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let id = log.allocate_producer_id().await.unwrap();
    let topic = topic(&log, "t", 1).await;
    let partition = &topic.partitions()[0];
    let send = |sequence| sample::from_producer(2, b"v", 1, (id, 0, sequence));
    let mut log = log;
    for i in 0..3_i32 {
        let one = append(&[(partition, send(i * 2))]);
        log.append(one).await.unwrap();
    }
    for restart in [false, true] {
        if restart {
            drop(log);
            log = open(dir.path());
        }
        let topic = log.topic("t").unwrap();
        let partition = &topic.partitions()[0];
        let again = log.append(append(&[(partition, send(2))])).await.unwrap();
        assert!(again.batches[0].duplicate);
        assert_eq!(again.batches[0].base_offset, Offset(2));
        assert_eq!(again.batches[0].end_offset, Offset(4));
        let gap = log.append(append(&[(partition, send(8))])).await;
        assert!(matches!(
            gap,
            Err(Error::OutOfOrderSequence { wanted: 6, .. })
        ));
        assert_eq!(partition.end(), Offset(6));
    }
    assert!(log.allocate_producer_id().await.unwrap() > id);
}

#[tokio::test]
async fn a_reader_is_woken_by_the_append_it_waits_for() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let topic = topic(&log, "t", 2).await;
    let [first, second] = topic.partitions() else {
        panic!("two partitions");
    };
    let any = [
        (Arc::clone(first), Offset(0)),
        (Arc::clone(second), Offset(0)),
    ];
    let wait = log.wait_for(&any);
    let write = async {
        let one = append(&[(second, sample::batch(1, b"x", 1))]);
        log.append(one).await.unwrap();
    };
    let both = async { tokio::join!(wait, write) };
    tokio::time::timeout(Duration::from_secs(10), both)
        .await
        .expect("the wait ends");
    log.wait_for(&any).await;
}

#[tokio::test]
async fn trimmed_offsets_are_gone_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let topic = topic(&log, "t", 1).await;
    let partition = &topic.partitions()[0];
    for _ in 0..50 {
        let one = append(&[(partition, sample::batch(1, &[1; 1000], 1))]);
        log.append(one).await.unwrap();
    }
    assert_eq!(log.trim(partition, Offset(30)).await.unwrap(), Offset(30));
    assert!(matches!(
        log.read(partition, Offset(29), 1).await,
        Err(Error::OffsetOutOfRange {
            start: Offset(30),
            ..
        })
    ));
    assert_eq!(offsets(&log, partition, 30, 1 << 20).await.len(), 20);
    assert!(log.trim(partition, Offset(51)).await.is_err());
    drop(log);
    let log = open(dir.path());
    let topic = log.topic("t").unwrap();
    let partition = &topic.partitions()[0];
    assert_eq!(
        (partition.start(), partition.end()),
        (Offset(30), Offset(50))
    );
    log.trim(partition, Offset(50)).await.unwrap();
    assert_eq!(topic.bytes(), 0);
    let one = append(&[(partition, sample::batch(1, b"x", 1))]);
    log.append(one).await.unwrap();
    assert_eq!(offsets(&log, partition, 50, 1).await, [50]);
}

#[tokio::test]
async fn below_the_floor_only_appends_from_inside_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = small(dir.path());
    config.floors.outside = Some(u64::MAX);
    let clock = Arc::new(ManualClock::at_ms(5));
    let log = Log::open(config, Arc::new(RealDisk), clock).unwrap();
    let name = name("t");
    let defaults = log.default_topic_config(&name);
    let refused = log.create_topic(&name, 1, defaults).await;
    assert!(
        matches!(refused, Err(Error::DiskFull { .. })),
        "{refused:?}"
    );
    assert!(matches!(log.state(), State::Refusing { since_ms: 5, .. }));
    assert!(log.allocate_producer_id().await.is_ok());
}

#[tokio::test]
async fn after_a_failed_link_the_rest_of_a_chain_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let topic = topic(&log, "t", 1).await;
    let partition = &topic.partitions()[0];
    let chain = Chain::new();
    let good = || append(&[(partition, sample::batch(1, b"x", 1))]);
    let first = log.submit_in(&chain, good());
    let bad = log.submit_in(&chain, append(&[(partition, b"no batch".to_vec())]));
    let third = log.submit_in(&chain, good());
    let free = log.submit(good());
    assert!(first.await.is_ok());
    assert!(matches!(bad.await, Err(Error::Malformed { .. })));
    assert!(matches!(third.await, Err(Error::Refusing(_))));
    assert_eq!(free.await.unwrap().batches[0].base_offset, Offset(1));
}

#[tokio::test]
async fn an_append_larger_than_a_journal_file_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let topic = topic(&log, "t", 1).await;
    let partition = &topic.partitions()[0];
    for _ in 0..3 {
        let one = append(&[(partition, sample::batch(1, &[9; 300_000], 1))]);
        log.append(one).await.unwrap();
        let one = append(&[(partition, sample::batch(1, &[9; 30_000], 1))]);
        log.append(one).await.unwrap();
    }
    drop(log);
    let log = open(dir.path());
    let topic = log.topic("t").unwrap();
    assert_eq!(offsets(&log, &topic.partitions()[0], 0, 1).await.len(), 6);
}

/// All batches by base offset, passing over what is damaged.
async fn readable(
    log: &Log,
    partition: &Arc<Partition>,
) -> std::collections::BTreeMap<i64, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut offset = partition.start();
    while offset < partition.end() {
        match log.read(partition, offset, 3000).await {
            Ok(read) if read.chunks.is_empty() => break,
            Ok(read) => {
                for (header, bytes) in read.chunks.iter().flat_map(|c| batch::whole(c)) {
                    found.insert(header.base_offset, bytes.to_vec());
                    offset = offset.max(Offset(header.next_offset()));
                }
            }
            Err(Error::Damaged { resume, .. }) => match resume {
                Some(resume) => {
                    assert!(resume > offset, "{resume} is no way on from {offset}");
                    offset = resume;
                }
                None => break,
            },
            Err(other) => panic!("{other:?}"),
        }
    }
    found
}

#[tokio::test]
async fn damage_anywhere_in_a_segment_is_refused_and_the_rest_stays_readable() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = small(dir.path());
    config.topic_defaults.segment_bytes = 64 << 10;
    let open = || Log::open(config.clone(), Arc::new(RealDisk), Arc::new(SystemClock)).unwrap();
    let log = open();
    let made = topic(&log, "t", 1).await;
    for i in 0..200_i64 {
        let one = sample::batch(3, &[u8::try_from(i).unwrap(); 300], i);
        log.append(append(&[(&made.partitions()[0], one)]))
            .await
            .unwrap();
    }
    log.close().await.unwrap();
    drop(log);
    let log = open();
    let partition = Arc::clone(&log.topic("t").unwrap().partitions()[0]);
    let whole = readable(&log, &partition).await;
    assert_eq!(whole.len(), 200);
    log.close().await.unwrap();
    drop((log, partition));
    let path = dir.path().join("topics/t-0/00000000000000000000.log");
    let good = std::fs::read(&path).unwrap();
    // Every byte of some headers, and bytes all over the file.
    let places = (0..130).chain((130..good.len()).step_by(997));
    for at in places {
        let mut bad = good.clone();
        bad[at] ^= 0x08;
        std::fs::write(&path, &bad).unwrap();
        let log = open();
        let partition = Arc::clone(&log.topic("t").unwrap().partitions()[0]);
        let found = readable(&log, &partition).await;
        for (offset, bytes) in found.range(..600) {
            // The leader epoch stands before the checksum and means nothing here.
            let same = whole.get(offset).is_some_and(|w| w[16..] == bytes[16..]);
            assert!(same, "byte {at}: offset {offset} is not what was written");
        }
        // At most what lies between two index entries is lost.
        assert!(
            found.len() > 185,
            "byte {at}: only {} batches are left",
            found.len()
        );
        let one = append(&[(&partition, sample::batch(1, b"x", 1))]);
        log.append(one).await.unwrap();
        drop((log, partition));
    }
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    let log = open();
    let partition = Arc::clone(&log.topic("t").unwrap().partitions()[0]);
    assert!(!partition.damage().is_empty());
    let found = readable(&log, &partition).await;
    assert!(found.len() > 150, "{} batches are left", found.len());
    log.close().await.unwrap();
    drop((log, partition));
    let report = crate::log::verify(dir.path(), &mut |_, _| {}).unwrap();
    assert!(!report.problems.is_empty());
}

#[tokio::test]
async fn old_segments_go_by_time_and_size_and_the_start_moves_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at_ms(1000));
    let open = || {
        let clock = Arc::clone(&clock) as Arc<dyn Clock>;
        Log::open(small(dir.path()), Arc::new(RealDisk), clock).unwrap()
    };
    let log = open();
    let mut config = log.default_topic_config(&name("x"));
    config.retention_ms = Some(5000);
    let by_time = log
        .create_topic(&name("by_time"), 1, config.clone())
        .await
        .unwrap();
    config.retention_ms = None;
    config.retention_bytes = Some(20_000);
    let by_size = log.create_topic(&name("by_size"), 1, config).await.unwrap();
    let (old, large) = (&by_time.partitions()[0], &by_size.partitions()[0]);
    for _ in 0..60 {
        let both = [old, large].map(|p| (p, sample::batch(1, &[1; 1000], 1000)));
        log.append(append(&both)).await.unwrap();
    }
    clock.advance_ms(6000);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while old.start() < Offset(60) || large.start() == Offset(0) {
        assert!(std::time::Instant::now() < deadline, "{old:?} {large:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(by_time.bytes(), 0);
    assert!(
        (20_000..32_000).contains(&by_size.bytes()),
        "{}",
        by_size.bytes()
    );
    let start = large.start();
    assert_eq!(
        offsets(&log, large, start.0, 1).await.len(),
        60 - usize::try_from(start.0).unwrap()
    );
    drop(log);
    let log = open();
    let by_time = log.topic("by_time").unwrap();
    assert_eq!(by_time.partitions()[0].start(), Offset(60));
    assert_eq!(log.topic("by_size").unwrap().partitions()[0].start(), start);
}

#[tokio::test]
async fn a_compacted_topic_keeps_the_last_value_of_every_key_and_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let topic = topic(&log, "__connect_offsets", 1).await;
    let partition = Arc::clone(&topic.partitions()[0]);
    let value = |i: u32| format!("{i:>200}").into_bytes();
    for i in 0..2000_u32 {
        let key = (i % 7).to_string();
        let one = sample::keyed(key.as_bytes(), Some(&value(i)), i64::from(i));
        log.append(append(&[(&partition, one)])).await.unwrap();
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while topic.bytes() > 40_000 {
        assert!(
            std::time::Instant::now() < deadline,
            "{} bytes",
            topic.bytes()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let check = async |log: &Log| {
        let partition = Arc::clone(&log.topic("__connect_offsets").unwrap().partitions()[0]);
        assert_eq!(
            (partition.start(), partition.end()),
            (Offset(0), Offset(2000))
        );
        let mut latest = std::collections::BTreeMap::new();
        for batch in readable(log, &partition).await.into_values() {
            let records = crate::record::Records::decode(&batch, 1 << 20).unwrap();
            for record in records.iter().map(Result::unwrap) {
                let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
                latest.insert(key, record.value.unwrap().to_vec());
            }
        }
        for key in 0..7_u32 {
            let last = (0..2000).rev().find(|i| i % 7 == key).unwrap();
            assert_eq!(latest[&key.to_string()], value(last));
        }
    };
    check(&log).await;
    drop((log, partition, topic));
    let log = open(dir.path());
    check(&log).await;
    log.close().await.unwrap();
    drop(log);
    let report = crate::log::verify(dir.path(), &mut |_, _| {}).unwrap();
    assert_eq!(report.problems, []);
}

/// Not a check: prints how many records of 100 bytes a second are made durable.
/// `TMPDIR=. cargo test --release --lib -- --ignored --nocapture log::handle::tests::rate`
#[tokio::test]
#[ignore = "measures"]
async fn rate_of_durable_records() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::at(dir.path());
    let log = Log::open(config, Arc::new(RealDisk), Arc::new(SystemClock)).unwrap();
    let topic = topic(&log, "t", 4).await;
    let batch = sample::batch(10_000, &[7; 100], 1);
    let started = std::time::Instant::now();
    let mut tickets = std::collections::VecDeque::new();
    let mut waits = Vec::new();
    for i in 0..2000_usize {
        let one = append(&[(&topic.partitions()[i % 4], batch.clone())]);
        tickets.push_back((std::time::Instant::now(), log.submit(one)));
        if tickets.len() >= 8 {
            let (since, ticket) = tickets.pop_front().unwrap();
            ticket.await.unwrap();
            waits.push(since.elapsed());
        }
    }
    for (_, ticket) in tickets {
        ticket.await.unwrap();
    }
    let seconds = started.elapsed().as_secs_f64();
    waits.sort();
    println!(
        "{:.0} records/s, {:.0} MB/s, p50 {:?}, p99 {:?}",
        20_000_000.0 / seconds,
        2000.0 * batch.len() as f64 / seconds / 1e6,
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100],
    );
    let mut alone = Vec::new();
    for _ in 0..2000 {
        let one = append(&[(&topic.partitions()[0], sample::batch(1, &[7; 100], 1))]);
        let since = std::time::Instant::now();
        log.append(one).await.unwrap();
        alone.push(since.elapsed());
    }
    alone.sort();
    println!("one record: p50 {:?}, p99 {:?}", alone[1000], alone[1980]);
    let since = std::time::Instant::now();
    log.close().await.unwrap();
    println!("close {:?}", since.elapsed());
    drop(log);
    let since = std::time::Instant::now();
    let log = Log::open(
        Config::at(dir.path()),
        Arc::new(RealDisk),
        Arc::new(SystemClock),
    )
    .unwrap();
    println!("open {:?}", since.elapsed());
    drop(log);
}

#[tokio::test]
async fn a_group_is_answered_with_a_task_for_it_without_one_and_when_it_is_dropped() {
    const APPENDS: i64 = 200;
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let orders = topic(&log, "orders", 1).await;
    let partition = &orders.partitions()[0];
    let submit = || -> Vec<Ticket> {
        let one = || append(&[(partition, sample::batch(1, b"x", 0))]);
        (0..APPENDS).map(|_| log.submit(one())).collect()
    };
    let mut expected = 0;
    let mut check = async |tickets: Vec<Ticket>| {
        for ticket in tickets {
            let written = ticket.await.unwrap().batches[0].base_offset;
            assert_eq!(written, Offset(expected));
            expected += 1;
        }
    };
    check(submit()).await;
    let running = crate::tasks::spawn("answers", log.answers().run());
    check(submit()).await;
    // Another one takes over; it is dropped with all groups handed over to it.
    let answers = log.answers();
    running.await.unwrap();
    let tickets = submit();
    while partition.end() < Offset(3 * APPENDS) {
        tokio::task::yield_now().await;
    }
    drop(answers);
    check(tickets).await;
    check(submit()).await;
    let running = crate::tasks::spawn("answers", log.answers().run());
    log.close().await.unwrap();
    running.await.unwrap();
}
