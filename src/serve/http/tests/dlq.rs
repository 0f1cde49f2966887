//! Dead letters on a real socket.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Face, NOW_MS, answer};
use crate::log::{Append, Origin, PartitionBatch};
use crate::record::dead_letter;
use crate::record::{BatchBuilder, Header};
use crate::serve::http::Admission;
use crate::topic::{PartitionId, TopicName};

impl Face {
    /// Appends a letter to a topic, which is made with two partitions.
    async fn letter(&self, topic: &str, partition: i32, key: &str, reason: &str) {
        let name = TopicName::parse(topic).unwrap();
        if self.log.topic(topic).is_none() {
            let config = self.log.default_topic_config(&name);
            self.log.create_topic(&name, 2, config).await.unwrap();
        }
        let headers = [
            ("trace", "t1"),
            (dead_letter::TOPIC, "orders"),
            (dead_letter::PARTITION, "1"),
            (dead_letter::OFFSET, "17"),
            (dead_letter::DELIVERY_COUNT, "5"),
            (dead_letter::MESSAGE, "gave up"),
            (dead_letter::REASON, reason),
        ];
        let headers = headers.map(|(key, value)| Header {
            key,
            value: Some(value.as_bytes()),
        });
        let mut batch = BatchBuilder::new();
        let value = Some(b"{\"id\":1}".as_slice());
        batch
            .append(NOW_MS - 5_000, Some(key.as_bytes()), value, &headers)
            .unwrap();
        let topic = self.log.topic(topic).unwrap();
        let append = Append {
            origin: Origin::Inside,
            batches: vec![PartitionBatch {
                partition: Arc::clone(topic.partition(PartitionId(partition)).unwrap()),
                bytes: batch.finish().unwrap(),
            }],
        };
        self.log.append(append).await.unwrap();
    }

    async fn delete(&self, path: &str) -> (u16, Value) {
        answer(self.client.delete(self.url(path))).await
    }
}

fn keys(page: &Value) -> Vec<&str> {
    let records = page["records"].as_array().unwrap();
    records
        .iter()
        .map(|it| it["key"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn topics_of_dead_letters_are_listed_with_depth_age_and_reasons() {
    let face = Face::start(Admission::Local).await;
    assert_eq!(face.get("/dlq").await, (200, json!({"topics": []})));
    face.letter("dlq.g", 0, "a", "exhausted").await;
    face.letter("dlq.g", 1, "b", "rejected").await;
    face.letter("dlq.push.crm", 0, "c", "schema").await;
    let expected = json!({"topics": [
        {
            "topic": "dlq.g",
            "origin": "group",
            "depth": 2,
            "oldest_age_seconds": 5,
            "group": "g",
            "reasons": {"rejected": 1, "exhausted": 1},
        },
        {
            "topic": "dlq.push.crm",
            "origin": "push",
            "depth": 1,
            "oldest_age_seconds": 5,
            "reasons": {"schema": 1},
        },
    ]});
    assert_eq!(face.get("/dlq").await, (200, expected));
    let (_, status) = face.get("/status").await;
    assert_eq!(status["dlq"], json!({"depth": 3, "topics": 2}));
    face.stop().await;
}

#[tokio::test]
async fn letters_are_shown_with_why_and_of_what_page_by_page() {
    let face = Face::start(Admission::Local).await;
    for (partition, key, reason) in [
        (0, "a", "exhausted"),
        (1, "b", "rejected"),
        (0, "c", "rejected"),
    ] {
        face.letter("dlq.g", partition, key, reason).await;
    }
    let (status, page) = face.get("/dlq/dlq.g?reason=exhausted").await;
    assert_eq!((status, keys(&page)), (200, vec!["a"]));
    let letter = &page["records"][0];
    assert_eq!(letter["topic"], "dlq.g");
    assert_eq!(
        (&letter["partition"], &letter["offset"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(letter["value"], json!({"id": 1}));
    assert_eq!(letter["error"], "gave up");
    assert_eq!(letter["delivery_count"], 5);
    assert_eq!(letter["redriven"], false);
    let origin = json!({"topic": "orders", "partition": 1, "offset": 17});
    assert_eq!(letter["origin"], origin);
    assert_eq!(keys(&face.get("/dlq/dlq.g?key=b").await.1), ["b"]);
    assert_eq!(keys(&face.get("/dlq/dlq.g?partition=1").await.1), ["b"]);
    let mut seen = Vec::new();
    let mut from = "start".to_owned();
    for _ in 0..3 {
        let (_, page) = face.get(&format!("/dlq/dlq.g?limit=1&from={from}")).await;
        seen.extend(keys(&page).into_iter().map(str::to_owned));
        from = page["next"].as_str().unwrap().to_owned();
    }
    seen.sort();
    assert_eq!(seen, ["a", "b", "c"]);
    let (_, page) = face.get(&format!("/dlq/dlq.g?from={from}")).await;
    assert_eq!(page["records"], json!([]));
    face.stop().await;
}

#[tokio::test]
async fn a_purge_tells_how_many_open_letters_it_removed() {
    let face = Face::start(Admission::Local).await;
    face.letter("dlq.g", 0, "a", "exhausted").await;
    face.letter("dlq.g", 1, "b", "rejected").await;
    assert_eq!(face.delete("/dlq/dlq.g").await, (200, json!({"purged": 2})));
    let (_, list) = face.get("/dlq").await;
    assert_eq!(list["topics"][0]["depth"], 0);
    assert_eq!(list["topics"][0]["oldest_age_seconds"], Value::Null);
    // A cursor of before goes on where letters are.
    let (status, page) = face.get("/dlq/dlq.g?from=0:0,1:0").await;
    assert_eq!((status, &page["records"]), (200, &json!([])));
    face.stop().await;
}

#[tokio::test]
async fn refusals_say_what_and_change_nothing() {
    let face = Face::start(Admission::Local).await;
    face.letter("dlq.source.app", 0, "a", "unconvertible").await;
    let redrive = "/dlq/dlq.source.app/redrive";
    let (status, refused) = face.post(redrive, &json!({"offsets": [0]})).await;
    assert_eq!((status, &refused["code"]), (409, &json!("PEN-DLQ-002")));
    assert!(
        refused["mend"].as_str().unwrap().contains("snapshot"),
        "{refused}"
    );
    let (status, all) = face.post(redrive, &json!({})).await;
    assert_eq!(
        (status, &all["redriven"], &all["refused_count"]),
        (200, &json!(0), &json!(1))
    );
    assert_eq!(all["refused"][0]["code"], "PEN-DLQ-002");
    for body in [
        json!({"offsets": []}),
        json!({"partition": 0}),
        json!({"offset": 1}),
        json!({"offsets": "all"}),
    ] {
        let (status, refused) = face.post(redrive, &body).await;
        assert_eq!(
            (status, &refused["code"]),
            (400, &json!("PEN-HTTP-003")),
            "{body}"
        );
    }
    let (status, refused) = face.post(redrive, &json!({"offsets": [9]})).await;
    assert_eq!((status, &refused["code"]), (404, &json!("PEN-DLQ-001")));
    for path in [
        "/dlq/orders",
        "/dlq/dlq.none",
        "/dlq/dlq.source.app?partition=7",
    ] {
        let (status, refused) = face.get(path).await;
        assert_eq!(
            (status, &refused["code"]),
            (404, &json!("PEN-DLQ-001")),
            "{path}"
        );
    }
    let (status, _) = face.get("/dlq/dlq.source.app?reason=because").await;
    assert_eq!(status, 400);
    assert_eq!(face.delete("/dlq/dlq.none").await.0, 404);
    assert_eq!(face.get("/dlq").await.1["topics"][0]["depth"], 1);
    face.stop().await;
}
