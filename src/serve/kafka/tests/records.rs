//! Producing and fetching.

use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use super::support::{Node, batch, fetching, producing, values};
use crate::kafka::{
    ErrorCode, FetchRequest, InitProducerIdRequest, ListOffsetsPartition, ListOffsetsRequest,
    ListOffsetsTopic, PartitionProduceData, ProduceRequest, RecordSet, decode_response,
};
use crate::record::{BatchBuilder, Codec};
use crate::serve::kafka::Config;

fn owned(pairs: &[(i64, &str)]) -> Vec<(i64, String)> {
    pairs
        .iter()
        .map(|(offset, value)| (*offset, (*value).to_owned()))
        .collect()
}

#[tokio::test]
async fn what_is_produced_is_fetched_in_every_version() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let id = node.log.topic("t").unwrap().id;
    let mut wanted = Vec::new();
    for version in 3..=11 {
        let value = format!("v{version}");
        let response = client
            .call(version, &producing("t", 0, batch(&[&value])))
            .await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, ErrorCode::NONE);
        assert_eq!(partition.base_offset, i64::from(version - 3));
        wanted.push((i64::from(version - 3), value));
    }
    for version in 4..=17 {
        let mut request = fetching("t", 0, 0);
        request.topics[0].topic_id = id;
        let response = client.call(version, &request).await;
        assert_eq!(values(&response), wanted, "version {version}");
        let data = &response.responses[0].partitions[0];
        assert_eq!((data.high_watermark, data.last_stable_offset), (9, 9));
        assert_eq!(response.session_id, 0);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_fetch_waits_until_records_come() {
    let node = Node::start().await;
    let (mut reader, mut writer) = (node.client().await, node.client().await);
    writer.create("t", 2, &[]).await;
    let request = FetchRequest {
        max_wait_ms: 15_000,
        ..fetching("t", 1, 0)
    };
    let began = Instant::now();
    reader.send(12, &request).await;
    writer.produce("t", 0, batch(&["elsewhere"])).await;
    writer.produce("t", 1, batch(&["here"])).await;
    let (_, response) = reader.receive::<FetchRequest>(12).await;
    assert_eq!(values(&response), owned(&[(0, "here")]));
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    node.stop().await;
}

#[tokio::test]
async fn a_fetch_without_records_ends_with_its_time() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    client.produce("t", 0, batch(&["a"])).await;
    let request = FetchRequest {
        max_wait_ms: 50,
        min_bytes: 1 << 20,
        ..fetching("t", 0, 0)
    };
    let response = client.call(12, &request).await;
    assert_eq!(
        values(&response),
        owned(&[(0, "a")]),
        "fewer than min_bytes is what there is"
    );
    let request = FetchRequest {
        max_wait_ms: 50,
        ..fetching("t", 0, 1)
    };
    let response = client.call(12, &request).await;
    assert_eq!(values(&response), []);
    assert_eq!(
        response.responses[0].partitions[0].error_code,
        ErrorCode::NONE
    );
    node.stop().await;
}

#[tokio::test]
async fn a_fetch_gives_one_batch_even_above_its_limits() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let large = "x".repeat(100_000);
    for _ in 0..3 {
        client.produce("t", 0, batch(&[&large])).await;
    }
    for (max_bytes, partition_max_bytes) in [(1, 1 << 20), (1 << 20, 1), (0, 0), (-1, -1)] {
        let mut request = fetching("t", 0, 1);
        request.max_bytes = max_bytes;
        request.topics[0].partitions[0].partition_max_bytes = partition_max_bytes;
        let response = client.call(12, &request).await;
        let found = values(&response);
        assert_eq!(found.len(), 1, "{max_bytes} {partition_max_bytes}");
        assert_eq!(found[0].0, 1);
    }
    node.stop().await;
}

#[tokio::test]
async fn offsets_out_of_range_and_unknown_partitions_are_told() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    client.produce("t", 0, batch(&["a"])).await;
    for offset in [-1, 2, i64::MIN, i64::MAX] {
        let response = client.fetch("t", 0, offset).await;
        let data = &response.responses[0].partitions[0];
        assert_eq!(data.error_code, ErrorCode::OFFSET_OUT_OF_RANGE, "{offset}");
        assert_eq!((data.log_start_offset, data.high_watermark), (0, 1));
    }
    for (topic, partition) in [("t", 1), ("t", -1), ("t", i32::MAX), ("u", 0), ("", 0)] {
        let response = client.fetch(topic, partition, 0).await;
        let code = response.responses[0].partitions[0].error_code;
        assert_eq!(
            code,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            "{topic}-{partition}"
        );
    }
    let mut request = fetching("", 0, 0);
    request.topics[0].topic_id = Uuid::from_u128(7);
    let response = client.call(13, &request).await;
    let code = response.responses[0].partitions[0].error_code;
    assert_eq!(code, ErrorCode::UNKNOWN_TOPIC_ID);
    let mut request = fetching("t", 0, 0);
    request.topics[0].partitions[0].current_leader_epoch = 1;
    let response = client.call(12, &request).await;
    let code = response.responses[0].partitions[0].error_code;
    assert_eq!(code, ErrorCode::UNKNOWN_LEADER_EPOCH);
    let response = client.fetch("__consumer_offsets", 0, 0).await;
    let code = response.responses[0].partitions[0].error_code;
    assert_eq!(code, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    node.stop().await;
}

#[tokio::test]
async fn sessions_are_declined() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    for (session_id, session_epoch, wanted) in [
        (0, -1, ErrorCode::NONE),
        (0, 0, ErrorCode::NONE),
        (5, -1, ErrorCode::NONE),
        (0, 1, ErrorCode::INVALID_FETCH_SESSION_EPOCH),
        (5, 1, ErrorCode::FETCH_SESSION_ID_NOT_FOUND),
        (-9, i32::MIN, ErrorCode::FETCH_SESSION_ID_NOT_FOUND),
    ] {
        let request = FetchRequest {
            session_id,
            session_epoch,
            ..fetching("t", 0, 0)
        };
        let response = client.call(12, &request).await;
        assert_eq!((response.error_code, response.session_id), (wanted, 0));
    }
    node.stop().await;
}

#[tokio::test]
async fn batches_of_every_codec_come_back_as_they_were_sent() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let text = "compressible ".repeat(100);
    for (n, codec) in [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ]
    .into_iter()
    .enumerate()
    {
        let mut builder = BatchBuilder::new().codec(codec);
        builder
            .append(1_000, Some(b"k"), Some(text.as_bytes()), &[])
            .unwrap();
        let sent = builder.finish().unwrap();
        let offset = i64::try_from(n).unwrap();
        let response = client.produce("t", 0, sent.clone()).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(
            partition.error_code,
            ErrorCode::NONE,
            "{codec}: {response:?}"
        );
        let response = client.fetch("t", 0, offset).await;
        let records = response.responses[0].partitions[0].records.clone().unwrap();
        // Base offset and leader epoch stand before byte 16; the rest is untouched.
        assert_eq!(records.into_bytes()[16..], sent[16..], "{codec}");
        assert_eq!(
            values(&client.fetch("t", 0, offset).await),
            [(offset, text.clone())]
        );
    }
    node.stop().await;
}

#[tokio::test]
async fn bad_records_are_refused_and_their_neighbours_stored() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client
        .create("t", 2, &[("max.message.bytes", "1000")])
        .await;
    let good = batch(&["good"]);
    let mut bad_crc = good.clone();
    *bad_crc.last_mut().unwrap() ^= 1;
    let mut old_magic = good.clone();
    old_magic[16] = 1;
    let twice = [good.clone(), good.clone()].concat();
    let mut far = BatchBuilder::new();
    far.append(i64::MAX, None, Some(b"far"), &[]).unwrap();
    for (bad, wanted) in [
        (bad_crc, ErrorCode::CORRUPT_MESSAGE),
        (old_magic, ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT),
        (good[..70].to_vec(), ErrorCode::CORRUPT_MESSAGE),
        (twice, ErrorCode::INVALID_RECORD),
        (Vec::new(), ErrorCode::INVALID_RECORD),
        (batch(&[&"x".repeat(2_000)]), ErrorCode::MESSAGE_TOO_LARGE),
        (far.finish().unwrap(), ErrorCode::INVALID_TIMESTAMP),
    ] {
        let mut request = producing("t", 0, bad);
        request.topic_data[0]
            .partition_data
            .push(PartitionProduceData {
                index: 1,
                records: Some(RecordSet::from(Bytes::from(good.clone()))),
            });
        let response = client.call(11, &request).await;
        let [first, second] = &response.responses[0].partition_responses[..] else {
            panic!("{response:?}");
        };
        assert_eq!(
            (first.error_code, first.base_offset),
            (wanted, -1),
            "{first:?}"
        );
        assert!(first.error_message.is_some());
        assert_eq!(second.error_code, ErrorCode::NONE);
    }
    let topic = node.log.topic("t").unwrap();
    assert_eq!(topic.partitions()[0].end().0, 0);
    assert_eq!(topic.partitions()[1].end().0, 7);
    node.stop().await;
}

#[tokio::test]
async fn null_records_and_repeated_partitions_are_refused() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let mut request = producing("t", 0, Vec::new());
    request.topic_data[0].partition_data[0].records = None;
    let response = client.call(11, &request).await;
    let code = response.responses[0].partition_responses[0].error_code;
    assert_eq!(code, ErrorCode::INVALID_RECORD);
    let mut request = producing("t", 0, batch(&["a"]));
    let again = request.topic_data[0].partition_data[0].clone();
    request.topic_data[0].partition_data.push(again);
    let response = client.call(11, &request).await;
    let codes: Vec<ErrorCode> = response.responses[0]
        .partition_responses
        .iter()
        .map(|partition| partition.error_code)
        .collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::INVALID_REQUEST]);
    node.stop().await;
}

#[tokio::test]
async fn nobody_writes_what_others_own() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("owned.orders", 1, &[]).await;
    for topic in ["owned.orders", "dlq.g", "__consumer_offsets", "_schemas"] {
        let response = client.produce(topic, 0, batch(&["a"])).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(
            partition.error_code,
            ErrorCode::TOPIC_AUTHORIZATION_FAILED,
            "{topic}"
        );
    }
    node.stop().await;
    let admin = Config {
        anonymous_admin: true,
        ..Config::default()
    };
    let node = Node::with(admin).await;
    let mut client = node.client().await;
    client.create("owned.orders", 1, &[]).await;
    let response = client.produce("owned.orders", 0, batch(&["a"])).await;
    let code = response.responses[0].partition_responses[0].error_code;
    assert_eq!(code, ErrorCode::NONE);
    let response = client.produce("__consumer_offsets", 0, batch(&["a"])).await;
    let code = response.responses[0].partition_responses[0].error_code;
    assert_eq!(code, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    node.stop().await;
}

#[tokio::test]
async fn an_idempotent_producer_that_sends_again_gets_the_first_offset() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let request = InitProducerIdRequest {
        transactional_id: None,
        ..InitProducerIdRequest::default()
    };
    let first = client.call(5, &request).await;
    let second = client.call(5, &request).await;
    assert_eq!(first.error_code, ErrorCode::NONE);
    assert_ne!(first.producer_id, second.producer_id);
    let by = |sequence: i32, value: &str| {
        let mut builder = BatchBuilder::new().producer(first.producer_id, 0, sequence);
        builder
            .append(1_000, None, Some(value.as_bytes()), &[])
            .unwrap();
        builder.finish().unwrap()
    };
    let mut outcomes = Vec::new();
    for sequence in [0, 1, 0, 1, 3] {
        let response = client.produce("t", 0, by(sequence, "v")).await;
        let partition = &response.responses[0].partition_responses[0];
        outcomes.push((partition.error_code, partition.base_offset));
    }
    let gap = (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    let stored = |offset| (ErrorCode::NONE, offset);
    assert_eq!(outcomes, [stored(0), stored(1), stored(0), stored(1), gap]);
    assert_eq!(node.log.topic("t").unwrap().partitions()[0].end().0, 2);
    node.stop().await;
}

#[tokio::test]
async fn transactions_are_refused() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let request = InitProducerIdRequest {
        transactional_id: Some("tx".to_owned()),
        ..InitProducerIdRequest::default()
    };
    let refused = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    assert_eq!(client.call(5, &request).await.error_code, refused);
    let request = ProduceRequest {
        transactional_id: Some("tx".to_owned()),
        ..producing("t", 0, batch(&["a"]))
    };
    let response = client.call(11, &request).await;
    assert_eq!(
        response.responses[0].partition_responses[0].error_code,
        refused
    );
    node.stop().await;
}

#[tokio::test]
async fn requests_in_flight_are_answered_in_their_order() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let mut sent = Vec::new();
    for n in 0..100 {
        let value = n.to_string();
        sent.push(client.send(9, &producing("t", 0, batch(&[&value]))).await);
    }
    client.send(12, &fetching("t", 0, 0)).await;
    for (n, wanted) in sent.into_iter().enumerate() {
        let (correlation_id, response) = client.receive::<ProduceRequest>(9).await;
        assert_eq!(correlation_id, wanted);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.base_offset, i64::try_from(n).unwrap());
    }
    let (_, response) = client.receive::<FetchRequest>(12).await;
    // It may end early, where records go over from memory to the segment; the end tells.
    let end = response.responses[0].partitions[0].high_watermark;
    assert_eq!(end, 100, "the fetch sees what was sent before it");
    assert!(!values(&response).is_empty());
    node.stop().await;
}

#[tokio::test]
async fn a_producer_without_acknowledgement_gets_none_and_is_cut_off_for_an_error() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let unacknowledged = |topic: &str| ProduceRequest {
        acks: 0,
        ..producing(topic, 0, batch(&["a"]))
    };
    client.send(9, &unacknowledged("t")).await;
    let response = client.fetch("t", 0, 0).await;
    assert_eq!(
        values(&response),
        owned(&[(0, "a")]),
        "the next answer is the fetch's"
    );
    client.send(9, &unacknowledged("missing")).await;
    assert_eq!(client.frame().await, None);
    node.stop().await;
}

#[tokio::test]
async fn acks_other_than_known_are_refused() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    for (acks, wanted) in [
        (1, ErrorCode::NONE),
        (-1, ErrorCode::NONE),
        (2, ErrorCode::INVALID_REQUIRED_ACKS),
        (i16::MIN, ErrorCode::INVALID_REQUIRED_ACKS),
    ] {
        let request = ProduceRequest {
            acks,
            ..producing("t", 0, batch(&["a"]))
        };
        let response = client.call(9, &request).await;
        assert_eq!(
            response.responses[0].partition_responses[0].error_code, wanted,
            "{acks}"
        );
    }
    node.stop().await;
}

#[tokio::test]
async fn offsets_are_found_by_time() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    for timestamp in [1_000, 5_000, 3_000] {
        let mut builder = BatchBuilder::new();
        builder.append(timestamp, None, Some(b"v"), &[]).unwrap();
        client.produce("t", 0, builder.finish().unwrap()).await;
    }
    for (timestamp, code, offset, found) in [
        (-1, ErrorCode::NONE, 3, -1),
        (-2, ErrorCode::NONE, 0, -1),
        (-3, ErrorCode::NONE, 1, 5_000),
        (-4, ErrorCode::NONE, 0, -1),
        (-5, ErrorCode::NONE, -1, -1),
        (-6, ErrorCode::UNSUPPORTED_VERSION, -1, -1),
        (i64::MIN, ErrorCode::UNSUPPORTED_VERSION, -1, -1),
        (0, ErrorCode::NONE, 0, 1_000),
        (1_001, ErrorCode::NONE, 1, 5_000),
        (5_001, ErrorCode::NONE, -1, -1),
        (i64::MAX, ErrorCode::NONE, -1, -1),
    ] {
        let request = ListOffsetsRequest {
            topics: vec![ListOffsetsTopic {
                name: "t".to_owned(),
                partitions: vec![ListOffsetsPartition {
                    timestamp,
                    ..ListOffsetsPartition::default()
                }],
            }],
            ..ListOffsetsRequest::default()
        };
        let response = client.call(9, &request).await;
        let partition = &response.topics[0].partitions[0];
        let got = (partition.error_code, partition.offset, partition.timestamp);
        assert_eq!(got, (code, offset, found), "time {timestamp}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_long_poll_ends_when_the_service_stops() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let request = FetchRequest {
        max_wait_ms: 30_000,
        ..fetching("t", 0, 0)
    };
    client.send(12, &request).await;
    let stop = crate::tasks::spawn("stop", node.stop());
    // Answered without records, or closed where the stop was quicker than the request.
    if let Some(frame) = client.frame().await {
        let (_, response) = decode_response::<FetchRequest>(12, &frame).unwrap();
        assert_eq!(values(&response), []);
    }
    tokio::time::timeout(Duration::from_secs(10), stop)
        .await
        .expect("before the poll")
        .unwrap();
}
