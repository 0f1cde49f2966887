//! What peers send that is not a client of ours: nothing panics, nobody else notices.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::AsyncWriteExt;

use super::support::{Client, DEADLINE, Node, batch, fetching, producing, values};
use crate::kafka::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, DescribeGroupsRequest, ErrorCode,
    FetchRequest, MetadataRequest, MetadataRequestTopic, OffsetFetchRequest,
    OffsetFetchRequestTopic, decode_response, encode_request,
};
use crate::serve::kafka::Config;

/// A frame with this header and body.
fn frame(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::new();
    frame.put_i32(i32::try_from(body.len() + 10).unwrap());
    frame.put_i16(key);
    frame.put_i16(version);
    frame.put_i32(77);
    frame.put_i16(-1);
    frame.put_slice(body);
    frame.to_vec()
}

async fn is_served(node: &Node) {
    let mut client = node.client().await;
    let response: ApiVersionsResponse = client.call(3, &request()).await;
    assert_eq!(response.error_code, ErrorCode::NONE);
}

fn request() -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: "test".to_owned(),
        client_software_version: "1".to_owned(),
    }
}

#[tokio::test]
async fn absurd_lengths_and_other_protocols_close_the_connection() {
    let node = Node::start().await;
    for bytes in [
        &0_i32.to_be_bytes()[..],
        &(-1_i32).to_be_bytes(),
        &i32::MIN.to_be_bytes(),
        &i32::MAX.to_be_bytes(),
        &104_857_601_i32.to_be_bytes(),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let mut client = node.client().await;
        client.raw(bytes).await;
        assert_eq!(client.frame().await, None, "{bytes:?}");
    }
    is_served(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_answered_with_the_table() {
    let node = Node::start().await;
    for version in [5, 99, i16::MAX, -1, i16::MIN] {
        let mut client = node.client().await;
        client.raw(&frame(18, version, b"whatever this is")).await;
        let answer = client.frame().await.unwrap();
        let (id, response) = decode_response::<ApiVersionsRequest>(0, &answer).unwrap();
        assert_eq!(
            (id, response.error_code),
            (77, ErrorCode::UNSUPPORTED_VERSION)
        );
        assert_eq!(response.api_keys.len(), ApiKey::ALL.len());
        let response: ApiVersionsResponse = client.call(4, &request()).await;
        assert_eq!(
            response.error_code,
            ErrorCode::NONE,
            "the connection goes on"
        );
    }
    node.stop().await;
}

#[tokio::test]
async fn unknown_apis_and_versions_close_the_connection() {
    let node = Node::start().await;
    let unknown = [
        (9_999, 0),
        (-1, 0),
        (0, 2),
        (0, 13),
        (1, 3),
        (3, 13),
        (3, -1),
        (68, 0),
    ];
    for (key, version) in unknown {
        let mut client = node.client().await;
        client.raw(&frame(key, version, &[0; 100])).await;
        assert_eq!(client.frame().await, None, "API {key} version {version}");
    }
    is_served(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn bodies_of_noise_never_hurt_anybody_else() {
    let node = Node::start().await;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    for key in ApiKey::ALL.iter().copied() {
        for version in key.versions() {
            for length in [0, 1, 4, 17, 300] {
                let body: Vec<u8> = (0..length)
                    .map(|_| match next() {
                        byte @ 0..=80 => byte,
                        81..=160 => 0,
                        161..=220 => 0xff,
                        _ => 1,
                    })
                    .collect();
                let mut client = node.client().await;
                client.raw(&frame(key.number(), version, &body)).await;
                client.stream.shutdown().await.ok();
                // An answer, or the end; either comes within the deadline.
                client.frame().await;
            }
        }
    }
    is_served(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn counts_larger_than_the_frame_are_refused() {
    let node = Node::start().await;
    let huge = i32::MAX.to_be_bytes();
    for (key, version, body) in [
        (3, 1, &huge[..]),
        (
            1,
            4,
            &[0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0][..],
        ),
        (3, 9, &[0, 0xff, 0xff, 0xff, 0xff, 0x0f][..]),
        (
            3,
            9,
            &[
                0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ][..],
        ),
    ] {
        let mut client = node.client().await;
        client.raw(&frame(key, version, body)).await;
        assert_eq!(client.frame().await, None);
    }
    is_served(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn only_records_may_fill_a_large_frame() {
    let node = Node::start().await;
    for (key, version, length) in [
        (3, 12, 5 << 20),
        (11, 9, 3 << 20),
        (1, 12, 3 << 20),
        (14, 5, 17 << 20),
        (9_999, 0, 5 << 20),
    ] {
        let mut client = node.client().await;
        let mut head = BytesMut::new();
        head.put_i32(length);
        head.put_i16(key);
        head.put_i16(version);
        head.put_bytes(0, 16 << 10);
        client.raw(&head).await;
        assert_eq!(client.frame().await, None, "API {key} with {length} bytes");
    }
    is_served(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn what_is_asked_for_many_times_is_answered_once() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 100, &[]).await;
    let topic = MetadataRequestTopic {
        name: Some("t".to_owned()),
        ..MetadataRequestTopic::default()
    };
    let request = MetadataRequest {
        topics: Some(vec![topic; 10_000]),
        ..MetadataRequest::default()
    };
    assert_eq!(client.call(12, &request).await.topics.len(), 1);
    let request = DescribeGroupsRequest {
        groups: vec!["g".to_owned(); 10_000],
        ..DescribeGroupsRequest::default()
    };
    assert_eq!(client.call(5, &request).await.groups.len(), 1);
    let request = OffsetFetchRequest {
        group_id: "g".to_owned(),
        topics: Some(vec![OffsetFetchRequestTopic {
            name: "t".to_owned(),
            partition_indexes: vec![7; 10_000],
        }]),
        ..OffsetFetchRequest::default()
    };
    let response = client.call(7, &request).await;
    assert_eq!(response.topics[0].partitions.len(), 1);
    node.stop().await;
}

#[tokio::test]
async fn a_client_that_closes_in_a_frame_leaves_nothing_behind() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let whole = encode_request(9, 1, None, &producing("t", 0, batch(&["a"])))
        .unwrap()
        .to_vec();
    for cut in [1, 3, 4, 5, 20, whole.len() - 1] {
        let mut client = node.client().await;
        client.raw(&whole[..cut]).await;
        client.stream.shutdown().await.unwrap();
        assert_eq!(client.frame().await, None);
    }
    assert_eq!(node.log.topic("t").unwrap().partitions()[0].end().0, 0);
    node.stop().await;
}

#[tokio::test]
async fn a_client_that_sent_all_and_closed_its_side_is_answered() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    for _ in 0..10 {
        client.send(9, &producing("t", 0, batch(&["a"]))).await;
    }
    client.stream.shutdown().await.unwrap();
    for _ in 0..10 {
        assert!(client.frame().await.is_some());
    }
    assert_eq!(client.frame().await, None);
    node.stop().await;
}

#[tokio::test]
async fn a_long_poll_of_a_client_that_is_gone_ends() {
    let one = Config {
        connections_max: 1,
        ..Config::default()
    };
    let node = Node::with(one).await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let request = FetchRequest {
        max_wait_ms: i32::MAX,
        ..fetching("t", 0, 0)
    };
    client.send(12, &request).await;
    drop(client);
    // The one place is free again long before the poll would have ended.
    let freed = async {
        loop {
            let mut client = node.client().await;
            client.raw(&frame(18, 0, &[])).await;
            if client.frame().await.is_some() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), freed)
        .await
        .expect("its place is free");
    node.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let two = Config {
        connections_max: 2,
        ..Config::default()
    };
    let node = Node::with(two).await;
    let (mut one, mut two) = (node.client().await, node.client().await);
    let all = MetadataRequest::default();
    one.call(9, &all).await;
    two.call(9, &all).await;
    let mut three = node.client().await;
    three.raw(&frame(18, 0, &[])).await;
    assert_eq!(three.frame().await, None);
    one.call(9, &all).await;
    node.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_not_read_from_for_ever() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let large = "x".repeat(200_000);
    for _ in 0..5 {
        client.produce("t", 0, batch(&[&large])).await;
    }
    // Each answer is 1 MB: the socket takes a few, and then no more requests are taken.
    let request = encode_request(12, 5, None, &fetching("t", 0, 0))
        .unwrap()
        .to_vec();
    let flood = async {
        for _ in 0..1_000_000 {
            client.stream.write_all(&request).await.unwrap();
        }
    };
    let stuck = tokio::time::timeout(Duration::from_secs(2), flood).await;
    assert!(
        stuck.is_err(),
        "a million requests were taken without an answer being read"
    );
    let mut other = node.client().await;
    let response = other.fetch("t", 0, 4).await;
    assert_eq!(values(&response).len(), 1, "{response:?}");
    let answered = tokio::time::timeout(DEADLINE, read_all(&mut client, 20)).await;
    answered.expect("it goes on once it is read from");
    drop(client);
    node.stop().await;
}

async fn read_all(client: &mut Client, count: usize) {
    for _ in 0..count {
        assert!(client.frame().await.is_some());
    }
}
