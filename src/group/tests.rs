//! Groups over a real log: what is promised across restarts, races and the end of retention.

use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::service::expire;
use super::state::{Committer, Join, Joined, Leaving, Phase, Sync};
use super::{Commit, Config, Error, Fetched, GroupId, Groups};
use crate::clock::{Clock, ManualClock};
use crate::log::{self, Log, RealDisk};
use crate::tasks;
use crate::topic::{CONSUMER_OFFSETS, Offset, PartitionId, TopicName};

const DAY_MS: i64 = 24 * 3_600_000;

struct Node {
    log: Log,
    groups: Groups,
    clock: Arc<ManualClock>,
    dir: TempDir,
    closing: CancellationToken,
    service: JoinHandle<()>,
}

impl Node {
    async fn start() -> Node {
        let clock = Arc::new(ManualClock::at_ms(1_700_000_000_000));
        Node::at(tempfile::tempdir().unwrap(), clock).await
    }

    async fn at(dir: TempDir, clock: Arc<ManualClock>) -> Node {
        let mut settings = log::Config::at(dir.path());
        settings.journal_files = 2;
        settings.floors.outside = Some(0);
        let log_clock: Arc<dyn Clock> = clock.clone();
        let open = move || Log::open(settings, Arc::new(RealDisk), log_clock);
        let log = tokio::task::spawn_blocking(open).await.unwrap().unwrap();
        let config = Config {
            initial_rebalance_delay_ms: 0,
            ..Config::default()
        };
        let (groups, service) = Groups::open(log.clone(), clock.clone(), config)
            .await
            .unwrap();
        let closing = CancellationToken::new();
        let service = tasks::spawn("groups", service.run(closing.clone()));
        Node {
            log,
            groups,
            clock,
            dir,
            closing,
            service,
        }
    }

    async fn stop(self) -> (TempDir, Arc<ManualClock>) {
        self.closing.cancel();
        self.service.await.unwrap();
        self.log.close().await.unwrap();
        (self.dir, self.clock)
    }

    async fn restart(self) -> Node {
        let (dir, clock) = self.stop().await;
        Node::at(dir, clock).await
    }

    async fn topic(&self, name: &str, partitions: u32) {
        let name = TopicName::parse(name).unwrap();
        let config = self.log.default_topic_config(&name);
        self.log
            .create_topic(&name, partitions, config)
            .await
            .unwrap();
    }

    /// Everything that a client could learn of offsets.
    fn offsets(&self) -> Vec<(String, Vec<Fetched>)> {
        let ids = self
            .groups
            .list()
            .into_iter()
            .map(|listing| listing.group.to_string());
        let all = ids.map(|id| (id.clone(), self.groups.fetch_all(&id)));
        all.filter(|(_, fetched)| !fetched.is_empty()).collect()
    }
}

fn group(name: &str) -> GroupId {
    GroupId::parse(name).unwrap()
}

fn commit(partition: i32, offset: i64) -> Commit {
    Commit {
        topic: TopicName::parse("t").unwrap(),
        partition: PartitionId(partition),
        offset: Offset(offset),
        leader_epoch: -1,
        metadata: String::new(),
    }
}

fn join(id: &str) -> Join {
    Join {
        session_ms: 10_000,
        rebalance_ms: 10_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![("range".to_owned(), Bytes::from_static(b"m"))],
        fresh_id: id.to_owned(),
        ..Join::default()
    }
}

async fn stable(node: &Node, name: &str) -> Joined {
    let joined = node.groups.join(&group(name), join("a")).await.unwrap();
    let sync = Sync {
        member: joined.member.clone(),
        generation: joined.generation,
        ..Sync::default()
    };
    node.groups.sync(&group(name), sync).await.unwrap();
    joined
}

#[tokio::test]
async fn a_restart_says_what_was_said_before_whatever_raced() {
    let node = Node::start().await;
    node.topic("t", 4).await;
    for round in 0..30 {
        let mut racing = Vec::new();
        for n in 0..12 {
            let groups = node.groups.clone();
            let work = async move {
                let id = group(&format!("g{}", n % 3));
                let partition = n % 4;
                // Refusals are part of the race; what counts is what is said in the end.
                match (n + round) % 6 {
                    0 => drop(groups.delete(&id).await),
                    1 => {
                        let topic = TopicName::parse("t").unwrap();
                        let gone = vec![(topic, PartitionId(partition))];
                        drop(groups.delete_offsets(&id, gone).await);
                    }
                    _ => {
                        let offset = i64::from(round * 100 + n);
                        let commits = vec![commit(partition, offset)];
                        drop(groups.commit(&id, Committer::OUTSIDE, commits).await);
                    }
                }
            };
            racing.push(tasks::spawn("racer", work));
        }
        for racer in racing {
            racer.await.unwrap();
        }
    }
    let before = node.offsets();
    let node = node.restart().await;
    assert_eq!(node.offsets(), before);
    node.stop().await;
}

#[tokio::test]
async fn a_commit_whose_caller_went_away_is_seen_as_after_a_restart() {
    let node = Node::start().await;
    node.topic("t", 1).await;
    for offset in 0..20 {
        let groups = node.groups.clone();
        let (id, commits) = (group("g"), vec![commit(0, offset)]);
        let call = tasks::spawn("caller", async move {
            groups.commit(&id, Committer::OUTSIDE, commits).await
        });
        tokio::task::yield_now().await;
        call.abort();
        // Cut off or done; either is fine here.
        call.await.ok();
    }
    // A commit that is answered is behind all of them.
    node.groups
        .commit(&group("h"), Committer::OUTSIDE, vec![commit(0, 1)])
        .await
        .unwrap();
    let before = node.offsets();
    let node = node.restart().await;
    assert_eq!(node.offsets(), before);
    node.stop().await;
}

#[tokio::test]
async fn offsets_expire_after_their_time_and_stay_away() {
    let node = Node::start().await;
    node.topic("t", 2).await;
    let id = group("g");
    node.groups
        .commit(&id, Committer::OUTSIDE, vec![commit(0, 1)])
        .await
        .unwrap();
    node.clock.advance_ms(6 * DAY_MS);
    node.groups
        .commit(&id, Committer::OUTSIDE, vec![commit(1, 2)])
        .await
        .unwrap();
    node.clock.advance_ms(DAY_MS);
    expire(&node.groups.shared);
    // A commit that is answered is behind the tombstones.
    node.groups
        .commit(&group("h"), Committer::OUTSIDE, vec![commit(0, 1)])
        .await
        .unwrap();
    assert!(node.groups.fetch("g", "t", PartitionId(0)).is_none());
    assert!(node.groups.fetch("g", "t", PartitionId(1)).is_some());
    node.clock.advance_ms(7 * DAY_MS);
    expire(&node.groups.shared);
    assert!(node.groups.list().is_empty());
    let node = node.restart().await;
    assert!(node.groups.list().is_empty());
    node.stop().await;
}

#[tokio::test]
async fn offsets_of_a_group_with_members_do_not_expire() {
    let node = Node::start().await;
    node.topic("t", 1).await;
    let joined = stable(&node, "g").await;
    let by = Committer {
        member: &joined.member,
        generation: joined.generation,
        instance: None,
    };
    node.groups
        .commit(&group("g"), by, vec![commit(0, 1)])
        .await
        .unwrap();
    node.clock.advance_ms(100 * DAY_MS);
    expire(&node.groups.shared);
    assert!(node.groups.fetch("g", "t", PartitionId(0)).is_some());
    let leaving = [Leaving {
        member: joined.member.clone(),
        instance: None,
    }];
    assert!(node.groups.leave(&group("g"), &leaving).unwrap()[0].is_ok());
    assert_eq!(node.groups.list()[0].phase, Phase::Empty);
    expire(&node.groups.shared);
    assert!(
        node.groups.fetch("g", "t", PartitionId(0)).is_some(),
        "it is empty since now"
    );
    node.stop().await;
}

#[tokio::test]
async fn members_that_wait_are_told_when_groups_close() {
    let node = Node::start().await;
    stable(&node, "g").await;
    let groups = node.groups.clone();
    let waiting = tasks::spawn("waiting", async move {
        groups.join(&group("g"), join("b")).await
    });
    while node.groups.describe("g").unwrap().phase == Phase::Stable {
        tokio::task::yield_now().await;
    }
    let groups = node.groups.clone();
    node.stop().await;
    assert!(matches!(waiting.await.unwrap(), Err(Error::Closing)));
    assert!(matches!(
        groups.join(&group("g"), join("c")).await,
        Err(Error::Closing)
    ));
    let late = groups
        .commit(&group("h"), Committer::OUTSIDE, vec![commit(0, 1)])
        .await;
    assert!(matches!(late, Err(Error::Closing)));
}

#[tokio::test]
async fn refused_requests_leave_no_group_behind() {
    let node = Node::start().await;
    let bad = Join {
        session_ms: 1,
        ..join("a")
    };
    assert!(node.groups.join(&group("g"), bad).await.is_err());
    node.groups
        .commit(&group("g"), Committer::OUTSIDE, Vec::new())
        .await
        .unwrap();
    let negative = node
        .groups
        .commit(&group("g"), Committer::OUTSIDE, vec![commit(0, -1)])
        .await;
    assert!(negative.is_err());
    let of_member = Committer {
        member: "a",
        generation: 3,
        instance: None,
    };
    let unknown = node
        .groups
        .commit(&group("g"), of_member, vec![commit(0, 1)])
        .await;
    assert!(matches!(unknown, Err(Error::IllegalGeneration { .. })));
    let missing = node.groups.delete(&group("g")).await;
    assert!(matches!(missing, Err(Error::NotFound(_))));
    assert!(node.groups.list().is_empty());
    node.stop().await;
}

#[tokio::test]
async fn the_topic_of_offsets_is_made_once_and_compacted() {
    let node = Node::start().await;
    let id = node.log.topic(CONSUMER_OFFSETS).unwrap().id;
    let node = node.restart().await;
    let topic = node.log.topic(CONSUMER_OFFSETS).unwrap();
    assert_eq!(topic.id, id);
    assert_eq!(topic.partitions().len(), 1);
    assert_eq!(topic.config().cleanup, log::Cleanup::Compact);
    node.stop().await;
}
