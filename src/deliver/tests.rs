//! Dead letters over a real log: what is counted, across restarts, expiry and purge, and what a
//! redrive does.

mod shared;

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Error, Letters, Obstacle, Parts, Redriven, Selection, Service, TopicDepth, read};
use crate::clock::{Clock, ManualClock};
use crate::config::topics::{Declarations, Integration, NamePattern, Rules, Schema, TopicRule};
use crate::error::{self as codes, Explain};
use crate::group::share::{self, Shares};
use crate::group::{self, GroupId, Groups};
use crate::log::{self, Append, Log, Origin, PartitionBatch, RealDisk, Topic};
use crate::record::dead_letter::{self, Reason};
use crate::record::{BatchBuilder, Header};
use crate::tasks;
use crate::topic::{Offset, PartitionId, TopicName};

const NOW_MS: i64 = 1_700_000_000_000;

/// Log, groups and letters of one process.
struct Node {
    log: Log,
    groups: Groups,
    shares: Shares,
    letters: Letters,
    rules: Rules,
    closing: CancellationToken,
    services: Vec<JoinHandle<()>>,
    dir: TempDir,
}

impl Node {
    async fn start() -> Node {
        Node::at(tempfile::tempdir().unwrap()).await
    }

    async fn at(dir: TempDir) -> Node {
        let (mut node, letters) = Node::without_counting(dir).await;
        let counting = letters.run(node.closing.clone());
        node.services.push(tasks::spawn("letters", counting));
        node
    }

    /// A node whose letters nobody counts yet.
    async fn without_counting(dir: TempDir) -> (Node, Service) {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at_ms(NOW_MS));
        let mut settings = log::Config::at(dir.path());
        settings.journal_files = 2;
        settings.floors.outside = Some(0);
        let log_clock = clock.clone();
        let open = move || Log::open(settings, Arc::new(RealDisk), log_clock);
        let log = tokio::task::spawn_blocking(open).await.unwrap().unwrap();
        let config = group::Config::default();
        let (groups, groups_service) = Groups::open(log.clone(), clock.clone(), config)
            .await
            .unwrap();
        let rules = Rules::default();
        let opened = Shares::open(log.clone(), clock.clone(), rules.clone(), groups.clone());
        let (shares, shares_service): (Shares, share::Service) = opened.await.unwrap();
        let (letters, letters_service) = Letters::new(Parts {
            log: log.clone(),
            shares: shares.clone(),
            groups: groups.clone(),
            rules: rules.clone(),
            clock,
            owner_of: Arc::new(|topic| topic.starts_with("app.").then(|| "connector".to_owned())),
            partitions: 1,
        });
        let closing = CancellationToken::new();
        let node = Node {
            services: vec![
                tasks::spawn("groups", groups_service.run(closing.clone())),
                tasks::spawn("shares", shares_service.run(closing.clone())),
            ],
            log,
            groups,
            shares,
            letters,
            rules,
            closing,
            dir,
        };
        (node, letters_service)
    }

    async fn stop(self) -> TempDir {
        self.closing.cancel();
        for service in self.services {
            service.await.unwrap();
        }
        self.log.close().await.unwrap();
        self.dir
    }

    async fn restart(self) -> Node {
        Node::at(self.stop().await).await
    }

    async fn topic(&self, name: &str, partitions: u32) -> Arc<Topic> {
        if let Some(topic) = self.log.topic(name) {
            return topic;
        }
        let name = TopicName::parse(name).unwrap();
        let config = self.log.default_topic_config(&name);
        let created = self.log.create_topic(&name, partitions, config).await;
        created.unwrap()
    }

    /// Appends a letter; its offset.
    async fn letter(&self, topic: &str, reason: &str, value: &str) -> Offset {
        let headers = [
            ("trace", "t1"),
            (dead_letter::TOPIC, "orders"),
            (dead_letter::PARTITION, "0"),
            (dead_letter::OFFSET, "3"),
            (dead_letter::REASON, reason),
        ];
        let headers = headers.map(|(key, value)| Header {
            key,
            value: Some(value.as_bytes()),
        });
        let mut batch = BatchBuilder::new();
        let key = Some(b"k".as_slice());
        let at_ms = NOW_MS - 60_000;
        batch
            .append(at_ms, key, Some(value.as_bytes()), &headers)
            .unwrap();
        let topic = self.topic(topic, 1).await;
        let append = Append {
            origin: Origin::Inside,
            batches: vec![PartitionBatch {
                partition: Arc::clone(&topic.partitions()[0]),
                bytes: batch.finish().unwrap(),
            }],
        };
        let appended = self.log.append(append).await.unwrap();
        appended.batches[0].base_offset
    }

    async fn depth(&self, topic: &str) -> TopicDepth {
        let depths = self.letters.depths().await.unwrap();
        let found = depths.into_iter().find(|one| one.topic.as_str() == topic);
        found.unwrap_or_else(|| panic!("{topic} is not listed"))
    }

    async fn redrive(&self, topic: &str, offsets: &[Offset]) -> Result<Redriven, Error> {
        let selection = match offsets.is_empty() {
            true => Selection::All,
            false => Selection::Letters {
                partition: PartitionId(0),
                offsets: offsets.to_vec(),
            },
        };
        self.letters.redrive(topic, selection, false).await
    }

    /// Value and headers of the records of a topic's first partition.
    async fn records(&self, topic: &str) -> Vec<(String, Vec<(String, String)>)> {
        let topic = self.topic(topic, 1).await;
        let partition = &topic.partitions()[0];
        let offsets: Vec<Offset> = (0..partition.end().0).map(Offset).collect();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut found = Vec::new();
        read::visit(&self.log, partition, &offsets, &mut |record| {
            let headers = record.headers();
            let headers = headers.map(|(key, value)| (text(key), text(value.unwrap())));
            found.push((text(record.value.unwrap()), headers.collect()));
            true
        })
        .await
        .unwrap();
        found
    }

    /// Makes an ordered group.
    async fn ordered_group(&self, id: &str) {
        self.topic("orders", 1).await;
        let orders = TopicName::parse("orders").unwrap();
        let offsets = vec![(orders, PartitionId(0), Offset(0))];
        let id = GroupId::parse(id).unwrap();
        self.groups.seek(&id, offsets).await.unwrap();
    }

    /// Lets `integrations.crm.data` take only values that fit `schema`.
    fn declare(&self, schema: serde_json::Value) {
        self.rules.replace(Declarations {
            topics: vec![TopicRule {
                name: NamePattern::new("integrations.{name}.data"),
                partitions: None,
                retention_ms: None,
                retention_bytes: None,
                cleanup: None,
                max_message_bytes: None,
                schema: Some(Schema::compile(schema).unwrap()),
            }],
            groups: Vec::new(),
            integrations: Vec::<Integration>::new(),
        });
    }
}

fn why(refused: Result<Redriven, Error>) -> Obstacle {
    match refused {
        Err(Error::Refused { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn depth_holds_what_was_written_before_the_question_by_reason() {
    let node = Node::start().await;
    node.letter("dlq.g", "rejected", "1").await;
    node.letter("dlq.g", "exhausted", "2").await;
    node.letter("dlq.g", "of my own", "3").await;
    node.letter("dlq.source.app", "unconvertible", "4").await;
    let depth = node.depth("dlq.g").await;
    assert_eq!((depth.depth, depth.uncounted), (3, 0));
    assert_eq!(depth.reasons[&Reason::Rejected], 2);
    assert_eq!(depth.reasons[&Reason::Exhausted], 1);
    assert_eq!(depth.age_ms(NOW_MS), Some(60_000));
    assert_eq!(depth.place.group(), Some("g"));
    assert_eq!(node.depth("dlq.source.app").await.depth, 1);
    assert_eq!(node.letters.depth_now(), Some(4));
    node.stop().await;
}

#[tokio::test]
async fn before_all_is_counted_no_depth_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (node, _not_run) = Node::without_counting(dir).await;
    let refused = node.letters.depths().await.unwrap_err();
    assert_eq!(refused.code(), codes::DLQ_NOT_READY);
    assert_eq!(node.letters.depth_now(), None);
    node.stop().await;
}

#[tokio::test]
async fn a_restart_counts_the_same() {
    let mut node = Node::start().await;
    for n in 0..20 {
        node.letter("dlq.g", "rejected", &n.to_string()).await;
    }
    let before = node.depth("dlq.g").await;
    node = node.restart().await;
    assert_eq!(node.depth("dlq.g").await, before);
    node.stop().await;
}

#[tokio::test]
async fn expired_letters_count_no_more() {
    let node = Node::start().await;
    for n in 0..5 {
        node.letter("dlq.g", "rejected", &n.to_string()).await;
    }
    assert_eq!(node.depth("dlq.g").await.depth, 5);
    let topic = node.topic("dlq.g", 1).await;
    let trimmed = node.log.trim(&topic.partitions()[0], Offset(3)).await;
    assert_eq!(trimmed.unwrap(), Offset(3));
    assert_eq!(node.depth("dlq.g").await.depth, 2);
    node.stop().await;
}

#[tokio::test]
async fn a_purge_removes_all_letters_and_tells_how_many_were_open() {
    let node = Node::start().await;
    for n in 0..5 {
        node.letter("dlq.g", "rejected", &n.to_string()).await;
    }
    assert_eq!(node.letters.purge("dlq.g").await.unwrap(), 5);
    let depth = node.depth("dlq.g").await;
    assert_eq!((depth.depth, depth.oldest_ms), (0, None));
    assert_eq!(node.letters.purge("dlq.g").await.unwrap(), 0);
    node.letter("dlq.g", "rejected", "later").await;
    assert_eq!(node.restart().await.depth("dlq.g").await.depth, 1);
}

#[tokio::test]
async fn a_topic_made_again_begins_without_the_letters_of_its_forerunner() {
    let node = Node::start().await;
    node.letter("dlq.g", "rejected", "1").await;
    node.letter("dlq.g", "rejected", "2").await;
    assert_eq!(node.depth("dlq.g").await.depth, 2);
    let name = TopicName::parse("dlq.g").unwrap();
    node.log.delete_topic(&name).await.unwrap();
    node.letter("dlq.g", "rejected", "3").await;
    assert_eq!(node.depth("dlq.g").await.depth, 1);
    node.stop().await;
}

#[tokio::test]
async fn topics_without_dead_letters_are_refused() {
    let node = Node::start().await;
    node.topic("orders", 1).await;
    node.letter("dlq.g", "rejected", "1").await;
    for topic in ["orders", "dlq.other", "dlq.", "__cluster_metadata"] {
        let refused = node.letters.purge(topic).await.unwrap_err();
        assert_eq!(refused.code(), codes::DLQ_NOT_FOUND, "{topic}");
    }
    let selection = Selection::Letters {
        partition: PartitionId(7),
        offsets: vec![Offset(0)],
    };
    let refused = node.letters.redrive("dlq.g", selection, false).await;
    assert_eq!(refused.unwrap_err().code(), codes::DLQ_NOT_FOUND);
    node.stop().await;
}

#[tokio::test]
async fn rows_of_a_connector_are_not_redriven() {
    let node = Node::start().await;
    let offset = node.letter("dlq.source.app", "unconvertible", "1").await;
    let refused = why(node.redrive("dlq.source.app", &[offset]).await);
    assert_eq!(refused, Obstacle::Row("app".to_owned()));
    assert!(refused.mend().contains("snapshot"), "{}", refused.mend());
    let all = node.redrive("dlq.source.app", &[]).await.unwrap();
    assert_eq!((all.redriven, all.refused_count, all.left), (0, 1, 0));
    assert_eq!(all.refused[0].code, codes::DLQ_NOT_REDRIVABLE);
    assert_eq!(node.depth("dlq.source.app").await.depth, 1);
    node.stop().await;
}

#[tokio::test]
async fn a_letter_that_nobody_would_read_is_refused() {
    let node = Node::start().await;
    let offset = node.letter("dlq.gone", "rejected", "1").await;
    let refused = why(node.redrive("dlq.gone", &[offset]).await);
    assert_eq!(refused, Obstacle::NoGroup("gone".to_owned()));
    assert!(node.log.topic("retry.gone").is_none());
    node.stop().await;
}

#[tokio::test]
async fn letters_of_an_ordered_group_go_to_its_retry_topic_once() {
    let mut node = Node::start().await;
    node.ordered_group("g").await;
    let first = node.letter("dlq.g", "rejected", "1").await;
    let second = node.letter("dlq.g", "rejected", "2").await;
    assert_eq!(node.redrive("dlq.g", &[first]).await.unwrap().redriven, 1);
    let records = node.records("retry.g").await;
    assert_eq!(records.len(), 1);
    let (value, headers) = &records[0];
    assert_eq!(value, "1");
    for (key, wanted) in [
        ("trace", "t1"),
        (dead_letter::TOPIC, "orders"),
        (dead_letter::OFFSET, "3"),
        (dead_letter::REDRIVE_COUNT, "1"),
    ] {
        assert!(
            headers.iter().any(|(k, v)| k == key && v == wanted),
            "{key} in {headers:?}"
        );
    }
    assert_eq!(node.depth("dlq.g").await.depth, 1);
    assert_eq!(
        why(node.redrive("dlq.g", &[first]).await),
        Obstacle::Redriven
    );
    // One that was redriven spoils the list.
    assert_eq!(
        why(node.redrive("dlq.g", &[second, first]).await),
        Obstacle::Redriven
    );
    assert_eq!(node.records("retry.g").await.len(), 1);
    node = node.restart().await;
    assert_eq!(node.depth("dlq.g").await.depth, 1);
    assert_eq!(node.redrive("dlq.g", &[]).await.unwrap().redriven, 1);
    assert_eq!(node.redrive("dlq.g", &[]).await.unwrap().redriven, 0);
    assert_eq!(node.records("retry.g").await.len(), 2);
    node.stop().await;
}

#[tokio::test]
async fn racing_redrives_give_each_letter_back_once() {
    let node = Node::start().await;
    node.ordered_group("g").await;
    let mut offsets = Vec::new();
    for n in 0..10 {
        offsets.push(node.letter("dlq.g", "rejected", &n.to_string()).await);
    }
    let mut racing = Vec::new();
    for n in 0..6 {
        let letters = node.letters.clone();
        let selection = match n % 2 {
            0 => Selection::All,
            _ => Selection::Letters {
                partition: PartitionId(0),
                offsets: offsets.clone(),
            },
        };
        let work = async move { letters.redrive("dlq.g", selection, false).await };
        racing.push(tasks::spawn("redrive", work));
    }
    let mut redriven = 0;
    for one in racing {
        match one.await.unwrap() {
            Ok(done) => redriven += done.redriven,
            Err(Error::Refused { why, .. }) => assert_eq!(why, Obstacle::Redriven),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(redriven, 10);
    assert_eq!(node.records("retry.g").await.len(), 10);
    assert_eq!(node.depth("dlq.g").await.depth, 0);
    node.stop().await;
}

#[tokio::test]
async fn a_push_is_redriven_once_it_fits_the_schema() {
    let node = Node::start().await;
    node.declare(json!({"required": ["id"]}));
    let bad = node.letter("dlq.push.crm", "schema", "{\"name\": 1}").await;
    let good = node.letter("dlq.push.crm", "schema", "{\"id\": 1}").await;
    let refused = why(node.redrive("dlq.push.crm", &[good, bad]).await);
    assert!(matches!(refused, Obstacle::Misfit { .. }), "{refused:?}");
    assert!(node.log.topic("integrations.crm.data").is_none());
    let all = node.redrive("dlq.push.crm", &[]).await.unwrap();
    assert_eq!((all.redriven, all.refused_count), (1, 1));
    assert_eq!(all.refused[0].offset, bad);
    node.declare(json!({}));
    assert_eq!(node.redrive("dlq.push.crm", &[]).await.unwrap().redriven, 1);
    let records = node.records("integrations.crm.data").await;
    let own = vec![("trace".to_owned(), "t1".to_owned())];
    let expected = [
        ("{\"id\": 1}".to_owned(), own.clone()),
        ("{\"name\": 1}".to_owned(), own),
    ];
    assert_eq!(records, expected);
    assert_eq!(node.depth("dlq.push.crm").await.depth, 0);
    node.stop().await;
}
