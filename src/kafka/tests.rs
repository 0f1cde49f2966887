//! Whole frames, byte by byte, and malformed ones.

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use proptest::prelude::*;

use super::sample::{Sample, Source};
use super::*;

/// A frame without its length prefix.
fn body_of(frame: &Frame) -> Bytes {
    let bytes = Bytes::from(frame.to_vec());
    assert_eq!(bytes.len(), frame.len_bytes());
    let length = i32::from_be_bytes(*bytes.first_chunk().unwrap());
    assert_eq!(usize::try_from(length).unwrap(), bytes.len() - 4);
    bytes.slice(4..)
}

#[test]
fn a_flexible_request_has_kafkas_bytes() {
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some("ab".to_owned()),
            ..MetadataRequestTopic::default()
        }]),
        ..MetadataRequest::default()
    };
    let frame = encode_request(9, 7, Some("me"), &request).unwrap();
    let expected = [
        &[0, 0, 0, 22][..], // length
        &[0, 3, 0, 9, 0, 0, 0, 7],
        &[0, 2, b'm', b'e', 0], // the client id stays in the plain encoding
        &[2, 3, b'a', b'b', 0], // one topic
        &[1, 0, 0, 0],          // create it, no authorized operations, no tagged fields
    ];
    assert_eq!(frame.to_vec(), expected.concat());
    let (header, body) = decode_request_header(&body_of(&frame)).unwrap();
    assert_eq!(header.api(), Some(ApiKey::Metadata));
    assert_eq!((header.api_version, header.correlation_id), (9, 7));
    assert_eq!(header.client_id.as_deref(), Some("me"));
    assert_eq!(
        decode_request::<MetadataRequest>(9, &body).unwrap(),
        request
    );
}

#[test]
fn a_plain_response_has_kafkas_bytes() {
    let response = HeartbeatResponse {
        throttle_time_ms: 1,
        error_code: ErrorCode::REBALANCE_IN_PROGRESS,
    };
    let plain = encode_response::<HeartbeatRequest>(1, 5, &response).unwrap();
    assert_eq!(plain.to_vec(), [0, 0, 0, 10, 0, 0, 0, 5, 0, 0, 0, 1, 0, 27]);
    let flexible = encode_response::<HeartbeatRequest>(4, 5, &response).unwrap();
    assert_eq!(
        flexible.to_vec(),
        [0, 0, 0, 12, 0, 0, 0, 5, 0, 0, 0, 0, 1, 0, 27, 0]
    );
    let (correlation_id, read) =
        decode_response::<HeartbeatRequest>(4, &body_of(&flexible)).unwrap();
    assert_eq!((correlation_id, read), (5, response));
}

#[test]
fn request_headers_agree_with_kafka_protocol() {
    for api in ApiKey::ALL.iter().copied() {
        for version in api.versions() {
            let header_version = if api.is_flexible(version) { 2 } else { 1 };
            for client_id in [None, Some("c")] {
                let theirs = kafka_protocol::messages::RequestHeader::default()
                    .with_request_api_key(api.number())
                    .with_request_api_version(version)
                    .with_correlation_id(-5)
                    .with_client_id(client_id.map(StrBytes::from_static_str));
                let mut bytes = BytesMut::new();
                theirs.encode(&mut bytes, header_version).unwrap();
                bytes.extend_from_slice(b"body");
                let (ours, body) = decode_request_header(&bytes.freeze()).unwrap();
                assert_eq!(ours.api(), Some(api));
                assert_eq!((ours.api_version, ours.correlation_id), (version, -5));
                assert_eq!(ours.client_id.as_deref(), client_id);
                assert_eq!(body, "body");
            }
        }
    }
}

#[test]
fn response_headers_agree_with_kafka_protocol() {
    let response = ListGroupsResponse::default();
    for version in ApiKey::ListGroups.versions() {
        let frame = encode_response::<ListGroupsRequest>(version, 9, &response).unwrap();
        let mut bytes = body_of(&frame);
        let header_version = i16::from(ApiKey::ListGroups.has_flexible_response_header(version));
        let header =
            kafka_protocol::messages::ResponseHeader::decode(&mut bytes, header_version).unwrap();
        assert_eq!(header.correlation_id, 9);
        kafka_protocol::messages::ListGroupsResponse::decode(&mut bytes, version).unwrap();
        assert!(bytes.is_empty());
    }
}

#[test]
fn the_header_of_an_unknown_version_or_api_can_be_read() {
    let frame = Bytes::from_static(&[0, 18, 0, 5, 0, 0, 0, 1, 0, 1, b'x', 0xff, 0xff, 0xff]);
    let (header, _) = decode_request_header(&frame).unwrap();
    assert_eq!((header.api_version, header.correlation_id), (5, 1));
    let error = decode_request::<ApiVersionsRequest>(5, &Bytes::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "read or write version 5 of ApiVersions (supported: 0 to 4)"
    );
    let frame = Bytes::from_static(&[3, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff]);
    assert_eq!(decode_request_header(&frame).unwrap().0.api(), None);
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let all = ApiVersionsResponse::of_all_apis();
    let frame = encode_unsupported_version(3, &all).unwrap();
    let (correlation_id, read) =
        decode_response::<ApiVersionsRequest>(0, &body_of(&frame)).unwrap();
    assert_eq!(correlation_id, 3);
    assert_eq!(read.error_code, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(read.api_keys, all.api_keys);
    let produce = read.api_keys.first().unwrap();
    assert_eq!(
        (produce.api_key, produce.min_version, produce.max_version),
        (0, 0, 11)
    );
}

#[test]
fn record_sets_are_neither_copied_in_nor_out() {
    let records = Bytes::from(vec![1; 10_000]);
    let request = ProduceRequest {
        topic_data: vec![TopicProduceData {
            name: "t".to_owned(),
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(RecordSet::from(records.clone())),
            }],
        }],
        ..ProduceRequest::default()
    };
    let frame = encode_request(9, 1, None, &request).unwrap();
    assert!(
        frame
            .parts()
            .iter()
            .any(|part| part.as_ptr() == records.as_ptr())
    );
    let bytes = body_of(&frame);
    let (header, body) = decode_request_header(&bytes).unwrap();
    let read: ProduceRequest = decode_request(header.api_version, &body).unwrap();
    let topic = read.topic_data.into_iter().next().unwrap();
    let partition = topic.partition_data.into_iter().next().unwrap();
    let slice = partition.records.unwrap().into_bytes();
    assert_eq!(slice, records);
    assert!(bytes.as_ptr_range().contains(&slice.as_ptr()));
}

#[test]
fn null_is_refused_or_written_as_empty_where_the_version_has_none() {
    let request = MetadataRequest::default();
    let frame = encode_request(0, 1, None, &request).unwrap();
    let (_, body) = decode_request_header(&body_of(&frame)).unwrap();
    let read: MetadataRequest = decode_request(0, &body).unwrap();
    assert_eq!(read.topics, Some(Vec::new()));
    assert!(read.wants_all_topics(0) && !read.wants_all_topics(1));
    let null = Bytes::from_static(&[0xff; 4]);
    assert_eq!(
        decode_request::<MetadataRequest>(0, &null),
        Err(Error::Null)
    );
    assert_eq!(
        decode_request::<MetadataRequest>(1, &null).unwrap().topics,
        None
    );
}

#[test]
fn unknown_tagged_fields_are_skipped_and_wrong_ones_refused() {
    // ApiVersions 3: name "", version "", then tagged fields.
    let read = |tagged: &[u8]| {
        let body = Bytes::from([&[1, 1][..], tagged].concat());
        decode_request::<ApiVersionsRequest>(3, &body)
    };
    assert!(read(&[2, 9, 2, 0xaa, 0xbb, 0xff, 0x01, 0]).is_ok());
    assert!(matches!(
        read(&[1, 9, 3, 0xaa, 0xbb]),
        Err(Error::Truncated { .. })
    ));
    assert!(matches!(
        read(&[0xff, 0xff, 0xff, 0xff, 0x0f]),
        Err(Error::Truncated { .. })
    ));
    assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x1f]), Err(Error::Varint));
    assert_eq!(
        read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        Err(Error::Varint)
    );
    // Fetch 12's tag 0 is a nullable string; a byte too many behind it is refused.
    let mut body = encode_request(12, 1, None, &FetchRequest::default())
        .unwrap()
        .to_vec();
    assert_eq!(body.pop(), Some(0));
    body.extend_from_slice(&[1, 0, 2, 0, 0]);
    let (_, body) = decode_request_header(&Bytes::from(body).slice(4..)).unwrap();
    assert_eq!(
        decode_request::<FetchRequest>(12, &body),
        Err(Error::TaggedField(0))
    );
}

#[test]
fn lengths_on_the_wire_allocate_nothing_by_themselves() {
    // Metadata 1: an array of 2^31-1 topics in four bytes.
    let body = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(
        decode_request::<MetadataRequest>(1, &body),
        Err(Error::ArrayTooLong {
            count: 0x7fff_ffff,
            possible: 0
        })
    );
    let body = Bytes::from_static(&[0x80, 0, 0, 0]);
    assert_eq!(
        decode_request::<MetadataRequest>(1, &body),
        Err(Error::NegativeLength(-0x8000_0000))
    );
    // Compact: 2^32-2 topics.
    let body = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(matches!(
        decode_request::<MetadataRequest>(9, &body),
        Err(Error::ArrayTooLong { .. })
    ));
    // A string and a record set longer than the frame.
    assert!(matches!(
        decode_request::<HeartbeatRequest>(0, &Bytes::from_static(&[0x7f, 0xff, b'a'])),
        Err(Error::Truncated { .. })
    ));
    assert_eq!(
        decode_request::<HeartbeatRequest>(0, &Bytes::from_static(&[0, 1, 0xff])),
        Err(Error::NotUtf8)
    );
}

#[test]
fn small_elements_cannot_make_a_request_much_larger_than_its_frame() {
    // Metadata 9: a topic of two bytes takes forty in memory.
    let count = 4_000_000_u32;
    let mut body = vec![];
    let mut rest = count + 1;
    while rest > 0x7f {
        body.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    body.push(rest.to_le_bytes()[0]);
    body.resize(body.len() + 8_000_000, 1);
    let refused = decode_request::<MetadataRequest>(9, &Bytes::from(body));
    assert!(
        matches!(refused, Err(Error::OverBudget { .. })),
        "{refused:?}"
    );
}

#[test]
fn what_a_version_cannot_say_is_an_error() {
    let request = HeartbeatRequest {
        group_id: "g".repeat(40_000),
        ..Default::default()
    };
    assert_eq!(
        encode_request(3, 1, None, &request),
        Err(Error::TooLong { bytes: 40_000 })
    );
    assert!(encode_request(4, 1, None, &request).is_ok());
    assert!(matches!(
        encode_request(5, 1, None, &request),
        Err(Error::UnsupportedVersion { .. })
    ));
}

/// Reads damaged bytes as a request and as a response: an error or a value, never a panic.
fn read_damaged<R: Request + Sample>(seed: u64, damage: &[(u16, u8)], cut: u16)
where
    R::Response: Sample,
{
    for version in R::KEY.versions() {
        let mut source = Source::new(seed, version);
        let request = R::sample(&mut source);
        let response = R::Response::sample(&mut source);
        let frame = encode_request(version, 1, Some("c"), &request).unwrap();
        let frame = damaged(frame.to_vec(), damage, cut);
        if let Ok((_, body)) = decode_request_header(&frame) {
            let _ = decode_request::<R>(version, &body);
        }
        let frame = encode_response::<R>(version, 1, &response).unwrap();
        let _ = decode_response::<R>(version, &damaged(frame.to_vec(), damage, cut));
    }
}

fn damaged(mut frame: Vec<u8>, damage: &[(u16, u8)], cut: u16) -> Bytes {
    frame.drain(..4);
    for (at, byte) in damage {
        let at = usize::from(*at) % frame.len();
        frame[at] = *byte;
    }
    if cut.is_multiple_of(2) {
        frame.truncate(usize::from(cut) % (frame.len() + 1));
    }
    Bytes::from(frame)
}

macro_rules! read_damaged_of_all {
    ($seed:expr, $damage:expr, $cut:expr; $($request:ident)*) => {
        $(read_damaged::<$request>($seed, $damage, $cut);)*
    };
}

proptest! {
    #[test]
    fn damaged_frames_never_panic(
        seed: u64,
        damage in prop::collection::vec((any::<u16>(), prop_oneof![
            any::<u8>(), Just(0xff), Just(0x7f), Just(0x80),
        ]), 0..6),
        cut: u16,
    ) {
        read_damaged_of_all!(seed, &damage, cut;
            ApiVersionsRequest CreateTopicsRequest DeleteGroupsRequest DeleteTopicsRequest
            DescribeClusterRequest DescribeConfigsRequest DescribeGroupsRequest FetchRequest
            FindCoordinatorRequest HeartbeatRequest InitProducerIdRequest JoinGroupRequest
            LeaveGroupRequest ListGroupsRequest ListOffsetsRequest MetadataRequest
            OffsetCommitRequest OffsetFetchRequest ProduceRequest SyncGroupRequest);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let frame = Bytes::from(bytes);
        let _ = decode_request_header(&frame);
        for version in 0..=17 {
            let _ = decode_request::<FetchRequest>(version, &frame);
            let _ = decode_request::<ProduceRequest>(version, &frame);
            let _ = decode_response::<FetchRequest>(version, &frame);
            let _ = decode_request::<CreateTopicsRequest>(version, &frame);
        }
    }
}
