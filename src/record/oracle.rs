//! Batches of others: Kafka's Java client and the crate kafka-protocol, in both directions.

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records as theirs;
use proptest::prelude::*;

use super::tests::{LIMITS, Made, built, made, read};
use super::*;

/// What Kafka's Java client 4.3.1 makes of three records, with each codec: a producer's batch with
/// base sequence 5, repeated header keys, a null key and a tombstone.
const JAVA_BATCHES: [(Codec, &str); 5] = [
    (
        Codec::None,
        "000000000000000000000074000000030205ed4af00000000000020000018bcfe568000000018bcf\
         e568070000000000000fa00001000000050000000366000000066b65794676616c75652076616c75\
         652076616c75652076616c75652076616c75652076616c756504026802310268010c000102010000\
         0e000e0402000100",
    ),
    (
        Codec::Gzip,
        "00000000000000000000006d000000030258eca7490001000000020000018bcfe568000000018bcf\
         e568070000000000000fa0000100000005000000031f8b08000000000000ff4b63606060cb4ead74\
         2b4bcc294d55c04bb230653019326530f2303032313230f031f0b1303130320000d7f1fce1430000\
         00",
    ),
    (
        Codec::Snappy,
        "0000000000000000000000710000000302edf5cbd10002000000020000018bcfe568000000018bcf\
         e568070000000000000fa00001000000050000000382534e41505059000000000100000001000000\
         2c433866000000066b65794676616c7565207206005804026802310268010c0001020100000e000e\
         0402000100",
    ),
    (
        Codec::Lz4,
        "00000000000000000000006d0000000302bdb93dcd0003000000020000018bcfe568000000018bcf\
         e568070000000000000fa00001000000050000000304224d186040822d000000ff0066000000066b\
         65794676616c75652006000af00804026802310268010c0001020100000e000e0402000100000000\
         00",
    ),
    (
        Codec::Zstd,
        "00000000000000000000006a00000003025ff34db50004000000020000018bcfe568000000018bcf\
         e568070000000000000fa00001000000050000000328b52ffd00586c0100640266000000066b6579\
         4676616c75652004026802310268010c0001020100000e000e04020001000100b94b1d010000",
    ),
];

fn bytes_of(hex: &str) -> Vec<u8> {
    let (pairs, _) = hex.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(byte).collect()
}

#[test]
fn batches_of_the_java_client_are_read() {
    for (codec, hex) in JAVA_BATCHES {
        let batch = bytes_of(hex);
        let header = verify_produced(&batch, &LIMITS).unwrap()[0];
        assert_eq!(header, verify(&batch).unwrap());
        assert_eq!(header.codec().unwrap(), codec);
        assert_eq!((header.producer_id, header.last_sequence()), (4000, 7));
        let made = |timestamp, key: Option<&[u8]>, value: Option<&[u8]>| Made {
            timestamp,
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            headers: Vec::new(),
        };
        let value = b"value value value value value value";
        let mut expected = [
            made(1_700_000_000_000, Some(b"key"), Some(value)),
            made(1_699_999_999_999, None, Some(b"")),
            made(1_700_000_000_007, Some(&[0]), None),
        ];
        expected[0].headers = vec![
            ("h".to_owned(), Some(b"1".to_vec())),
            ("h".to_owned(), None),
        ];
        assert_eq!(read(&batch), expected, "{codec}");
    }
}

fn their_codec(codec: theirs::Compression) -> Codec {
    match codec {
        theirs::Compression::None => Codec::None,
        theirs::Compression::Gzip => Codec::Gzip,
        theirs::Compression::Snappy => Codec::Snappy,
        theirs::Compression::Lz4 => Codec::Lz4,
        theirs::Compression::Zstd => Codec::Zstd,
    }
}

/// Their record as one of ours; they keep one header of each key.
fn of_theirs(record: &theirs::Record) -> Made {
    let owned = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| bytes.to_vec());
    let headers = record
        .headers
        .iter()
        .map(|(key, value)| (key.to_string(), owned(value)))
        .collect();
    Made {
        timestamp: record.timestamp,
        key: owned(&record.key),
        value: owned(&record.value),
        headers,
    }
}

fn to_theirs((offset, made): (usize, &Made)) -> theirs::Record {
    let offset = i64::try_from(offset).unwrap();
    let owned = |bytes: &Option<Vec<u8>>| bytes.clone().map(Bytes::from);
    let headers: IndexMap<StrBytes, Option<Bytes>> = made
        .headers
        .iter()
        .map(|(key, value)| (StrBytes::from_string(key.clone()), owned(value)))
        .collect();
    theirs::Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: 77,
        producer_epoch: 2,
        timestamp_type: theirs::TimestampType::Creation,
        offset,
        sequence: i32::try_from(offset).unwrap(),
        timestamp: made.timestamp,
        key: owned(&made.key),
        value: owned(&made.value),
        headers,
    }
}

fn one_header_of_a_key(mut made: Vec<Made>) -> Vec<Made> {
    for one in &mut made {
        one.headers.sort();
        one.headers.dedup_by(|a, b| a.0 == b.0);
        // They take deltas without wrapping.
        one.timestamp = one.timestamp.rem_euclid(2_000_000_000_000);
    }
    made
}

proptest! {
    #[test]
    fn kafka_protocol_reads_what_we_build(records in prop::collection::vec(made(), 1..20)) {
        let records = one_header_of_a_key(records);
        for codec in Codec::ALL {
            let mut batch = Bytes::from(built(&records, codec));
            let unpack = |bytes: &mut Bytes, codec| {
                Ok(Bytes::from(their_codec(codec).decompress(bytes, 1 << 20)?.into_owned()))
            };
            let read = theirs::RecordBatchDecoder::decode_with_custom_compression(
                &mut batch, Some(unpack)).unwrap();
            prop_assert!(batch.is_empty());
            prop_assert_eq!(their_codec(read.compression), codec);
            let read: Vec<Made> = read.records.iter().map(of_theirs).collect();
            prop_assert_eq!(&read, &records);
        }
    }

    #[test]
    fn we_read_what_kafka_protocol_builds(records in prop::collection::vec(made(), 1..20)) {
        let records = one_header_of_a_key(records);
        let given: Vec<theirs::Record> = records.iter().enumerate().map(to_theirs).collect();
        for compression in [
            theirs::Compression::None,
            theirs::Compression::Gzip,
            theirs::Compression::Snappy,
            theirs::Compression::Lz4,
            theirs::Compression::Zstd,
        ] {
            let pack = |plain: &mut BytesMut, out: &mut BytesMut, codec| {
                let mut packed = Vec::new();
                their_codec(codec).compress(plain, &mut packed)?;
                out.extend_from_slice(&packed);
                Ok(())
            };
            let mut batch = BytesMut::new();
            let options = theirs::RecordEncodeOptions { version: 2, compression };
            theirs::RecordBatchEncoder::encode_with_custom_compression(
                &mut batch, &given, &options, Some(pack)).unwrap();
            let header = verify_produced(&batch, &LIMITS).unwrap()[0];
            prop_assert_eq!(header.codec().unwrap(), their_codec(compression));
            prop_assert_eq!((header.producer_id, header.base_sequence), (77, 0));
            prop_assert_eq!(&read(&batch), &records);
        }
    }
}
