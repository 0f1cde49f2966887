//! Messages by their bytes, and bytes that are no messages.

use proptest::prelude::*;

use super::*;
use crate::lsn::Lsn;
use crate::postgres::pgoutput::{Cell, OldTuple, RelationColumn, ReplicaIdentity};

/// Two cells: the text "7", and null.
const TUPLE: &[u8] = b"\0\x02t\0\0\0\x017n";
/// 2000-01-01 in Unix time.
const EPOCH_US: i64 = 946_684_800_000_000;

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn begin_and_commit_carry_positions_and_unix_times() {
    let begin = joined(&[
        b"B",
        &[0, 0, 0, 1, 0, 0, 0, 2],
        &[0; 7],
        &[5],
        &[0, 0, 0, 9],
    ]);
    assert_eq!(
        decode(&begin),
        Ok(Message::Begin(Begin {
            final_lsn: Lsn(0x1_0000_0002),
            commit_time_us: EPOCH_US + 5,
            xid: 9,
        }))
    );
    let commit = joined(&[b"C\0", &[0; 7], &[1], &[0; 7], &[2], &[0xff; 8]]);
    assert_eq!(
        decode(&commit),
        Ok(Message::Commit(Commit {
            flags: 0,
            commit_lsn: Lsn(1),
            end_lsn: Lsn(2),
            commit_time_us: EPOCH_US - 1,
        }))
    );
    for extreme in [i64::MIN, i64::MAX] {
        let commit = joined(&[b"C\0", &[0; 16], &extreme.to_be_bytes()]);
        assert!(decode(&commit).is_ok(), "{extreme}");
    }
}

#[test]
fn a_relation_names_its_columns() {
    let bytes = joined(&[
        b"R\0\0\0\x07public\0t\0f\0\x02",
        b"\x01id\0\0\0\0\x17\xff\xff\xff\xff",
        b"\0\xc3\xa9\0\0\0\x06\xa4\0\x0a\0\x06",
    ]);
    let Ok(Message::Relation(relation)) = decode(&bytes) else {
        panic!("{:?}", decode(&bytes));
    };
    assert_eq!(
        (relation.id, relation.namespace, relation.name),
        (7, "public", "t")
    );
    assert_eq!(relation.replica_identity, ReplicaIdentity::Full);
    let id = RelationColumn {
        is_key: true,
        name: "id",
        type_oid: 23,
        type_modifier: -1,
    };
    assert_eq!(relation.columns[0], id);
    assert_eq!(relation.columns[1].name, "\u{e9}");
    let built_in = decode(b"R\0\0\0\x07\0pg_class\0d\0\0");
    assert!(matches!(built_in, Ok(Message::Relation(one)) if one.namespace == "pg_catalog"));
}

#[test]
fn rows_come_as_borrowed_cells() {
    let insert = joined(&[b"I\0\0\0\x07N", TUPLE]);
    let Ok(Message::Insert(insert)) = decode(&insert) else {
        panic!("{:?}", decode(&insert));
    };
    assert_eq!((insert.relation_id, insert.new.len()), (7, 2));
    let cells: Vec<Cell<'_>> = insert.new.cells().collect();
    assert_eq!(cells, [Cell::Text(b"7"), Cell::Null]);
    assert_eq!(insert.new.cells().len(), 2);

    let update = joined(&[b"U\0\0\0\x07N\0\x02ub\0\0\0\x02\0\x01"]);
    let Ok(Message::Update(update)) = decode(&update) else {
        panic!("{:?}", decode(&update));
    };
    assert_eq!(update.old, None);
    let cells: Vec<Cell<'_>> = update.new.into_iter().collect();
    assert_eq!(cells, [Cell::Unchanged, Cell::Binary(&[0, 1])]);
    for (letter, full) in [(b"K", false), (b"O", true)] {
        let update = joined(&[b"U\0\0\0\x07", letter, TUPLE, b"N", TUPLE]);
        let Ok(Message::Update(update)) = decode(&update) else {
            panic!("{:?}", decode(&update));
        };
        assert_eq!(matches!(update.old, Some(OldTuple::Full(_))), full);
        assert_eq!(update.old.unwrap().tuple(), update.new);
        let delete = joined(&[b"D\0\0\0\x07", letter, TUPLE]);
        let Ok(Message::Delete(delete)) = decode(&delete) else {
            panic!("{:?}", decode(&delete));
        };
        assert_eq!(matches!(delete.old, OldTuple::Full(_)), full);
    }
}

#[test]
fn truncates_messages_origins_and_types_are_read() {
    let truncate = b"T\0\0\0\x02\x03\0\0\0\x01\0\0\0\x02";
    let Ok(Message::Truncate(truncate)) = decode(truncate) else {
        panic!();
    };
    assert!(truncate.cascade && truncate.restart_identity);
    assert_eq!(truncate.relation_ids.iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(truncate.relation_ids.len(), 2);
    let message = joined(&[b"M\x01", &[0; 7], &[3], b"pre\0\0\0\0\x02hi"]);
    assert_eq!(
        decode(&message),
        Ok(Message::LogicalMessage(LogicalMessage {
            transactional: true,
            lsn: Lsn(3),
            prefix: "pre",
            content: b"hi",
        }))
    );
    let origin = joined(&[b"O", &[0; 7], &[4], b"node\0"]);
    assert!(matches!(decode(&origin), Ok(Message::Origin(one)) if one.name == "node"));
    let named = decode(b"Y\0\0\0\x09s\0mood\0");
    assert!(matches!(named, Ok(Message::Type(one)) if one.name == "mood" && one.oid == 9));
}

#[test]
fn hostile_messages_are_refused() {
    let huge = |tag: &[u8]| joined(&[tag, b"\0\0\0\x07N\0\x01t\x7f\xff\xff\xff"]);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "empty"),
        (b"z".to_vec(), "unknown type 'z'"),
        (b"S\0\0\0\x01\x01".to_vec(), "unknown type 'S'"),
        (huge(b"I"), "2147483647 bytes wanted"),
        (
            b"I\0\0\0\x07N\0\x01t\xff\xff\xff\xfe".to_vec(),
            "-2 is negative",
        ),
        (b"I\0\0\0\x07N\xff\xfft".to_vec(), "bytes wanted"),
        (b"I\0\0\0\x07N\0\x01x".to_vec(), "'x' is not defined"),
        (b"I\0\0\0\x07K\0\0".to_vec(), "'K' is not defined"),
        (b"I\0\0\0\x07N\0\0!".to_vec(), "1 bytes left over"),
        (
            joined(&[b"U\0\0\0\x07K", TUPLE, b"O", TUPLE]),
            "'O' is not defined",
        ),
        (joined(&[b"D\0\0\0\x07N", TUPLE]), "'N' is not defined"),
        (
            b"T\0\x0f\x42\x40\xff\0\0\0\x01".to_vec(),
            "4000000 bytes wanted",
        ),
        (b"T\xff\xff\xff\xff\0".to_vec(), "-1 is negative"),
        (b"R\0\0\0\x07public\0t".to_vec(), "does not end"),
        (b"R\0\0\0\x07p\xff\0t\0d\0\0".to_vec(), "not UTF-8"),
        (b"R\0\0\0\x07p\0t\0q\0\0".to_vec(), "'q' is not defined"),
        (b"R\0\0\0\x07p\0t\0d\xff\xff".to_vec(), "bytes wanted"),
        (
            b"M\0\0\0\0\0\0\0\0\0p\0\x40\0\0\0x".to_vec(),
            "1073741824 bytes wanted",
        ),
        (b"B\0".to_vec(), "bytes wanted"),
    ];
    for (bytes, says) in cases {
        let error = decode(&bytes).unwrap_err().to_string();
        assert!(error.contains(says), "{error} (wanted {says:?})");
    }
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    for whole in [
        joined(&[b"U\0\0\0\x07O", TUPLE, b"N", TUPLE]),
        b"R\0\0\0\x07p\0t\0d\0\x01\x01i\0\0\0\0\x17\0\0\0\0".to_vec(),
        b"T\0\0\0\x01\0\0\0\0\x01".to_vec(),
    ] {
        assert!(decode(&whole).is_ok());
        for cut in 0..whole.len() {
            assert!(decode(&whole[..cut]).is_err(), "{cut} of {whole:?}");
        }
    }
}

fn cell() -> impl Strategy<Value = Vec<u8>> {
    let value = |tag: u8| {
        prop::collection::vec(any::<u8>(), 0..20).prop_map(move |bytes| {
            let length = i32::try_from(bytes.len()).unwrap().to_be_bytes();
            joined(&[&[tag], &length, &bytes])
        })
    };
    prop_oneof![
        Just(b"n".to_vec()),
        Just(b"u".to_vec()),
        value(b't'),
        value(b'b')
    ]
}

proptest! {
    #[test]
    fn no_bytes_crash_the_decoder(tag in prop::sample::select(b"BCORYIUDTM".to_vec()),
                                  rest in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(Message::Insert(insert)) = decode(&joined(&[&[tag], &rest])) {
            prop_assert_eq!(insert.new.cells().count(), insert.new.len());
        }
    }

    #[test]
    fn every_cell_of_a_row_is_given(cells in prop::collection::vec(cell(), 0..30)) {
        let count = u16::try_from(cells.len()).unwrap().to_be_bytes();
        let bytes = joined(&[b"I\0\0\0\x01N", &count, &cells.concat()]);
        let Ok(Message::Insert(insert)) = decode(&bytes) else {
            return Err(TestCaseError::fail("not an insert"));
        };
        let again: Vec<Vec<u8>> = insert.new.cells().map(|cell| {
            let value = |tag: u8, bytes: &[u8]| {
                joined(&[&[tag], &i32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes])
            };
            match cell {
                Cell::Null => b"n".to_vec(),
                Cell::Unchanged => b"u".to_vec(),
                Cell::Text(bytes) => value(b't', bytes),
                Cell::Binary(bytes) => value(b'b', bytes),
            }
        }).collect();
        prop_assert_eq!(again, cells);
    }
}
