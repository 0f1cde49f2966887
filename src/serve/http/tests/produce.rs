//! Appending records: what JSON becomes which bytes, and that a refusal changes nothing.

use super::*;
use crate::record::{Records, batches, partition_for_key};
use crate::topic::Offset;

/// All records of a topic, as the face shows them.
async fn records(face: &Face, topic: &str) -> Vec<Value> {
    let (status, page) = face.get(&format!("/topics/{topic}/records")).await;
    assert_eq!(status, 200, "{page}");
    page["records"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_json_bytes_and_null_are_stored_as_the_request_says() {
    let face = Face::start(Admission::Local).await;
    face.post("/topics", &json!({"name": "t"})).await;
    let sent = r#"{"records": [
        {"key": "k", "value": "text", "headers": [{"key": "a", "value": "1"}, {"key": "a"}], "timestamp": 5},
        {"key": {"id": 1}, "value": {"n": 1.0e2, "big": 12345678901234567890123}},
        {"key": "k", "key_encoding": "json", "value": "quoted", "value_encoding": "json"},
        {"key": "AP8=", "key_encoding": "base64", "value": "", "value_encoding": "base64"},
        {"key": null, "value": null},
        {"value": [1, 2], "headers": [{"key": "b", "value": "/w==", "value_encoding": "base64"}]}
    ]}"#;
    let request = face.client.post(face.url("/topics/t/records"));
    let request = request.header("content-type", "application/json");
    let (status, places) = answer(request.body(sent)).await;
    assert_eq!(status, 200, "{places}");
    let expected: Vec<Value> = (0..6)
        .map(|at| json!({"partition": 0, "offset": at}))
        .collect();
    assert_eq!(places["offsets"], Value::from(expected));

    let topic = face.log.topic("t").unwrap();
    let read = face.log.read(&topic.partitions()[0], Offset(0), 1 << 20);
    let read = read.await.unwrap();
    let mut stored = Vec::new();
    let batches = read.chunks.iter().flat_map(|chunk| batches(chunk));
    for (_, bytes) in batches.map(Result::unwrap) {
        for record in &Records::decode(bytes, 1 << 20).unwrap() {
            let record = record.unwrap();
            let bytes = |bytes: &[u8]| bytes.to_vec();
            let headers = record.headers().map(|(k, v)| (k.to_vec(), v.map(bytes)));
            stored.push((
                record.timestamp,
                record.key.map(bytes),
                record.value.map(bytes),
                headers.collect::<Vec<_>>(),
            ));
        }
    }
    let some = |text: &str| Some(text.as_bytes().to_vec());
    let header =
        |key: &str, value: Option<&[u8]>| (key.as_bytes().to_vec(), value.map(<[u8]>::to_vec));
    assert_eq!(
        stored,
        [
            (
                5,
                some("k"),
                some("text"),
                vec![header("a", Some(b"1")), header("a", None)]
            ),
            (
                NOW_MS,
                some(r#"{"id": 1}"#),
                some(r#"{"n": 1.0e2, "big": 12345678901234567890123}"#),
                vec![]
            ),
            (NOW_MS, some("\"k\""), some("\"quoted\""), vec![]),
            (NOW_MS, Some(vec![0, 255]), some(""), vec![]),
            (NOW_MS, None, None, vec![]),
            (
                NOW_MS,
                None,
                some("[1, 2]"),
                vec![header("b", Some(&[255]))]
            ),
        ]
    );
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_goes_where_its_key_belongs_unless_its_partition_is_named() {
    let face = Face::start(Admission::Local).await;
    face.post("/topics", &json!({"name": "t", "partitions": 8}))
        .await;
    let keys: Vec<String> = (0..20).map(|n| format!("key {n}")).collect();
    let mut sent: Vec<Value> = keys
        .iter()
        .map(|key| json!({"key": key, "value": key}))
        .collect();
    sent.push(json!({"value": "without a key"}));
    sent.push(json!({"key": "key 0", "value": "named", "partition": 7}));
    let (status, places) = face
        .post("/topics/t/records", &json!({"records": sent}))
        .await;
    assert_eq!(status, 200, "{places}");
    let places = places["offsets"].as_array().unwrap();
    for (key, place) in keys.iter().zip(places) {
        let belongs = partition_for_key(Some(key.as_bytes()), 8);
        assert_eq!(place["partition"], belongs, "{key}");
    }
    assert_eq!(
        (&places[20]["partition"], &places[21]["partition"]),
        (&json!(0), &json!(7))
    );
    // Every place that was told is where the record is.
    let found = records(&face, "t").await;
    assert_eq!(found.len(), sent.len());
    for (record, place) in sent.iter().zip(places) {
        let at = |one: &&Value| {
            one["partition"] == place["partition"] && one["offset"] == place["offset"]
        };
        let found = found
            .iter()
            .find(at)
            .unwrap_or_else(|| panic!("nothing at {place}"));
        assert_eq!(found["value"], record["value"]);
    }
    face.stop().await;
}

/// A second record that is refused, and a part of what is told.
const BAD: [(&str, &str); 10] = [
    (r#"{"valu": 1}"#, "valu"),
    (r#"{"value": 1, "partition": 2}"#, "record 1"),
    (r#"{"value": 1, "partition": -1}"#, "record 1"),
    (r#"{"value": "?", "value_encoding": "base64"}"#, "base64"),
    (r#"{"key": 1, "key_encoding": "base64"}"#, "its key"),
    (r#"{"value": 1, "value_encoding": "hex"}"#, "hex"),
    (r#"{"value": 1, "timestamp": -1}"#, "1970"),
    (r#"{"value": 1, "timestamp": 9223372036854775808}"#, "i64"),
    (r#"{"value": 1, "headers": [{"value": 1}]}"#, "`key`"),
    (r#""text""#, "text"),
];

/// Topics that an administrator does not write, and a part of what is told.
const FOREIGN: [(&str, u16, &str, &str); 3] = [
    ("other", 404, "PEN-HTTP-002", "other"),
    ("dlq.group", 403, "PEN-HTTP-001", "dead letters"),
    ("__consumer_offsets", 403, "PEN-HTTP-001", "its own state"),
];

#[track_caller]
fn told((got, problem): &(u16, Value), status: u16, code: &str, part: &str) {
    let found = (*got, &problem["code"]);
    assert_eq!(found, (status, &json!(code)), "{problem}");
    let told = format!("{} {}", problem["detail"], problem["mend"]);
    assert!(told.contains(part), "{part} in {problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_records_change_nothing_whatever_is_sent_with_them() {
    let face = Face::start(Admission::Local).await;
    let config = json!({"max.message.bytes": 1000});
    let new = json!({"name": "t", "partitions": 2, "config": config});
    face.post("/topics", &new).await;
    face.post("/topics", &json!({"name": "dlq.group"})).await;
    let good = json!({"value": "good", "partition": 0});
    let path = "/topics/t/records";
    for (bad, part) in BAD {
        let bad: Value = serde_json::from_str(bad).unwrap();
        let got = face.post(path, &json!({"records": [good, bad]})).await;
        told(&got, 400, "PEN-HTTP-003", part);
    }
    let none = face.post(path, &json!({"records": []})).await;
    told(&none, 400, "PEN-HTTP-003", "1 to 10000");
    let many = vec![json!({"value": 1}); 10_001];
    let many = face.post(path, &json!({"records": many})).await;
    told(&many, 400, "PEN-HTTP-003", "10001");
    let misnamed = face.post(path, &json!({"record": []})).await;
    told(&misnamed, 400, "PEN-HTTP-003", "`record`");
    let body = face.post(path, &json!("x".repeat(2 << 20))).await;
    told(&body, 413, "PEN-HTTP-003", "1048576");
    // Too large for the topic in one partition: nothing comes into the other either.
    let large = json!({"value": "x".repeat(2000), "partition": 1});
    let large = face.post(path, &json!({"records": [good, large]})).await;
    told(&large, 413, "PEN-LOG-010", "1000");
    for (topic, status, code, part) in FOREIGN {
        let path = format!("/topics/{topic}/records");
        let got = face.post(&path, &json!({"records": [good]})).await;
        told(&got, status, code, part);
    }
    for topic in ["t", "dlq.group"] {
        assert_eq!(records(&face, topic).await, Vec::<Value>::new());
    }
    let (status, places) = face.post(path, &json!({"records": [good]})).await;
    assert_eq!(status, 200, "{places}");
    assert_eq!(records(&face, "t").await.len(), 1);
    face.stop().await;
}
