//! Batches byte by byte, as round trips, and damaged.

use proptest::prelude::*;

use super::*;
use crate::error::{Explain, RECORD_CHECKSUM, RECORD_MALFORMED};

pub(super) const LIMITS: Limits = Limits {
    batches_max: 1,
    batch_bytes_max: 1 << 20,
    decompressed_bytes_max: 1 << 20,
};

/// A record as tests make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) timestamp: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
}

pub(super) fn made() -> impl Strategy<Value = Made> {
    let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 0..100));
    (
        prop_oneof![0_i64..2_000_000_000_000, any::<i64>()],
        bytes(),
        bytes(),
        prop::collection::vec(("[a-z_.]{0,9}", bytes()), 0..4),
    )
        .prop_map(|(timestamp, key, value, headers)| Made {
            timestamp,
            key,
            value,
            headers,
        })
}

fn append(builder: &mut BatchBuilder, made: &Made) {
    let headers: Vec<Header<'_>> = made
        .headers
        .iter()
        .map(|(key, value)| Header {
            key,
            value: value.as_deref(),
        })
        .collect();
    builder
        .append(
            made.timestamp,
            made.key.as_deref(),
            made.value.as_deref(),
            &headers,
        )
        .unwrap();
}

pub(super) fn built(made: &[Made], codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new().codec(codec);
    for one in made {
        append(&mut builder, one);
    }
    builder.finish().unwrap()
}

pub(super) fn read(batch: &[u8]) -> Vec<Made> {
    let records = Records::decode(batch, 1 << 20).unwrap();
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let mut all = Vec::new();
    for record in &records {
        let record = record.unwrap();
        let headers = record
            .headers()
            .map(|(key, value)| (String::from_utf8(key.to_vec()).unwrap(), owned(value)))
            .collect();
        all.push(Made {
            timestamp: record.timestamp,
            key: owned(record.key),
            value: owned(record.value),
            headers,
        });
    }
    all
}

fn simple(count: u8) -> Vec<Made> {
    (0..count)
        .map(|index| Made {
            timestamp: 1000 + i64::from(index),
            key: Some(vec![index]),
            value: Some(vec![b'v'; 20]),
            headers: Vec::new(),
        })
        .collect()
}

/// Changes a field of a batch and makes the checksum right again.
fn forged(batch: &[u8], at: usize, field: &[u8]) -> Vec<u8> {
    let mut forged = batch.to_vec();
    forged[at..at + field.len()].copy_from_slice(field);
    header::seal(&mut forged);
    forged
}

/// A batch around a body that may be anything.
fn around(body: &[u8], records_count: i32) -> Vec<u8> {
    let mut batch = built(&simple(1), Codec::None);
    batch.truncate(BATCH_HEADER_BYTES);
    batch.extend_from_slice(body);
    let length = i32::try_from(batch.len() - 12).unwrap();
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[23..27].copy_from_slice(&(records_count - 1).to_be_bytes());
    batch[57..61].copy_from_slice(&records_count.to_be_bytes());
    header::seal(&mut batch);
    batch
}

#[test]
fn a_batch_has_kafkas_bytes() {
    let mut builder = BatchBuilder::new();
    let header = Header {
        key: "h",
        value: None,
    };
    builder
        .append(5, Some(b"k"), Some(b"v1"), &[header])
        .unwrap();
    builder.append(7, None, None, &[]).unwrap();
    assert_eq!(builder.count(), 2);
    let predicted = builder.len_bytes();
    let batch = builder.finish().unwrap();
    assert_eq!(predicted, batch.len());
    let expected = [
        &[0, 0, 0, 0, 0, 0, 0, 0][..],
        &[0, 0, 0, 69], // batch length
        &[0xff; 4],     // leader epoch
        &[2],
        &batch[17..21], // checksum
        &[0, 0],        // attributes
        &[0, 0, 0, 1],  // last offset delta
        &[0, 0, 0, 0, 0, 0, 0, 5],
        &[0, 0, 0, 0, 0, 0, 0, 7],
        &[0xff; 8],
        &[0xff; 2],
        &[0xff; 4],
        &[0, 0, 0, 2],
        &[24, 0, 0, 0, 2, b'k', 4, b'v', b'1', 2, 2, b'h', 1],
        &[12, 0, 4, 2, 1, 1, 0],
    ];
    assert_eq!(batch, expected.concat());
    assert_eq!(verify(&batch).unwrap().records_count, 2);
    assert!(builder.is_empty());
}

#[test]
fn a_builder_goes_on_with_the_next_batch_and_sequence() {
    let mut builder = BatchBuilder::with_capacity(100).producer(9, 1, i32::MAX);
    let mut out = vec![0xaa];
    assert_eq!(builder.finish_into(&mut out).unwrap(), 0);
    assert!(builder.finish().unwrap().is_empty());
    for one in &simple(2) {
        append(&mut builder, one);
    }
    let written = builder.finish_into(&mut out).unwrap();
    assert_eq!(written, out.len() - 1);
    for one in &simple(3) {
        append(&mut builder, one);
    }
    out.extend(builder.finish().unwrap());
    let headers: Vec<BatchHeader> = batches(&out[1..])
        .map(|batch| verify(batch.unwrap().1).unwrap())
        .collect();
    let [first, second] = headers.try_into().unwrap();
    assert_eq!((first.producer_id, first.producer_epoch), (9, 1));
    assert_eq!((first.base_sequence, first.last_sequence()), (i32::MAX, 0));
    assert_eq!((second.base_sequence, second.last_sequence()), (1, 3));
    builder.append(0, None, Some(b"dropped"), &[]).unwrap();
    builder.clear();
    assert!(builder.is_empty() && builder.finish().unwrap().is_empty());
}

#[test]
fn where_a_batch_is_stored_is_not_under_its_checksum() {
    let mut batch = built(&simple(3), Codec::None);
    set_base_offset(&mut batch, 1000, 4);
    let header = verify(&batch).unwrap();
    assert_eq!(
        (header.base_offset, header.partition_leader_epoch),
        (1000, 4)
    );
    assert_eq!((header.last_offset(), header.next_offset()), (1002, 1003));
    let records = Records::decode(&batch, 1 << 20).unwrap();
    let offsets: Vec<i64> = records
        .iter()
        .map(|record| record.unwrap().offset)
        .collect();
    assert_eq!(offsets, [1000, 1001, 1002]);
}

#[test]
fn append_time_is_the_time_of_every_record() {
    let batch = forged(&built(&simple(2), Codec::None), 21, &[0, 0x08]);
    let records = Records::decode(&batch, 1 << 20).unwrap();
    assert!(
        records
            .iter()
            .all(|record| record.unwrap().timestamp == 1001)
    );
    assert!(matches!(
        verify_produced(&batch, &LIMITS),
        Err(Error::NotAllowed(_))
    ));
}

#[test]
fn batches_are_walked_until_one_is_cut() {
    let one = built(&simple(1), Codec::None);
    let two = built(&simple(2), Codec::Zstd);
    let run = [one.clone(), two.clone()].concat();
    let walked: Vec<&[u8]> = batches(&run).map(|batch| batch.unwrap().1).collect();
    assert_eq!(walked, [&one[..], &two[..]]);
    for cut in one.len() + 1..run.len() {
        let mut walk = batches(&run[..cut]);
        assert!(walk.next().unwrap().is_ok());
        assert_eq!(walk.rest().len(), cut - one.len());
        assert!(matches!(walk.next(), Some(Err(Error::Truncated { .. }))));
        assert!(walk.next().is_none());
    }
}

#[test]
fn every_changed_byte_under_the_checksum_is_noticed() {
    let batch = built(&simple(2), Codec::None);
    for at in header::CRC_FROM - 4..batch.len() {
        let mut changed = batch.clone();
        changed[at] ^= 1;
        let error = verify(&changed).unwrap_err();
        assert!(matches!(error, Error::Checksum { .. }), "{at}: {error}");
        assert_eq!(error.code(), RECORD_CHECKSUM);
    }
}

#[test]
fn malformed_headers_are_refused() {
    let batch = built(&simple(2), Codec::None);
    assert!(matches!(verify(&[]), Err(Error::Truncated { .. })));
    assert!(matches!(verify(&batch[..60]), Err(Error::Truncated { .. })));
    assert!(matches!(
        verify(&batch[..batch.len() - 1]),
        Err(Error::Truncated { .. })
    ));
    let longer = [&batch[..], &[0]].concat();
    assert!(matches!(verify(&longer), Err(Error::Malformed(_))));
    for (at, field) in [
        (8, &[0xff, 0xff, 0xff, 0xff][..]), // a negative length
        (8, &[0, 0, 0, 48]),                // a length below a header's
        (0, &[0x80, 0, 0, 0, 0, 0, 0, 0]),  // a negative base offset
        (0, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        (21, &[0x01, 0]),                // a reserved attribute
        (21, &[0, 5]),                   // a codec that is not known
        (23, &[0x80, 0, 0, 0]),          // a negative last offset
        (57, &[0xff, 0xff, 0xff, 0xff]), // a negative count
        (57, &[0x7f, 0xff, 0xff, 0xff]), // more records than offsets
    ] {
        let error = verify(&forged(&batch, at, field)).unwrap_err();
        assert!(
            matches!(error, Error::Malformed(_) | Error::UnknownCodec(5)),
            "{at}: {error}"
        );
        assert_eq!(error.code(), RECORD_MALFORMED);
    }
    assert!(matches!(
        verify(&forged(&batch, 16, &[1])),
        Err(Error::Magic(1))
    ));
    assert!(matches!(
        verify(&forged(&batch, 8, &[0x7f, 0xff, 0xff, 0xff])),
        Err(Error::Truncated { .. })
    ));
}

#[test]
fn malformed_records_are_refused() {
    let refused = |body: &[u8], count: i32| {
        let batch = around(body, count);
        assert!(verify(&batch).is_ok());
        verify_produced(&batch, &LIMITS).unwrap_err()
    };
    let good = [12, 0, 0, 0, 1, 1, 0];
    assert!(verify_produced(&around(&good, 1), &LIMITS).is_ok());
    // Too few, too many, and 2^31-1 records.
    assert!(matches!(refused(&good, 2), Error::Truncated { .. }));
    assert!(matches!(
        refused(&[good, good].concat(), 1),
        Error::Malformed(_)
    ));
    assert!(matches!(refused(&good, i32::MAX), Error::Truncated { .. }));
    // Offsets that are not dense.
    assert!(matches!(
        refused(&[good, good].concat(), 2),
        Error::NotAllowed(_)
    ));
    for body in [
        &[][..],
        &[0x80],                                            // a cut varint
        &[0x0b],                                            // a negative length
        &[0xfe, 0xff, 0xff, 0xff, 0x0f],                    // a length of 2^31-1
        &[0],                                               // no attributes
        &[14, 0, 0, 0, 1, 1, 0, 0],                         // bytes behind the headers
        &[12, 0, 0, 0, 3, 1, 0],                            // a key of -2 bytes
        &[12, 0, 0, 0, 20, 1, 0],                           // a key that is cut
        &[12, 0, 0, 0, 1, 20, 0],                           // a value that is cut
        &[12, 0, 0, 0, 1, 1, 1],                            // -1 headers
        &[20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f], // 2^31-1 headers
        &[16, 0, 0, 0, 1, 1, 2, 1, 1],                      // a header's key is null
    ] {
        let error = refused(body, 1);
        assert!(
            matches!(error, Error::Truncated { .. } | Error::Malformed(_)),
            "{error}"
        );
    }
}

#[test]
fn producers_may_send_one_plain_batch_within_the_limits() {
    let batch = built(&simple(2), Codec::Lz4);
    let headers = verify_produced(&batch, &LIMITS).unwrap();
    assert_eq!(headers, [BatchHeader::parse(&batch).unwrap()]);
    let not_allowed = |bytes: &[u8]| {
        assert!(matches!(
            verify_produced(bytes, &LIMITS),
            Err(Error::NotAllowed(_))
        ));
    };
    not_allowed(&[]);
    not_allowed(&[batch.clone(), batch.clone()].concat());
    for (at, field) in [
        (0, &[0, 0, 0, 0, 0, 0, 0, 1][..]), // base offset 1
        (21, &[0, 0x13]),                   // transactional
        (21, &[0, 0x23]),                   // control
        (21, &[0, 0x43]),                   // delete horizon
        (23, &[0, 0, 0, 5]),                // fewer records than offsets
        (43, &[0, 0, 0, 0, 0, 0, 0, 1]),    // a producer without epoch and sequence
        (51, &[0, 0]),                      // an epoch without a producer
        (53, &[0, 0, 0, 0]),                // a sequence without a producer
    ] {
        not_allowed(&forged(&batch, at, field));
    }
    let two = Limits {
        batches_max: 2,
        ..LIMITS
    };
    assert_eq!(
        verify_produced(&[batch.clone(), batch.clone()].concat(), &two)
            .unwrap()
            .len(),
        2
    );
    let small = Limits {
        batch_bytes_max: batch.len() - 1,
        ..LIMITS
    };
    assert!(matches!(
        verify_produced(&batch, &small),
        Err(Error::TooLarge { .. })
    ));
    let flat = Limits {
        decompressed_bytes_max: 10,
        ..LIMITS
    };
    assert!(matches!(
        verify_produced(&batch, &flat),
        Err(Error::TooLarge { .. })
    ));
}

#[test]
fn a_largest_timestamp_that_a_producer_left_out_is_found_and_mended() {
    let mut batch = forged(&built(&simple(3), Codec::Gzip), 35, &[0xff; 8]);
    let header = verify_produced(&batch, &LIMITS).unwrap()[0];
    assert_eq!(header.max_timestamp, 1002);
    set_max_timestamp(&mut batch, header.max_timestamp);
    assert_eq!(verify(&batch).unwrap().max_timestamp, 1002);
}

#[test]
fn filtering_keeps_offsets_and_the_range_of_the_batch() {
    for codec in Codec::ALL {
        let mut builder = BatchBuilder::new().codec(codec).producer(3, 0, 10);
        for one in &simple(5) {
            append(&mut builder, one);
        }
        let mut batch = builder.finish().unwrap();
        set_base_offset(&mut batch, 100, 7);
        let before = verify(&batch).unwrap();
        let result = filter(&batch, 1 << 20, |record| {
            [101, 103].contains(&record.offset)
        });
        let Filtered::Rewritten(rewritten) = result.unwrap() else {
            panic!("{codec}")
        };
        let after = verify(&rewritten).unwrap();
        let expected = BatchHeader {
            records_count: 2,
            max_timestamp: 1003,
            batch_length: after.batch_length,
            crc: after.crc,
            ..before
        };
        assert_eq!(after, expected);
        let records = Records::decode(&rewritten, 1 << 20).unwrap();
        let kept: Vec<(i64, i64)> = records
            .iter()
            .map(|record| record.unwrap())
            .map(|r| (r.offset, r.timestamp))
            .collect();
        assert_eq!(kept, [(101, 1001), (103, 1003)]);
        assert_eq!(
            filter(&rewritten, 1 << 20, |_| true).unwrap(),
            Filtered::Unchanged
        );
        assert_eq!(
            filter(&rewritten, 1 << 20, |_| false).unwrap(),
            Filtered::Nothing
        );

        let empty = empty_batch(&before);
        let header = verify(&empty).unwrap();
        assert_eq!((header.records_count, header.last_offset()), (0, 104));
        assert_eq!(header.last_sequence(), 14);
        assert_eq!(Records::decode(&empty, 0).unwrap().iter().count(), 0);
        assert_eq!(filter(&empty, 0, |_| true).unwrap(), Filtered::Unchanged);
    }
}

#[test]
fn a_copied_record_keeps_its_headers_and_gets_more() {
    let made = Made {
        timestamp: 5,
        key: None,
        value: Some(b"v".to_vec()),
        headers: vec![("a".to_owned(), None), ("a".to_owned(), Some(vec![1]))],
    };
    let batch = built(std::slice::from_ref(&made), Codec::None);
    let records = Records::decode(&batch, 1 << 20).unwrap();
    let record = records.iter().next().unwrap().unwrap();
    assert_eq!(record.header("a"), Some(Some(&[1][..])));
    assert_eq!(record.header("b"), None);
    let mut builder = BatchBuilder::new();
    builder
        .append_copy(
            &record,
            &[Header {
                key: "why",
                value: Some(b"x"),
            }],
        )
        .unwrap();
    let copied = read(&builder.finish().unwrap());
    let mut expected = made;
    expected
        .headers
        .push(("why".to_owned(), Some(b"x".to_vec())));
    assert_eq!(copied, [expected]);
}

proptest! {
    #[test]
    fn batches_round_trip(records in prop::collection::vec(made(), 1..20)) {
        for codec in Codec::ALL {
            let batch = built(&records, codec);
            let headers = verify_produced(&batch, &LIMITS).unwrap();
            prop_assert_eq!(headers[0], verify(&batch).unwrap());
            prop_assert_eq!(&read(&batch), &records);
        }
    }

    #[test]
    fn damaged_batches_never_panic(
        records in prop::collection::vec(made(), 1..5),
        damage in prop::collection::vec((any::<u16>(), any::<u8>()), 1..8),
        codec in 0..5_u8,
        cut: u16,
    ) {
        let mut batch = built(&records, Codec::from_number(codec).unwrap());
        for (at, byte) in &damage {
            let at = usize::from(*at) % batch.len();
            batch[at] = *byte;
        }
        if cut % 4 == 0 {
            batch.truncate(usize::from(cut) % batch.len());
        }
        if batch.len() >= BATCH_HEADER_BYTES {
            header::seal(&mut batch);
        }
        let _ = verify_produced(&batch, &LIMITS);
        for walked in batches(&batch) {
            let Ok((_, bytes)) = walked else { break };
            let Ok(records) = Records::decode(bytes, 1 << 16) else { continue };
            for record in records.iter().flatten() {
                record.headers().for_each(drop);
            }
            let _ = filter(bytes, 1 << 16, |record| record.offset % 2 == 0);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = verify_produced(&bytes, &LIMITS);
        let _ = verify(&bytes);
        let around = around(&bytes, 3);
        let _ = verify_produced(&around, &LIMITS);
    }
}
