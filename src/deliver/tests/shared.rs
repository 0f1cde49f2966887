//! Letters of shared groups: back to their own group, and copies of records that are gone.

use std::time::Duration;

use super::*;
use crate::group::share::{Ack, Deliveries, Member, Read};

impl Node {
    /// Appends a record to the first partition of `topic`.
    async fn produce(&self, topic: &str, value: &str) {
        let header = Header {
            key: "trace",
            value: Some(b"t1"),
        };
        let mut batch = BatchBuilder::new();
        let key = Some(b"k".as_slice());
        let value = Some(value.as_bytes());
        batch.append(NOW_MS, key, value, &[header]).unwrap();
        let topic = self.topic(topic, 1).await;
        let append = Append {
            origin: Origin::Inside,
            batches: vec![PartitionBatch {
                partition: Arc::clone(&topic.partitions()[0]),
                bytes: batch.finish().unwrap(),
            }],
        };
        self.log.append(append).await.unwrap();
    }

    async fn read(&self, group: &str, topic: &str) -> Deliveries {
        let read = Read {
            group: GroupId::parse(group).unwrap(),
            member: Member::of(&"member"),
            topics: vec![TopicName::parse(topic).unwrap()],
            max_records: 10,
            wait: Duration::ZERO,
            lease: None,
            stop: self.closing.clone(),
        };
        self.shares.read(read).await.unwrap()
    }

    /// Reads all that is there and answers it.
    async fn work_off(&self, group: &str, topic: &str, answer: Ack) -> usize {
        let read = self.read(group, topic).await;
        let acks = read.records.iter().map(|one| (one.ack_id.clone(), answer));
        let acks: Vec<(String, Ack)> = acks.collect();
        let group = GroupId::parse(group).unwrap();
        self.shares.ack(&group, &acks).await.unwrap();
        acks.len()
    }

    async fn trim(&self, topic: &str) {
        let topic = self.topic(topic, 1).await;
        let partition = &topic.partitions()[0];
        self.log.trim(partition, partition.end()).await.unwrap();
    }

    async fn redrive_as_new(&self, topic: &str) -> Result<Redriven, Error> {
        self.letters.redrive(topic, Selection::All, true).await
    }
}

#[tokio::test]
async fn a_redriven_record_comes_back_to_its_own_group_and_to_no_other() {
    let mut node = Node::start().await;
    for value in ["1", "2"] {
        node.produce("orders", value).await;
    }
    assert_eq!(node.work_off("h", "orders", Ack::Accept).await, 2);
    assert_eq!(node.work_off("g", "orders", Ack::Reject).await, 2);
    let depth = node.depth("dlq.g").await;
    assert_eq!((depth.depth, depth.reasons[&Reason::Rejected]), (2, 2));
    let redriven = node.redrive("dlq.g", &[Offset(1)]).await.unwrap();
    assert_eq!((redriven.redriven, redriven.refused_count), (1, 0));
    assert_eq!(node.depth("dlq.g").await.depth, 1);
    assert_eq!(
        why(node.redrive("dlq.g", &[Offset(1)]).await),
        Obstacle::Redriven
    );
    assert_eq!(node.read("h", "orders").await.records.len(), 0);
    let back = node.read("g", "orders").await;
    assert_eq!(back.records.len(), 1);
    let record = &back.records[0];
    assert_eq!(
        (record.offset, &record.value.as_ref().unwrap()[..]),
        (Offset(1), &b"2"[..])
    );
    assert_eq!((record.delivery_count, record.redrive_count), (1, 1));
    drop(back);
    node = node.restart().await;
    assert_eq!(node.depth("dlq.g").await.depth, 1);
    assert!(node.letters.is_redriven("dlq.g", PartitionId(0), Offset(1)));
    assert_eq!(
        why(node.redrive("dlq.g", &[Offset(1)]).await),
        Obstacle::Redriven
    );
    assert_eq!(node.redrive("dlq.g", &[]).await.unwrap().redriven, 1);
    assert_eq!(node.depth("dlq.g").await.depth, 0);
    node.stop().await;
}

#[tokio::test]
async fn a_record_that_is_gone_is_copied_to_its_topic_only_when_asked() {
    let node = Node::start().await;
    node.produce("orders", "1").await;
    assert_eq!(node.work_off("g", "orders", Ack::Reject).await, 1);
    node.trim("orders").await;
    let refused = why(node.redrive("dlq.g", &[Offset(0)]).await);
    assert_eq!(refused.code(), codes::DLQ_RECORD_GONE);
    assert!(refused.mend().contains("as_new"), "{}", refused.mend());
    assert_eq!(node.depth("dlq.g").await.depth, 1);
    assert_eq!(node.redrive_as_new("dlq.g").await.unwrap().redriven, 1);
    assert_eq!(node.depth("dlq.g").await.depth, 0);
    let own = vec![("trace".to_owned(), "t1".to_owned())];
    assert_eq!(node.records("orders").await, [("1".to_owned(), own)]);
    assert_eq!(node.read("g", "orders").await.records[0].delivery_count, 1);
    node.stop().await;
}

#[tokio::test]
async fn no_copy_is_appended_to_a_connectors_topic() {
    let node = Node::start().await;
    node.produce("app.public.orders", "1").await;
    let topic = "app.public.orders";
    assert_eq!(node.work_off("g", topic, Ack::Reject).await, 1);
    node.trim(topic).await;
    let all = node.redrive_as_new("dlq.g").await.unwrap();
    assert_eq!((all.redriven, all.refused_count), (0, 1));
    assert_eq!(all.refused[0].code, codes::DLQ_NOT_REDRIVABLE);
    assert!(
        all.refused[0].detail.contains("connector"),
        "{}",
        all.refused[0].detail
    );
    assert_eq!(node.depth("dlq.g").await.depth, 1);
    node.stop().await;
}

#[tokio::test]
async fn another_record_at_the_same_offset_is_not_taken_for_the_letters() {
    let node = Node::start().await;
    node.produce("orders", "1").await;
    assert_eq!(node.work_off("g", "orders", Ack::Reject).await, 1);
    let orders = TopicName::parse("orders").unwrap();
    node.log.delete_topic(&orders).await.unwrap();
    node.shares.topic_deleted(&orders).await.unwrap();
    node.letter("orders", "rejected", "another").await;
    assert_eq!(node.read("g", "orders").await.records.len(), 1);
    let refused = why(node.redrive("dlq.g", &[Offset(0)]).await);
    assert_eq!(refused.code(), codes::DLQ_RECORD_GONE);
    node.stop().await;
}
