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
    changed.retention_ms = None;
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
