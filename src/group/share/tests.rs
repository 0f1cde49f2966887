//! Shared groups over a real log: what is promised across restarts, failing appends and races.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::service::{bury, on_tick};
use super::*;
use crate::clock::{Clock, ManualClock};
use crate::config::topics::{Declarations, GroupPolicy, GroupRule, NamePattern, Rules};
use crate::error::{self, Explain};
use crate::group::state::Committer;
use crate::group::{self, Commit, Error, GroupId, Groups};
use crate::log::{self, Append, Log, Origin, PartitionBatch, RealDisk};
use crate::record::{BatchBuilder, Header, Records, batches};
use crate::tasks;
use crate::topic::{Offset, PartitionId, SHARE_GROUP_STATE, TopicName};

struct Node {
    log: Log,
    groups: Groups,
    shares: Shares,
    clock: Arc<ManualClock>,
    rules: Rules,
    dir: TempDir,
    closing: CancellationToken,
    services: Vec<JoinHandle<()>>,
}

impl Node {
    async fn start() -> Node {
        let clock = Arc::new(ManualClock::at_ms(1_700_000_000_000));
        let rules = Rules::default();
        Node::at(tempfile::tempdir().unwrap(), clock, rules).await
    }

    async fn at(dir: TempDir, clock: Arc<ManualClock>, rules: Rules) -> Node {
        let mut settings = log::Config::at(dir.path());
        settings.journal_files = 2;
        settings.floors.outside = Some(0);
        let log_clock: Arc<dyn Clock> = clock.clone();
        let open = move || Log::open(settings, Arc::new(RealDisk), log_clock);
        let log = tokio::task::spawn_blocking(open).await.unwrap().unwrap();
        let opened = Groups::open(log.clone(), clock.clone(), group::Config::default()).await;
        let (groups, service) = opened.unwrap();
        let closing = CancellationToken::new();
        let mut services = vec![tasks::spawn("groups", service.run(closing.clone()))];
        let opened = Shares::open(log.clone(), clock.clone(), rules.clone(), groups.clone()).await;
        let (shares, service) = opened.unwrap();
        services.push(tasks::spawn("shares", service.run(closing.clone())));
        Node {
            log,
            groups,
            shares,
            clock,
            rules,
            dir,
            closing,
            services,
        }
    }

    async fn stop(self) -> (TempDir, Arc<ManualClock>, Rules) {
        self.closing.cancel();
        for service in self.services {
            service.await.unwrap();
        }
        self.log.close().await.unwrap();
        (self.dir, self.clock, self.rules)
    }

    async fn restart(self) -> Node {
        let (dir, clock, rules) = self.stop().await;
        Node::at(dir, clock, rules).await
    }

    async fn topic(&self, topic: &str, partitions: u32) {
        let topic = name(topic);
        let config = self.log.default_topic_config(&topic);
        self.log
            .create_topic(&topic, partitions, config)
            .await
            .unwrap();
    }

    /// Appends records `from..to` with their number as the value.
    async fn fill(&self, topic: &str, partition: i32, from: i64, to: i64) {
        let mut batch = BatchBuilder::new();
        for number in from..to {
            let value = number.to_string();
            let header = Header {
                key: "h",
                value: Some(b"v"),
            };
            let key = format!("k{number}");
            batch
                .append(
                    number,
                    Some(key.as_bytes()),
                    Some(value.as_bytes()),
                    &[header],
                )
                .unwrap();
        }
        let topic = self.log.topic(topic).unwrap();
        let partition = topic.partition(PartitionId(partition)).unwrap().clone();
        let append = Append {
            origin: Origin::Outside,
            batches: vec![PartitionBatch {
                partition,
                bytes: batch.finish().unwrap(),
            }],
        };
        self.log.append(append).await.unwrap();
    }

    async fn read(&self, group: &str, topics: &[&str], max_records: usize) -> Vec<Delivery> {
        let read = ask(group, topics, max_records, Duration::ZERO);
        self.shares.read(read).await.unwrap().records
    }

    async fn ack(&self, group: &str, ack: Ack, ids: &[&str]) -> Vec<Status> {
        let acks: Vec<(String, Ack)> = ids.iter().map(|id| ((*id).to_owned(), ack)).collect();
        self.shares.ack(&id(group), &acks).await.unwrap()
    }

    /// All records of a topic's first partition: offset, value and headers as texts.
    async fn records(&self, topic: &str) -> Vec<(i64, Option<String>, Vec<(String, String)>)> {
        let mut all = Vec::new();
        let Some(topic) = self.log.topic(topic) else {
            return all;
        };
        let partition = topic.partition(PartitionId(0)).unwrap();
        let mut next = partition.start();
        while next < partition.end() {
            let read = self.log.read(partition, next, 1 << 20).await.unwrap();
            for (header, bytes) in read
                .chunks
                .iter()
                .flat_map(|c| batches(c))
                .map(Result::unwrap)
            {
                for record in &Records::decode(bytes, 1 << 20).unwrap() {
                    let record = record.unwrap();
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    let headers = record.headers();
                    let headers = headers.map(|(k, v)| (text(k), text(v.unwrap_or_default())));
                    all.push((record.offset, record.value.map(text), headers.collect()));
                }
                next = Offset(header.next_offset());
            }
        }
        all
    }

    fn policy(&self, policy: GroupPolicy) {
        self.rules.replace(Declarations {
            groups: vec![GroupRule {
                id: NamePattern::new("g"),
                policy,
            }],
            ..Declarations::default()
        });
    }
}

fn id(group: &str) -> GroupId {
    GroupId::parse(group).unwrap()
}

fn name(topic: &str) -> TopicName {
    TopicName::parse(topic).unwrap()
}

fn ask(group: &str, topics: &[&str], max_records: usize, wait: Duration) -> Read {
    Read {
        group: id(group),
        member: Member::of(&"member"),
        topics: topics.iter().map(|topic| name(topic)).collect(),
        max_records,
        wait,
        lease: None,
        stop: CancellationToken::new(),
    }
}

fn offsets(deliveries: &[Delivery]) -> Vec<i64> {
    deliveries
        .iter()
        .map(|delivery| delivery.offset.0)
        .collect()
}

fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries
        .iter()
        .map(|delivery| &*delivery.ack_id)
        .collect()
}

fn header<'a>(headers: &'a [(String, String)], key: &str) -> Option<&'a str> {
    let found = headers.iter().rev().find(|(name, _)| name == key);
    found.map(|(_, value)| value.as_str())
}

/// Waits until `done` says so.
async fn until<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn records_are_given_once_and_accepted_ones_are_gone_after_a_restart() {
    let node = Node::start().await;
    node.topic("t", 1).await;
    node.fill("t", 0, 0, 10).await;
    let first = node.read("g", &["t"], 4).await;
    assert_eq!(offsets(&first), [0, 1, 2, 3]);
    assert_eq!(first[1].key.as_deref(), Some(&b"k1"[..]));
    assert_eq!(first[1].headers, [("h".into(), Some("v".into()))]);
    assert_eq!(
        offsets(&node.read("g", &["t"], 100).await),
        [4, 5, 6, 7, 8, 9]
    );
    assert!(node.read("g", &["t"], 100).await.is_empty());
    assert_eq!(offsets(&node.read("other", &["t"], 100).await).len(), 10);
    let done = node.ack("g", Ack::Accept, &ids(&first)[..2]).await;
    assert_eq!(done, [Status::Ok; 2]);
    let node = node.restart().await;
    assert!(node.shares.is_shared("g") && node.shares.is_shared("other"));
    let again = node.read("g", &["t"], 100).await;
    assert_eq!(offsets(&again), [2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(
        again.iter().all(|delivery| delivery.delivery_count == 2),
        "{again:?}"
    );
    assert_eq!(
        node.ack("g", Ack::Accept, &ids(&first)).await,
        [
            Status::Unknown,
            Status::Unknown,
            Status::Expired,
            Status::Expired,
        ]
    );
    node.stop().await;
}

#[tokio::test]
async fn the_fifth_release_puts_a_copy_among_the_dead_letters() {
    let node = Node::start().await;
    node.topic("t", 1).await;
    node.fill("t", 0, 0, 2).await;
    for delivery_count in 1..=5 {
        let got = node.read("g", &["t"], 1).await;
        assert_eq!(
            (offsets(&got), got[0].delivery_count),
            (vec![0], delivery_count)
        );
        assert_eq!(node.ack("g", Ack::Release, &ids(&got)).await, [Status::Ok]);
        node.clock.advance_ms(70_000);
    }
    let letters = node.records("dlq.g").await;
    let [(_, value, headers)] = letters.as_slice() else {
        panic!("{letters:?}");
    };
    assert_eq!(value.as_deref(), Some("0"));
    for (key, value) in [
        ("h", "v"),
        ("__dlq.errors.topic", "t"),
        ("__dlq.errors.partition", "0"),
        ("__dlq.errors.offset", "0"),
        ("__dlq.errors.group", "g"),
        ("__dlq.errors.delivery.count", "5"),
        ("__dlq.errors.reason", "exhausted"),
    ] {
        assert_eq!(header(headers, key), Some(value), "{key}");
    }
    assert_eq!(offsets(&node.read("g", &["t"], 10).await), [1]);
    node.stop().await;
}

#[tokio::test]
async fn a_rejected_record_dies_at_once_and_other_groups_do_not_see_it() {
    let node = Node::start().await;
    node.topic("t", 1).await;
    node.fill("t", 0, 0, 3).await;
    let got = node.read("g", &["t"], 3).await;
    assert_eq!(
        node.ack("g", Ack::Reject, &ids(&got)).await,
        [Status::Ok; 3]
    );
    let letters = node.records("dlq.g").await;
    assert_eq!(letters.len(), 3);
    assert!(
        letters
            .iter()
            .all(|(_, _, h)| header(h, "__dlq.errors.reason") == Some("rejected"))
    );
    let other = node.read("other", &["t"], 3).await;
    assert!(
        other
            .iter()
            .all(|delivery| delivery.delivery_count == 1 && delivery.headers.len() == 1)
    );
    assert!(node.log.topic("dlq.other").is_none());
    node.stop().await;
}

#[tokio::test]
async fn a_policy_may_drop_what_cannot_be_worked_off() {
    let node = Node::start().await;
    node.policy(GroupPolicy {
        dead_letters: false,
        ..GroupPolicy::default()
    });
    node.topic("t", 1).await;
    node.fill("t", 0, 0, 1).await;
    let got = node.read("g", &["t"], 1).await;
    assert_eq!(node.ack("g", Ack::Reject, &ids(&got)).await, [Status::Ok]);
    assert!(node.log.topic("dlq.g").is_none());
    assert_eq!(node.shares.lag()[0].records, 0);
    node.stop().await;
}

#[tokio::test]
async fn a_delivery_that_was_the_last_and_got_lost_is_buried_after_the_restart() {
    let node = Node::start().await;
    node.policy(GroupPolicy {
        delivery_limit: 1,
        ..GroupPolicy::default()
    });
    node.topic("t", 1).await;
    node.fill("t", 0, 0, 2).await;
    assert_eq!(node.read("g", &["t"], 1).await.len(), 1);
    let node = node.restart().await;
    until("the lost record is a dead letter", async || {
        node.records("dlq.g").await.len() == 1
    })
    .await;
    assert_eq!(offsets(&node.read("g", &["t"], 10).await), [1]);
    node.stop().await;
}

#[tokio::test]
async fn a_lease_that_runs_out_is_a_release() {
    let node = Node::start().await;
    node.topic("t", 1).await;
    node.fill("t", 0, 0, 1).await;
    let mut short = ask("g", &["t"], 1, Duration::ZERO);
    short.lease = Some(Duration::from_secs(1));
    let got = node.shares.read(short).await.unwrap().records;
    assert_eq!(got.len(), 1);
    until("the lease is over", async || {
        on_tick(&node.shares.shared);
        node.shares.list()[0].in_flight == 0
    })
    .await;
    assert_eq!(
        node.ack("g", Ack::Accept, &ids(&got)).await,
        [Status::Expired]
    );
    assert!(
        node.read("g", &["t"], 1).await.is_empty(),
        "its back-off runs"
    );
    node.clock.advance_ms(1_100);
    assert_eq!(node.read("g", &["t"], 1).await[0].delivery_count, 2);
    node.stop().await;
}

#[tokio::test]
async fn a_poll_wakes_for_new_records_and_for_released_ones() {
    let node = Node::start().await;
    node.policy(GroupPolicy {
        backoff_ms: 0,
        backoff_ms_max: 0,
        ..GroupPolicy::default()
    });
    node.topic("t", 1).await;
    let poll = || {
        let (shares, read) = (
            node.shares.clone(),
            ask("g", &["t"], 9, Duration::from_secs(20)),
        );
        tasks::spawn(
            "poll",
            async move { shares.read(read).await.unwrap().records },
        )
    };
    let waiting = poll();
    until("the group is there", async || node.shares.is_shared("g")).await;
    node.fill("t", 0, 0, 1).await;
    let got = waiting.await.unwrap();
    assert_eq!(offsets(&got), [0]);
    let waiting = poll();
    assert_eq!(node.ack("g", Ack::Release, &ids(&got)).await, [Status::Ok]);
    assert_eq!(waiting.await.unwrap()[0].delivery_count, 2);
    node.stop().await;
}

#[tokio::test]
async fn a_member_that_holds_its_share_waits_until_some_of_it_is_done_while_others_read_on() {
    let node = Node::start().await;
    node.topic("t", 1).await;
    node.fill("t", 0, 0, 2_500).await;
    let read = |member: &str, max_records, wait| {
        let read = Read {
            member: Member::of(&member),
            ..ask("g", &["t"], max_records, wait)
        };
        let shares = node.shares.clone();
        tasks::spawn(
            "read",
            async move { shares.read(read).await.unwrap().records },
        )
    };
    let first = read("full", 2_000, Duration::ZERO).await.unwrap();
    assert_eq!(first.len(), 1_000);
    let waiting = read("full", 2_000, Duration::from_secs(20));
    let other = read("other", 300, Duration::ZERO).await.unwrap();
    assert_eq!(offsets(&other), (1_000..1_300).collect::<Vec<i64>>());
    assert_eq!(node.ack("g", Ack::Accept, &ids(&other)).await.len(), 300);
    assert!(!waiting.is_finished());
    let some = &ids(&first)[..10];
    assert_eq!(node.ack("g", Ack::Accept, some).await, [Status::Ok; 10]);
    // It leaves as much as it holds: 990 and 10 against 1,000.
    assert_eq!(waiting.await.unwrap().len(), 10);
    node.stop().await;
}

#[tokio::test]
async fn partitions_and_topics_take_turns() {
    let node = Node::start().await;
    node.topic("busy", 1).await;
    node.topic("quiet", 2).await;
    node.fill("busy", 0, 0, 500).await;
    node.fill("quiet", 0, 0, 3).await;
    node.fill("quiet", 1, 0, 3).await;
    let mut of_quiet = 0;
    for _ in 0..4 {
        let got = node.read("g", &["busy", "quiet"], 12).await;
        assert_eq!(got.len(), 12);
        of_quiet += got.iter().filter(|d| d.topic.as_str() == "quiet").count();
    }
    assert_eq!(of_quiet, 6);
    node.stop().await;
}

#[tokio::test]
async fn an_id_is_ordered_or_shared_never_both() {
    let node = Node::start().await;
    node.topic("t", 1).await;
    node.fill("t", 0, 0, 1).await;
    let commit = || {
        vec![Commit {
            topic: name("t"),
            partition: PartitionId(0),
            offset: Offset(1),
            leader_epoch: -1,
            metadata: String::new(),
        }]
    };
    node.read("shared", &["t"], 1).await;
    let refused = node
        .groups
        .commit(&id("shared"), Committer::OUTSIDE, commit())
        .await;
    assert_eq!(refused.unwrap_err().code(), error::GROUP_KIND);
    let committed = node
        .groups
        .commit(&id("ordered"), Committer::OUTSIDE, commit())
        .await;
    committed.unwrap();
    let refused = node
        .shares
        .read(ask("ordered", &["t"], 1, Duration::ZERO))
        .await;
    assert_eq!(refused.unwrap_err().code(), error::GROUP_KIND);
    let node = node.restart().await;
    let refused = node
        .groups
        .commit(&id("shared"), Committer::OUTSIDE, commit())
        .await;
    assert_eq!(refused.unwrap_err().code(), error::GROUP_KIND);
    node.shares.delete(&id("shared")).await.unwrap();
    let committed = node
        .groups
        .commit(&id("shared"), Committer::OUTSIDE, commit())
        .await;
    committed.unwrap();
    let node = node.restart().await;
    assert!(!node.shares.is_shared("shared"));
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_a_topic_or_a_read_is_refused_and_makes_no_group() {
    let node = Node::start().await;
    node.topic("t", 1).await;
    let mut refused = vec![
        ask("a b", &["t"], 1, Duration::ZERO),
        ask("g", &["missing"], 1, Duration::ZERO),
        ask("g", &[SHARE_GROUP_STATE], 1, Duration::ZERO),
        ask("g", &["dlq.g"], 1, Duration::ZERO),
        ask("g", &["t"], 0, Duration::ZERO),
        ask("g", &["t"], limits::READ_RECORDS_MAX + 1, Duration::ZERO),
        ask("g", &[], 1, Duration::ZERO),
    ];
    let mut short = ask("g", &["t"], 1, Duration::ZERO);
    short.lease = Some(Duration::from_millis(1));
    refused.push(short);
    for read in refused {
        let shown = format!("{read:?}");
        assert!(node.shares.read(read).await.is_err(), "{shown}");
    }
    assert!(node.shares.list().is_empty());
    let nobody = node.shares.ack(&id("g"), &[]).await;
    assert_eq!(nobody.unwrap_err().code(), error::GROUP_NOT_FOUND);
    node.stop().await;
}

#[tokio::test]
async fn redriving_gives_a_record_to_its_group_again_and_marks_the_letter() {
    let node = Node::start().await;
    node.topic("t", 1).await;
    node.fill("t", 0, 0, 3).await;
    let got = node.read("g", &["t"], 3).await;
    node.ack("g", Ack::Reject, &ids(&got)).await;
    let version = node.shares.redriven_version();
    let letter = |letter: i64, offset: i64| Redrive {
        letter_topic: name("dlq.g"),
        letter_partition: PartitionId(0),
        letter_offset: Offset(letter),
        topic: name("t"),
        partition: PartitionId(0),
        offset: Offset(offset),
        redrive_count: 0,
    };
    let wanted = [letter(1, 1), letter(9, 0), letter(0, 77), letter(1, 1)];
    let redriven = node.shares.redrive(&id("g"), &wanted).await.unwrap();
    assert_eq!(redriven.done, 1);
    let why: Vec<_> = redriven
        .refused
        .iter()
        .map(|r| (r.index, r.why.code()))
        .collect();
    assert_eq!(
        why,
        [
            (1, error::DLQ_NOT_REDRIVABLE),
            (3, error::DLQ_NOT_REDRIVABLE),
            (2, error::DLQ_RECORD_GONE),
        ]
    );
    assert_eq!(node.shares.redriven_since(version).await, version + 1);
    let again = node.shares.redrive(&id("g"), &wanted[..1]).await.unwrap();
    assert_eq!((again.done, again.refused.len()), (0, 1));
    let node = node.restart().await;
    let is_redriven = |offset| {
        node.shares
            .is_redriven("dlq.g", PartitionId(0), Offset(offset))
    };
    assert_eq!([0, 1, 2].map(is_redriven), [false, true, false]);
    let got = node.read("g", &["t"], 9).await;
    assert_eq!(
        (offsets(&got), got[0].delivery_count, got[0].redrive_count),
        (vec![1], 1, 1)
    );
    let header = got[0].headers.last().unwrap();
    assert_eq!(header, &("__dlq.redrive.count".into(), Some("1".into())));
    let marked = [(name("dlq.g"), PartitionId(0), Offset(2))];
    node.shares
        .mark_redriven(&marked, Vec::new())
        .await
        .unwrap();
    assert!(
        node.shares
            .mark_redriven(&marked, Vec::new())
            .await
            .is_err()
    );
    let node = node.restart().await;
    assert!(node.shares.is_redriven("dlq.g", PartitionId(0), Offset(2)));
    node.stop().await;
}

#[tokio::test]
async fn a_seek_gives_everything_again_and_retention_takes_records_out() {
    let node = Node::start().await;
    node.topic("t", 1).await;
    node.fill("t", 0, 0, 6).await;
    let got = node.read("g", &["t"], 4).await;
    node.ack("g", Ack::Accept, &ids(&got)[..1]).await;
    assert_eq!(node.shares.lag()[0].records, 5);
    let busy = node.shares.delete(&id("g")).await;
    assert_eq!(busy.unwrap_err().code(), error::GROUP_NOT_EMPTY);
    let to = vec![(name("t"), PartitionId(0), Offset(1))];
    node.shares.seek(&id("g"), to).await.unwrap();
    assert_eq!(
        node.ack("g", Ack::Accept, &ids(&got)[1..2]).await,
        [Status::Unknown]
    );
    let again = node.read("g", &["t"], 2).await;
    assert_eq!((offsets(&again), again[0].delivery_count), (vec![1, 2], 1));
    let partition = node.log.topic("t").unwrap().partitions()[0].clone();
    node.log.trim(&partition, Offset(5)).await.unwrap();
    assert_eq!(offsets(&node.read("g", &["t"], 9).await), [5]);
    let described = node.shares.describe("g").unwrap();
    assert_eq!(described.positions[0].start, Offset(5));
    node.stop().await;
}

#[tokio::test]
async fn a_deleted_topic_leaves_nothing_behind() {
    let node = Node::start().await;
    node.topic("t", 1).await;
    node.fill("t", 0, 0, 2).await;
    node.read("g", &["t"], 1).await;
    node.log.delete_topic(&name("t")).await.unwrap();
    node.shares.topic_deleted(&name("t")).await.unwrap();
    assert!(node.shares.lag().is_empty());
    let node = node.restart().await;
    assert!(!node.shares.is_shared("g"));
    node.stop().await;
}

#[tokio::test]
async fn a_flood_of_rejects_pauses_the_group() {
    let node = Node::start().await;
    node.topic("t", 1).await;
    node.fill("t", 0, 0, 100).await;
    let got = node.read("g", &["t"], 60).await;
    node.ack("g", Ack::Reject, &ids(&got)).await;
    assert!(node.shares.list()[0].is_paused);
    assert!(node.read("g", &["t"], 60).await.is_empty());
    assert!(node.shares.describe("g").unwrap().paused_ms.is_some());
    let to = vec![(name("t"), PartitionId(0), Offset(60))];
    node.shares.seek(&id("g"), to).await.unwrap();
    assert_eq!(node.read("g", &["t"], 60).await.len(), 40);
    node.stop().await;
}

/// An append that fails takes the ones behind it along, and the group goes on from what is stored.
#[tokio::test]
async fn after_a_failed_append_the_group_goes_back_to_what_is_stored() {
    let node = Node::start().await;
    node.topic("t", 1).await;
    node.fill("t", 0, 0, 3).await;
    let got = node.read("g", &["t"], 3).await;
    let shared = &node.shares.shared;
    let cell = shared.cell("g").unwrap();
    // Bytes that are no batch: the append is refused as a whole.
    let partition = node.log.topic("t").unwrap().partitions()[0].clone();
    let (failed, behind) = {
        let mut state = cell.state.lock();
        let place = *state.slots.keys().next().unwrap();
        let slot = state.slots.get_mut(&place).unwrap();
        slot.partition.seek(3);
        let with = vec![PartitionBatch {
            partition,
            bytes: vec![1, 2, 3],
        }];
        let change = super::write::Change {
            places: vec![place],
            with,
            ..Default::default()
        };
        let failed = shared.submit(&cell, &mut state, change);
        let change = super::write::Change {
            places: vec![place],
            ..Default::default()
        };
        (failed, shared.submit(&cell, &mut state, change))
    };
    assert!(matches!(failed.await.unwrap(), Err(Error::Log(_))));
    assert!(matches!(behind.await.unwrap(), Err(Error::Log(_))));
    // Leases are gone, counts are not.
    assert_eq!(
        node.ack("g", Ack::Accept, &ids(&got)).await,
        [Status::Expired; 3]
    );
    let again = node.read("g", &["t"], 9).await;
    assert_eq!(offsets(&again), [0, 1, 2]);
    assert!(again.iter().all(|delivery| delivery.delivery_count == 2));
    assert_eq!(
        node.ack("g", Ack::Accept, &ids(&again)).await,
        [Status::Ok; 3]
    );
    assert_eq!(bury(shared, &cell).await.unwrap(), 0);
    node.stop().await;
}

#[tokio::test]
async fn racing_readers_never_get_the_same_record_and_none_is_lost() {
    let node = Node::start().await;
    node.topic("t", 2).await;
    node.fill("t", 0, 0, 600).await;
    node.fill("t", 1, 0, 600).await;
    let mut members = Vec::new();
    for _ in 0..4 {
        let shares = node.shares.clone();
        members.push(tasks::spawn("member", async move {
            let mut got = Vec::new();
            loop {
                let read = ask("g", &["t"], 37, Duration::ZERO);
                let records = shares.read(read).await.unwrap().records;
                if records.is_empty() {
                    return got;
                }
                let acks: Vec<_> = records
                    .iter()
                    .map(|d| (d.ack_id.clone(), Ack::Accept))
                    .collect();
                let statuses = shares.ack(&id("g"), &acks).await.unwrap();
                assert!(statuses.iter().all(|status| *status == Status::Ok));
                got.extend(records.iter().map(|d| (d.partition.0, d.offset.0)));
            }
        }));
    }
    let mut all = Vec::new();
    for member in members {
        all.extend(member.await.unwrap());
    }
    assert_eq!(all.len(), 1_200);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 1_200);
    assert!(node.shares.lag().iter().all(|lag| lag.records == 0));
    node.stop().await;
}
